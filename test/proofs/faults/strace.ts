import { readFileSync } from "node:fs";
import { program } from "../../support/needs.ts";

/** strace, and permission to trace: some containers forbid it. */
export const STRACE = program("strace", {
  args: ["-o", "/dev/null", "true"],
  install: "apt-get install strace, where tracing is allowed",
});

/** A system call that is to fail. */
export interface Failure {
  readonly syscall: "fsync" | "pwrite64";
  /** On this file alone; it must exist. */
  readonly path: string;
  /** The how many-th of one thread, from 1; the only thread that writes is the store's. */
  readonly when: number;
  /** Default EIO. */
  readonly error?: "EIO" | "ENOSPC";
}

/**
 * The command under which a system call fails, once.
 *
 * strace runs as a grandchild (-D), so that the process started is the server's own, with its own signals and exit
 * code, and stops it at no other system calls (--seccomp-bpf). Both have the processor before all others, where that is
 * allowed: how soon a process ends is then its own doing, and not that of whatever the machine does beside.
 *
 * @param log  the file that strace writes to
 */
export function failing({ syscall, path, when, error = "EIO" }: Failure, log: string): string[] {
  const inject = `inject=${syscall}:error=${error}:when=${when}`;
  return [
    ...["nice", "-n", "-20"],
    "strace",
    "-D",
    "-f",
    "--seccomp-bpf",
    "-q",
    "-ttt",
    "-o",
    log,
    "-P",
    path,
    "-e",
    `trace=${syscall}`,
    "-e",
    inject,
  ];
}

/** What strace saw: milliseconds since the Unix epoch. */
export interface Seen {
  /** When the call was made to fail; undefined if it was not. */
  readonly failed: number | undefined;
  /** When the last thread ended. */
  readonly ended: number | undefined;
}

export function seenIn(log: string): Seen {
  const lines = readFileSync(log, "utf8").split("\n");
  const timeOf = (line: string | undefined) => line && Number(line.split(/ +/)[1]) * 1000;
  return {
    failed: timeOf(lines.find((line) => line.endsWith("(INJECTED)"))) || undefined,
    ended: timeOf(lines.findLast((line) => line.includes("+++ exited with"))) || undefined,
  };
}

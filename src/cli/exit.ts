import { ConfigError } from "../config.ts";
import { StartError, type StartReason } from "../server.ts";

/**
 * Every exit code of the `tally` command, and when: the customs of command-line programs below 64, those of BSD's
 * sysexits.h from there on.
 */
export const EXITS = {
  OK: [0, "done; or stopped as asked, with every answered change saved"],
  USAGE: [2, "the command line cannot be used: an unknown flag, or a flag's value out of range"],
  STORE_UNUSABLE: [65, "the store's file is damaged, of another program, or of a newer Tally"],
  UNAVAILABLE: [69, "something from outside is missing: the port, the address, a Node.js that can run this"],
  DEFECT: [70, "a defect in Tally; the log has the details"],
  STORE_UNREACHABLE: [
    73,
    "the store's file cannot be made, read or written: no folder, no permission, no space",
  ],
  STORE_FAILED: [
    74,
    "the disk failed while serving: what was not answered may or may not be saved; start again",
  ],
  STORE_IN_USE: [75, "another process has the store's file"],
  FORBIDDEN: [77, "this user may not listen on that port"],
  CONFIG: [
    78,
    "the configuration file cannot be used, or a value in it or in the environment is out of range",
  ],
  INTERRUPTED: [130, "a second SIGINT: exited without waiting for calls in flight"],
  TERMINATED: [143, "a second SIGTERM: the same"],
} as const;

/** The codes by name. */
export const EXIT = Object.fromEntries(Object.entries(EXITS).map(([name, [code]]) => [name, code])) as {
  readonly [Name in keyof typeof EXITS]: (typeof EXITS)[Name][0];
};

const START_EXITS: Readonly<Record<StartReason, number>> = {
  ADDRESS_IN_USE: EXIT.UNAVAILABLE,
  ADDRESS_UNKNOWN: EXIT.UNAVAILABLE,
  ADDRESS_FORBIDDEN: EXIT.FORBIDDEN,
  STORE_IN_USE: EXIT.STORE_IN_USE,
  STORE_UNREACHABLE: EXIT.STORE_UNREACHABLE,
  STORE_UNUSABLE: EXIT.STORE_UNUSABLE,
};

/**
 * End the process for an error, telling on stderr why: one sentence for what the operator can mend, and a stack
 * only for a defect.
 */
export function exitFor(error: unknown): never {
  if (error instanceof ConfigError) fail(error.message, error.origin === "flag" ? EXIT.USAGE : EXIT.CONFIG);
  if (error instanceof StartError) fail(error.message, START_EXITS[error.reason]);
  const stack = error instanceof Error ? error.stack : String(error);
  fail(`a defect in Tally, please report it: ${stack}`, EXIT.DEFECT);
}

function fail(sentence: string, code: number): never {
  process.stderr.write(`tally: ${sentence}\n`);
  process.exit(code);
}

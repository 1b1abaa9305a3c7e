import { type ChildProcess, spawn } from "node:child_process";

/** Who has started the service and watches it: systemd, of units with Type=notify. */
export interface Supervisor {
  /** Calls are answered. @param status  a line for `systemctl status` */
  ready(status: string): void;
  /** The configuration is being read again, until `done` settles. */
  reloading(done: Promise<unknown> | undefined): Promise<void>;
  /** No new calls. */
  stopping(): void;
  /**
   * Say again and again that all goes on, if it wants to hear it: each time only once `answers` has resolved, and it is asked
   * again only then.
   *
   * @returns  ends it
   */
  watch(answers: () => Promise<unknown>): () => void;
}

/**
 * The supervisor, as the environment names it (sd_notify(3)); undefined: there is none.
 *
 * Node.js has no sockets of the kind that it listens on, and to start a program for each line stops a process of this size
 * for up to 20 ms. So a shell is started once, which reads lines and has systemd-notify tell them: to be called before the
 * store is opened, while there is little to copy.
 *
 * @param deps.monotonicUs  the machine's monotonic clock in microseconds, by which a reload is told from one before
 * @param deps.onUntold     told why the supervisor hears nothing; it will take the service for dead, and end it
 */
export function openSupervisor(
  env: NodeJS.ProcessEnv,
  deps: {
    readonly pid: number;
    readonly monotonicUs: () => bigint;
    readonly onUntold: (why: string) => void;
  },
): Supervisor | undefined {
  if (!env.NOTIFY_SOCKET) return undefined;
  const tell = telling(env, deps.onUntold);
  const everyMs = watchedEveryMs(env, deps.pid);
  let status = "";
  const ready = () => tell("READY=1", `STATUS=${status}`);
  return {
    ready(line) {
      status = line;
      ready();
    },
    async reloading(done) {
      tell("RELOADING=1", `MONOTONIC_USEC=${deps.monotonicUs()}`, "STATUS=Reading the configuration again.");
      await done;
      ready();
    },
    stopping: () => tell("STOPPING=1", "STATUS=Stopping: no new calls, finishing those in flight."),
    watch(answers) {
      if (everyMs === undefined) return () => {};
      let asked = false;
      const look = () => {
        if (asked) return;
        asked = true;
        answers().then(
          () => {
            asked = false;
            tell("WATCHDOG=1");
          },
          () => {}, // What cannot be asked has ended, and with it the process soon.
        );
      };
      look();
      const timer = setInterval(look, everyMs).unref();
      return () => clearInterval(timer);
    },
  };
}

/** A line of assignments for the shell to tell, between tabs. */
function telling(
  env: NodeJS.ProcessEnv,
  onUntold: (why: string) => void,
): (...assignments: string[]) => void {
  let untold = false;
  const fail = (why: string) => {
    if (!untold) onUntold(why);
    untold = true;
  };
  const shell: ChildProcess = spawn("/bin/sh", ["-c", TELLS_LINES], {
    env,
    stdio: ["pipe", "ignore", "pipe"],
  });
  shell.on("error", ({ message }) => fail(message));
  shell.on("exit", (code, signal) => fail(`the shell that tells it ended (${signal ?? code})`));
  shell.stdin!.on("error", () => {}); // It has ended, which is told.
  shell.stderr!.on("data", (text: Buffer) => fail(text.toString().trim()));
  // None of it is a reason for the process to go on.
  shell.unref();
  for (const pipe of [shell.stdin!, shell.stderr!]) (pipe as unknown as { unref(): void }).unref();
  return (...assignments) =>
    void shell.stdin!.write(`${assignments.map((each) => each.replaceAll(/[\t\n]/g, " ")).join("\t")}\n`);
}

/**
 * Signals are for the service, also where its supervisor or a terminal sends them to all of its processes. It ends with its
 * input. 16 is SIGSTKFLT, whose name dash does not know. Without --no-block, for of a sender that has gone systemd does not know any more whose it was.
 */
const TELLS_LINES = `trap '' HUP INT TERM USR1 USR2 ALRM IO PWR VTALRM PROF XCPU 16
set -f
IFS='\t'
while IFS= read -r line; do
  systemd-notify $line || echo "systemd-notify ended with $?" >&2
done`;

/** A third of the time within which it wants to hear something; undefined: it does not. */
function watchedEveryMs({ WATCHDOG_USEC, WATCHDOG_PID }: NodeJS.ProcessEnv, pid: number): number | undefined {
  if (!WATCHDOG_USEC || !/^[1-9]\d{0,15}$/.test(WATCHDOG_USEC)) return undefined;
  if (WATCHDOG_PID && WATCHDOG_PID !== `${pid}`) return undefined; // It means another process.
  return Math.min(Number(WATCHDOG_USEC) / 3_000, TIMER_MS_MAX);
}

/** The longest that a timer of Node.js can be. */
const TIMER_MS_MAX = 2 ** 31 - 1;

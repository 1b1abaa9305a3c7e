import { ConfigError } from "../config.ts";
import { StartError, type StartReason } from "../server.ts";

/**
 * Every exit code of the `tally` command: the customs of command-line programs below 64, those of BSD's sysexits.h
 * from there on. A supervisor may start a process again that ended with 69, 74 or 75; the others need a person.
 */
export const EXIT = {
  /** Done, or stopped as asked by SIGTERM or SIGINT with every answered change saved. */
  OK: 0,
  /** The command line cannot be used: an unknown flag, a flag's value out of range. */
  USAGE: 2,
  /** The store's file is damaged, of another program, or of a newer Tally. */
  STORE_UNUSABLE: 65,
  /** Something from outside is missing: a free port, an address, a Node.js that can run this. */
  UNAVAILABLE: 69,
  /** A defect in Tally; the log has the details. */
  DEFECT: 70,
  /** The store's file cannot be made, read or written: a missing folder, no permission, no space. */
  STORE_UNREACHABLE: 73,
  /** The disk failed while serving: what was not answered may or may not be saved. Start again. */
  STORE_FAILED: 74,
  /** Another process has the store's file open. */
  STORE_IN_USE: 75,
  /** This user may not listen on that port. */
  FORBIDDEN: 77,
  /** The environment or the configuration file has a value that cannot be used, or cannot be read. */
  CONFIG: 78,
  /** A second SIGINT (128 + 2) or SIGTERM (128 + 15): exited without waiting for calls in flight. */
  INTERRUPTED: 130,
  TERMINATED: 143,
} as const;

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

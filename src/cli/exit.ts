import { styleText } from "node:util";
import { withoutApiKeys } from "../core/secrets.ts";
import { visible } from "./visible.ts";

/**
 * Every exit code of the `tally` command, and when: the customs of command-line programs below 64, those of BSD's
 * sysexits.h from there on, and from 124 on those of shells and of timeout(1).
 */
export const EXITS = {
  OK: [0, "done; or stopped as asked, with every answered change saved"],
  FAILURE: [1, "any other failure: one sentence on stderr says which"],
  USAGE: [
    2,
    "the command line cannot be used: an unknown flag, a value out of range, a name that no counter can have, a store's URL that cannot be taken or that is of another kind than the command is for",
  ],
  NOT_FOUND: [3, "no counter has that name"],
  REFUSED: [
    4,
    "it was refused and nothing was changed: at a bound, monotonic, exists already, changed meanwhile, a copy's target that is not empty",
  ],
  AUTH: [5, "the server does not know the caller, or does not allow it"],
  STORE_UNUSABLE: [
    65,
    "the store is damaged, of another program, of a newer Tally, half of a copy, has a second name or beside it what is not its own, or would lose what it has answered",
  ],
  UNAVAILABLE: [
    69,
    "something from outside is missing: the server, the store's server, the port, the address, a Node.js that can run this",
  ],
  DEFECT: [70, "a defect in Tally; the log has the details"],
  STORE_UNREACHABLE: [
    73,
    "the store cannot be made, read or written: no folder, no regular file, no database, no permission, no space",
  ],
  STORE_FAILED: [
    74,
    "the store failed, or its files were removed or replaced, while serving or copying: what was not answered may or may not be saved; start again. Or the output cannot be written",
  ],
  STORE_IN_USE: [75, "another process has the store"],
  FORBIDDEN: [77, "this user may not listen on that port"],
  CONFIG: [
    78,
    "the configuration file cannot be used, a value in it or in the environment is out of range, the TLS certificate or the root key cannot be used, traces are asked for that cannot be sent, or `auth` does not fit the store: nobody could administrate it, or would be asked",
  ],
  DEADLINE: [124, "no answer within --timeout"],
  INTERRUPTED: [130, "Ctrl-C; of serve, a second one: exited without waiting for calls in flight"],
  PIPE_CLOSED: [141, "whoever read the output went away, as with `| head`"],
  TERMINATED: [143, "SIGTERM; of serve, a second one: the same"],
  SPENT: [
    152,
    "SIGXCPU: its processor time (`ulimit -t`, LimitCPU=) is used up; of serve: stopped, with every answered change saved",
  ],
} as const;

/** The codes by name. */
export const EXIT = Object.fromEntries(Object.entries(EXITS).map(([name, [code]]) => [name, code])) as {
  readonly [Name in keyof typeof EXITS]: (typeof EXITS)[Name][0];
};

/** A command that cannot do what it was asked: one sentence for the one who typed it, and the exit code. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly exit: number;

  /** @param sentence  undefined: it is told already */
  constructor(exit: number, sentence: string | undefined, options?: ErrorOptions) {
    super(sentence, options);
    this.exit = exit;
  }
}

/** Tell on stderr what went wrong: one sentence, whoever wrote its parts, and with no key in it. */
export function report(sentence: string): void {
  const name = styleText("red", "tally:", { stream: process.stderr });
  process.stderr.write(`${name} ${visible(withoutApiKeys(sentence))}\n`);
}

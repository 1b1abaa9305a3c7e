import { CallError } from "../client/call-error.ts";
import { CommandError } from "./exit.ts";
import { exitOf } from "./failure.ts";
import { visible } from "./visible.ts";

/**
 * The end of a call that only reads: where it broke off, that, without a word of what may have been changed; any other error
 * is what it was.
 *
 * @param sentence  given the server, and why it broke off
 */
export function brokenOff(error: unknown, sentence: (server: string, why: string) => string): unknown {
  if (!(error instanceof CallError)) return error;
  const { server, message, status, reason, unknown } = error;
  const drains = reason === "DRAINING";
  if (!drains && !unknown) return error;
  const why = drains ? "it is shutting down" : message;
  return new CommandError(exitOf(status, reason), visible(sentence(server, why)), { cause: error });
}

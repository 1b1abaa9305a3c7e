import { CallError } from "../client/call-error.ts";
import { CommandError, report } from "./exit.ts";
import { failureOf } from "./failure.ts";
import type { ListOutput, View } from "./output.ts";

/**
 * Do something with each name in turn, and print what comes of it. What is refused for one of them is told and does
 * not keep the others from it, as with rm(1); a server that is away ends it all.
 *
 * @throws CommandError  at the end, with the exit code of the first refusal
 */
export async function eachName(
  names: readonly string[],
  printed: Pick<ListOutput, "add" | "end">,
  run: (name: string) => Promise<View>,
): Promise<void> {
  let first: CommandError | undefined;
  for (const name of names) {
    try {
      await printed.add([await run(name)]);
    } catch (error) {
      if (!(error instanceof CallError && isOfOneName(error))) throw error;
      const failure = failureOf(error);
      report(failure.message);
      first ??= failure;
      await printed.add([undefined]);
    }
  }
  await printed.end();
  if (first !== undefined) throw new CommandError(first.exit, undefined);
}

/** Whether a refusal is of one name alone. A caller may well do to one name what it may not do to another. */
export function isOfOneName({ status, reason }: CallError): boolean {
  return REFUSED.has(status) || reason === "PERMISSION_DENIED";
}

/** Tally's judgements of one request; anything else would meet the next one too. */
const REFUSED: ReadonlySet<string> = new Set([
  "INVALID_ARGUMENT",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "ABORTED",
  "OUT_OF_RANGE",
  "FAILED_PRECONDITION",
  "DATA_LOSS",
]);

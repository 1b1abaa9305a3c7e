import type { Outcome } from "../../gen/browser/tally/v1/counter_pb.ts";
import type { Output } from "./output.ts";
import { outcomeView } from "./views.ts";

/**
 * Print what became of a counter, and say what one would not expect of it.
 *
 * @param asked  the amount that was to be added or subtracted
 */
export async function printOutcome(output: Output, outcome: Outcome, asked: bigint): Promise<void> {
  const { name, value, previous } = outcome;
  await output.change(outcomeView(outcome));
  noteReplay(output, outcome);
  const applied = value < previous ? previous - value : value - previous;
  if (applied !== asked)
    output.note(`${name} stopped at its bound ${value}: ${applied} of ${asked} applied.`);
}

/** Say that nothing was done now. */
export function noteReplay(
  output: Output,
  answer: { readonly name: string; readonly replayed: boolean },
): void {
  if (answer.replayed)
    output.note(`${answer.name}: this request id was answered before; nothing was changed now.`);
}

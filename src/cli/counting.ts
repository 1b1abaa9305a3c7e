import { Option } from "commander";
import type { Outcome } from "../../gen/tally/v1/counter_pb.ts";
import type { Output } from "./output.ts";
import { outcomeView } from "./views.ts";

/** Print what became of a counter, and say what one would not expect of it. */
export async function printOutcome(output: Output, outcome: Outcome, asked?: bigint): Promise<void> {
  const { name, value, previous, replayed } = outcome;
  await output.change(outcomeView(outcome));
  const applied = value < previous ? previous - value : value - previous;
  if (replayed) output.note(`${name}: this request id was answered before; nothing was counted now.`);
  else if (asked !== undefined && applied !== asked)
    output.note(`${name} stopped at its bound ${value}: ${applied} of ${asked} applied.`);
}

export function requestIdOption(): Option {
  return new Option(
    "--request-id <id>",
    "do it once under this id, however often the command is run (default: a new one)",
  );
}

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Command, Option } from "commander";
import { type Rate, RateSchema } from "../../../gen/browser/tally/v1/admin_service_pb.ts";
import { CommandError, EXIT } from "../exit.ts";
import { given } from "../requests.ts";
import { wholeNumberOption } from "../values.ts";

/** How often a principal may call, as options say it; each number is of one instance. */
export interface RateOptions {
  readonly calls?: number;
  readonly callsBurst?: number;
  readonly operations?: number;
  readonly operationsBurst?: number;
}

/** --calls, --operations and their bursts. */
export function addRateOptions(command: Command): void {
  for (const [flags, about, max] of RATES) {
    command.addOption(new Option(flags, about).argParser(wholeNumberOption(1, max)));
  }
}

const RATES = [
  ["--calls <n>", "calls a second, of each instance (default: the server's)", 1_000_000],
  ["--calls-burst <n>", "calls that may come at once (default: those of a second)", 10_000_000],
  ["--operations <n>", "operations a second: one each of a call, all of a batch", 100_000_000],
  ["--operations-burst <n>", "operations that may come at once", 1_000_000_000],
] as const;

/**
 * A rate with what options say in place of what was there.
 *
 * @returns  undefined: nothing is said
 * @throws CommandError  without calls, which every rate has
 */
export function rateOf(
  { calls, callsBurst, operations, operationsBurst }: RateOptions,
  before?: Rate,
): MessageInitShape<typeof RateSchema> | undefined {
  const said = given({ calls, callsBurst, operations, operationsBurst });
  if (Object.keys(said).length === 0) return undefined;
  if (calls === undefined && before === undefined)
    throw new CommandError(EXIT.USAGE, "A rate of its own begins with calls: give --calls too.");
  if (before === undefined) return said;
  return create(RateSchema, { ...before, ...said });
}

/** As people read it. */
export function rateCell(rate: Rate | undefined): string {
  if (rate === undefined) return "the server's";
  const { calls, callsBurst, operations, operationsBurst } = rate;
  const some = (what: string, number: number | undefined, burst: number | undefined) =>
    number === undefined && burst === undefined
      ? []
      : `${number === undefined ? "any" : number} ${what}/s${burst === undefined ? "" : `, ${burst} at once`}`;
  return [some("calls", calls, callsBurst), some("operations", operations, operationsBurst)]
    .flat()
    .join("; ");
}

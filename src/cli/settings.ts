/** The settings of a counter as options, the same when it is made and when they are changed. */
import { type Command, Option } from "commander";
import { OnBound } from "../../gen/browser/tally/v1/counter_pb.ts";
import { int64 } from "./values.ts";

/** @typeParam Bound  `false` among it: none, which only an update can want */
export interface SettingOptions<Bound extends bigint | false> {
  readonly initial?: bigint;
  readonly min?: Bound;
  readonly max?: Bound;
  readonly onBound?: keyof typeof ON_BOUND;
  readonly monotonic?: boolean;
  readonly description?: string;
}

/** Add the options that making and changing have in common. */
export function addSettingOptions(command: Command): void {
  command
    .option("--min <value>", "the lowest value allowed", int64)
    .option("--max <value>", "the highest value allowed", int64)
    .option("--initial <value>", "the value that reset goes back to", int64)
    .addOption(
      new Option("--on-bound <what>", "at a bound refuse the change, or stop at the bound").choices(
        Object.keys(ON_BOUND),
      ),
    )
    .option("--monotonic", "the value never goes down")
    .option("--description <text>", "what it counts; up to 1,000 bytes");
}

/** The ways to behave at a bound, as people choose them. */
export const ON_BOUND = { reject: OnBound.REJECT, clamp: OnBound.CLAMP } as const;

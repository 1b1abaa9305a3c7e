/** What an import would do to a counter, as far as whoever reads it can know. */
import type { Counter } from "../../../gen/browser/tally/v1/counter_pb.ts";
import type { Wanted } from "./record.ts";

/** What a counter would be after the lines before. */
export type Foreseen = Pick<Counter, "value" | "monotonic" | "min" | "max">;

/** Why a counter would not be set, or made: reason and sentence as the server has them. */
export interface Unforeseen {
  readonly reason: string;
  readonly message: string;
}

/** Why a counter that is there would not be set to a value; undefined when nothing that was read speaks against it. */
export function unsettable(counter: Foreseen, value: bigint): Unforeseen | undefined {
  if (counter.monotonic && value < counter.value) {
    const message = `The counter is monotonic: its value ${counter.value} never goes down to ${value}.`;
    return { reason: "MONOTONIC", message };
  }
  return outside(counter, value);
}

/** What would be made of a line; without settings its policy may say more, which nobody asked for. */
export function madeOf({ value, settings }: Wanted): Foreseen | Unforeseen {
  const { min, max, monotonic = false } = settings ?? {};
  const bounds = { ...(min !== undefined && { min }), ...(max !== undefined && { max }) };
  return outside(bounds, value) ?? { value, monotonic, ...bounds };
}

function outside({ min, max }: Pick<Foreseen, "min" | "max">, value: bigint): Unforeseen | undefined {
  if ((min === undefined || value >= min) && (max === undefined || value <= max)) return undefined;
  const message = `value ${value} is outside the bounds ${min ?? "-2^63"} to ${max ?? "2^63-1"}; nothing was changed.`;
  return { reason: "VALUE_OUTSIDE_BOUNDS", message };
}

import type { Counter, Details } from "./counter.ts";
import type { Refusal } from "./errors.ts";

/** What can be done to one counter. Numbers, because a batch carries them in a column. */
export const Verb = { INCREMENT: 0, DECREMENT: 1, SET: 2, RESET: 3, CREATE: 4 } as const;
export type Verb = (typeof Verb)[keyof typeof Verb];

/** One operation on one counter, its shape already checked. */
export interface Op extends OpExtras {
  readonly verb: Verb;
  readonly name: string;
  /**
   * Increment and decrement: how much, 1 to 2^63-1. Set: the value. Create: the value to start from. Reset: 0n,
   * not used.
   */
  readonly amount: bigint;
  /** A missing counter is refused instead of made. */
  readonly mustExist: boolean;
}

/** What few operations have. */
export interface OpExtras {
  /** Apply only to the counter at this etag. */
  readonly etag?: string | undefined;
  /** Why, for the change log. */
  readonly note?: string | undefined;
  /** Create: what the counter is to be. */
  readonly settings?: Settings | undefined;
}

/** What a counter is told to be, apart from its value. */
export type Settings = Pick<Counter, "initial" | "min" | "max" | "clamp" | "monotonic"> & Details;

/** True for what `decide` gives when it refuses. */
export function isRefusal(decided: Refusal | bigint): decided is Refusal {
  return typeof decided === "object";
}

/**
 * The backstop of `decide` in databases: CHECKs by these names stand on their tables of counts. When one fires, the
 * operation that it refuses is looked for, and is told what the constraint says.
 */
import { type Fixed, NO_DETAILS, PLAIN } from "../core/counter.ts";
import type { Refusal } from "../core/errors.ts";
import { type Op, Verb } from "../core/op.ts";

/** The constraints by name: `CHECK (value >= min_value)` and `CHECK (value <= max_value)`. */
export type BoundsConstraint = "value_at_least_min" | "value_at_most_max";

/** An operation that a CHECK refuses, and what it is told. */
export interface Violation {
  /** Its index in the batch. */
  readonly op: number;
  readonly refusal: Refusal;
}

/**
 * What the violated constraint says to the operation.
 *
 * @param bounds  the counter's, as the database has them
 * @param value   the counter's value before the operation, and `target` after it
 */
export function refusalOf(
  constraint: BoundsConstraint,
  { verb }: Op,
  { min, max }: Pick<Fixed, "min" | "max">,
  value: bigint,
  target: bigint,
): Refusal {
  if (verb === Verb.UPDATE) {
    const bounds = { ...(min !== undefined && { min }), ...(max !== undefined && { max }) };
    return { code: "VALUE_OUTSIDE_BOUNDS", field: "value", requested: value, ...bounds };
  }
  return constraint === "value_at_most_max"
    ? { code: "ABOVE_MAX", value, max: max!, requested: target - value }
    : { code: "BELOW_MIN", value, min: min!, requested: value - target };
}

/** A counter as the operation made it, which an update in the same batch may have changed since. */
export function madeBy({ settings }: Op, { uid, createTime }: Fixed): Fixed {
  return { ...(settings ?? { ...PLAIN, ...NO_DETAILS }), uid, createTime, settingsRevision: 1 };
}

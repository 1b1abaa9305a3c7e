/** Counters as of now in SQL, for what looks at more of them than it gives out: the same as `present` has them. */
import { AT_REST, markOfCarrySql } from "./carry.ts";
import { GUARD, isPlainSql, TIMED } from "./guard.ts";
import { ABSENT, MARK, MARK_MIN, MARKED } from "./timing-rows.ts";

/** What `markOf` gives, in SQL. */
function markSql({ updateMs, carry }: CountSql): string {
  const parts = MARKED.map((column) => `coalesce(timing.${column}, ${ABSENT}) % ${MARK}`);
  const counted = [`${updateMs} % ${MARK}`, markOfCarrySql(carry, MARK)];
  const rest = [...counted, `coalesce(timing.idle_ttl_ms, ${ABSENT}) % ${MARK}`, ...parts].join(" + ");
  return `${MARK_MIN} + ((${rest}) % ${MARK} + ${MARK}) % ${MARK}`;
}

/** The columns of a count in SQL. */
interface CountSql {
  readonly id: string;
  readonly value: string;
  readonly updateMs: string;
  readonly carry: string;
  readonly checksum: string;
}

/** Joins its timing to a count that has one. */
export function timingOf({ id, checksum }: CountSql): string {
  return `LEFT JOIN timings AS timing ON timing.id = iif(${isPlainSql(checksum)}, NULL, ${id})`;
}

/**
 * The value of a count as of $now, as `present` has it, in SQL: NULL when the counter has expired. No product overflows,
 * for until it is at initial a refill moves the value by less than from one bound to the other.
 */
export function presentedSql({ value, updateMs, carry, checksum }: CountSql): string {
  const come = (fromMs: string, carried: string) =>
    `(($now - ${fromMs}) * timing.refill_amount + ${carried}) / timing.refill_every`;
  const moved = (by: string) => `${value} + iif(${value} > timing.initial_value, -1, 1) * (${by})`;
  const far = `iif(${value} > timing.initial_value, ${value} - timing.initial_value, timing.initial_value - ${value})`;
  const fullAfter = `(${far} * timing.refill_every - ${carry} + timing.refill_amount - 1) / timing.refill_amount`;
  return `CASE WHEN ${isPlainSql(checksum)} THEN ${value}
    WHEN ${updateMs} + timing.idle_ttl_ms <= $now THEN NULL
    WHEN timing.window_end_ms <= $now OR timing.full_ms <= $now THEN timing.initial_value
    WHEN timing.refill_ms < $now THEN ${moved(come("timing.refill_ms", "timing.refill_carry"))}
    WHEN ${carry} > ${AT_REST} AND ${updateMs} < $now THEN
      iif($now - ${updateMs} >= ${fullAfter}, timing.initial_value, ${moved(come(updateMs, carry))})
    ELSE ${value} END`;
}

/**
 * By how much the guard of a count is another than that of the value as of $now would be, in SQL; 0 for a count that time
 * does nothing to. A REAL where the timing is missing: then the sum is one, too.
 */
export function guardShiftSql(count: CountSql, presented: string): string {
  const { value, checksum } = count;
  const shift = `${value} % ${GUARD} - coalesce(${presented} % ${GUARD}, 0) + ${markSql(count)} - ${TIMED} + 0 * timing.id`;
  return `iif(${isPlainSql(checksum)}, 0, coalesce(${shift}, 0.5))`;
}

/** A time of which everything is as it is stored. */
export const AS_STORED = -(2n ** 63n);

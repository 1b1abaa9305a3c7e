/**
 * What time does to counters, in SQL: for reads that look at more counters than they give out. The same as `present`, which
 * sees whatever is given out. `c` is the counter's row.
 *
 * The times that are reckoned with are within 2^53, and a refill's products within 2^62: see REFILL_PRODUCT_MAX.
 */

/** The database server's time in milliseconds: one for the whole statement, and reckoned once. */
export const NOW = "(SELECT floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint)";

/** True for a counter that has not expired. */
export const IS_THERE = `(c.update_ms + c.idle_ttl_ms <= ${NOW}) IS NOT TRUE`;

/** How much has come closer to initial since refill_ms, beyond what was whole by then. */
const COME = `((${NOW} - c.refill_ms) * c.refill_amount + c.refill_carry) / c.refill_every`;

/** In how many milliseconds from refill_ms on it is at initial, rounded up. */
const FULL_AFTER =
  "(abs(c.value - c.initial) * c.refill_every - c.refill_carry + c.refill_amount - 1) / c.refill_amount";

/** The value; NULL where somebody has taken away what it is reckoned with. A clock that is behind changes none. */
export const VALUE = `CASE
  WHEN c.settings_revision > 0 THEN c.value
  WHEN c.window_end_ms <= ${NOW} THEN c.initial
  WHEN c.refill_ms < ${NOW} THEN
    CASE
      WHEN ${NOW} - c.refill_ms >= ${FULL_AFTER} THEN c.initial
      WHEN c.value > c.initial THEN c.value - ${COME}
      ELSE c.value + ${COME}
    END
  ELSE c.value
END`;

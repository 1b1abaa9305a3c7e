/**
 * What became of a counter, or of the sum of several, from one instant to another, one point after another.
 *
 * `closes[i] = opens[i] + added[i] - removed[i] + rolled[i]`, but where there is a gap; and `opens[i + 1] = closes[i]`, but
 * where there is one in i + 1. A point without buckets has the value of the one before.
 */
export interface Points {
  /** The value before, and after. */
  readonly opens: readonly bigint[];
  readonly closes: readonly bigint[];
  /** The lowest and the highest value that an operation or a roll left in it; without buckets its value. Not of a prefix. */
  readonly lows: readonly bigint[] | undefined;
  readonly highs: readonly bigint[] | undefined;
  /** How much operations moved the value up and down, each 0 and up. */
  readonly added: readonly bigint[];
  readonly removed: readonly bigint[];
  /** How much ends moved it: of windows, and of counters, which leave 0. */
  readonly rolled: readonly bigint[];
  /** How many operations. */
  readonly changes: Float64Array;
  /** How many stored buckets: where there are none, nothing happened. */
  readonly buckets: Float64Array;
  /** 1 where changes are missing. */
  readonly gaps: Uint8Array;
}

/** How much a store has, and how much room. */
export interface StoreSize {
  /** How many counters: exact up to 10,000, and an estimate beyond, good to a few in a hundred. */
  readonly counters: number;
  /** The bytes of its files, or of its tables and their indexes; undefined where there are none. */
  readonly bytes: number | undefined;
  /** How many bytes can still be written where it is; undefined where that cannot be told from here. */
  readonly roomBytes: number | undefined;
}

/** Up to so many counters are counted one by one. */
export const COUNTED_MAX = 10_000;

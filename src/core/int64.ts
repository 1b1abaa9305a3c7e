/** The edges of every counter: values and amounts are signed 64-bit whole numbers, and nothing ever wraps. */
export const INT64_MIN = -(2n ** 63n);
/** The highest value of a counter, 9,223,372,036,854,775,807. */
export const INT64_MAX = 2n ** 63n - 1n;
/** The largest sum that a change can hold; beyond it there are two changes. */
export const UINT64_MAX = 2n ** 64n - 1n;

/**
 * A whole number as a BigInt, and back: what BigInt() and Number() give, which leave the code that is compiled for it, and
 * take ten times as long.
 *
 * @param value  from -(2^53) to 2^53
 */
export function bigIntOf(value: number): bigint {
  HALVES[0] = value; // Of what is beyond 32 bits the low ones are taken.
  HALVES[1] = Math.floor(value / TWO_32);
  return WIDE[0]!;
}

/** @param value  of 64 bits; beyond 2^53 the number is the nearest there is */
export function numberOf(value: bigint): number {
  WIDE[0] = value;
  return HALVES[1]! * TWO_32 + (HALVES[0]! >>> 0);
}

const WIDE = new BigInt64Array(1);
const HALVES = new Int32Array(WIDE.buffer); // The low one first: every machine Node.js runs on is little-endian.
const TWO_32 = 2 ** 32;

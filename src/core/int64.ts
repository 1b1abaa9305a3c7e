/** The edges of every counter: values and amounts are signed 64-bit whole numbers, and nothing ever wraps. */
export const INT64_MIN = -(2n ** 63n);
export const INT64_MAX = 2n ** 63n - 1n;
export const UINT64_MAX = 2n ** 64n - 1n;

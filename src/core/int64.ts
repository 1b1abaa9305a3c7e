/** The edges of every counter: values and amounts are signed 64-bit whole numbers, and nothing ever wraps. */
export const INT64_MIN = -(2n ** 63n);
/** The highest value of a counter, 9,223,372,036,854,775,807. */
export const INT64_MAX = 2n ** 63n - 1n;
/** The largest sum that a change can hold; beyond it there are two changes. */
export const UINT64_MAX = 2n ** 64n - 1n;

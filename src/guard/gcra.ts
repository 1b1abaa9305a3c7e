/**
 * The generic cell rate algorithm: a bucket that lets through a burst, and from then on so many a second, as one number:
 * when it would be full again ("theoretical arrival time"). Nothing has to run for it.
 */

/** How much a bucket lets through. */
export interface Bucket {
  /** A second. */
  readonly perSecond: number;
  /** At once, when it is full. */
  readonly burst: number;
}

/** How full a bucket was that nobody has taken from yet. */
export const FULL = Number.NEGATIVE_INFINITY;

/**
 * How long until an amount could be taken from a bucket, in milliseconds; 0: now. What is more than all of it waits until
 * it is full, and no longer: it would never be let through else.
 *
 * @param fullAtMs  when it will be full
 * @param nowMs     by a clock that does not jump
 */
export function waitMs(
  { perSecond, burst }: Bucket,
  fullAtMs: number,
  amount: number,
  nowMs: number,
): number {
  const fits = Math.min(amount, burst);
  const leftMs = fullAtMs - nowMs - ((burst - fits) * 1_000) / perSecond;
  return leftMs < ROUNDING_MS ? 0 : leftMs;
}

/** When it will be full once an amount is taken. */
export function taken({ perSecond }: Bucket, fullAtMs: number, amount: number, nowMs: number): number {
  return Math.max(fullAtMs, nowMs) + (amount * 1_000) / perSecond;
}

/** When it will be full once an amount that was taken is back. */
export function givenBack({ perSecond }: Bucket, fullAtMs: number, amount: number): number {
  return fullAtMs - (amount * 1_000) / perSecond;
}

/** What sums of fractions may be off by. */
const ROUNDING_MS = 1e-6;

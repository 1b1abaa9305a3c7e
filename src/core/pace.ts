/** When a bound is met if things go on as they did: an estimate for people, made where it is shown. */

/** What became of a value in a stretch of time. */
export interface Pace {
  /** How far callers took it up in all; below 0 where it went down. */
  readonly moved: bigint;
  /** In how many milliseconds. */
  readonly ms: number;
}

/**
 * In how many milliseconds a value will be `room` further up; 0 where there is no room.
 *
 * @returns  undefined when it will not, or not within a thousand years
 */
export function msUntilMet(room: bigint, { moved, ms }: Pace): number | undefined {
  if (room <= 0n) return 0;
  if (moved <= 0n) return undefined;
  const left = (room * BigInt(Math.round(ms))) / moved;
  return left > THOUSAND_YEARS_MS ? undefined : Number(left);
}

const THOUSAND_YEARS_MS = 31_556_952_000_000n;

/** When a bound is met if things go on as they did: an estimate for people, made where it is shown. */

/** What became of a value in a stretch of time. */
export interface Pace {
  /** How far callers took it up in all; below 0 where it went down. */
  readonly moved: bigint;
  /** In how many milliseconds. */
  readonly ms: number;
}

/** What became of a counter in a step of its history. */
export interface PacedStep {
  /** Milliseconds since the Unix epoch. */
  readonly startMs: number;
  readonly added: bigint;
  readonly removed: bigint;
}

/**
 * The pace of some steps up to now, of one after another.
 *
 * @param createdMs  when the counter was made: before, in the first step, it did not stand still, for there was none
 * @returns          undefined of no steps
 */
export function paceOf(steps: readonly PacedStep[], createdMs: number, nowMs: number): Pace | undefined {
  const [first] = steps;
  if (first === undefined) return undefined;
  const moved = steps.reduce((sum, { added, removed }) => sum + added - removed, 0n);
  return { moved, ms: Math.max(nowMs - Math.max(first.startMs, createdMs), 1) };
}

/**
 * When a value will be `room` further up at a pace, in milliseconds since the Unix epoch; or why it will not.
 *
 * @param windowEndMs  when its window ends, and it begins anew
 */
export function outlookOf(
  room: bigint,
  pace: Pace,
  nowMs: number,
  windowEndMs: number | undefined,
): number | "never" | "not in this window" {
  const left = msUntilMet(room, pace);
  if (left === undefined) return "never";
  const met = nowMs + left;
  return windowEndMs !== undefined && windowEndMs <= met ? "not in this window" : met;
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

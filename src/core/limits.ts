import { type Counter, headroom, highest } from "./counter.ts";
import type { Judging } from "./decide.ts";
import type { Refusal } from "./errors.ts";
import type { Op } from "./op.ts";
import { expireTimeOf, fullTimeOf, refillMs, type Timed, untilLevelMs, WAIT_MAX_MS } from "./timing.ts";
import { spanAt, type Window } from "./window.ts";

/** What became of a take, or of what gives back: plain data, so that it crosses threads. */
export interface Verdict {
  /** Whether there was room for it, on what those before it in the call had left; or the limit is only tried out. */
  readonly allowed: boolean;
  /** Whether there was no room, for the limit has that said all the same. */
  readonly over: boolean;
  /** How the limit stands after the call; undefined where there is none. */
  readonly limit: LimitState | undefined;
}

/** How a limit stands. Durations in milliseconds, times in milliseconds since the Unix epoch. */
export interface LimitState {
  readonly max: bigint;
  /** How much there is when nothing is used: max - initial, 0 to 2^64-1. */
  readonly quota: bigint;
  /** How much of it may be taken now: 0 to 2^64-1. */
  readonly remaining: bigint;
  /** In what time there is so much: of its window, a whole refill, or its idle TTL. */
  readonly periodMs: number | undefined;
  /** When the next of it is back, and when all. Undefined where all is there, or time does nothing. */
  readonly moreAfterMs: number | undefined;
  readonly resetTime: number | undefined;
  /** Of what was refused: when there will be room for it; undefined when waiting does not help. */
  readonly retryAfterMs: number | undefined;
  readonly window: Window | undefined;
  /** With a window: when the one began that it is in. */
  readonly windowStart: number | undefined;
  /** The prefix of the policy that it follows, or would. */
  readonly policy: string | undefined;
}

/** Whether a refusal of a take is an answer: the others say that nobody could judge. */
export function isVerdict({ code }: Refusal, { mustExist }: Pick<Op, "mustExist">): boolean {
  return code === "ABOVE_MAX" || isNoLimit(code, mustExist);
}

/** Whether a take that was refused keeps the others of its call from standing. */
export function isInTheWay({ code, shadow }: Refusal, { mustExist }: Pick<Op, "mustExist">): boolean {
  return shadow !== true && !isNoLimit(code, mustExist);
}

/** Where there need not be a limit, there is room where there is none. */
function isNoLimit(code: Refusal["code"], mustExist: boolean): boolean {
  return code === "LIMIT_NOT_FOUND" && !mustExist;
}

/** A counter as its limit has it. */
export type Limited = Timed & Pick<Counter, "min" | "max" | "timing">;

/**
 * How a limit stands.
 *
 * @param counter  as of now; or as it would be made
 * @param refused  how much the call takes from it up to what was refused, that included; undefined when nothing was
 * @param remade   whether another one is made in its place when it has expired
 * @param policy   the prefix of the policy that it follows, or would
 */
export function limitState(
  counter: Limited,
  { now, calendar }: Judging,
  refused: bigint | undefined,
  remade: boolean,
  policy: string | undefined,
): LimitState {
  const { initial, refill, window, timing, value, idleTtlMs } = counter;
  const max = highest(counter);
  const { up } = headroom(counter);
  const quota = max - initial;
  const expires = timing === undefined ? undefined : expireTimeOf(counter);
  const span =
    timing?.windowEnd !== undefined
      ? { start: timing.windowStart!, end: timing.windowEnd }
      : window && spanAt(window, now, calendar!);
  const periodMs =
    span !== undefined
      ? span.end - span.start
      : refill !== undefined
        ? Math.min(WAIT_MAX_MS, refillMs(refill, quota, 0n))
        : idleTtlMs === undefined
          ? undefined
          : Number(idleTtlMs);
  const moreAfterMs =
    span !== undefined || refill !== undefined
      ? value > initial
        ? untilLevelMs(counter, value - 1n, now)
        : undefined
      : expires && Math.max(1, expires - now);
  return {
    max,
    quota,
    remaining: up > 0n ? up : 0n,
    periodMs,
    moreAfterMs,
    resetTime: timing?.windowEnd ?? (refill === undefined ? expires : fullTimeOf(counter)),
    retryAfterMs:
      refused === undefined ? undefined : retryAfterMs(counter, refused, remade ? expires : undefined, now),
    window,
    windowStart: timing?.windowStart,
    policy,
  };
}

function retryAfterMs(
  counter: Limited,
  refused: bigint,
  expires: number | undefined,
  now: number,
): number | undefined {
  const level = highest(counter) - refused;
  if (level < counter.initial) return undefined; // There is never so much.
  const ms = untilLevelMs(counter, level, now);
  if (expires === undefined) return ms;
  return Math.min(ms ?? Number.POSITIVE_INFINITY, Math.max(1, expires - now));
}

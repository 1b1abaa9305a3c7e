import type { CallError } from "./call-error.ts";

/**
 * How long to wait before a call is tried again, in milliseconds; undefined if it is not.
 *
 * What Tally refused stays refused, so that only what passes by itself is tried again: UNAVAILABLE, and what comes
 * with a time to wait. A broken connection is UNAVAILABLE too, and a change is safe to try again because it carries
 * a request id. A certificate that was refused is so the next time as well.
 *
 * A counter at a bound says when there will be room, at midnight perhaps: that is for the caller to wait for.
 *
 * The waits grow from 100 ms by half to twice over, up to 2 s.
 *
 * @param attempt  how often it was tried, from 1
 * @param random   0 up to 1
 */
export function retryDelayMs(error: CallError, attempt: number, random: number): number | undefined {
  if (error.untrusted) return undefined;
  if (error.status === "OUT_OF_RANGE") return undefined;
  if (error.status !== "UNAVAILABLE" && error.retryAfterMs === undefined) return undefined;
  return Math.max(backoffMs(attempt, random), error.retryAfterMs ?? 0);
}

/** The wait after an attempt, in milliseconds, when nothing else says how long. */
export function backoffMs(attempt: number, random: number): number {
  return Math.min(BACKOFF_MAX_MS, BACKOFF_MS * 2 ** (attempt - 1)) * (0.75 + random / 2);
}

/** Longer waits than a restart of the server would only make people wait. */
const BACKOFF_MS = 100;
const BACKOFF_MAX_MS = 2_000;

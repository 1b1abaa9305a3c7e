import type { Counter, Timing } from "./counter.ts";
import { numberOf } from "./int64.ts";
import { type Refill, timeFor } from "./refill.ts";
import type { SettingKey } from "./settings.ts";
import { type Calendar, spanAt } from "./window.ts";

/** What of a counter decides what time does to it. */
export type Timed = Pick<Counter, "value" | "initial" | "updateTime" | "window" | "refill" | "idleTtlMs">;

/** Whether time does anything to a counter with these settings. */
export function isTimed({
  window,
  refill,
  idleTtlMs,
}: Pick<Timed, "window" | "refill" | "idleTtlMs">): boolean {
  return window !== undefined || refill !== undefined || idleTtlMs !== undefined;
}

/** When a counter is gone, unless it changes before; undefined: never. */
export function expireTimeOf({
  updateTime,
  idleTtlMs,
}: Pick<Timed, "updateTime" | "idleTtlMs">): number | undefined {
  return idleTtlMs === undefined ? undefined : updateTime + numberOf(idleTtlMs);
}

/** When a counter that refills is at initial, unless it changes before; undefined when it is, or has no refill. */
export function fullTimeOf({
  value,
  initial,
  refill,
  timing,
}: Pick<Counter, "value" | "initial" | "refill" | "timing">): number | undefined {
  const from = timing?.refillTime;
  if (refill === undefined || from === undefined || value === initial) return undefined;
  return Math.min(LAST_MS, from + refillMs(refill, distance(value, initial), timing!.refillCarry));
}

/**
 * In how many milliseconds the value will by itself be at a level that is between it and initial, or past it.
 *
 * @param counter  as of now
 * @returns        1 and up; undefined when it never will
 */
export function untilLevelMs(
  counter: Timed & { readonly timing: Timing | undefined },
  level: bigint,
  now: number,
): number | undefined {
  const { value, initial, refill, timing } = counter;
  const comes = value > level ? initial <= level : initial >= level;
  if (!comes || timing === undefined) return undefined;
  if (timing.windowEnd !== undefined) return Math.max(1, timing.windowEnd - now);
  if (refill === undefined || timing.refillTime === undefined) return undefined;
  const ms = refillMs(refill, distance(value, level), timing.refillCarry);
  return Math.min(WAIT_MAX_MS, Math.max(1, ms + timing.refillTime - now));
}

/** How long a refill takes from one bound to the other: no instant of a sound clock is ahead by more. */
export function fullRefillMs({ refill, min, max }: Pick<Counter, "refill" | "min" | "max">): number {
  return refillMs(refill!, max! - min!, 0n);
}

/** When what time does to a counter is next to be written down; undefined: never. */
export function dueOf(counter: Timed, windowEnd: number | undefined): number | undefined {
  const expires = expireTimeOf(counter);
  if (windowEnd === undefined || counter.value === counter.initial) return expires;
  return expires === undefined || windowEnd < expires ? windowEnd : expires;
}

/**
 * The timing of a counter that is made, or whose settings were changed.
 *
 * @param counter  as it is from now on
 * @param before   its timing until now, as of now; undefined when it had none
 * @param given    the settings that are given: what they say begins now, the rest goes on
 * @returns        undefined when time does nothing to it
 */
export function timingFor(
  counter: Timed & Pick<Counter, "min" | "max">,
  before: Timing | undefined,
  given: ReadonlySet<SettingKey>,
  now: number,
  calendar: Calendar,
): Timing | undefined {
  if (!isTimed(counter)) return undefined;
  const { window, refill } = counter;
  const goesOn = before?.windowEnd !== undefined && !given.has("window");
  const span = window === undefined ? undefined : goesOn ? undefined : spanAt(window, now, calendar)!;
  const windowStart = window === undefined ? undefined : (span?.start ?? before!.windowStart);
  const windowEnd = window === undefined ? undefined : (span?.end ?? before!.windowEnd);
  const refills = refill !== undefined && counter.value !== counter.initial;
  const kept = before?.refillTime !== undefined && !given.has("refill") && !given.has("initial");
  return {
    windowStart,
    windowEnd,
    refillTime: !refills ? undefined : kept ? before!.refillTime : refillStart(counter, now),
    refillCarry: refills && kept ? before!.refillCarry : 0n,
    due: dueOf(counter, windowEnd),
  };
}

/**
 * The timing of a counter whose value an operation has changed.
 *
 * @param counter   after it, with the timing as of now
 * @param previous  the value before it, as of now
 * @returns         the same object, when nothing of it changes
 */
export function timingAfter(
  counter: Timed & Pick<Counter, "min" | "max">,
  timing: Timing,
  previous: bigint,
  now: number,
): Timing {
  const { value, initial, refill } = counter;
  let { refillTime, refillCarry } = timing;
  if (refill !== undefined) {
    // What had come closer to initial beyond whole units is lost at initial and beyond: there it would be too much.
    const sameSide = value > initial ? previous > initial : value < initial && previous < initial;
    if (!sameSide) {
      refillTime = value === initial ? undefined : refillStart(counter, now);
      refillCarry = 0n;
    }
  }
  const truly = dueOf(counter, timing.windowEnd);
  const due = timing.due !== undefined && (truly === undefined || timing.due <= truly) ? timing.due : truly;
  if (due === timing.due && refillTime === timing.refillTime && refillCarry === timing.refillCarry)
    return timing;
  return refillAt(timing, refillTime, refillCarry, due);
}

/** A timing with another place in its refill. Written out: one is made with most changes of a counter that refills. */
export function refillAt(
  { windowStart, windowEnd }: Timing,
  refillTime: number | undefined,
  refillCarry: bigint,
  due: number | undefined,
): Timing {
  return { windowStart, windowEnd, refillTime, refillCarry, due };
}

/** From when on a value that was at initial moves back: never before its change, unless that is too far ahead to be true. */
function refillStart(counter: Timed & Pick<Counter, "min" | "max">, now: number): number {
  const { updateTime } = counter;
  return updateTime > now && updateTime - now <= fullRefillMs(counter) ? updateTime : now;
}

/** How many milliseconds so many units take, rounded up; beyond all dates it is the last one. */
export function refillMs(refill: Refill, units: bigint, carry: bigint): number {
  const ms = timeFor(refill, units, carry);
  return ms < LAST_MS ? Number(ms) : LAST_MS;
}

function distance(a: bigint, b: bigint): bigint {
  return a > b ? a - b : b - a;
}

/** As far as a Date goes: no clock shows more. */
const LAST_MS = 8_640_000_000_000_000;
/** 10,000 years, less than which google.protobuf.Duration can say. */
export const WAIT_MAX_MS = 315_000_000_000_000;

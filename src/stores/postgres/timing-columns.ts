/** Where a counter is in time, as columns: NULL, all of them, of one that time does nothing to. */
import { CORRUPT, type Counter, type Timing } from "../../core/counter.ts";
import { reduced } from "../../core/refill.ts";
import type { Settings } from "../../core/settings.ts";
import type { Row } from "./connection/session.ts";

type Arrays = readonly (readonly (bigint | number | undefined)[])[];

/** Those that counting changes. */
export const TIMING_COLUMNS = ["window_start_ms", "window_end_ms", "refill_ms", "refill_carry", "due_ms"];

/** What SQL reckons a refill with: in lowest terms. It changes with the settings only. */
export const REFILL_COLUMNS = ["refill_amount", "refill_every"];

/** What is written into TIMING_COLUMNS: a column each. */
export function timingColumns(timings: readonly (Timing | undefined)[]): Arrays {
  return [
    timings.map((timing) => timing?.windowStart),
    timings.map((timing) => timing?.windowEnd),
    timings.map((timing) => timing?.refillTime),
    timings.map((timing) => timing?.refillCarry),
    timings.map((timing) => timing?.due),
  ];
}

/** Likewise into REFILL_COLUMNS. */
export function refillColumns(settings: readonly Settings[]): Arrays {
  const refills = settings.map(({ refill }) => (refill === undefined ? undefined : reduced(refill)));
  return [refills.map((refill) => refill?.amount), refills.map((refill) => refill?.every)];
}

/** The timing of a counter that time does something to; CORRUPT where it is none that Tally writes. */
export function toTiming(row: Row, counter: Counter): Timing | typeof CORRUPT {
  const { window_start_ms, window_end_ms, refill_ms, refill_carry, due_ms } = row as Record<string, Stored>;
  const [start, end] = [toInstant(window_start_ms), toInstant(window_end_ms)];
  const [refillTime, due] = [toInstant(refill_ms), toInstant(due_ms)];
  const carry = refill_carry ?? -1n;
  const { window, refill, idleTtlMs } = counter;
  if ([start, end, refillTime, due].includes(Number.NaN) || (idleTtlMs ?? 1n) <= 0n) return CORRUPT;
  if (window === undefined ? start !== undefined || end !== undefined : !(start! < end!)) return CORRUPT;
  if (carry < 0n || carry >= (refill === undefined ? 1n : reduced(refill).every)) return CORRUPT;
  const moves = refill !== undefined && counter.value !== counter.initial;
  if (moves !== (refillTime !== undefined)) return CORRUPT;
  return { windowStart: start, windowEnd: end, refillTime, refillCarry: carry, due };
}

/** What a nullable column of whole numbers gives. */
type Stored = bigint | null;

/** NaN for what no Date can have. */
function toInstant(ms: Stored | undefined): number | undefined {
  if (ms === null || ms === undefined) return undefined;
  return ms >= -LAST_MS && ms <= LAST_MS ? Number(ms) : Number.NaN;
}

/** Milliseconds that a Date can have, from 1970 on. */
export function isTime(ms: bigint | undefined): boolean {
  return ms !== undefined && ms >= 0n && ms <= LAST_MS;
}

const LAST_MS = 8_640_000_000_000_000n;

import type { Bucket } from "../../../core/bucket.ts";
import { bucketStart, LEVELS, Level, PERIOD_MS, periodStart } from "../../../core/levels.ts";
import { mergeBuckets, packBuckets, raiseBuckets, unpackBuckets } from "../../../core/packed-buckets.ts";
import type { HistoryOptions } from "../../../service/store-history.ts";
import type { HistoryRows } from "./rows.ts";

/**
 * Do one slice of the work that keeps history small: pack the minutes of an hour that is over, drop what is not kept. At
 * most some 5 milliseconds. Whoever calls it saves.
 *
 * @param ended  of this process
 * @param now  in milliseconds since the Unix epoch; undefined while the wall clock is in doubt: then nothing is dropped
 * @returns    whether there is more to do
 */
export function tidy(
  rows: HistoryRows,
  options: HistoryOptions,
  now: number | undefined,
  ended: EndedWalk,
): boolean {
  if (now === undefined) return false;
  return (
    packSome(rows, now) ||
    dropChanges(rows, options) ||
    dropSome(rows, options, now) ||
    ended.slice(rows, now)
  );
}

/**
 * Goes through all counters once a day, and removes those that have ended, and of which nothing is kept at any level. None is
 * looked at before anything was dropped.
 */
export class EndedWalk {
  readonly #removed: (numbers: ReadonlySet<number>) => void;
  /** The day of the last walk, that is over or under way. */
  #day = Number.NaN;
  /** The last one that was looked at; undefined while none is under way. */
  #after: number | undefined;

  /** @param removed  told which are gone, before anything else is taken in */
  constructor(removed: (numbers: ReadonlySet<number>) => void) {
    this.#removed = removed;
  }

  /** Where the next slice begins; undefined while there is nothing to do. */
  next(now: number): number | undefined {
    return this.#day === bucketStart(Level.DAY, now) ? this.#after : -1;
  }

  /** Look at some. Returns whether there are more. */
  slice(rows: Pick<HistoryRows, "ended" | "removeCounter"> & Kept, now: number): boolean {
    const after = this.next(now);
    if (after === undefined) return false;
    this.#day = bucketStart(Level.DAY, now);
    this.#after = undefined;
    if (!hasDropped(rows)) return false;
    const { numbers, last } = rows.ended(after, keptFrom(rows), LOOKED_AT_ONCE);
    for (const number of numbers) rows.removeCounter(number);
    if (numbers.length > 0) this.#removed(new Set(numbers));
    this.#after = last;
    return last !== undefined;
  }
}

type Kept = Pick<HistoryRows, "head" | "oldestPeriod" | "openStarts" | "oldestChange">;

/** Whether anything was dropped so far. */
export function hasDropped(rows: Kept): boolean {
  const { droppedTo, position } = rows.head();
  return droppedTo[Level.DAY]! > 0 || (rows.oldestChange() ?? position + 1) > 1;
}

/** No bucket is kept from before. */
export function keptFrom(rows: Kept): number {
  const starts = LEVELS.map((level) => rows.oldestPeriod(level) ?? Number.MAX_SAFE_INTEGER);
  return Math.min(...starts, rows.openStarts()[0] ?? Number.MAX_SAFE_INTEGER);
}

/** Pack the minutes of some counters. Returns whether there may be more. */
function packSome(rows: HistoryRows, now: number): boolean {
  const starts = rows.openStarts();
  const [oldest] = starts;
  if (oldest === undefined) return false;
  const hour = periodStart(Level.MINUTE, oldest);
  const over = hour + PERIOD_MS[Level.MINUTE];
  if (over + LATE_MS > now) return false;
  const minutes = starts.filter((start) => start < over);
  for (const number of rows.openAt(oldest, PACKED_AT_ONCE)) {
    const buckets: Bucket[] = [];
    for (const start of minutes) {
      const row = rows.open(start, number);
      if (row === undefined) continue;
      buckets.push(...unpackBuckets(Level.MINUTE, start, row));
      rows.removeOpen(start, number);
    }
    for (const level of LEVELS) {
      const period = periodStart(level, hour);
      const row = rows.packed(level, period, number);
      const before = row === undefined ? [] : unpackBuckets(level, period, row);
      const merged = mergeBuckets(before, raiseBuckets(level, buckets));
      rows.setPacked(level, period, number, packBuckets(level, period, merged));
    }
  }
  return true;
}

/** Drop some of the named changes, which a quarter of the room is for: a window that ends each second leaves one each time. */
function dropChanges(rows: HistoryRows, { bytesMax }: HistoryOptions): boolean {
  const oldest = rows.oldestChange();
  if (oldest === undefined) return false;
  const tooMany = rows.head().position + 1 - oldest - Math.floor(bytesMax / 4 / CHANGE_BYTES);
  if (tooMany <= 0) return false;
  rows.dropChanges(oldest + Math.min(tooMany, DROPPED_AT_ONCE));
  return true;
}

/** Drop some of what is older than is kept, or, where the room is full, of the oldest of the finest level. */
function dropSome(rows: HistoryRows, { keepMs, bytesMax }: HistoryOptions, now: number): boolean {
  let full = rows.bytes() > bytesMax;
  for (const level of LEVELS) {
    const period = rows.oldestPeriod(level);
    if (period === undefined) continue;
    const end = period + PERIOD_MS[level];
    if (!full && end > now - keepMs[level]) continue;
    full = false;
    const head = rows.head();
    const droppedTo = head.droppedTo.map((to, each) => (each === level ? Math.max(to, end) : to));
    rows.setHead({ ...head, droppedTo });
    rows.dropPeriod(level, period, DROPPED_AT_ONCE);
    return true;
  }
  return false;
}

/** For so long after an hour is over, commits of it may still come in. */
const LATE_MS = 120_000;
/** Some milliseconds each. */
export const PACKED_AT_ONCE = 50;
const DROPPED_AT_ONCE = 1_000;
export const LOOKED_AT_ONCE = 500;
/** About what a named change takes. */
const CHANGE_BYTES = 100;

/** What the write side keeps of a timing as the file has it. */
import type { Timing } from "../../../core/counter.ts";
import { COLUMNS, restOf, type TimedSettings, type TimingColumns, toTimingColumns } from "./timing-rows.ts";

/**
 * What is stored of a timing beside its count, with what of it goes into the checksum and the mark of that: made once, for
 * counting changes nothing of it within a window, by an idle TTL, or where the count says where a refill is.
 */
export interface StoredTiming {
  readonly columns: TimingColumns;
  /** Of the timing. */
  readonly windowStart: number | undefined;
  readonly windowEnd: number | undefined;
  readonly due: number | undefined;
  /** Whether the count says where the refill is. */
  readonly carries: boolean;
  /** What `sumTiming` takes in. */
  readonly words: Int32Array;
  /** See `restOf`. */
  readonly rest: number;
}

/**
 * @param value  the counter's, with that timing
 * @param carry  what its count has: undefined without a refill
 */
export function toStoredTiming(
  settings: TimedSettings,
  value: bigint,
  timing: Timing,
  carry: number | null | undefined,
): StoredTiming {
  const carries = typeof carry === "number";
  const columns = toTimingColumns(settings, value, timing, carries);
  return storedTiming(columns, settings.idleTtlMs ?? null, timing, carries);
}

/** The same of a row that was read. */
export function readTiming(
  row: TimingColumns & { readonly idle_ttl_ms?: bigint | null; readonly carry?: bigint | null },
  timing: Timing,
): StoredTiming {
  const columns = Object.fromEntries(COLUMNS.map((column) => [column, row[column]]));
  const carries = (row.carry ?? null) !== null;
  return storedTiming(columns as unknown as TimingColumns, row.idle_ttl_ms ?? null, timing, carries);
}

/**
 * One object for those that are stored alike, as of all counters that are in the same window: one of each counter's own
 * would have to be fetched from memory with each change, which takes longer than what it is looked at for.
 */
function storedTiming(
  columns: TimingColumns,
  idleTtlMs: bigint | null,
  { windowStart, windowEnd, due }: Timing,
  carries: boolean,
): StoredTiming {
  const words = wordsOf(columns);
  const made = { columns, windowStart, windowEnd, due, carries, words, rest: restOf(idleTtlMs, columns) };
  const place = made.rest & (LATEST_MAX - 1);
  const latest = LATEST[place];
  if (latest !== undefined && isSame(latest, made)) return latest;
  LATEST[place] = made;
  return made;
}

/** Whether both say the same: the words are all that is in the columns. */
function isSame(one: StoredTiming, other: StoredTiming): boolean {
  if (one.rest !== other.rest || one.carries !== other.carries) return false;
  return one.words.length === other.words.length && one.words.every((word, i) => word === other.words[i]);
}

/** Those that were made last, each where what it says puts it. */
const LATEST: (StoredTiming | undefined)[] = [];
/** A power of two. */
const LATEST_MAX = 256;

/** Whether what is stored of a timing is that of this one, with this carry in its count. */
export function isStoredAs(
  stored: StoredTiming,
  { windowStart, windowEnd, due }: Timing,
  carry: number | null | undefined,
): boolean {
  if (carry === null || stored.carries !== (carry !== undefined)) return false;
  return stored.due === due && stored.windowStart === windowStart && stored.windowEnd === windowEnd;
}

/** What that takes in, word by word. */
function wordsOf(columns: TimingColumns): Int32Array {
  const words: number[] = [];
  for (let i = 0; i < COLUMNS.length; i++) {
    const stored = columns[COLUMNS[i]!];
    if (stored === null) continue;
    words.push(i + 1, Number(BigInt.asIntN(32, stored)), Number(BigInt.asIntN(32, stored >> 32n)));
  }
  return Int32Array.from(words);
}

import type { Change } from "../../../core/change.ts";
import type { Level } from "../../../core/levels.ts";
import type { CounterRow, HistoryReach } from "../../../service/store-history-copying.ts";

export type { CounterRow };

/**
 * Where a store that does everything in its own time keeps history: rows, and no rule. What is written between two calls of
 * `save` is saved at once or not at all; what is read sees it before.
 *
 * A counter's buckets by minute are first rows of their own, by (start, counter), so that a flush writes what stands
 * together. Once their hour is over they are packed into one row a counter, and with them the quarters and days: by (level,
 * period, counter).
 */
export interface HistoryRows {
  /** How far history has come. */
  head(): HistoryHead;
  setHead(head: HistoryHead): void;
  /** Have what was written since the last time saved, in one atomic step. */
  save(): void;
  /** Have it forgotten. */
  undo(): void;

  counterOf(uid: string): CounterRow | undefined;
  counterAt(number: number): CounterRow;
  /** @returns  its number, 0 and up, which no other counter gets, and which rises */
  addCounter(counter: Omit<CounterRow, "number">): number;
  /** Write one that is there, as it is now; or one that another store had, under the number that it had there. */
  setCounter(counter: CounterRow): void;
  /** Some of those that come after a number, in the order of their numbers, as far as they matter to `EndedWalk`. */
  ended(after: number, before: number, limit: number): EndedPage;
  /** Remove one that has no buckets, nor named changes. */
  removeCounter(number: number): void;
  /** Those that had a name, in the order of their numbers. */
  named(name: string): CounterRow[];
  /** Those whose names begin so. */
  under(prefix: string): Iterable<CounterRow>;

  /** A minute's bucket that has not been packed. */
  open(start: number, number: number): Uint8Array | undefined;
  setOpen(start: number, number: number, bucket: Uint8Array): void;
  removeOpen(start: number, number: number): void;
  /** The minutes that have such buckets, ascending. */
  openStarts(): readonly number[];
  /** Counters that have one of a minute, in the order of their numbers. */
  openAt(start: number, limit: number): number[];

  packed(level: Level, period: number, number: number): Uint8Array | undefined;
  setPacked(level: Level, period: number, number: number, buckets: Uint8Array): void;
  removePacked(level: Level, period: number, number: number): void;
  /** The oldest period of a level that has rows. */
  oldestPeriod(level: Level): number | undefined;
  /** Remove some of the rows of a period. @returns  how many */
  dropPeriod(level: Level, period: number, limit: number): number;
  /** About how many bytes all of it takes. */
  bytes(): number;

  /** @param position  higher than that of any change before */
  addChange(number: number, position: number, change: Change): void;
  /** Those of some counters, the newest first. @param before  only those of lower positions */
  changes(numbers: readonly number[], before: number, limit: number): StoredNamedChange[];
  removeChanges(number: number): void;
  /** The lowest position of a change. */
  oldestChange(): number | undefined;
  /** Remove those of lower positions. */
  dropChanges(before: number): void;
}

/** How far history has come; saved with what has been taken in. */
export interface HistoryHead extends HistoryReach {
  /** Of the change log, which all has been taken in up to; "" at the beginning. */
  readonly cursor: string;
}

export const NO_HISTORY: HistoryHead = {
  ...{ cursor: "", time: 0, latest: 0, position: 0 },
  ...{ gaps: [], droppedTo: [0, 0, 0] },
};

/** Some of the counters. */
export interface EndedPage {
  /** Those of them that ended before an instant, and have no named changes. */
  readonly numbers: readonly number[];
  /** The last one that was looked at; undefined where there are no more. */
  readonly last: number | undefined;
}

export interface StoredNamedChange {
  readonly number: number;
  readonly position: number;
  readonly change: Change;
}

import type { Change } from "../core/change.ts";
import type { Level } from "../core/levels.ts";
import type { Span } from "../core/points.ts";
import type { HistoryIntake } from "./store-history.ts";

/** A history, for who copies it: row by row, as every store keeps it. Rejects as reads of history do. */
export interface HistoryExport {
  /** Takes in what the change log has beyond it: before anything is read here, so that it ends where the log does. */
  readonly intake: HistoryIntake;

  /** How far it reaches, with all that was taken in; that is on disk by then. */
  reach(): Promise<HistoryReach>;

  /**
   * Read a page of its rows: counters, then minutes, packed rows, and named changes, each in the order of their keys.
   *
   * @param cursor  where a former answer ended; "" for the beginning. Opaque
   * @param limit   rows, 1 and up. There may be none on a page before the end
   */
  rows(cursor: string, limit: number): Promise<HistoryRowPage>;
}

/** How far a history has come, but for its place in the change log, which is each store's own. */
export interface HistoryReach {
  /** The time of the latest commit that was taken in, in milliseconds since the Unix epoch; 0 before the first. */
  readonly time: number;
  /** The latest time of a change that was taken in, likewise. */
  readonly latest: number;
  /** Of the latest named change. */
  readonly position: number;
  /** When changes were missed, in order. */
  readonly gaps: readonly Span[];
  /** By level, up to when buckets were dropped; 0 where none were. */
  readonly droppedTo: readonly number[];
}

/** Some of the rows of a history. */
export interface HistoryRowPage {
  readonly rows: readonly HistoryRow[];
  /** Where to go on. Equal to the cursor given when there was nothing more. */
  readonly cursor: string;
  /** From when on something is missing, because rows are damaged, and left out; undefined where all are sound. */
  readonly damagedFrom?: number;
}

/** A row of a history. Its number is that of the counter that it is of, the same in each store that it is copied to. */
export type HistoryRow =
  | ({ readonly table: "counters" } & CounterRow)
  /** A bucket of a minute that has not been packed. */
  | {
      readonly table: "minutes";
      readonly start: number;
      readonly number: number;
      readonly buckets: Uint8Array;
    }
  | {
      readonly table: "packed";
      readonly level: Level;
      readonly period: number;
      readonly number: number;
      /** As packBuckets makes it, likewise of a minute. */
      readonly buckets: Uint8Array;
    }
  | {
      readonly table: "changes";
      readonly number: number;
      readonly position: number;
      readonly change: Change;
    };

/** A counter that history has anything of. */
export interface CounterRow {
  readonly number: number;
  readonly name: string;
  readonly uid: string;
  /** See HistoryCounter. */
  readonly from: number;
  readonly to: number | undefined;
  /** Whether it was deleted without its history: then there is nothing left but that. */
  readonly erased: boolean;
}

/** Some of a history that is taken in from another store. */
export interface HistoryPart {
  readonly rows: readonly HistoryRow[];
  /** With the last part: then it is whole, and has come to the end of the change log that was taken in before. */
  readonly reach?: HistoryReach;
}

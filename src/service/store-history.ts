import type { Change } from "../core/change.ts";
import type { Level } from "../core/levels.ts";
import type { Points } from "../core/points.ts";
import type { LoggedCounter, LogPage } from "./store-log.ts";

/**
 * What became of counters over time: buckets by minute, quarter of an hour and UTC day, and what somebody did by name. It is
 * made from the change log alone, by whoever follows that (service/history-follower.ts), and is never ahead of it.
 *
 * Reads wait until what the log had when they were called has been taken in, for up to three seconds; then they answer all
 * the same, and say up to when it is complete. They never keep commits from running, and reject as commits do.
 */
export interface History {
  /**
   * Fold the stored buckets of a counter's name, or of all whose names begin so, into points.
   *
   * - A name's are those of all counters that had it, one after another; `counters` says which.
   * - A prefix's are the sums of its counters'.
   * - Counters that were deleted without their history are in none, not even of the past.
   *
   * @param signal  aborted when nobody waits for the answer any more: it then stops, and rejects with CALL_CANCELLED
   */
  query(query: HistoryQuery, signal?: AbortSignal): Promise<HistoryAnswer | HistoryRefusal>;

  /**
   * The value of a name at the end of the finest bucket kept that had ended by an instant; undefined where no counter had
   * the name then, as far as is known.
   *
   * @param time  in milliseconds since the Unix epoch
   */
  asOf(name: string, time: number): Promise<PastValue | HistoryRefusal | undefined>;

  /**
   * What somebody did to a counter by its name, the newest first: all changes but increments and decrements, and what time
   * did. Of a counter that was deleted without its history, its deletion alone.
   *
   * @param before  a position of a former answer: only what was before it; undefined to begin with the newest
   * @param limit   1 to 1,000
   */
  changes(name: string, before: string | undefined, limit: number): Promise<NamedChanges>;

  /** How the buckets come to be. */
  readonly intake: HistoryIntake;
}

/** Which buckets to fold into which points. */
export interface HistoryQuery {
  readonly of: { readonly name: string } | { readonly prefix: string };
  readonly level: Level;
  /**
   * Instants in milliseconds since the Unix epoch, ascending, each a multiple of BUCKET_MS[level]: point i is from edge i
   * until before edge i + 1. At least two.
   */
  readonly edges: Float64Array;
}

/** What a query comes to. */
export interface HistoryAnswer extends HistoryExtent {
  /** One less than there are edges. */
  readonly points: Points;
  /** Of a name: the counters that had it, in time order, also outside of the range. Empty for a prefix. */
  readonly counters: readonly HistoryCounter[];
}

/** How far history reaches. All in milliseconds since the Unix epoch. */
export interface HistoryExtent {
  /**
   * Complete up to here: what was committed at this instant or later may be missing. A window's or a counter's end that
   * nobody has written down yet is missing in any case.
   */
  readonly completeUntil: number;
  /** Where the oldest bucket kept at this level could begin; what is older has been dropped. */
  readonly oldest: number;
}

/** A counter that history has of a name. */
export interface HistoryCounter {
  readonly uid: string;
  /** Its first change that is known, in milliseconds since the Unix epoch. */
  readonly from: number;
  /** When it was deleted or expired; undefined while there is it. */
  readonly to: number | undefined;
}

/** Why there is no answer. */
export type HistoryRefusal =
  /** It begins before what is kept at this level; for a past value, at any. */
  | { readonly refused: "EXPIRED"; readonly oldest: number }
  /** It would look at more than `most` stored buckets; each counter of a prefix counts as one more. */
  | { readonly refused: "TOO_MUCH"; readonly most: number };

/** What a counter's value was. */
export interface PastValue extends Pick<HistoryExtent, "completeUntil"> {
  readonly value: bigint;
  readonly uid: string;
  /** The instant that it was that at: never later than the one asked for. */
  readonly at: number;
  /** Whether changes are missing that it may be without. */
  readonly gap: boolean;
}

/** What somebody did by name. */
export interface NamedChanges extends Pick<HistoryExtent, "completeUntil"> {
  /** The newest first. */
  readonly changes: readonly NamedChange[];
  /** Where to go on: the position of the last one; undefined when there are no more. */
  readonly next: string | undefined;
}

/** A change that names who and why, or that time made. */
export interface NamedChange extends Change {
  readonly uid: string;
  /** Orders changes of a name; opaque. */
  readonly position: string;
}

/**
 * Taking in the change log. Only one process at a time does so for a store; what two take in at once counts once, whatever
 * they believe.
 *
 * - What is taken in and the cursor are saved in one atomic step: a crash repeats nothing and misses nothing.
 * - The log drops nothing that was not taken in and saved, as long as something has been taken in within
 *   a minute, or there is nothing to take in. After that it drops as always, and history has a gap.
 */
export interface HistoryIntake {
  /**
   * Where to follow the log from. Undefined while another process takes in: ask again.
   *
   * What was taken in, and not saved, is forgotten.
   */
  begin(): Promise<string | undefined>;

  /**
   * Take in the page that follows the last one. Resolves when the next may come, which may be before it is saved.
   *
   * @param met  by index in the page's counterIds, those whose first page this is since `begin`, or that end on it, or whose
   *             settings change on it: what they are by now, as ChangeLogReads.counters gives it
   * @returns    false when another process took in meanwhile, and this page is not taken in: begin again
   */
  take(page: LogPage, met: ReadonlyMap<number, LoggedCounter | undefined>): Promise<boolean>;

  /** Save what was taken in. @returns  false when another process took in meanwhile */
  save(): Promise<boolean>;
}

/** How much history is kept, of a store that keeps one. */
export interface HistoryOptions {
  /** The room for buckets, in bytes; beyond it the oldest of the finest level go first. */
  readonly bytesMax: number;
  /** How long buckets of each level are kept, in milliseconds; Infinity for ever. */
  readonly keepMs: Readonly<Record<Level, number>>;
}

/** Minutes for two days, quarters of an hour for 400 days, days for ever; 4 GiB. */
export const DEFAULT_HISTORY: HistoryOptions = {
  bytesMax: 4 * 2 ** 30,
  keepMs: [2 * 86_400_000, 400 * 86_400_000, Number.POSITIVE_INFINITY],
};

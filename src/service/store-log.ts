import type { CommitColumns } from "../core/commit-columns.ts";

/**
 * Reading the change log to follow it: the changes that `changesSince` gives, in columns, and counters by what the store
 * knows them by, so that a follower looks up each once. What is read never keeps commits from running.
 */
export interface ChangeLogReads {
  /**
   * Read a page of the log, from a cursor on.
   *
   * - In the order, and with the openings, that `changesSince` has; its cursors are good here, and these are there.
   * - A commit is never split. A page has about `limit` changes at most, and fewer where they take many bytes; a commit
   *   that has more comes alone.
   * - The changes of a counter that was deleted without its history are on the page until they are dropped; `counters`
   *   says that they are not to be given out.
   *
   * @param cursor  where a former page ended; "" for the beginning. Opaque
   * @param limit   changes, 1 and up
   * @throws TallyError STORE_UNAVAILABLE, ROW_CORRUPT  where the log is damaged: at which position, in one sentence
   */
  read(cursor: string, limit: number): Promise<LogPage>;

  /**
   * Which counters stand behind ids: same length, same order. Undefined for one that the log has nothing of any more,
   * and for one whose row somebody took away by hand.
   *
   * @param ids  1 to 10,000 of the counterIds of pages
   * @throws TallyError ROW_CORRUPT  when it is damaged what one of them was
   */
  counters(ids: BigInt64Array): Promise<(LoggedCounter | undefined)[]>;
}

/** A page of the change log. */
export interface LogPage {
  /** None where there was nothing new. Openings stand in one commit of their own, at the position that they open. */
  readonly commits: CommitColumns;
  /** Whether they are openings, in the place of what was dropped. */
  readonly openings: boolean;
  /**
   * Whether changes that come after the cursor given are gone: who stood there has missed them. The openings of all
   * counters follow, this page's the first. Never true for who begins at the beginning.
   */
  readonly dropped: boolean;
  /** Where to go on. Equal to the cursor given when there was nothing new. */
  readonly cursor: string;
}

/** A counter that the change log tells of. */
export interface LoggedCounter {
  readonly name: string;
  readonly uid: string;
  /** False of a counter that was deleted without its history: nothing but its deletion is to be given out. */
  readonly history: boolean;
  /** Whether its setting says that it has no buckets; undefined of one that is gone, or where the store has no such setting. */
  readonly untracked?: boolean;
  /** True where the row is damaged, or was changed by hand: name and uid are what it says. */
  readonly damaged?: boolean;
}

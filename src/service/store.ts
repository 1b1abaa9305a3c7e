import type { CORRUPT } from "../core/batch.ts";
import type { Clock } from "../core/clock.ts";
import type { Batch, Outcomes } from "../core/columns.ts";
import type { FullCounter } from "../core/counter.ts";
import type { Epoch } from "../core/epoch.ts";
import type { RequestIdRetention } from "../core/request-ids.ts";
import type { Order, Selection, Sum } from "../core/selection.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Accepting } from "./store-accepting.ts";
import type { ArchiveOptions, Archiving } from "./store-archive.ts";
import type { BackupMaking } from "./store-backup.ts";
import type { Catalogue } from "./store-catalogue.ts";
import type { Copying } from "./store-copying.ts";
import type { Verifying } from "./store-findings.ts";
import type { History, HistoryOptions } from "./store-history.ts";
import type { KeyUses } from "./store-key-uses.ts";
import type { ChangeLogReads } from "./store-log.ts";
import type { ChangePage, CounterPage, Counters } from "./store-pages.ts";
import type { PolicyReads } from "./store-policies.ts";
import type { StoreSize } from "./store-size.ts";

/**
 * Where counters are kept. A store loads and saves; what an operation means is decided by `decideBatch`.
 *
 * Every obligation below is a test in test/stores/conformance/, which runs whole on every store. What a store cannot do
 * it declares in `traits`, and is tested as declared.
 *
 * A failure of the world rejects with a TallyError. `STORE_UNAVAILABLE` says that nothing was saved;
 * `OUTCOME_UNKNOWN` that a commit may or may not be. Both are safe to retry under the same request ids.
 */
export interface Store {
  readonly traits: StoreTraits;

  /**
   * Which life of the store it is, as its catalogue says (see core/epoch.ts): what the etags in its outcomes and refusals end
   * in. As it was when the store was opened; in memory, as it is.
   */
  readonly epoch?: Epoch;

  /**
   * The time, in milliseconds since the Unix epoch, by the clock that tells the times of changes: see traits.time. What
   * callers ask of the past is judged by it, and so is what they leave to be as of now.
   */
  now(): number | Promise<number>;

  /**
   * Load what the batch touches, decide, and save, in one atomic durable step.
   *
   * - Resolves once everything is durable (see traits), with one outcome an operation in the order given.
   * - Counters, the answers under request ids, and the change log are saved together or not at all.
   * - If it is durable, the outcomes say how long its parts took, as far as the store can tell them apart.
   * - A refused operation does not disturb its neighbours; a batch that changes nothing writes nothing.
   * - Sees every commit that resolved before it was called. Up to `traits.commitsInFlight` commits run at once. With
   *   one, commits run one after another in the order called; with more, those that have a counter in common still run
   *   one after another, in some order.
   * - A counter whose row fails its checksum is refused with ROW_CORRUPT; the others work. So is a call whose request
   *   id, or whose counter, may be there and cannot be found.
   * - A deleted counter's name is free at once: an operation after its deletion, in the same batch too, finds none, and
   *   may make another, with a uid of its own, revisions from 1, and changes after the deletion.
   * - The database's own bounds stand behind the rule: what the rule should have refused, and did not, is refused
   *   with what the violated constraint says, and the rest of the batch is applied.
   *
   * @param batch  1 to 8,000 operations, their shape checked. The store may take over (transfer) its buffers.
   */
  commit(batch: Batch): Promise<Outcomes>;

  /**
   * Read counters by name: same length, same order; undefined where there certainly is none, CORRUPT where the row
   * fails its checksum, or what stands around is damaged, so that nobody can tell. Sees every commit that resolved before it was called, and all counters as of one moment.
   *
   * @param names  1 to 1,000; a name may come up more than once
   */
  get(names: readonly string[]): Promise<(FullCounter | undefined | typeof CORRUPT)[]>;

  /**
   * Read a page of the counters selected, in the order of the bytes of their names.
   *
   * - Sees every commit that resolved before it was called, and all counters as of one moment.
   * - From `next` on the following page goes on: a counter that exists during a whole walk is on exactly one page,
   *   whatever is made or deleted meanwhile, and none is on two.
   * - Looks at a bounded number of counters, so a page may have fewer than `limit` also when it is not the last:
   *   labels that are common each, and rare together, give short pages and even empty ones.
   * - A counter whose row fails its checksum, or whose row and index disagree, is not among the counters; its name
   *   is among the corrupt ones. Rejects with ROW_CORRUPT when one is missing that cannot be named.
   *
   * @param from   the name to begin at, itself included; "" for the first page, then the `next` of the one before
   * @param limit  the most counters and corrupt names, 1 to 1,000 (a few more corrupt ones than that may come)
   * @param marked  whether the page is to say where the change log was when it was read
   */
  list(selection: Selection, from: string, limit: number, marked?: boolean): Promise<CounterPage>;

  /**
   * Whether what a change did is on a page that was read: then who shows the page, and after it the changes, leaves this
   * one out. Never true of a change that the page lacks, nor false of one that it has.
   *
   * @param mark      of the page
   * @param position  of a change that changesSince of this store gave, and that is no opening
   */
  covers(mark: string, position: string): boolean;

  /**
   * Read the counters selected that have the highest or the lowest values: by value in the order given, among equals
   * by the bytes of their names.
   *
   * - Sees every commit that resolved before it was called, and all counters as of one moment.
   * - Looks at all counters selected, and does not keep commits, `get` or `list` from running meanwhile.
   * - When one of those selected is damaged on disk, nobody can say where it would stand: then it gives no counters,
   *   and the names of those damaged, or some of them. Rejects with ROW_CORRUPT when it is one that cannot be named.
   *
   * @param n       1 to 1,000
   * @param signal  aborted when nobody waits for the answer any more: a store that can then stops looking, and rejects
   *                with CALL_CANCELLED. The next read is not affected
   */
  top(selection: Selection, n: number, order: Order, signal?: AbortSignal): Promise<Counters>;

  /**
   * Sum up the counters selected, exactly, as of one moment. Sees every commit that resolved before it was called.
   * Looks at all counters selected, and does not keep commits, `get` or `list` from running meanwhile. When one of them
   * is damaged on disk, it gives the names only, and rejects, as `top` does.
   *
   * @param signal  as for `top`
   */
  sum(selection: Selection, signal?: AbortSignal): Promise<Sum>;

  /**
   * Read the change log from a cursor on.
   *
   * - In order for each counter; every change that was committed before the call comes, at least once.
   * - Where changes were dropped to keep the log within its size, an opening for each counter concerned comes
   *   first: a Change of kind OPENING, whose value and revision take the place of all that was dropped. Then the
   *   sums of the changes still equal the values.
   * - Of a counter that was deleted without its history, only the deletion comes; of one whose deletion was
   *   dropped, nothing.
   *
   * @param cursor  where a former answer ended; "" for the beginning. Opaque.
   * @param limit   about how many changes at most, 1 and up; one commit's changes are never split. There may be none
   *                on a page before the end: only a cursor that stays the same says that there is no more
   */
  changesSince(cursor: string, limit: number): Promise<ChangePage>;

  /** The same in columns, for who follows all of it. */
  readonly changeLog: ChangeLogReads;

  /**
   * Do one slice of the work that keeps the store within its sizes: forget expired request ids, drop the oldest
   * changes. At most some 5 milliseconds, so that commits in between hardly notice.
   *
   * @returns  true while there is more to do
   */
  maintain(): Promise<boolean>;

  /**
   * Find out whether reads are answered now. Costs little; asked once a second, and not again before it has settled.
   *
   * @throws TallyError STORE_UNAVAILABLE  what is in the way: a phrase for everybody, and a cause for the log
   */
  probeReads(): Promise<void>;

  /**
   * Find out whether a change would be taken now. Likewise.
   *
   * @param thorough  find out by writing something, which changes nothing, what cannot be seen without
   */
  probeWrites(thorough: boolean): Promise<void>;

  /** How much it has, and how much room. Costs a few milliseconds, whatever there is. */
  size(): Promise<StoreSize>;

  /** What `tally copy` needs of a store, beside what everybody reads. Undefined where it cannot be copied. */
  readonly copying?: Copying | undefined;

  /** What is kept beside counters. Undefined where there is room for counters only. */
  readonly catalogue?: Catalogue | undefined;

  /** When the keys of the catalogue were last used. Undefined where that is not kept. */
  readonly keyUses?: KeyUses | undefined;

  /** Backups of it while it is served. Undefined where its own database has means for that, or nothing is kept. */
  readonly backups?: BackupMaking | undefined;

  /** Looking at all that it keeps while it is served. Undefined where its own database has means for that, or nothing is kept. */
  readonly verifying?: Verifying | undefined;

  /** The archive of all its changes, where it was asked for one. Undefined where its own database has means for that. */
  readonly archive?: Archiving | undefined;

  /** What became of counters over time. Undefined where that is not kept, or was not asked for. */
  readonly history?: History | undefined;

  /** How far policies have reached counters. Undefined where no counter follows any. */
  readonly policies?: PolicyReads | undefined;

  /**
   * Taking what was changed by hand, in the database itself, as it stands: with the store opened for the purpose
   * "copyFrom". Undefined where nobody can.
   */
  readonly accepting?: Accepting | undefined;

  /**
   * Resolves once every thread that has to serve all the time has come to answer this: with one that hangs, never. Undefined
   * where there are none. How the store is does not matter.
   */
  readonly threadsAnswer?: (() => Promise<unknown>) | undefined;

  /**
   * Close a store that was opened in vain: what opening made goes again, and what was there stays. For as long as nobody was
   * answered, and nobody has followed its change log. Undefined where opening leaves nothing that could go.
   */
  readonly discard?: (() => Promise<void>) | undefined;

  /** Settle what is in flight, release everything. Later calls reject with STORE_UNAVAILABLE. */
  close(): Promise<void>;

  /**
   * Settles only if the store has failed for good (an fsync error, say): with what happened. The process is then
   * to end, because what it knows may differ from what the disk has.
   */
  readonly failed: Promise<Error>;
}

/** What a store is, for who starts it and for who uses it. */
export interface StoreTraits {
  /** What it is, for the banner and the log: "SQLite 3.54.1, ./tally.db". */
  readonly title: string;
  /** What an answered change survives, in one sentence for the operator, as it was found at the start. */
  readonly promise: string;
  /** Whether commits survive the end of the process and of the machine. */
  readonly durability: "fsync" | "none";
  /** Which counters an all_or_nothing batch may span. */
  readonly groups: "all" | "shard";
  /** Whether the database itself refuses a value outside its bounds, should the rule let one through. */
  readonly enforcesBounds: boolean;
  /** How many commits it runs at once: more only help if they have no counter in common. */
  readonly commitsInFlight: number;
  /** Whose clock tells the times of changes: this process's, or the database server's, which many processes share. */
  readonly time: "process" | "server";
}

/** Which schema a store has, and what would be done to bring it to this version's. */
export interface SchemaStatus {
  /** Which store it is, for people. */
  readonly store: string;
  /** The schema it has; undefined when there is no store yet. */
  readonly version: number | undefined;
  /** This version's. */
  readonly latest: number;
  /** What is missing, in order: a phrase each. */
  readonly pending: readonly string[];
}

/** The sizes that every store keeps to. */
export interface Retention extends RequestIdRetention {
  /** The room for the change log, in bytes. */
  readonly changeLogBytesMax: number;
}

/** How long is kept what nobody has said anything else of: request ids a day, the change log within a size. */
export const DEFAULT_RETENTION: Retention = {
  requestIdsKeepMs: 24 * 3_600_000,
  requestIdsFloorMs: 3_600_000,
  requestIdsBytesMax: 8 * 2 ** 30,
  changeLogBytesMax: 2 ** 30,
};

/**
 * To serve it, or to copy it, or to copy into it. For a copy no other process may have it, nor come to have it. A store
 * into which a copy was begun, and has not ended, is opened only to go on with that; one to copy from must be there.
 */
export type Purpose = "serve" | "copyFrom" | "copyTo";

/** What a store is opened with. Time and ids come from outside, so that tests own them. */
export interface StoreOptions {
  readonly clock: Clock;
  /** A fresh UUIDv7, from which the uids of new counters are derived. */
  readonly newUid: () => string;
  readonly retention: Retention;
  /** How many counters the store may keep in memory to save reads; some 500 bytes each. */
  readonly cachedCountersMax: number;
  /** How much history to keep; none unless given. */
  readonly history?: HistoryOptions | undefined;
  /** Where to archive its changes; nowhere unless given. A store that is not in a file of its own ignores it. */
  readonly archive?: ArchiveOptions | undefined;
  /** What the store is opened for; "serve" unless given. */
  readonly purpose?: Purpose | undefined;
  /**
   * Whether the store may be made, and brought from an older schema to this version's; true unless given. False
   * refuses what is not there, or is older.
   */
  readonly migrates?: boolean | undefined;
  /** Where the store and its threads measure; unless given, nobody hears of it. */
  readonly metrics?: Metrics | undefined;
  /** Tell the operator something that is no failure: a sentence. */
  readonly warn: (message: string) => void;
}

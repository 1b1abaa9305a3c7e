import Database from "better-sqlite3";
import { CORRUPT, type Context, decideBatch, requestKeys, type Save, touchedBy } from "../../core/batch.ts";
import type { Batch, Outcomes } from "../../core/columns.ts";
import type { Counter, Fixed } from "../../core/counter.ts";
import { type Refusal, TallyError } from "../../core/errors.ts";
import type { Retention } from "../../service/store.ts";
import type { Violation } from "../bounds.ts";
import { ChangeLog } from "./change-log.ts";
import { RequestIds } from "./request-ids.ts";
import { RowCache } from "./row-cache.ts";
import { type Row, RowReader, RowWriter, toFullCounter, toRow } from "./rows.ts";
import { assertOurs, assertSqliteFloor, migrate } from "./schema.ts";
import { findViolation, type LoadedRows } from "./violation.ts";

/** The time of one request to the store, told by the main thread. */
export interface Moment {
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
  /** Milliseconds from an arbitrary start that the process keeps. */
  readonly monotonic: number;
}

/** The one connection that writes: what `Store.commit` and `Store.maintain` mean on SQLite, without threads. */
export class WriteConnection {
  readonly sqliteVersion: string;
  /** The schema that the file had, if it was brought from an older one to this. */
  readonly migratedFrom: number | undefined;
  readonly #db: Database.Database;
  readonly #decide: typeof decideBatch;
  readonly #rows: RowReader;
  readonly #writes: RowWriter;
  readonly #cache: RowCache;
  readonly #requestIds: RequestIds;
  readonly #log: ChangeLog;
  readonly #begin: Database.Statement;
  readonly #commit: Database.Statement;
  readonly #rollback: Database.Statement;
  readonly #startedMs: number;
  /** Running time before this start, from the file. */
  readonly #ranMs: number;
  #persistedMs: number;
  #changedSincePersist = false;
  #warnedEarly = false;
  /** The id of the counter made last. */
  #lastId: bigint;
  #commitsSinceCheckpoint = 0;

  /**
   * Open the file, bring it to this schema, and take what a crash left in the WAL into the file.
   *
   * @param path    the real path of the data file; the caller holds the lock
   * @param decide  the rule; tests put another in its place
   * @throws TallyError STORE_UNAVAILABLE, or SQLite's own error
   */
  constructor(
    path: string,
    options: { retention: Retention; cachedCountersMax: number },
    { monotonic }: Moment,
    decide: typeof decideBatch = decideBatch,
  ) {
    const db = new Database(path);
    this.#db = db;
    this.#decide = decide;
    try {
      db.defaultSafeIntegers(true);
      this.sqliteVersion = db.prepare<[], string>("SELECT sqlite_version()").pluck().get()!;
      assertSqliteFloor(this.sqliteVersion);
      assertOurs(db, path); // Before anything is written, the journal mode included.
      db.pragma("journal_mode = WAL");
      db.pragma("synchronous = FULL"); // The build defaults to NORMAL in WAL, which can lose acknowledged commits.
      db.pragma("wal_autocheckpoint = 0"); // Checkpoints are ours, after the answers: SQLite's own hide their errors.
      db.pragma("trusted_schema = OFF");
      db.pragma(`cache_size = -${PAGE_CACHE_KIB}`);
      this.migratedFrom = migrate(db);
      db.pragma("wal_checkpoint(TRUNCATE)");
      this.#assertDurable();
      this.#startedMs = monotonic;
      this.#ranMs = Number(db.prepare("SELECT run_ms FROM service_time").pluck().get());
      this.#persistedMs = this.#ranMs;
      this.#rows = new RowReader(db);
      this.#writes = new RowWriter(db);
      this.#cache = new RowCache(options.cachedCountersMax);
      this.#requestIds = new RequestIds(db, options.retention, this.#ranMs);
      this.#log = new ChangeLog(db, options.retention.changeLogBytesMax);
      this.#lastId = this.#writes.lastId();
      this.#begin = db.prepare("BEGIN IMMEDIATE");
      this.#commit = db.prepare("COMMIT");
      this.#rollback = db.prepare("ROLLBACK");
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /**
   * See Store.commit.
   *
   * When a CHECK refuses what the rule let through, the batch is rolled back, the first operation whose own
   * statement violates it is found, and the batch is decided again with that operation refused.
   *
   * @throws TallyError STORE_UNAVAILABLE: nothing was saved
   * @throws TallyError OUTCOME_UNKNOWN: COMMIT itself failed
   */
  commit(batch: Batch, moment: Moment, uidSeed: string): Outcomes {
    const vetoed = new Map<number, Refusal>();
    for (;;) {
      const tried = this.#tryCommit(batch, moment, { now: moment.now, uidSeed, vetoed });
      if ("revisions" in tried) return tried;
      vetoed.set(tried.op, tried.refusal);
    }
  }

  #tryCommit(batch: Batch, moment: Moment, context: Context): Outcomes | Violation {
    const runMs = this.#runMs(moment);
    const logEnd = this.#log.end;
    let loaded: LoadedRows | undefined;
    let decided: ReturnType<typeof decideBatch> | undefined;
    try {
      this.#begin.run(); // Before the first read: a SELECT on its own takes and drops a dozen file locks.
      loaded = this.#load(batch);
      decided = this.#decide(batch, loaded.facts, context);
      const { outcomes, save } = decided;
      if (save.changed.length === 0 && save.answers.size === 0) {
        this.#rollback.run();
        return outcomes;
      }
      const made = this.#write(save, loaded);
      this.#requestIds.save(save.answers, runMs);
      const ids = loaded.rows.map((row, index) => (row ?? made.get(index))?.id);
      this.#log.append(save.changes, ids, moment.now);
      this.#commitTransaction();
      this.#remember(save, loaded, made);
      this.#changedSincePersist = true;
      this.#commitsSinceCheckpoint++;
      return outcomes;
    } catch (error) {
      this.#undo(logEnd, runMs);
      const check = (error as { code?: string }).code === "SQLITE_CONSTRAINT_CHECK";
      if (check && loaded !== undefined && decided !== undefined) {
        return this.#violation(batch, loaded, decided, error);
      }
      throw asTallyError(error);
    }
  }

  /** See Store.maintain. */
  maintain(moment: Moment, warn: (message: string) => void): boolean {
    const runMs = this.#runMs(moment);
    const early = this.#requestIds.plan(runMs);
    if (early && !this.#warnedEarly) warn(FORGOTTEN_EARLY);
    this.#warnedEarly = early;
    const logEnd = this.#log.end;
    try {
      this.#begin.run();
      const forgot = this.#requestIds.forget() > 0;
      const emptied = this.#requestIds.empty();
      const dropped = this.#log.tooLarge;
      if (dropped) this.#log.drop();
      const folds = this.#writes.counts.foldDue;
      if (folds) this.#writes.counts.fold();
      const folded = folds || this.#writes.counts.foldQuiet(moment.now);
      const due = this.#changedSincePersist
        ? runMs - this.#persistedMs >= PERSIST_MS
        : runMs - this.#persistedMs >= PERSIST_IDLE_MS;
      if (due) this.#persist(runMs);
      const wrote = forgot || emptied || dropped || folded || due;
      if (wrote) this.#commitTransaction();
      else this.#rollback.run();
      if (forgot) this.#requestIds.plan(runMs);
      return forgot || emptied || this.#log.tooLarge || this.#writes.counts.foldDue;
    } catch (error) {
      this.#undo(logEnd, runMs);
      throw asTallyError(error);
    }
  }

  /**
   * Take the WAL into the file when it has grown, after the answers are out. Cheap when nothing is due.
   *
   * @throws TallyError OUTCOME_UNKNOWN when the disk fails: what is cached may differ from what is kept
   */
  checkpointIfDue(): void {
    if (this.#commitsSinceCheckpoint >= CHECKPOINT_LOOK_COMMITS) this.checkpointIfGrown();
  }

  /** The same, without waiting for the next look. */
  checkpointIfGrown(): void {
    this.#commitsSinceCheckpoint = 0;
    try {
      const [wal] = this.#db.pragma("wal_checkpoint(NOOP)") as [{ log: bigint; checkpointed: bigint }];
      if (wal.log - wal.checkpointed >= CHECKPOINT_PAGES) this.#db.pragma("wal_checkpoint(PASSIVE)");
    } catch (error) {
      throw new TallyError("OUTCOME_UNKNOWN", "the disk failed during a checkpoint", { cause: error });
    }
  }

  close(moment: Moment): void {
    this.#commitsSinceCheckpoint = 0;
    try {
      this.#begin.run();
      this.#persist(this.#runMs(moment));
      this.#commit.run();
      this.#db.pragma("wal_checkpoint(TRUNCATE)");
    } finally {
      this.#db.close();
    }
  }

  #runMs({ monotonic }: Moment): number {
    return this.#ranMs + monotonic - this.#startedMs;
  }

  #load(batch: Batch): LoadedRows {
    const touched = touchedBy(batch);
    const rows: (Row | undefined)[] = [];
    const counters: (Counter | undefined | typeof CORRUPT)[] = [];
    for (const name of touched.names) {
      const row = this.#row(name);
      rows.push(row === CORRUPT ? undefined : row);
      counters.push(row === CORRUPT ? CORRUPT : row?.counter);
    }
    const keys = requestKeys(batch, touched);
    const answered = new Map<string, Uint8Array | typeof CORRUPT>();
    for (const key of keys) {
      const record = key === undefined ? undefined : this.#requestIds.find(key);
      if (record !== undefined) answered.set(key!, record);
    }
    const fixed = new Map<number, Fixed>();
    for (const index of touched.whole) {
      if (rows[index] === undefined) continue;
      const raw = this.#rows.find(touched.names[index]!);
      if (raw !== undefined && raw !== CORRUPT) fixed.set(index, toFullCounter(raw));
      else {
        rows[index] = undefined; // It was cached, and rotted since.
        counters[index] = CORRUPT;
      }
    }
    const { fullForMs } = this.#requestIds;
    const facts = { ...touched, counters, fixed, keys, answered, requestIdsFullForMs: fullForMs };
    return { facts, rows };
  }

  #row(name: string): Row | undefined | typeof CORRUPT {
    const cached = this.#cache.get(name);
    if (cached !== undefined) return cached;
    const raw = this.#rows.find(name);
    if (raw === undefined || raw === CORRUPT) return raw;
    const row = toRow(raw);
    this.#cache.set(name, row);
    return row;
  }

  /** Write the counters; returns the rows that were made, or made anew. */
  #write(
    { changed, values, revisions, updateTimes, fixed, deleted }: Save,
    { facts, rows }: LoadedRows,
  ): Map<number, Row> {
    const made = new Map<number, Row>();
    let id = this.#lastId;
    for (const index of changed) {
      const value = values[index]!;
      const revision = revisions[index]!;
      const updateTime = updateTimes[index]!;
      const row = rows[index];
      const now = fixed.size === 0 ? undefined : fixed.get(index);
      if (now === undefined) this.#writes.update(row!, value, revision, updateTime);
      else {
        const name = facts.names[index]!;
        const count = { value, revision, updateTime };
        const before = facts.fixed.get(index);
        const written =
          row === undefined
            ? this.#writes.insert(++id, name, now, count)
            : this.#writes.updateSettings(row, name, before!.labels, now, count);
        made.set(index, written);
      }
    }
    for (const [index, keepHistory] of deleted) {
      const name = facts.names[index]!;
      const row = made.get(index) ?? rows[index]!;
      const { labels } = fixed.get(index) ?? facts.fixed.get(index)!;
      this.#writes.delete(row, name, labels);
      this.#log.deleted(row, name, keepHistory);
    }
    return made;
  }

  /** After COMMIT: the cache follows. */
  #remember(
    { changed, values, revisions, updateTimes, deleted }: Save,
    { facts, rows }: LoadedRows,
    made: Map<number, Row>,
  ): void {
    for (const index of changed) {
      const row = rows[index];
      if (row === undefined) continue;
      const { counter } = row;
      counter.value = values[index]!;
      counter.revision = revisions[index]!;
      counter.updateTime = updateTimes[index]!;
    }
    for (const [index, row] of made) {
      this.#cache.set(facts.names[index]!, row);
      if (row.id > this.#lastId) this.#lastId = row.id;
    }
    for (const index of deleted.keys()) this.#cache.delete(facts.names[index]!);
  }

  #commitTransaction(): void {
    try {
      this.#commit.run();
    } catch (cause) {
      // A write that found no room: the frame that commits is the last one, so the disk has no commit. Any other
      // failure may have come after it.
      if ((cause as { code?: string }).code === "SQLITE_FULL") throw cause;
      throw new TallyError("OUTCOME_UNKNOWN", "the commit failed, and may or may not be on disk", { cause });
    }
  }

  #persist(runMs: number): void {
    this.#db.prepare("UPDATE service_time SET run_ms = ?").run(BigInt(Math.trunc(runMs)));
    this.#requestIds.persist();
    this.#persistedMs = runMs;
    this.#changedSincePersist = false;
  }

  /** After any error: nothing of the transaction stays, in the file or in memory. */
  #undo(logEnd: ChangeLog["end"], runMs: number): void {
    if (this.#db.inTransaction) this.#rollback.run(); // Some errors have rolled back already.
    this.#cache.clear();
    this.#writes.counts.reload();
    this.#log.rewind(logEnd);
    this.#requestIds.reload(runMs);
  }

  /** Which operation made a CHECK refuse the batch, found in a transaction of its own that changes nothing. */
  #violation(
    batch: Batch,
    loaded: LoadedRows,
    decided: ReturnType<typeof decideBatch>,
    cause: unknown,
  ): Violation {
    this.#begin.run();
    try {
      const violation = findViolation(this.#writes, this.#lastId, batch, loaded, decided);
      if (violation !== undefined) return violation;
    } finally {
      if (this.#db.inTransaction) this.#rollback.run();
      this.#writes.counts.reload();
    }
    throw new TallyError("STORE_UNAVAILABLE", "a CHECK refuses the batch and none of its operations", {
      cause,
    });
  }

  /**
   * The pragma reads 2 whatever is in force until something was written, so this looks after a write: one that
   * changes a byte, because SQLite leaves a page alone that would stay the same. Also shows that fsync works here.
   */
  #assertDurable(): void {
    this.#db.exec("UPDATE service_time SET starts = starts + 1");
    const synchronous = Number(this.#db.pragma("synchronous", { simple: true }));
    const journal = this.#db.pragma("journal_mode", { simple: true });
    if (synchronous !== 2 || journal !== "wal") {
      throw new TallyError(
        "STORE_UNAVAILABLE",
        `SQLite runs with synchronous=${synchronous}, journal_mode=${journal}; expected 2 (FULL) and wal.`,
      );
    }
  }
}

const PAGE_CACHE_KIB = 65_536;

/** How often what is only kept in memory (running time, sizes of request ids) is written, in running time. */
const PERSIST_MS = 10_000;
const PERSIST_IDLE_MS = 600_000;

/** Pages of 4 KiB in the WAL that make a checkpoint worth its two fsyncs. */
const CHECKPOINT_PAGES = 4_000n;
const CHECKPOINT_LOOK_COMMITS = 16;

const FORGOTTEN_EARLY =
  "The room for request ids is used up: the oldest are forgotten before their time, though never younger than the " +
  "floor. Give them more room to keep them longer.";

/** Errors before COMMIT saved nothing. */
function asTallyError(error: unknown): unknown {
  const code = (error as { code?: string }).code;
  if (error instanceof TallyError || !code?.startsWith("SQLITE_")) return error;
  return new TallyError("STORE_UNAVAILABLE", `SQLite refused to write (${code}); nothing was saved`, {
    cause: error,
  });
}

import { type Context, decideBatch } from "../../core/batch.ts";
import type { Batch, Outcomes } from "../../core/columns.ts";
import { type Refusal, TallyError } from "../../core/errors.ts";
import type { ExportHead, ImportPart, ImportState, StoreOptions } from "../../service/store.ts";
import type { Violation } from "../bounds.ts";
import { BatchRows } from "./batch-rows.ts";
import { ChangeLog } from "./change-log.ts";
import { Checkpoints } from "./checkpoints.ts";
import { CopyTarget } from "./copy-target.ts";
import { readCopying, writeCopying } from "./copying-row.ts";
import { type OpenedFile, openForWriting } from "./opening.ts";
import { RequestIds } from "./request-ids.ts";
import { type Moment, RunningTime } from "./running-time.ts";
import { asTallyError, Transaction } from "./transaction.ts";
import { findViolation, type LoadedRows } from "./violation.ts";

/** What of a store's options the connection keeps to. */
export type WriteOptions = Pick<StoreOptions, "retention" | "cachedCountersMax" | "purpose" | "migrates">;

/** The one connection that writes: what `Store.commit` and `Store.maintain` mean on SQLite, without threads. */
export class WriteConnection {
  readonly checkpoints: Checkpoints;
  readonly #file: OpenedFile;
  readonly #decide: typeof decideBatch;
  readonly #transaction: Transaction;
  readonly #rows: BatchRows;
  readonly #requestIds: RequestIds;
  readonly #log: ChangeLog;
  readonly #time: RunningTime;
  /** Once a copy has looked at the file. */
  #copyTarget: CopyTarget | undefined;
  #warnedEarly = false;

  /**
   * @param path     the real path of the data file; the caller holds the lock
   * @param options  see StoreOptions
   * @param decide   the rule; tests put another in its place
   * @throws TallyError STORE_UNAVAILABLE, or SQLite's own error
   */
  constructor(path: string, options: WriteOptions, moment: Moment, decide: typeof decideBatch = decideBatch) {
    const { retention, cachedCountersMax } = options;
    this.#decide = decide;
    this.#file = openForWriting(path, options);
    const { db, head } = this.#file;
    try {
      this.checkpoints = new Checkpoints(db);
      this.#transaction = new Transaction(db);
      this.#time = new RunningTime(head, moment);
      this.#requestIds = new RequestIds(db, head, retention, this.#time.at(moment));
      this.#log = new ChangeLog(db, head, retention.changeLogBytesMax);
      this.#rows = new BatchRows(db, cachedCountersMax, this.#requestIds, this.#log);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  get sqliteVersion(): string {
    return this.#file.sqliteVersion;
  }

  /** The schema that the file had, if it was brought from an older one to this. */
  get migratedFrom(): number | undefined {
    return this.#file.migratedFrom;
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
    const runMs = this.#time.at(moment);
    const logEnd = this.#log.end;
    let loaded: LoadedRows | undefined;
    let decided: ReturnType<typeof decideBatch> | undefined;
    try {
      this.#transaction.begin();
      loaded = this.#rows.load(batch);
      decided = this.#decide(batch, loaded.facts, context);
      const { outcomes, save } = decided;
      if (save.changed.length === 0 && save.answers.size === 0) {
        this.#transaction.rollback();
        return outcomes;
      }
      this.#copyTarget?.served();
      const made = this.#rows.write(save, loaded);
      this.#requestIds.save(save.answers, runMs);
      const ids = loaded.rows.map((row, index) => (row ?? made.get(index))?.id);
      this.#log.append(save.changes, ids, moment.now);
      this.#saveHead();
      this.#transaction.commit();
      this.#rows.remember(save, loaded, made);
      this.#time.changed();
      this.checkpoints.committed();
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
    const runMs = this.#time.at(moment);
    const { counts } = this.#rows.writes;
    const early = this.#requestIds.plan(runMs);
    if (early && !this.#warnedEarly) warn(FORGOTTEN_EARLY);
    this.#warnedEarly = early;
    const logEnd = this.#log.end;
    try {
      this.#transaction.begin();
      const forgot = this.#requestIds.forget() > 0;
      const emptied = this.#requestIds.empty();
      const dropped = this.#log.tooLarge;
      if (dropped) this.#log.drop();
      const folds = counts.foldDue;
      if (folds) counts.fold();
      const folded = folds || counts.foldQuiet(moment.now);
      const due = this.#time.persistDue(runMs);
      if (due) this.#persist(runMs);
      const wrote = forgot || emptied || dropped || folded || due;
      if (wrote) {
        this.#saveHead();
        this.#transaction.commit();
      } else this.#transaction.rollback();
      if (forgot) this.#requestIds.plan(runMs);
      return forgot || emptied || this.#log.tooLarge || counts.foldDue;
    } catch (error) {
      this.#undo(logEnd, runMs);
      throw asTallyError(error);
    }
  }

  /**
   * See Copying.exportHead.
   *
   * @param newId  what the store is to be known by from now on, if it has no id yet
   */
  exportHead(moment: Moment, newId: string): ExportHead {
    const { db, head } = this.#file;
    const { generations } = this.#requestIds;
    return this.#write(moment, () => {
      const storeId = readCopying(db).store_id ?? newId;
      writeCopying(db, { store_id: storeId });
      const state = `${head.row.starts}.${this.#log.state}.${generations[0]!.id}`;
      return { storeId, state, runMs: this.#time.at(moment), generations };
    });
  }

  importState(): ImportState {
    return this.#target.state;
  }

  beginImport(head: ExportHead, moment: Moment): void {
    this.#write(moment, () => {
      this.#target.begin(head);
      this.#persist(head.runMs);
    });
    this.#time.goOnFrom(head.runMs, moment);
  }

  import(part: ImportPart, moment: Moment): void {
    this.#write(moment, () => {
      this.#target.import(part);
      this.#requestIds.persist();
    });
  }

  endImport(moment: Moment): void {
    this.#write(moment, () => {
      this.#target.end();
      this.#persist(this.#time.at(moment));
    });
  }

  get #target(): CopyTarget {
    this.#copyTarget ??= new CopyTarget(this.#file, this.#rows, this.#requestIds, this.#log);
    return this.#copyTarget;
  }

  close(moment: Moment): void {
    const { db } = this.#file;
    try {
      db.transaction(() => {
        this.#persist(this.#time.at(moment));
        this.#saveHead();
      }).immediate();
      this.checkpoints.last();
    } finally {
      db.close();
    }
  }

  /** Write what is only kept in memory: running time, and the sizes of request ids. */
  #persist(runMs: number): void {
    this.#time.persist(runMs);
    this.#requestIds.persist();
  }

  /** What of the transaction the head tells. */
  #saveHead(): void {
    const { head } = this.#file;
    this.#log.noteIn(head);
    head.save(this.#log.end.position);
  }

  /** A step of a copy: in a transaction, durable when it returns. */
  #write<Result>(moment: Moment, step: () => Result): Result {
    const logEnd = this.#log.end;
    try {
      this.#transaction.begin();
      const result = step();
      this.#saveHead();
      this.#transaction.commit();
      this.checkpoints.committed();
      return result;
    } catch (error) {
      this.#undo(logEnd, this.#time.at(moment));
      this.#log.reload();
      throw asTallyError(error);
    }
  }

  /** After any error: nothing of the transaction stays, in the file or in memory. */
  #undo(logEnd: ChangeLog["end"], runMs: number): void {
    this.#transaction.rollback();
    this.#file.head.reload();
    this.#rows.forget();
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
    const { writes, lastId } = this.#rows;
    this.#transaction.begin();
    try {
      const violation = findViolation(writes, lastId, batch, loaded, decided);
      if (violation !== undefined) return violation;
    } finally {
      this.#transaction.rollback();
      writes.counts.reload();
    }
    throw new TallyError("STORE_UNAVAILABLE", "a CHECK refuses the batch and none of its operations", {
      cause,
    });
  }
}

const FORGOTTEN_EARLY =
  "The room for request ids is used up: the oldest are forgotten before their time, though never younger than the " +
  "floor. Give them more room to keep them longer.";

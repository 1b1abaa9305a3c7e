import { type Context, decideBatch } from "../../../core/batch.ts";
import type { CatalogueWrite } from "../../../core/catalogue.ts";
import type { Batch, Outcomes } from "../../../core/columns.ts";
import { CORRUPT, type FullCounter } from "../../../core/counter.ts";
import type { Epoch } from "../../../core/epoch.ts";
import { TallyError } from "../../../core/errors.ts";
import type { PolicySet } from "../../../core/policies.ts";
import type { StoreOptions } from "../../../service/store.ts";
import { noteKept } from "../../../telemetry/kept.ts";
import { Metrics } from "../../../telemetry/metrics.ts";
import { ZoneCalendar } from "../../shared/calendar.ts";
import { Laps } from "../../shared/laps.ts";
import { rowIdsOf } from "../../shared/one-by-one.ts";
import { isCorrupt, namingDamage, unlessCorrupt } from "../rows/damage.ts";
import { PoliciesInFile } from "../rows/policies.ts";
import { type AcceptRequest, CounterAccepting } from "./accepting.ts";
import { BatchRows, idsOf } from "./batch-rows.ts";
import { Careful } from "./careful.ts";
import { CatalogueWrites } from "./catalogue.ts";
import { ChangeLog } from "./change-log.ts";
import type { Checkpoints } from "./checkpoints.ts";
import { CopySteps } from "./copy-steps.ts";
import { HistoryBinding, type HistoryTold } from "./history-binding.ts";
import { Maintenance } from "./maintenance.ts";
import { type OpenedFile, type OpeningOptions, openForWriting } from "./opening.ts";
import { RequestIds } from "./request-ids.ts";
import { type Moment, RunningTime } from "./running-time.ts";
import { asTallyError, type Transaction } from "./transaction.ts";
import { OneByOne, objectionIn } from "./violation.ts";

/** What of a store's options the connection keeps to. */
export type WriteOptions = Pick<StoreOptions, "retention" | "cachedCountersMax"> & OpeningOptions;

/** How far the change log is beyond what its history has. */
export interface LogBehind {
  /** The position of the latest commit. */
  readonly end: number;
  /** How many bytes the history lacks, and how many the log has room for. */
  readonly bytes: number;
  readonly room: number;
}

/** The one connection that writes: what `Store.commit` and `Store.maintain` mean on SQLite, without threads. */
export class WriteConnection {
  readonly checkpoints: Checkpoints;
  /** Of the store, as it was when it was opened. */
  readonly epoch: Epoch;
  readonly #file: OpenedFile;
  readonly #decide: typeof decideBatch;
  readonly #transaction: Transaction;
  readonly #rows: BatchRows;
  readonly #requestIds: RequestIds;
  readonly #log: ChangeLog;
  readonly #time: RunningTime;
  readonly #oneByOne: OneByOne;
  readonly #catalogue: CatalogueWrites;
  readonly #policies: PoliciesInFile;
  readonly #history: HistoryBinding;
  #copying: CopySteps | undefined;
  /** How many batches were committed since it was opened. */
  #commits = 0;
  readonly #maintenance: Maintenance;
  readonly #calendar: ZoneCalendar;
  readonly #metrics: Metrics;
  /** What is to be told with the next slice of maintenance. */
  readonly #warnings: string[] = [];
  #sealed = false;

  /**
   * @param path     the real path of the data file; the caller holds the lock
   * @param options  see StoreOptions
   * @param decide   the rule; tests put another in its place
   * @throws TallyError STORE_UNAVAILABLE, or SQLite's own error
   */
  constructor(path: string, options: WriteOptions, moment: Moment, decide: typeof decideBatch = decideBatch) {
    const { retention, cachedCountersMax, metrics = new Metrics() } = options;
    this.#metrics = metrics;
    this.#decide = decide;
    this.#file = openForWriting(path, { ...options, now: moment.now });
    const { db, head, checkpoints, transaction } = this.#file;
    this.checkpoints = checkpoints;
    this.#transaction = transaction;
    this.#calendar = new ZoneCalendar((message) => void this.#warnings.push(message));
    try {
      this.#time = new RunningTime(head, moment);
      this.#requestIds = new RequestIds(db, head, retention, this.#time.at(moment), (message) => {
        this.#warnings.push(message);
      });
      this.#log = new ChangeLog(db, head, retention.changeLogBytesMax);
      this.#oneByOne = new OneByOne(db);
      this.#catalogue = new CatalogueWrites(db);
      this.epoch = this.#catalogue.epoch;
      this.#history = new HistoryBinding(db);
      this.#policies = new PoliciesInFile(db);
      this.#rows = new BatchRows(db, cachedCountersMax, this.#requestIds, this.#log, metrics);
      this.#maintenance = new Maintenance(
        {
          ...{ file: this.#file, rows: this.#rows, requestIds: this.#requestIds, log: this.#log },
          ...{ time: this.#time, calendar: this.#calendar, warnings: this.#warnings, history: this.#history },
          policies: this.#policies,
          persist: (at) => this.#persist(at),
          saveHead: () => this.#saveHead(),
          write: (at, step) => this.#write(at, step),
          undo: (logEnd, runMs) => this.#undo(logEnd, runMs),
        },
        moment,
      );
      checkpoints.first();
    } catch (error) {
      this.#file.abandon();
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

  /** Whether the file was made when this was opened. */
  get made(): boolean {
    return this.#file.made;
  }

  /**
   * See Store.commit.
   *
   * When a constraint refuses what the rule let through, or damage is met, the batch is rolled back and written one by one:
   * only the operations that it has something against are refused, and only the calls that meet the damage.
   *
   * @throws TallyError STORE_UNAVAILABLE: nothing was saved
   * @throws TallyError OUTCOME_UNKNOWN: COMMIT itself failed
   */
  commit(batch: Batch, moment: Moment, uidSeed: string): Outcomes {
    const policies = this.#policies.now;
    const { epoch } = this;
    const context = { now: moment.now, calendar: this.#calendar, policies, epoch, uidSeed };
    let careful: Careful | undefined;
    for (;;) {
      const tried = this.#attempt(batch, moment, context, careful);
      if (tried === "refused") {
        if (careful === undefined) careful = new Careful();
        else careful.deferred = true;
      } else if (tried !== "rolled back") return tried;
    }
  }

  /**
   * Try to commit a batch; whole, or one by one.
   *
   * @returns  "refused" when a constraint refuses it as it was tried, or damage is met: then one by one, then looking for what
   *           is deferred; "rolled back" when it is to be tried again in the same way, with what is refused by now, or without
   *           what it can do without
   */
  #attempt(
    batch: Batch,
    moment: Moment,
    context: Context & { readonly policies: PolicySet },
    careful: Careful | undefined,
  ): Outcomes | "refused" | "rolled back" {
    const runMs = this.#time.at(moment);
    const logEnd = this.#log.end;
    const laps = new Laps();
    try {
      this.#transaction.begin();
      const loaded = this.#rows.load(batch, moment.now, context.policies, careful?.unkept);
      if (loaded.metDamage) this.#transaction.renew();
      laps.ended("loadMs");
      const written =
        careful &&
        this.#oneByOne.write(this.#rows, batch, loaded, { decide: this.#decide, context, careful });
      if (written === "rolled back") {
        this.#undo(logEnd, runMs);
        return written;
      }
      const { outcomes, save } = written?.decided ?? this.#decide(batch, loaded.facts, context);
      laps.ended("decideMs");
      outcomes.timings = laps.timings;
      if (save.changed.length === 0 && save.answers.size === 0) {
        this.#transaction.rollback();
        this.#file.whereabouts.sameFile(); // What was replayed counts as answered.
        if (written !== undefined) this.#rows.lookAgain();
        return outcomes;
      }
      const made = written === undefined ? this.#rows.write(save, loaded) : undefined;
      if (unlessCorrupt(() => this.#requestIds.rotate(runMs)) === CORRUPT) {
        this.#undo(logEnd, runMs);
        return "rolled back"; // It is not tried again for a while.
      }
      if (careful === undefined) this.#requestIds.save(save.answers);
      else {
        const unkept = this.#requestIds.saveApart(save.answers);
        if (unkept !== undefined) {
          careful.metByAnswer(batch, loaded.facts.keys.indexOf(unkept), unkept);
          this.#undo(logEnd, runMs);
          return "rolled back";
        }
      }
      const ids =
        written === undefined
          ? idsOf(save, loaded, made!)
          : rowIdsOf(
              save,
              loaded.rows.map((row) => row?.id),
              written.made,
            );
      if (save.changes.count > 0) this.#log.append(save.changes, ids, moment.now);
      if (save.held.length > 0 && unlessCorrupt(() => this.#maintenance.held(save, moment)) === CORRUPT) {
        this.#undo(logEnd, runMs);
        return "rolled back"; // Likewise: it is not written again.
      }
      this.#saveHead();
      laps.ended("saveMs");
      this.#transaction.commit();
      laps.ended("syncMs");
      if (made === undefined) this.#rows.lookAgain();
      else this.#rows.remember(save, loaded, made);
      this.#time.changed();
      this.#commits++;
      this.checkpoints.committed(moment.now);
      return outcomes;
    } catch (error) {
      this.#undo(logEnd, runMs);
      const refused = objectionIn(error) !== undefined || (careful === undefined && isCorrupt(error));
      if (refused && careful?.deferred !== true) return "refused";
      throw asTallyError(error);
    }
  }

  /**
   * See Store.maintain. Looks first whether the files are still what they were, which nobody else does while none counts:
   * what is read of files that are not says nothing, least of all why.
   */
  maintain(moment: Moment, warn: (message: string) => void): boolean {
    this.#file.whereabouts.assertUnchanged();
    const more = this.#maintenance.slice(moment, this.#commits, warn);
    this.#noteKept(moment);
    return more;
  }

  #noteKept(moment: Moment): void {
    try {
      const requestIds = this.#requestIds.keptAt(this.#time.at(moment));
      noteKept(this.#metrics, { changeLog: this.#log.kept, requestIds });
    } catch (error) {
      throw asTallyError(error);
    }
  }

  /** What a copy does with the file, step by step. Made when one first asks. */
  get copying(): CopySteps {
    this.#copying ??= new CopySteps({
      ...{
        file: this.#file,
        rows: this.#rows,
        requestIds: this.#requestIds,
        log: this.#log,
        time: this.#time,
        catalogue: this.#catalogue,
        history: this.#history,
      },
      write: (moment, step) => {
        const result = this.#write(moment, step);
        this.#policies.written();
        return result;
      },
    });
    return this.#copying;
  }

  /** Write what else is only kept in memory, to find out whether the disk takes it. */
  tryWrite(moment: Moment): void {
    this.#write(moment, () => this.#persist(moment));
  }

  /** See Catalogue.write. */
  writeCatalogue(entry: CatalogueWrite, moment: Moment): number | undefined {
    const version = this.#write(moment, () => this.#catalogue.write(entry));
    this.#policies.written();
    return version;
  }

  /** See KeyUses.note. */
  noteKeyUses(hours: ReadonlyMap<string, number>, moment: Moment): void {
    this.#write(moment, () => this.#catalogue.keyUses.note(hours));
  }

  /** See Accepting.accept. @param newUids  one for each name and each that is lost */
  accept(
    { names, revisions, lost }: AcceptRequest,
    moment: Moment,
    newUids: readonly string[],
  ): (FullCounter | string)[] {
    try {
      return this.#write(moment, () =>
        new CounterAccepting(this.#file.db, this.#rows, this.#log).accept(
          names,
          revisions,
          lost,
          moment.now,
          newUids,
        ),
      );
    } finally {
      this.#rows.lookAgain();
    }
  }

  /** Whether the wall clock was in doubt when it was last looked at. */
  get clockDoubted(): boolean {
    return this.#maintenance.doubted;
  }

  /**
   * Have the change log known by an id: who follows it is told by that whether it is the same one.
   *
   * @returns  whether it had one
   */
  nameLog(newId: string, moment: Moment): boolean {
    const { isNamed } = this.#history;
    if (!isNamed) this.#write(moment, () => this.#history.name(newId));
    return isNamed;
  }

  /** Take the id away again, of which nobody has a history. */
  unnameLog(moment: Moment): void {
    this.#history.tell(undefined);
    this.#write(moment, () => this.#history.name(undefined));
  }

  /** Note how far the file's history is; undefined where none is kept. */
  tellHistory(told: HistoryTold | undefined): void {
    this.#history.tell(told);
  }

  /** How far the log is beyond what a history has taken. */
  behind({ taken }: HistoryTold): LogBehind {
    try {
      return { end: Number(this.#log.end.position), ...this.#log.behind(BigInt(taken)) };
    } catch (error) {
      throw asTallyError(error);
    }
  }

  /** Save what is only kept in memory, and have everything in the file, for which nothing may be written after this. */
  seal(moment: Moment): void {
    try {
      this.#file.whereabouts.assertUnchanged();
      try {
        this.#saveLast(moment);
      } catch (error) {
        if (!isCorrupt(error)) throw error;
        this.#transaction.rollback();
        this.#file.head.reload();
        this.#saveLast(moment); // Without what can be done without, where it is that which is damaged.
      }
      this.checkpoints.committed(moment.now);
    } catch (error) {
      this.#file.abandon();
      throw asTallyError(error);
    }
    try {
      this.#file.seal();
    } catch (error) {
      throw asTallyError(error);
    }
    this.#sealed = true;
  }

  #saveLast(moment: Moment): void {
    this.#transaction.begin();
    this.#copying?.sealing();
    this.#persist(moment);
    this.#history.note();
    this.#saveHead();
    this.#transaction.commit();
  }

  /** Seal it, if that was not done, and close it. */
  close(moment: Moment): void {
    if (!this.#sealed) this.seal(moment);
    this.#file.close();
  }

  /** Write what is only kept in memory: running time and the wall clock, and the sizes of request ids. */
  #persist(moment: Moment): void {
    // A clock that is doubted is not what the next start is to compare its own with.
    const wallMs = this.#maintenance.doubts(moment) ? undefined : moment.now;
    this.#time.persist(this.#time.at(moment), wallMs);
    this.#requestIds.persist();
  }

  /** What of the transaction the head tells. */
  #saveHead(): void {
    const { head } = this.#file;
    this.#log.noteIn(head);
    namingDamage("the row that says how far it has come", () => head.save(this.#log.end.position));
  }

  /** What is no commit, say a step of a copy: in a transaction, durable when it returns. */
  #write<Result>(moment: Moment, step: () => Result): Result {
    const logEnd = this.#log.end;
    try {
      this.#transaction.begin();
      const result = step();
      this.#saveHead();
      this.#transaction.commit();
      this.checkpoints.committed(moment.now);
      return result;
    } catch (error) {
      this.#undo(logEnd, this.#time.at(moment));
      throw asTallyError(error);
    }
  }

  /** After any error: nothing of the transaction stays, in the file or in memory. */
  #undo(logEnd: ChangeLog["end"], runMs: number): void {
    this.#transaction.rollback();
    try {
      this.#file.head.reload();
      this.#rows.forget();
      this.#log.rewind(logEnd);
      this.#requestIds.reload(runMs);
      this.#catalogue.forget();
    } catch (cause) {
      // Also when what failed before was COMMIT: then nobody may be told that nothing was saved.
      throw new TallyError("OUTCOME_UNKNOWN", "the file cannot be read any more after a failure", { cause });
    }
  }
}

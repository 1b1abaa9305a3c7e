import type { Database } from "better-sqlite3";
import { TallyError } from "../../../core/errors.ts";
import type {
  HistoryAnswer,
  HistoryExtent,
  HistoryIntake,
  HistoryOptions,
  HistoryQuery,
  HistoryRefusal,
  NamedChanges,
  PastValue,
} from "../../../service/store-history.ts";
import type { HistoryPart, HistoryReach, HistoryRowPage } from "../../../service/store-history-copying.ts";
import type { LogPage } from "../../../service/store-log.ts";
import { importRows } from "../../shared/history/copying.ts";
import { HistoryTaking } from "../../shared/history/intake.ts";
import { asOf, namedChanges, query } from "../../shared/history/reading.ts";
import { EndedWalk, tidy } from "../../shared/history/tidying.ts";
import { openReadOnly } from "../read/reading.ts";
import { headReader } from "../rows/head.ts";
import type { HistoryTold } from "../write/history-binding.ts";
import { asTallyError } from "../write/transaction.ts";
import { HistoryRowPages } from "./exporting.ts";
import { HistoryFile, lookAt } from "./file.ts";
import type { StoredHead } from "./head.ts";
import { logFactsOf } from "./log-facts.ts";
import { historyPathOf } from "./path.ts";
import { SqliteHistoryRows } from "./rows.ts";
import { areLedTo } from "./tables.ts";

/** What the connection is opened with. */
export interface HistoryData {
  /** Of the data file, whose lock the caller holds, and whose change log has an id. */
  readonly path: string;
  readonly options: HistoryOptions;
  readonly startId: string;
  readonly now: number;
  /** Why what is there is to be set aside, whatever it is. */
  readonly distrusted?: string | undefined;
  /** Whether there is to be one. */
  readonly expected: boolean;
}

/** How far history has come. */
export interface HistoryProgress extends Omit<HistoryTold, "holds"> {
  /** The time of the latest commit taken in; 0 before the first. */
  readonly time: number;
}

type Read<T> = Omit<T, "completeUntil">;

/** History in a file beside the data file: what `History` means on SQLite, without threads and without waiting. */
export class HistoryConnection {
  readonly warnings: string[] = [];
  readonly #data: Database;
  readonly #file: HistoryFile;
  readonly #rows: SqliteHistoryRows;
  readonly #taking: HistoryTaking;
  readonly #ended = new EndedWalk((numbers) => this.#taking.forget(numbers));
  readonly #options: HistoryOptions;
  #pages: HistoryRowPages | undefined;
  #unsaved = false;
  /** Whether what was taken in had to be undone: whoever takes in does not know, and would go on behind what is missing. */
  #undone = false;
  /** Whether the indexes are known to lead to all counters: looked at once, after the start, which does not wait for it. */
  #isLedTo = false;
  /** When it was on disk last, by the monotonic clock. */
  #durableMs = Number.NEGATIVE_INFINITY;

  /** @throws TallyError STORE_UNAVAILABLE, or SQLite's own error */
  constructor({ path, options, ...data }: HistoryData) {
    this.#options = options;
    this.#data = openReadOnly(path, 64);
    try {
      const warn = (message: string) => void this.warnings.push(message);
      const log = logFactsOf(this.#data);
      this.#file = new HistoryFile(historyPathOf(path), { ...data, log, warn });
    } catch (error) {
      this.#data.close();
      throw error;
    }
    this.#rows = new SqliteHistoryRows(this.#file);
    this.#taking = new HistoryTaking(this.#rows);
  }

  get progress(): HistoryProgress {
    const { cursor, time } = this.#rows.head();
    return { taken: Number(cursor), time, durable: this.#file.durable };
  }

  /** See HistoryIntake.begin. Nothing is asked before. */
  begin(): string {
    this.#unsaved = false;
    this.#undone = false;
    if (!this.#isLedTo) this.#mendIndexes();
    this.#isLedTo = true;
    return this.#taking.begin();
  }

  /** See HistoryIntake.take. Saves now and then. @param monotonic  the time by the clock that does not jump */
  take(page: LogPage, met: Parameters<HistoryIntake["take"]>[1], monotonic: number): void {
    this.#assertWhole();
    this.#unsaved = true;
    this.#orUndo(() => {
      this.#taking.take(page, met);
      this.save(monotonic);
    });
  }

  /**
   * Save what was taken in, and have it on disk, if that is due: it writes a row for each counter that has changed since. What
   * is not saved the change log still has.
   */
  save(monotonic: number): void {
    this.#assertWhole();
    if (monotonic - this.#durableMs < SAVE_EVERY_MS) return;
    this.seal();
    this.#durableMs = monotonic;
  }

  /**
   * Do some of the work that keeps it small, and save what is due.
   *
   * @param now  the wall clock; undefined while it is in doubt
   * @returns    whether there is more to do
   */
  maintain(now: number | undefined, monotonic: number): boolean {
    return this.#orUndo(() => {
      let more = true;
      for (let i = 0; more && i < SLICES_AT_ONCE; i++) {
        more = tidy(this.#rows, this.#options, now, this.#ended);
        this.#unsaved ||= more;
      }
      this.save(monotonic);
      return more;
    });
  }

  /** See History.query. */
  query(asked: HistoryQuery, now: number): Read<HistoryAnswer> | HistoryRefusal {
    return this.#read(() => query(this.#rows, asked, this.#options, now));
  }

  /** See History.asOf. */
  asOf(name: string, time: number, now: number): Read<PastValue> | HistoryRefusal | undefined {
    return this.#read(() => asOf(this.#rows, name, time, this.#options, now));
  }

  /** See History.changes. */
  changes(name: string, before: string | undefined, limit: number): Omit<NamedChanges, keyof HistoryExtent> {
    return this.#read(() => namedChanges(this.#rows, name, before, limit));
  }

  /** See HistoryExport.reach. */
  reach(): HistoryReach {
    this.seal();
    const { cursor, ...reach } = this.#rows.head();
    return reach;
  }

  /** See HistoryExport.rows. */
  pageOfRows(cursor: string, limit: number): HistoryRowPage {
    this.#pages ??= new HistoryRowPages(this.#file.db);
    return this.#read(() => this.#pages!.page(cursor, limit));
  }

  /** Take in some of another store's history, in one durable step. What was taken in before may come again. */
  import({ rows, reach }: HistoryPart): void {
    this.#orUndo(() => {
      this.#file.db.pragma("synchronous = FULL"); // Whoever copies goes on behind it, whatever happens.
      importRows(this.#rows, rows);
      if (reach !== undefined)
        this.#rows.setHead({ ...reach, cursor: `${headReader(this.#data)().log_end}` });
      this.#rows.save();
      this.#file.checkpoint();
    });
  }

  /** Save what was taken in, and have it on disk. */
  seal(): void {
    this.#orUndo(() => {
      if (this.#unsaved) {
        this.#taking.flush();
        this.#rows.save();
        this.#unsaved = false;
      }
      this.#file.checkpoint();
    });
  }

  /** Close the file, which was sealed. */
  close(): void {
    this.#file.close();
    this.#data.close();
  }

  /** Close the file as it is. */
  abandon(): void {
    this.#file.abandon();
    this.#data.close();
  }

  /** A bit in an index may have hidden a counter: it is made anew of the rows, of which it is known that none is missing. */
  #mendIndexes(): void {
    if (areLedTo(this.#file.db)) return;
    this.#file.begin();
    this.#file.db.exec("REINDEX counters");
    this.#rows.save();
  }

  /** A read, which sees what was taken in. */
  #read<Result>(read: () => Result): Result {
    this.#assertWhole();
    this.#orUndo(() => this.#taking.flush());
    try {
      return read();
    } finally {
      this.#rows.forgetDamage();
    }
  }

  /** After any error nothing stays of what was not saved, in the file or in memory. */
  #orUndo<Result>(work: () => Result): Result {
    try {
      return work();
    } catch (error) {
      this.begin();
      this.#undone = true;
      throw asTallyError(error);
    }
  }

  /** @throws TallyError STORE_UNAVAILABLE  until it has begun anew */
  #assertWhole(): void {
    if (this.#undone) throw new TallyError("STORE_UNAVAILABLE", "the history begins anew after a failure");
  }
}

/** Until what was taken in is saved and on disk. After a crash as much is taken in again. */
const SAVE_EVERY_MS = 5_000;
/** Some 5 ms each. */
const SLICES_AT_ONCE = 4;

/**
 * The history beside a data file that is open: its head; undefined where there is none, and otherwise why it cannot be gone
 * on with.
 *
 * @throws TallyError STORE_UNAVAILABLE of one of a newer Tally
 */
export function historyBeside(path: string): StoredHead | string | undefined {
  const data = openReadOnly(path, 64);
  try {
    return lookAt(historyPathOf(path), logFactsOf(data));
  } finally {
    data.close();
  }
}

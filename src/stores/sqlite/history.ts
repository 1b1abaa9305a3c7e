import { setTimeout as sleep } from "node:timers/promises";
import { TallyError } from "../../core/errors.ts";
import type { StoreOptions } from "../../service/store.ts";
import type {
  History,
  HistoryAnswer,
  HistoryIntake,
  HistoryOptions,
  HistoryQuery,
  HistoryRefusal,
  NamedChanges,
  PastValue,
} from "../../service/store-history.ts";
import type { HistoryExport, HistoryPart } from "../../service/store-history-copying.ts";
import { Arrival } from "../shared/history/arrival.ts";
import { Holding } from "../shared/history/holding.ts";
import { packLogPage } from "./crossing.ts";
import type { HistoryData, HistoryProgress } from "./history/connection.ts";
import type {
  AsOfRequest,
  ChangesRequest,
  QueryRequest,
  Reading,
  TakeRequest,
  TidyRequest,
} from "./history/history-worker.ts";
import type { WalkRequest } from "./read/read-worker.ts";
import { Thread } from "./thread.ts";
import type { LogBehind } from "./write/connection.ts";
import type { HistoryTold } from "./write/history-binding.ts";

/** What it is opened with. */
interface Parts extends Pick<StoreOptions, "clock" | "newUid" | "warn" | "metrics"> {
  /** Of the data file. */
  readonly path: string;
  readonly options: HistoryOptions;
  readonly reader: Thread;
  /** Whether the change log had an id before: then there is to be a history. */
  readonly expected: boolean;
}

/**
 * Asks the thread that has the history, and starts it: at the start, and again when it has failed. Counting goes on
 * whatever becomes of it.
 */
export class SqliteHistory implements History {
  readonly #parts: Parts;
  readonly #arrival = new Arrival(() => BigInt(this.#progress?.taken ?? 0));
  readonly #holding: Holding;
  #thread: Thread | undefined;
  /** As far as it is known; undefined until it was open once. */
  #progress: HistoryProgress | undefined;
  /** How far the log is beyond it, as it was told last. */
  #behind: LogBehind | undefined;
  #distrusted: string | undefined;
  #told: "in time" | "paced" | "stalled" = "in time";
  #closed = false;

  private constructor(parts: Parts) {
    this.#parts = parts;
    this.#holding = new Holding(parts.clock.monotonic());
  }

  /** @throws TallyError STORE_UNAVAILABLE of a file that is not to be touched; one that only fails is told of, and tried again */
  static async open(parts: Parts): Promise<SqliteHistory> {
    const history = new SqliteHistory(parts);
    try {
      await history.#start();
    } catch (error) {
      if (isForOperator(error)) throw error;
      parts.warn(
        `No history is kept until this is mended: ${error instanceof Error ? error.message : error}`,
      );
    }
    return history;
  }

  readonly intake: HistoryIntake = {
    begin: async () => {
      const thread = this.#thread ?? (await this.#start());
      const cursor = await this.#orRestart(thread.ask<string>("begin", undefined));
      return cursor;
    },
    take: async (page, met) => {
      const monotonic = this.#parts.clock.monotonic();
      const request: TakeRequest = { page: packLogPage(page), met, monotonic };
      this.#progressed(await this.#orRestart(this.#open.ask("take", request)));
      return true;
    },
    save: async () => {
      const monotonic = this.#parts.clock.monotonic();
      this.#progressed(await this.#orRestart(this.#open.ask("save", monotonic)));
      return true;
    },
  };

  async query(asked: HistoryQuery, signal?: AbortSignal): Promise<HistoryAnswer | HistoryRefusal> {
    const request = (): QueryRequest => ({ asked, now: this.#parts.clock.now() });
    const { answer, completeUntil } = await this.#read<Omit<HistoryAnswer, "completeUntil"> | HistoryRefusal>(
      "query",
      request,
      signal,
    );
    return "refused" in answer ? answer : { ...answer, completeUntil };
  }

  async asOf(name: string, time: number): Promise<PastValue | HistoryRefusal | undefined> {
    const request = (): AsOfRequest => ({ name, time, now: this.#parts.clock.now() });
    const { answer, completeUntil } = await this.#read<
      Omit<PastValue, "completeUntil"> | HistoryRefusal | undefined
    >("asOf", request);
    return answer === undefined || "refused" in answer ? answer : { ...answer, completeUntil };
  }

  async changes(name: string, before: string | undefined, limit: number): Promise<NamedChanges> {
    const request = (): ChangesRequest => ({ name, before, limit });
    const { answer, completeUntil } = await this.#read<Omit<NamedChanges, "completeUntil">>(
      "changes",
      request,
    );
    return { ...answer, completeUntil };
  }

  /** All of it, row by row: see HistoryExport. */
  get exported(): HistoryExport {
    return {
      intake: this.intake,
      reach: () => this.#open.ask("reach", undefined),
      rows: (cursor, limit) => this.#open.ask("rows", { cursor, limit } satisfies WalkRequest),
    };
  }

  /** Take in some of another store's, in one durable step. */
  import(part: HistoryPart): Promise<void> {
    return this.#open.ask("import", part);
  }

  /** How far it is, for the thread that writes, which holds the log back by it. */
  get told(): HistoryTold | undefined {
    if (this.#progress === undefined) return undefined;
    const { durable, taken } = this.#progress;
    return { durable, taken, holds: !this.#isStalled };
  }

  /** How far the log is beyond it. */
  noteBehind(behind: LogBehind | undefined): void {
    this.#behind = behind;
    if (this.#isStalled) this.#tell("stalled");
    if (this.#told === "stalled") return;
    if (this.#paceMs > 0) this.#tell("paced");
    else if (behind !== undefined && behind.bytes < behind.room / 4) this.#told = "in time";
  }

  /** From half of the log's room on, commits wait for history: the later, the longer. Undefined when they need not. */
  pace(): Promise<void> | undefined {
    return this.#paceMs > 0 ? sleep(this.#paceMs) : undefined;
  }

  /** Do some of the work that keeps it small. @param doubted  whether the wall clock is in doubt */
  async maintain(doubted: boolean): Promise<boolean> {
    if (this.#thread === undefined) return false;
    const { clock } = this.#parts;
    const request: TidyRequest = { now: doubted ? undefined : clock.now(), monotonic: clock.monotonic() };
    try {
      const { more, progress } = await this.#orRestart(
        this.#thread.ask<{ more: boolean; progress: HistoryProgress }>("maintain", request),
      );
      this.#progressed(progress);
      return more;
    } catch (error) {
      this.#parts.warn(`History could not be tended: ${error instanceof Error ? error.message : error}.`);
      return false;
    }
  }

  /** Resolves once its thread answers, or has ended, whichever comes first: a new one is begun when it is needed. */
  async answers(): Promise<void> {
    await this.#thread?.ask("alive", undefined).catch(() => {});
  }

  /** Save what was taken in, and end the thread. */
  async close(): Promise<void> {
    this.#closed = true;
    const thread = this.#thread;
    this.#thread = undefined;
    if (thread === undefined || thread.hasEnded) return;
    try {
      this.#progressed(await thread.ask<HistoryProgress>("seal", undefined));
      await thread.close(true);
    } catch (error) {
      this.#parts.warn(
        `History was not saved at the end: ${error instanceof Error ? error.message : error}.`,
      );
      await thread.close(false).catch(() => {});
    }
  }

  /** Whether it has not come on for so long that the log does not wait for it. */
  get #isStalled(): boolean {
    const at = BigInt(this.#progress?.durable.position ?? 0);
    const end = BigInt(this.#behind?.end ?? 0);
    return this.#holding.droppable(at, end, this.#parts.clock.monotonic()) > at;
  }

  get #paceMs(): number {
    if (this.#behind === undefined || this.#told === "stalled") return 0;
    const full = this.#behind.bytes / this.#behind.room;
    return Math.round(PACE_MS_MAX * Math.min(1, Math.max(0, 2 * full - 1)));
  }

  get #open(): Thread {
    if (this.#thread !== undefined) return this.#thread;
    throw new TallyError(
      "STORE_UNAVAILABLE",
      this.#closed ? "the store is closed" : "the history's file has failed",
    );
  }

  async #start(): Promise<Thread> {
    if (this.#closed) throw new TallyError("STORE_UNAVAILABLE", "the store is closed");
    const { path, options, clock, newUid, warn, expected, metrics } = this.#parts;
    const distrusted = this.#distrusted;
    const data: HistoryData = { path, options, startId: newUid(), now: clock.now(), distrusted, expected };
    const { thread, opened } = await Thread.start<{ progress: HistoryProgress; warnings: string[] }>(
      "history/history-worker",
      data,
      { measured: metrics && { metrics, name: "history" } },
    );
    for (const warning of opened.warnings) warn(warning);
    this.#distrusted = undefined;
    this.#progress = opened.progress;
    this.#thread = thread;
    void thread.failed.then(() => this.#drop(thread));
    return thread;
  }

  /** After a failure the next `begin` opens the file anew: one that is damaged is set aside then. */
  async #orRestart<Result>(asked: Promise<Result>): Promise<Result> {
    const thread = this.#thread!;
    try {
      return await asked;
    } catch (error) {
      const [damaged] = /SQLITE_(CORRUPT|NOTADB)/.exec(error instanceof Error ? error.message : "") ?? [];
      if (damaged !== undefined) this.#distrusted = `it is damaged (${damaged})`;
      this.#drop(thread);
      await thread.close(false).catch(() => {});
      throw error;
    }
  }

  #drop(thread: Thread): void {
    if (this.#thread === thread) this.#thread = undefined;
  }

  #progressed(progress: HistoryProgress): void {
    const before = this.#progress?.durable.position ?? 0;
    this.#progress = progress;
    if (progress.durable.position > before) {
      this.#holding.moved(this.#parts.clock.monotonic());
      if (this.#told === "stalled") this.#told = "in time";
    }
    this.#arrival.moved();
  }

  #tell(what: "paced" | "stalled"): void {
    if (this.#told === what) return;
    this.#told = what;
    this.#parts.warn(
      what === "stalled"
        ? "History has not come on for a minute: the change log no longer waits for it, and it may miss changes."
        : "History is behind by half of the change log's room: changes wait up to 20 ms longer for it.",
    );
  }

  /** Wait for what the log has by now, and read. Resolves with up to when all is in the answer too. */
  async #read<Answer>(
    what: "query" | "asOf" | "changes",
    request: () => QueryRequest | AsOfRequest | ChangesRequest,
    signal?: AbortSignal,
  ): Promise<{ answer: Answer; completeUntil: number }> {
    const now = this.#parts.clock.now();
    const end = await this.#parts.reader.ask<number>("logEnd", undefined);
    for (;;) {
      const arrived = await this.#arrival.at(BigInt(end));
      if (signal?.aborted) throw new TallyError("CALL_CANCELLED", "nobody waits for the answer any more");
      const { answer, progress } = await this.#open.ask<Reading<Answer>>(what, request());
      if (progress.taken >= end) return { answer, completeUntil: now };
      if (!arrived) return { answer, completeUntil: progress.time };
      // Who takes in began anew, from what was saved: what is known here of how far it is was from before.
      this.#progressed(progress);
    }
  }
}

const PACE_MS_MAX = 20;

/** What the operator is to decide before anything is served: a newer file, one with another name; no failure of a disk. */
function isForOperator(error: unknown): boolean {
  return error instanceof TallyError && !/^(SQLITE_|E[A-Z]+ )/.test(String(error.cause));
}

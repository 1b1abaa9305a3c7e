import { LEVELS, Level, periodStart } from "../../../core/levels.ts";
import type { HistoryIntake, HistoryOptions } from "../../../service/store-history.ts";
import type { LoggedCounter, LogPage } from "../../../service/store-log.ts";
import { HistoryTaking } from "../../shared/history/intake.ts";
import {
  EndedWalk,
  hasDropped,
  keptFrom,
  LOOKED_AT_ONCE,
  PACKED_AT_ONCE,
  tidy,
} from "../../shared/history/tidying.ts";
import type { Database } from "../connection/database.ts";
import type { Session } from "../connection/session.ts";
import { SERVED, SERVING_COLUMNS } from "../copy-lock.ts";
import { NOW_MS } from "../now.ts";
import { LoadedRows } from "./loaded-rows.ts";
import { type HistoryLoading, type HistoryState, STATE_COLUMNS, takeState } from "./loading.ts";
import { savingOf } from "./saving.ts";

/**
 * Takes the change log into the tables. One process at a time has the lease, which saves the others the work; what keeps it
 * right is that each save compares who saved last, in its own transaction: what two take in counts once.
 */
export class PostgresIntake implements HistoryIntake {
  readonly #database: Database;
  readonly #loading: HistoryLoading;
  readonly #options: HistoryOptions;
  readonly #owner: string;
  readonly #serves: boolean;
  #rows = new LoadedRows();
  #taking = new HistoryTaking(this.#rows);
  readonly #ended = new EndedWalk((numbers) => this.#taking.forget(numbers));
  /** Undefined while it is not for this process. */
  #state: HistoryState | undefined;
  #folded = 0;
  #savedAt = Number.NEGATIVE_INFINITY;
  #turn: Promise<unknown> = Promise.resolve();

  /** @param serves  whether what is taken in from now on makes a copy of another store something else */
  constructor(
    database: Database,
    loading: HistoryLoading,
    options: HistoryOptions,
    { owner, serves }: { readonly owner: string; readonly serves: boolean },
  ) {
    this.#serves = serves;
    this.#database = database;
    this.#loading = loading;
    this.#options = options;
    this.#owner = owner;
  }

  begin(): Promise<string | undefined> {
    return this.#inTurn(async () => {
      this.#lose();
      return this.#database.upkeep(async (session) => {
        if (!(await this.#mayServe(session))) return undefined;
        const [row] = await session.send(this.#database.statement(LEASE), [this.#owner, LEASE_SECONDS]);
        if (row === undefined) return undefined;
        if (this.#serves) await session.send(this.#database.statement(`${SERVED} WHERE ended`));
        this.#state = takeState(row, this.#rows);
        return this.#taking.begin();
      });
    });
  }

  take(page: LogPage, met: ReadonlyMap<number, LoggedCounter | undefined>): Promise<boolean> {
    return this.#inTurn(async () => {
      if (this.#state === undefined) return false;
      const rows = this.#rows;
      const uids = [...met.values()].flatMap((counter) => (counter === undefined ? [] : [counter.uid]));
      const unknown = uids.filter((uid) => rows.counterOf(uid) === undefined);
      // What is erased, and what openings are compared with, must have been saved, and be here.
      const { openings, dropped } = page;
      const erases = [...met.values()].some((counter) => counter?.history === false);
      const loses = met.size > 0 && [...met.values()].some((counter) => counter?.untracked);
      const looksBack = openings || dropped || erases || loses || this.#taking.mending;
      if (looksBack && !(await this.#save())) return false;
      if (looksBack || unknown.length > 0)
        await this.#database.snapshot(async (session) => {
          await this.#loading.counters(session, rows, looksBack ? uids : unknown);
          if (!looksBack) return;
          await this.#loading.starts(session, rows);
          if (this.#taking.mending && !openings) await this.#loading.living(session, rows);
          if (!openings && !loses) return;
          const numbers = uids.flatMap((uid) => rows.counterOf(uid)?.number ?? []);
          await this.#loading.open(session, rows, numbers);
          await this.#loading.last(session, rows, numbers, Number.POSITIVE_INFINITY);
        });
      this.#taking.take(page, met);
      this.#folded += page.commits.changes.count;
      return !looksBack && this.#folded < FOLDED_MAX ? true : this.#save();
    });
  }

  save(): Promise<boolean> {
    return this.#inTurn(() => this.#save());
  }

  /** Let another process take in. */
  async end(): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#state === undefined) return;
      this.#lose();
      await this.#database.upkeep((session) =>
        session.send(this.#database.statement(RELEASE), [this.#owner]),
      );
    });
  }

  /** Whether this process takes in, as far as it knows. */
  get takes(): boolean {
    return this.#state !== undefined;
  }

  /** Do one slice of `tidy`, if this process takes in. */
  tidy(now: number): Promise<boolean> {
    return this.#inTurn(async () => {
      if (this.#state === undefined || !(await this.#save())) return false;
      const rows = this.#rows;
      await this.#database.snapshot(async (session) => {
        await this.#loading.head(session, rows);
        await this.#loading.oldest(session, rows);
        await this.#loading.starts(session, rows);
        const after = this.#ended.next(now);
        if (after !== undefined && hasDropped(rows))
          await this.#loading.ended(session, rows, after, keptFrom(rows), LOOKED_AT_ONCE);
        const [oldest] = rows.openStarts();
        if (oldest === undefined) return;
        const numbers = await this.#loading.openAt(session, rows, oldest, PACKED_AT_ONCE);
        const hour = periodStart(Level.MINUTE, oldest);
        await this.#loading.open(session, rows, numbers);
        for (const level of LEVELS)
          await this.#loading.packed(session, rows, level, [periodStart(level, hour)], numbers);
      });
      const more = tidy(rows, this.#options, now, this.#ended);
      return (await this.#save()) && more;
    });
  }

  /** Save what was folded and written. @returns  false when another process has saved, and this is forgotten */
  async #save(): Promise<boolean> {
    if (this.#state === undefined) return false;
    const idle = this.#folded === 0 && !this.#rows.pending.any;
    if (idle && performance.now() - this.#savedAt < RENEWED_AFTER_MS) return true;
    const saved = await this.#database
      .upkeep((session) => this.#saveIn(session)) // Which takes no commit's place.
      .catch((error: unknown) => {
        this.#lose(); // Nobody knows whether it was saved: whoever begins again does.
        throw error;
      });
    if (saved === undefined) this.#lose();
    else {
      this.#state = saved;
      this.#savedAt = performance.now();
      this.#folded = 0;
      this.#rows.clear();
    }
    return saved !== undefined;
  }

  async #saveIn(session: Session): Promise<HistoryState | undefined> {
    if (!(await this.#mayServe(session))) {
      await session.send(this.#database.statement(RELEASE), [this.#owner]); // To the copy, which waits for it.
      return undefined;
    }
    const rows = this.#rows;
    const { saves } = this.#state!;
    const { cursor, time, latest, position, gaps, droppedTo } = rows.head();
    const head = [
      cursor,
      time,
      latest,
      position,
      rows.nextNumber,
      JSON.stringify(gaps),
      JSON.stringify(droppedTo),
    ];
    const values = [this.#owner, LEASE_SECONDS, saves, ...head];
    const [row] = await session.send(this.#database.statement(SAVE), values);
    if (row === undefined) return undefined;
    const keys = [...this.#taking.folded()];
    if (keys.length > 0) await this.#loading.openOf(session, rows, keys);
    this.#taking.flush();
    await Promise.all(
      savingOf(this.#database, rows).map(([statement, given]) => session.send(statement, given)),
    );
    return { saves: row.saves as bigint };
  }

  /** Whether no copy has the store, which takes in itself what is missing. */
  async #mayServe(session: Session): Promise<boolean> {
    if (!this.#serves) return true;
    const columns = SERVING_COLUMNS(this.#database.schema);
    const [row] = await session.send(this.#database.statement(`SELECT ${columns}`));
    return row!.free === true;
  }

  #lose(): void {
    this.#state = undefined;
    this.#folded = 0;
    this.#rows = new LoadedRows();
    this.#taking = new HistoryTaking(this.#rows);
  }

  /** One thing after another. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }
}

/** Without anything to save, the lease is prolonged after so long. */
const RENEWED_AFTER_MS = 3_000;
/** How long the lease is for, from each save. */
const LEASE_SECONDS = 10;
const UNTIL = "clock_timestamp() + make_interval(secs => $2)";
const LEASE = `
  UPDATE @history_state SET owner = $1, until = ${UNTIL}, saved_ms = coalesce(saved_ms, ${NOW_MS})
  WHERE (owner IS NULL OR owner = $1 OR until < clock_timestamp()) AND (SELECT ended FROM @copying) IS NOT FALSE
  RETURNING ${STATE_COLUMNS}`; // A copy brings a history of its own.
const RELEASE = "UPDATE @history_state SET owner = NULL WHERE owner = $1";
const SAVE = `
  UPDATE @history_state SET until = ${UNTIL}, saves = saves + 1,
    saved_ms = CASE WHEN cursor = $4 THEN saved_ms ELSE ${NOW_MS} END,
    cursor = $4, time_ms = $5, latest_ms = $6, position = $7, next_number = $8, gaps = $9, dropped_to = $10
  WHERE owner = $1 AND saves = $3 RETURNING saves`;
/** So many changes are saved at once, also when a second has not passed. */
const FOLDED_MAX = 50_000;

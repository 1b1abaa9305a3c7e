import { TallyError } from "../../../core/errors.ts";
import { LEVELS } from "../../../core/levels.ts";
import type {
  History,
  HistoryAnswer,
  HistoryOptions,
  HistoryQuery,
  HistoryRefusal,
  NamedChanges,
  PastValue,
} from "../../../service/store-history.ts";
import { HISTORY_WAIT_MS } from "../../shared/history/arrival.ts";
import { asOf, HistoryFolding, lastBefore, namedChanges, oldestOf } from "../../shared/history/reading.ts";
import type { CounterRow } from "../../shared/history/rows.ts";
import { parseCursor, ROW_ID } from "../../shared/log-cursor.ts";
import type { Database } from "../connection/database.ts";
import { type Row, type Session, theRow } from "../connection/session.ts";
import { NOW_MS } from "../now.ts";
import { PostgresIntake } from "./intake.ts";
import { LoadedRows } from "./loaded-rows.ts";
import { HistoryLoading, periodsOf } from "./loading.ts";

/** History in the same schema. Every process answers from the tables; one of them at a time takes the change log in. */
export class PostgresHistory implements History {
  readonly intake: PostgresIntake;
  readonly #database: Database;
  readonly #loading: HistoryLoading;
  readonly #options: HistoryOptions;
  /** Gives all commits that are visible their places in the log. */
  readonly #place: () => Promise<void>;

  readonly #doubts: (row: Row) => boolean;
  /** By the database's clock, when there was nothing left to tidy. */
  #tidiedAt = Number.NEGATIVE_INFINITY;

  /** @param parts.owner  what this process is known by */
  constructor(
    database: Database,
    options: HistoryOptions,
    { place, doubts, owner }: { place: () => Promise<void>; doubts: (row: Row) => boolean; owner: string },
  ) {
    this.#doubts = doubts;
    this.#database = database;
    this.#loading = new HistoryLoading(database);
    this.#options = options;
    this.#place = place;
    this.intake = new PostgresIntake(database, this.#loading, options, { owner, serves: true });
  }

  async query(asked: HistoryQuery, signal?: AbortSignal): Promise<HistoryAnswer | HistoryRefusal> {
    const { now, completeUntil } = await this.#arrive(signal);
    const { of, level, edges } = asked;
    const [first, end] = [edges[0]!, edges.at(-1)!];
    return this.#database.snapshot(async (session): Promise<HistoryAnswer | HistoryRefusal> => {
      const rows = new LoadedRows();
      await this.#loading.head(session, rows);
      const oldest = oldestOf(rows, level, this.#options, now);
      if (first < oldest) return { refused: "EXPIRED", oldest };
      await this.#loading.starts(session, rows);
      const folding = new HistoryFolding(level, edges, "name" in of);
      const named: CounterRow[] = [];
      for await (const some of this.#counters(session, of)) {
        signal?.throwIfAborted();
        if ("name" in of) named.push(...some);
        const concerned = some.filter((counter) => folding.concerns(counter));
        const numbers = concerned.map(({ number }) => number);
        const part = rows.within();
        await this.#loading.open(session, part, numbers);
        await this.#loading.last(session, part, numbers, first);
        const until = Math.min(end, Math.max(rows.head().latest, ...concerned.map(({ to = 0 }) => to)) + 1);
        await this.#loading.packed(session, part, level, periodsOf(level, first, until), numbers);
        for (const counter of some) if (!folding.add(part, counter)) return folding.tooMuch;
      }
      return { ...folding.finish(rows, named), oldest, completeUntil };
    });
  }

  async asOf(name: string, time: number): Promise<PastValue | HistoryRefusal | undefined> {
    const { now, completeUntil } = await this.#arrive();
    return this.#database.snapshot(async (session) => {
      const rows = new LoadedRows();
      await this.#loading.head(session, rows);
      await this.#loading.starts(session, rows);
      const numbers = (await this.#loading.named(session, rows, name)).map(({ number }) => number);
      await this.#loading.open(session, rows, numbers);
      for (const level of LEVELS) await this.#loading.last(session, rows, numbers, lastBefore(level, time));
      const value = asOf(rows, name, time, this.#options, now);
      return value === undefined || "refused" in value ? value : { ...value, completeUntil };
    });
  }

  async changes(name: string, before: string | undefined, limit: number): Promise<NamedChanges> {
    const { completeUntil } = await this.#arrive();
    return this.#database.snapshot(async (session) => {
      const rows = new LoadedRows();
      const numbers = (await this.#loading.named(session, rows, name)).map(({ number }) => number);
      const from = before === undefined ? Number.POSITIVE_INFINITY : Number(before);
      await this.#loading.changes(session, rows, numbers, from, limit + 1);
      return { ...namedChanges(rows, name, before, limit), completeUntil };
    });
  }

  /** Do one slice of what keeps it small, if this process takes in. Returns whether there is more. */
  async tidy(): Promise<boolean> {
    if (!this.intake.takes) return false;
    const [row] = await this.#database.read(this.#database.statement(`SELECT ${NOW_MS} AS now`));
    const now = Number(row!.now);
    if (Math.abs(now - this.#tidiedAt) < TIDIED_EVERY_MS || this.#doubts(row!)) return false;
    const more = await this.intake.tidy(now);
    if (!more) this.#tidiedAt = now;
    return more;
  }

  /** The counters asked for, some at a time. */
  async *#counters(session: Session, of: HistoryQuery["of"]): AsyncGenerator<readonly CounterRow[]> {
    if ("name" in of) {
      const found = await this.#loading.named(session, new LoadedRows(), of.name);
      yield found.filter(({ erased }) => !erased);
      return;
    }
    let after: readonly [string, number] = ["", -1];
    for (;;) {
      const some = await this.#loading.under(session, of.prefix, after, COUNTERS_AT_ONCE);
      const last = some.at(-1);
      if (last === undefined) return;
      yield some;
      after = [last.name, last.number];
    }
  }

  /** Wait for what the log has by now. Resolves with the time by the database's clock, and with up to when all is there. */
  async #arrive(signal?: AbortSignal): Promise<{ now: number; completeUntil: number }> {
    await this.#place();
    const until = performance.now() + HISTORY_WAIT_MS;
    let asked: { now: number; end: bigint } | undefined;
    for (;;) {
      const found = await this.#database.read(this.#database.statement(ARRIVED));
      const { now, end, cursor, time_ms } = theRow(found, "history_state");
      asked ??= { now: Number(now), end: end as bigint };
      const arrived = parseCursor(cursor as string, ROW_ID).position >= asked.end;
      if (arrived || performance.now() >= until)
        return { now: asked.now, completeUntil: arrived ? asked.now : Number(time_ms) };
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      if (signal?.aborted) throw new TallyError("CALL_CANCELLED", "nobody waits for the answer any more");
    }
  }
}

/**
 * The time, the end of the log, and how far history is. Both tables have one row, which PostgreSQL does not know: of what many
 * updates have left of them it expects a million pairs, and compiles the statement, for 25 ms each time.
 */
export const ARRIVED = `SELECT ${NOW_MS} AS now, s.log_position AS end, h.cursor, h.time_ms
  FROM (SELECT cursor, time_ms FROM @history_state LIMIT 1) AS h,
    (SELECT log_position FROM @service_state LIMIT 1) AS s`;
const TIDIED_EVERY_MS = 5_000;
const COUNTERS_AT_ONCE = 200;
/** How often to look whether another process has saved. */
const LOOK_MS = 50;

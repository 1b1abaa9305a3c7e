import type { Level } from "../../../core/levels.ts";
import { DEFAULT_HISTORY } from "../../../service/store-history.ts";
import type { HistoryExport, HistoryPart, HistoryRow } from "../../../service/store-history-copying.ts";
import { importRows, keyOf, placeOf, rowPage } from "../../shared/history/copying.ts";
import type { Database } from "../connection/database.ts";
import type { Row, Session } from "../connection/session.ts";
import { NOW_MS } from "../now.ts";
import { PostgresIntake } from "./intake.ts";
import { LoadedRows } from "./loaded-rows.ts";
import { HistoryLoading, PACKED_COLUMNS, toCounter, toNamedChange } from "./loading.ts";
import { savingOf } from "./saving.ts";

/** The history of a schema, for copies from it and into it. */
export class PostgresHistoryCopying {
  readonly #database: Database;
  readonly #loading: HistoryLoading;
  readonly #taking: { readonly owner: string; readonly serves: false };
  #intake: PostgresIntake | undefined;

  /** @param owner  what this process is known by */
  constructor(database: Database, owner: string) {
    this.#database = database;
    this.#loading = new HistoryLoading(database);
    this.#taking = { owner, serves: false };
  }

  /** See Copying.exportHistory. */
  async exported(): Promise<HistoryExport | undefined> {
    if ((await this.#head()).cursor === "") return undefined;
    this.#intake ??= new PostgresIntake(this.#database, this.#loading, DEFAULT_HISTORY, this.#taking);
    return {
      intake: this.#intake,
      reach: async () => {
        const { cursor, ...reach } = await this.#head();
        return reach;
      },
      rows: async (cursor, limit) => {
        const { table, after } = placeOf(cursor);
        const found = await this.#database.read(this.#database.statement(PAGES[table]), [...after, limit]);
        const rows = found.map((row) => ROWS[table](row));
        return rowPage(
          cursor,
          rows.map((row) => ({ key: keyOf(row), row, from: 0 })),
          limit,
        );
      },
    };
  }

  /** Take in some of another store's, in the caller's transaction. */
  async import(session: Session, { rows, reach }: HistoryPart): Promise<void> {
    const loaded = new LoadedRows();
    importRows(loaded, rows);
    for (const [statement, values] of savingOf(this.#database, loaded)) await session.send(statement, values);
    if (reach === undefined) return;
    const { time, latest, position, gaps, droppedTo } = reach;
    const head = [time, latest, position, JSON.stringify(gaps), JSON.stringify(droppedTo)];
    await session.send(this.#database.statement(END), head);
  }

  /** Let another process take in. */
  async close(): Promise<void> {
    await this.#intake?.end();
  }

  async #head() {
    const rows = new LoadedRows();
    await this.#database.snapshot((session) => this.#loading.head(session, rows));
    return rows.head();
  }
}

/** Leave nothing of a history, whoever is taking into it. */
export const CLEAR_HISTORY = `
  TRUNCATE @history_counters, @history_open, @history_packed, @history_changes;
  UPDATE @history_state SET owner = NULL, until = NULL, saves = saves + 1, saved_ms = NULL, cursor = '', time_ms = 0,
    latest_ms = 0, position = 0, next_number = 0, bytes = 0, gaps = '[]', dropped_to = '[0,0,0]'`;
/** All changes that were copied have their places by then. */
const END = `
  UPDATE @history_state SET saves = saves + 1, saved_ms = ${NOW_MS},
    cursor = (SELECT log_position::text FROM @service_state), time_ms = $1, latest_ms = $2, position = $3, gaps = $4,
    dropped_to = $5, next_number = (SELECT coalesce(max(number) + 1, 0) FROM @history_counters)`;

const PAGES: Readonly<Record<HistoryRow["table"], string>> = {
  counters: `SELECT number, name, uid, from_ms, to_ms, erased FROM @history_counters
    WHERE number > $1 ORDER BY number LIMIT $2`,
  minutes: `SELECT start_ms, number, bucket FROM @history_open
    WHERE (start_ms, number) > ($1, $2) ORDER BY start_ms, number LIMIT $3`,
  packed: `SELECT ${PACKED_COLUMNS} FROM @history_packed
    WHERE (level, period_ms, number) > ($1, $2, $3) ORDER BY level, period_ms, number LIMIT $4`,
  changes: `SELECT number, position, time_ms, change FROM @history_changes
    WHERE (number, position) > ($1, $2) ORDER BY number, position LIMIT $3`,
};

const ROWS: Readonly<Record<HistoryRow["table"], (row: Row) => HistoryRow>> = {
  counters: (row) => ({ table: "counters", ...toCounter(row) }),
  minutes: ({ start_ms, number, bucket }) => {
    return { table: "minutes", start: Number(start_ms), number: Number(number), buckets: bucket as Buffer };
  },
  packed: ({ level, period_ms, number, buckets }) => ({
    ...{ table: "packed", level: Number(level) as Level, period: Number(period_ms), number: Number(number) },
    buckets: buckets as Buffer,
  }),
  changes: (row) => ({ table: "changes", ...toNamedChange(row) }),
};

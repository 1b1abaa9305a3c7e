import { CORRUPT, type FullCounter } from "../../core/counter.ts";
import { TallyError } from "../../core/errors.ts";
import { present } from "../../core/present.ts";
import { byRank, EMPTY_SUM, endOf, type Order, type Selection, type Sum } from "../../core/selection.ts";
import type { Calendar } from "../../core/window.ts";
import type { CounterPage, Counters } from "../../service/store-pages.ts";
import { IS_THERE, NOW, VALUE } from "./as-of-now.ts";
import type { ChangeLog } from "./change-log.ts";
import type { Database } from "./connection/database.ts";
import type { Call, Row, Statement } from "./connection/session.ts";
import { COUNTER_COLUMNS, DETAIL_COLUMNS, labelKey, toFullCounter } from "./rows.ts";

/** Reads of counters, each one statement and so as of one moment: see Store.get, list, top and sum. */
export class CounterReads {
  readonly #database: Database;
  readonly #get: Statement;
  readonly #common: Statement;
  readonly #calendar: Calendar;
  readonly #asStored: boolean;

  /** @param asStored  whether counters are given as they are stored, whatever time it is; see AsOf */
  constructor(database: Database, calendar: Calendar, asStored: boolean) {
    this.#database = database;
    this.#calendar = calendar;
    this.#asStored = asStored;
    this.#get = database.statement(`SELECT ${COLUMNS} FROM @counters AS c WHERE c.name = ANY($1::text[])`);
    this.#common = database.statement(`
      SELECT label, (SELECT count(*) FROM (SELECT 1 FROM @counter_labels AS l
        WHERE l.label = u.label AND l.name >= $2 AND l.name < $3 LIMIT ${COMMON}) AS counted) AS count
      FROM unnest($1::text[]) AS u (label) ORDER BY 2`);
  }

  async get(names: readonly string[]): Promise<(FullCounter | undefined | typeof CORRUPT)[]> {
    const rows = await this.#database.read(this.#get, [[...new Set(names)]]);
    const counters = new Map(rows.map((row) => [row.name as string, row]));
    return names.map((name) => {
      const row = counters.get(name);
      return row === undefined ? undefined : this.#presented(row);
    });
  }

  async list(selection: Selection, from: string, limit: number): Promise<CounterPage> {
    const [call, toPage] = await this.#page(selection, from, limit);
    return toPage(await this.#database.read(...call));
  }

  /** The same, and where the change log was at the moment that the page is as of. */
  async markedPage(selection: Selection, from: string, limit: number, log: ChangeLog): Promise<CounterPage> {
    const [[statement, values], toPage] = await this.#page(selection, from, limit);
    return this.#database.snapshot(async (session) => {
      const [rows, mark] = await Promise.all([
        session.send(statement, values, { prepared: false }),
        log.mark(session),
      ]);
      return { ...toPage(rows), mark };
    });
  }

  /** The one statement that reads a page, and what makes the page of its rows. */
  async #page(
    { prefix, labels }: Selection,
    from: string,
    limit: number,
  ): Promise<[call: Call, toPage: (rows: readonly Row[]) => CounterPage]> {
    const range = [from < prefix ? prefix : from, endOf(prefix)] as const;
    const keys = await this.#rarestFirst(labelKeys(labels), range);
    const [rarest, ...others] = keys;
    if (rarest === undefined) {
      return [[this.#anyPage(), [...range, limit + 1]], (rows) => this.#toPage(rows, limit, undefined)];
    }
    const values = [...range, limit + 1, rarest, ...others];
    return [
      [this.#labelledPage(others.length), values],
      (rows) => {
        const { looked, last } = rows[0] as { looked: bigint; last: string | null };
        const found = rows.filter(({ name }) => name !== null);
        return this.#toPage(found, limit, looked > BigInt(LOOKS_MAX) ? last! : undefined);
      },
    ];
  }

  async top(selection: Selection, n: number, order: Order): Promise<Counters> {
    const [where, values] = this.#selected(selection);
    const rows = await this.#database.read(
      this.#database.statement(`
        SELECT ${COLUMNS} FROM @counters AS c WHERE ${where}
        ORDER BY ${this.#value} ${order === "highest" ? "DESC" : "ASC"}, c.name LIMIT $3`),
      [values[0], values[1], n, ...values.slice(2)],
    );
    const { counters, corruptNames } = this.#toCounters(rows);
    return { counters: counters.toSorted(byRank(order)), corruptNames };
  }

  async sum(selection: Selection): Promise<Sum> {
    const [where, values] = this.#selected(selection);
    const [row] = await this.#database.read(
      this.#database.statement(`
        SELECT count(*) AS count, count(*) - count(value) AS damaged,
          sum(value)::text AS sum, min(value) AS lowest, max(value) AS highest
        FROM (SELECT ${this.#value} AS value FROM @counters AS c WHERE ${where}) AS seen WHERE $3::int IS NULL`),
      [values[0], values[1], null, ...values.slice(2)],
    );
    const { count, damaged, sum, lowest, highest } = row as Record<
      "count" | "damaged" | "lowest" | "highest",
      bigint
    > & { sum: string };
    if (count === 0n) return EMPTY_SUM;
    if (damaged > 0n)
      throw new TallyError("ROW_CORRUPT", `${damaged} of the counters are damaged`, { part: "counters" });
    return { count: Number(count), sum: BigInt(sum), lowest, highest, corruptNames: [] };
  }

  #anyPage(): Statement {
    return this.#database.statement(`
      SELECT ${COLUMNS} FROM @counters AS c WHERE c.name >= $1 AND c.name < $2 ORDER BY c.name LIMIT $3`);
  }

  /** A page of those with a label, and with more; the number looked at, and the last name of them, with each row. */
  #labelledPage(more: number): Statement {
    return this.#database.statement(`
      WITH looked AS MATERIALIZED (
        SELECT name FROM @counter_labels WHERE label = $4 AND name >= $1 AND name < $2
        ORDER BY name LIMIT ${LOOKS_MAX + 1}
      ), seen AS (SELECT count(*) AS looked, max(name) AS last FROM looked)
      SELECT looked, last, ${PAGE_COLUMNS} FROM seen LEFT JOIN LATERAL (
        SELECT ${COLUMNS} FROM looked JOIN @counters AS c USING (name)
        WHERE (looked <= ${LOOKS_MAX} OR c.name < last) AND ${hasLabels(5, more)}
        ORDER BY c.name LIMIT $3
      ) AS page ON true ORDER BY page.name`);
  }

  /** Which of the common ones comes first does not matter. */
  async #rarestFirst(keys: readonly string[], range: readonly [string, string]): Promise<readonly string[]> {
    if (keys.length < 2) return keys;
    const rows = await this.#database.read(this.#common, [keys, ...range]);
    return rows.map((row) => row.label as string);
  }

  get #value(): string {
    return this.#asStored ? "c.value" : VALUE;
  }

  /** What is true for the counters selected, with $1 and $2 for the range of names and $4 and up for the labels. */
  #selected({ prefix, labels }: Selection): [where: string, values: string[]] {
    const keys = labelKeys(labels);
    const where = ["c.name >= $1", "c.name < $2", hasLabels(4, keys.length)];
    if (!this.#asStored) where.push(IS_THERE);
    return [where.join(" AND "), [prefix, endOf(prefix), ...keys]];
  }

  /** One more row than the limit says where the next page begins. */
  #toPage(rows: readonly Row[], limit: number, stoppedAt: string | undefined): CounterPage {
    return {
      ...this.#toCounters(rows.slice(0, limit)),
      next: (rows[limit]?.name as string | undefined) ?? stoppedAt,
    };
  }

  #toCounters(rows: readonly Row[]): Counters {
    const counters: FullCounter[] = [];
    const corruptNames: string[] = [];
    for (const row of rows) {
      const counter = this.#presented(row);
      if (counter === CORRUPT) corruptNames.push(row.name as string);
      else if (counter !== undefined) counters.push(counter);
    }
    return { counters, corruptNames };
  }

  /** A counter as of the time beside it. */
  #presented(row: Row): FullCounter | undefined | typeof CORRUPT {
    const counter = toFullCounter(row);
    const asOf = { now: Number(row.now), asStored: this.#asStored };
    return counter === CORRUPT ? counter : present(counter, asOf, this.#calendar);
  }
}

const ALL = `${COUNTER_COLUMNS}, ${DETAIL_COLUMNS}`;

/** A counter, and the time as of which it is seen: the server's, and one for the whole statement. */
const COLUMNS = `${ALL.replace(/\w+/g, "c.$&")}, ${NOW} AS now`;

const PAGE_COLUMNS = `${ALL}, now`.replace(/\w+/g, "page.$&");

/** A label that so many counters have is common. */
const COMMON = 1_000;

/** Labels that a page looks at: some milliseconds. */
const LOOKS_MAX = 5_000;

function labelKeys(labels: Selection["labels"]): string[] {
  return Object.entries(labels).map(([key, value]) => labelKey(key, value));
}

/** True for a counter with the labels that stand in so many parameters from one on. */
function hasLabels(first: number, count: number): string {
  const each = Array.from(
    { length: count },
    (_, i) => `EXISTS (SELECT 1 FROM @counter_labels AS l WHERE l.label = $${first + i} AND l.name = c.name)`,
  );
  return each.length === 0 ? "true" : each.join(" AND ");
}

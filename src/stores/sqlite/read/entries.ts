/** How the counters of a selection are found: the SQL that pages and scans have in common. */
import type { Database, Statement } from "better-sqlite3";
import { endOf, type Selection } from "../../../core/selection.ts";
import type { LinkedTable } from "../rows/linked-entries.ts";
import { COUNT_OF } from "../rows/rows.ts";
import { guardShiftSql, presentedSql, timingOf } from "../rows/timing-sql.ts";

/** A selection as the parameters of the SQL below. */
export interface Selected {
  /** How many labels it has. The first is the one that counters are found by, in its index. */
  readonly labels: number;
  /** Whether it is all counters. */
  readonly isAll: boolean;
  /** $begin and $end of the names, and of each label $key0 and $value0, $pair0 as it stands in a row, and so on. */
  readonly parameters: { readonly begin: string; readonly end: string } & Record<string, string>;
}

/** What goes through a selection's counters, each of which is an `entry` with a `name`, but in EVERYTHING. */
export interface EntriesSql {
  readonly table: string;
  /** The counter's id. */
  readonly id: string;
  /** By what entries are in order: slices are ranges of it. */
  readonly order: string;
  /** True for what is to be gone through. */
  readonly candidates: string;
  /** True for those of them that are selected. */
  readonly matches: string;
  /** True for those of which the index and the row say otherwise. */
  readonly disagrees: string;
}

/** The same with their counts. */
export interface CountsSql extends EntriesSql {
  readonly name: string;
  /** As it is stored, and as of $now; the same where time does nothing to any of them. */
  readonly stored: string;
  readonly value: string;
  readonly checksum: string;
  /** See guardShiftSql; undefined where time does nothing to any of them. */
  readonly guardShift: string | undefined;
  /** How many counts there are of one. */
  readonly found: string;
  /** By label (names, when there is none), as far as they are gone through whole: true for what the index is to have. */
  readonly seen: readonly string[];
}

/** True for everything. */
export const ALL = "true";

/** The table that inNames goes through. */
export function tableOf(labels: number): LinkedTable {
  return labels === 0 ? "counter_names" : "counter_labels";
}

/** In the order of names, by the index of names or by that of a label. */
export function inNames(labels: number): EntriesSql {
  const table = `${tableOf(labels)} AS entry`;
  const common = { table, id: "entry.counter_id", order: "entry.name" };
  if (labels === 0) return { ...common, candidates: ALL, matches: ALL, disagrees: "false" };
  const others = Array.from({ length: labels - 1 }, (_, i) => [hasEntry(i + 1), rowSays(i + 1)] as const);
  return {
    ...common,
    candidates: "entry.key = $key0 AND entry.value = $value0",
    matches: all(others.map(([entry]) => entry)),
    disagrees: `(${others.map(([entry, row]) => `${entry} IS NOT ${row}`).join(" OR ") || "false"})`,
  };
}

/** The counts of those, wherever they stand. @param timed  whether time may do something to any of them */
export function countsInNames(labels: number, timed: boolean): CountsSql {
  const entries = inNames(labels);
  const counts = asOfNow(`${entries.table} ${COUNT_OF(entries.id)}`, entries.id, current, timed);
  return {
    ...entries,
    ...counts,
    name: "entry.name",
    found: "(counts.id IS NOT NULL) + (recent.id IS NOT NULL)",
    seen: [ALL],
  };
}

/** What is told of counts. @param column  the SQL of one of their columns */
function asOfNow(table: string, id: string, column: (name: string) => string, timed: boolean) {
  const [stored, checksum, updateMs] = [column("value"), column("checksum"), column("update_ms")];
  if (!timed) return { table, stored, value: stored, checksum, guardShift: undefined };
  const count = { id, value: stored, updateMs, carry: column("carry"), checksum };
  const value = presentedSql(count);
  return {
    table: `${table} ${timingOf(count)}`,
    stored,
    value,
    checksum,
    guardShift: guardShiftSql(count, value),
  };
}

/** A table of counts, in the order of its rows: all of them, but ten times as fast for one. */
export type Place = "counts" | "recent_counts";

/**
 * The counts of one table. Only both tables together have all, so that no count is looked for in two.
 *
 * @param labels  EVERYTHING when all counters are selected: then nothing but their counts is looked at
 * @param timed   whether time may do something to any of them
 */
export function countsInRows(place: Place, labels: number, timed: boolean): CountsSql {
  const common = { id: "count.id", order: "count.id", disagrees: "false", found: "1" };
  const table = `${place} AS count NOT INDEXED`;
  const counts = (from: string) => asOfNow(from, "count.id", (column) => `count.${column}`, timed);
  if (labels === EVERYTHING) {
    const name = "(SELECT name FROM counters WHERE id = count.id)";
    return { ...common, ...counts(table), name, candidates: ALL, matches: ALL, seen: [ALL] };
  }
  const rows = {
    ...common,
    ...counts(`${table} CROSS JOIN counters AS entry ON entry.id = count.id`),
    name: "entry.name",
  };
  const own = Array.from({ length: labels }, (_, i) => ownSays(i));
  const named = "entry.name >= $begin AND entry.name < $end";
  if (labels < 2) return { ...rows, candidates: all([named, ...own]), matches: ALL, seen: [ALL] };
  return { ...rows, candidates: named, matches: all(own), seen: own };
}

/** Stands for the labels of a selection of all counters, by rows. */
export const EVERYTHING = -1;

/** A column of a count, wherever it stands; NULL when the count has gone. Both tables have values, if they have a row. */
function current(column: string): string {
  return `coalesce(recent.${column}, counts.${column})`;
}

function all(conditions: readonly string[]): string {
  return conditions.join(" AND ") || ALL;
}

/** Whether the index has a counter under a label. */
function hasEntry(label: number): string {
  return `EXISTS (SELECT 1 FROM counter_labels AS other
    WHERE other.key = $key${label} AND other.value = $value${label} AND other.name = entry.name)`;
}

/** Whether a row has a label, as far as can be told without its checksum. */
function ownSays(label: number): string {
  return `coalesce(instr(entry.labels, $pair${label}) > 0, 0)`;
}

/** The same, of the row that an entry leads to. */
function rowSays(label: number): string {
  return `coalesce((SELECT instr(labels, $pair${label}) > 0 FROM counters WHERE id = entry.counter_id), 0)`;
}

/** The statements for any number of labels, each prepared when it is first needed. */
export class ByLabels<Row> {
  readonly #prepare: (labels: number) => Statement<[object], Row>;
  readonly #statements: Statement<[object], Row>[] = [];

  constructor(prepare: (labels: number) => Statement<[object], Row>) {
    this.#prepare = prepare;
  }

  for(labels: number): Statement<[object], Row> {
    this.#statements[labels] ??= this.#prepare(labels);
    return this.#statements[labels];
  }
}

/** What is made for counts that time does nothing to, and for others. */
export function ofEither<Of>(make: (timed: boolean) => Of): (timed: boolean) => Of {
  const [plain, timed] = [make(false), make(true)];
  return (which) => (which ? timed : plain);
}

/** Tells which counts time may do something to: the statements that look for that take half as long again. For all scans. */
export class TimedCounts {
  readonly #any: Statement<[bigint, bigint], bigint>;

  constructor(db: Database) {
    this.#any = db
      .prepare<[bigint, bigint], bigint>("SELECT EXISTS (SELECT 1 FROM timings WHERE id >= ? AND id < ?)")
      .pluck();
  }

  /** Whether there is one with an id from `from` up to, and without, `to`. */
  any(from = 0n, to = 2n ** 63n - 1n): boolean {
    return this.#any.get(from, to) === 1n;
  }
}

/** Makes a selection into parameters, the rarest label first, and tells how many entries its index has. */
export class Selector {
  readonly #count: ByLabels<number>;

  constructor(db: Database) {
    this.#count = new ByLabels((labels) => {
      const { table, candidates } = inNames(labels);
      return db
        .prepare<[object], number>(
          `SELECT count(*) FROM (
            SELECT 1 FROM ${table} WHERE ${candidates} AND name >= $begin AND name < $end LIMIT $enough)`,
        )
        .pluck();
    });
  }

  /** @param from  leave out the names before it */
  select({ prefix, labels }: Selection, from = prefix): Selected {
    const begin = (from < prefix ? prefix : from) || LOWEST;
    const range = { begin, end: endOf(prefix) };
    let pairs = Object.entries(labels);
    if (pairs.length > 1) {
      const counted = pairs.map((pair) => {
        const alone = { labels: 1, isAll: false, parameters: { ...range, ...named([pair]) } };
        return { pair, count: this.count(alone, COMMON) };
      });
      pairs = counted.sort((a, b) => a.count - b.count).map(({ pair }) => pair);
    }
    const isAll = pairs.length === 0 && range.begin === LOWEST && range.end === endOf("");
    return { labels: pairs.length, isAll, parameters: { ...range, ...named(pairs) } };
  }

  /** How many entries the index has that a selection is found by, counted up to `enough`. */
  count({ labels, parameters }: Selected, enough: number): number {
    return Number(this.#count.for(Math.min(labels, 1)).get({ ...parameters, enough }));
  }
}

/** Above the name of the entry that is nobody's, and not above any other. */
const LOWEST = "!";

/** A label that so many counters have is common; which of the common ones has most does not matter. */
const COMMON = 1_000;

function named(pairs: readonly (readonly [string, string])[]): Record<string, string> {
  return Object.fromEntries(
    pairs.flatMap(([key, value], i) => [
      [`key${i}`, key],
      [`value${i}`, value],
      [`pair${i}`, pairText(key, value)],
    ]),
  );
}

/** A label as JSON has it: what stands between quotes has none that are not escaped. */
function pairText(key: string, value: string): string {
  return `${JSON.stringify(key)}:${JSON.stringify(value)}`;
}

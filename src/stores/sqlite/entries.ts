/** How the counters of a selection are found: the SQL that pages and scans have in common. */
import type { Database, Statement } from "better-sqlite3";
import { endOf, type Selection } from "../../core/selection.ts";

/** A selection as the parameters of the SQL below. */
export interface Selected {
  /** How many labels it has. The first is the one that counters are found by, in its index. */
  readonly labels: number;
  /** $begin and $end of the names, and of each label $key0 and $value0, and so on. */
  readonly parameters: { readonly begin: string; readonly end: string } & Record<string, string>;
}

/** What goes through a selection's counters. Each entry is called `entry`, and has a `name`. */
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
}

/** In the order of names, by the index of names or by that of a label. */
export function inNames(labels: number): EntriesSql {
  if (labels === 0) {
    const table = "counters AS entry INDEXED BY counters_by_name";
    return { table, id: "entry.id", order: "entry.name", candidates: "true", matches: "true" };
  }
  return {
    table: "counter_labels AS entry",
    id: "entry.counter_id",
    order: "entry.name",
    candidates: "entry.key = $key0 AND entry.value = $value0",
    matches: haveLabels(1, labels),
  };
}

/** In the order of the rows: all of them, but ten times as fast for one. */
export function inRows(labels: number): EntriesSql {
  return {
    table: "counters AS entry NOT INDEXED",
    id: "entry.id",
    order: "entry.id",
    candidates: "true",
    matches: `entry.name >= $begin AND entry.name < $end AND ${haveLabels(0, labels)}`,
  };
}

function haveLabels(from: number, to: number): string {
  let sql = "true";
  for (let i = from; i < to; i++) {
    sql += ` AND EXISTS (SELECT 1 FROM counter_labels AS other
      WHERE other.key = $key${i} AND other.value = $value${i} AND other.name = entry.name)`;
  }
  return sql;
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
    const range = { begin: from < prefix ? prefix : from, end: endOf(prefix) };
    let pairs = Object.entries(labels);
    if (pairs.length > 1) {
      const counted = pairs.map((pair) => {
        const alone = { labels: 1, parameters: { ...range, ...named([pair]) } };
        return { pair, count: this.count(alone, COMMON) };
      });
      pairs = counted.sort((a, b) => a.count - b.count).map(({ pair }) => pair);
    }
    return { labels: pairs.length, parameters: { ...range, ...named(pairs) } };
  }

  /** How many entries the index has that a selection is found by, counted up to `enough`. */
  count({ labels, parameters }: Selected, enough: number): number {
    return Number(this.#count.for(Math.min(labels, 1)).get({ ...parameters, enough }));
  }
}

/** A label that so many counters have is common; which of the common ones has most does not matter. */
const COMMON = 1_000;

function named(pairs: readonly (readonly [string, string])[]): Record<string, string> {
  return Object.fromEntries(
    pairs.flatMap(([key, value], i) => [
      [`key${i}`, key],
      [`value${i}`, value],
    ]),
  );
}

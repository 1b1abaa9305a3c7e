import type { Database, Statement } from "better-sqlite3";
import { CORRUPT } from "../../core/batch.ts";
import type { FullCounter } from "../../core/counter.ts";
import { INT64_MAX, INT64_MIN } from "../../core/int64.ts";
import {
  addSums,
  byRank,
  EMPTY_SUM,
  hasLabels,
  type Order,
  type Ranked,
  type Selection,
  type Sum,
} from "../../core/selection.ts";
import type { Counters } from "../../service/store.ts";
import { ByLabels, type EntriesSql, inNames, inRows, type Selected, Selector } from "./entries.ts";
import { COUNT_OF, type RowReader, toFullCounter, VALUE } from "./rows.ts";

/**
 * Reads that look at every counter selected: see Store.sum and Store.top. The caller owns the transaction.
 *
 * Slice by slice, so that they can be stopped: what `goOn` throws, called before each slice, ends them.
 */
export class Scanner {
  readonly #rows: RowReader;
  readonly #selector: Selector;
  readonly #lastId: Statement<[], bigint | null>;
  readonly #cut: ByLabels<string>;
  readonly #parts: Both<Part>;
  readonly #ranked: Readonly<Record<Order, Both<Ranked>>>;

  constructor(db: Database, rows: RowReader) {
    this.#rows = rows;
    this.#selector = new Selector(db);
    this.#lastId = db.prepare<[], bigint | null>("SELECT max(id) FROM counters").pluck();
    this.#cut = new ByLabels((labels) => {
      const { table, candidates } = inNames(labels);
      return db
        .prepare<[object], string>(
          `SELECT name FROM ${table} WHERE ${candidates} AND name >= $from AND name < $end
          ORDER BY name LIMIT 1 OFFSET ${NAMES_A_SLICE}`,
        )
        .pluck();
    });
    this.#parts = new Both(db, (values) => `SELECT ${PART} FROM (${values})`);
    this.#ranked = {
      highest: new Both(
        db,
        (values) => `${values} AND ${VALUE} >= $worst ORDER BY value DESC, name LIMIT $n`,
      ),
      lowest: new Both(db, (values) => `${values} AND ${VALUE} <= $worst ORDER BY value, name LIMIT $n`),
    };
  }

  sum(selection: Selection, goOn: () => void): Sum {
    const selected = this.#selector.select(selection);
    let sum = EMPTY_SUM;
    for (const { by, ...slice } of this.#slices(selected)) {
      goOn();
      const part = this.#parts[by].for(selected.labels).get({ ...selected.parameters, ...slice });
      sum = addSums(sum, toSum(part!));
    }
    return sum;
  }

  top(selection: Selection, n: number, order: Order, goOn: () => void): Counters {
    const selected = this.#selector.select(selection);
    const compare = byRank(order);
    let best: Ranked[] = [];
    for (const { by, ...slice } of this.#slices(selected)) {
      goOn();
      const worst = best.length === n ? best[n - 1]!.value : WORST[order];
      const parameters = { ...selected.parameters, ...slice, worst, n };
      const found = this.#ranked[order][by].for(selected.labels).all(parameters);
      best = [...best, ...found].sort(compare).slice(0, n);
    }
    return this.#whole(best, selection);
  }

  /** By rows when a good part of them is selected, because ten of them take the time of one by name. */
  *#slices(selected: Selected): Iterable<Slice> {
    const end = (this.#lastId.get() ?? 0n) + 1n;
    const few = Math.ceil(Number(end) / ROWS_A_NAME);
    if (this.#selector.count(selected, few) === few) {
      for (let from = 0n; from < end; from += ROWS_A_SLICE)
        yield { by: "rows", from, to: from + ROWS_A_SLICE };
      return;
    }
    let from: string | undefined = selected.parameters.begin;
    while (from !== undefined) {
      const next: string | undefined = this.#cut
        .for(Math.min(selected.labels, 1))
        .get({ ...selected.parameters, from });
      yield { by: "names", from, to: next ?? selected.parameters.end };
      from = next;
    }
  }

  /** The counters that were found by their index entries. */
  #whole(best: readonly Ranked[], { labels }: Selection): Counters {
    const counters: FullCounter[] = [];
    const corruptNames: string[] = [];
    for (const { name, value } of best) {
      const raw = this.#rows.find(name);
      const counter = raw === undefined || raw === CORRUPT ? undefined : toFullCounter(raw);
      if (counter !== undefined && counter.value === value && hasLabels(counter.labels, labels)) {
        counters.push(counter);
      } else corruptNames.push(name);
    }
    return { counters, corruptNames };
  }
}

/** A part of what is selected: of the ids or of the names, `to` excluded. */
interface Slice {
  readonly by: "rows" | "names";
  readonly from: bigint | string;
  readonly to: bigint | string;
}

/** What takes some 5 milliseconds. */
const ROWS_A_SLICE = 10_000n;
const NAMES_A_SLICE = 2_000;

/** So many rows in their order take the time of one that is found by name. */
const ROWS_A_NAME = 8;

/** What nothing is worse than. */
const WORST: Readonly<Record<Order, bigint>> = { highest: INT64_MIN, lowest: INT64_MAX };

/** A statement over the values of a slice's counters, whichever way the slice was cut. */
class Both<Row> {
  readonly rows: ByLabels<Row>;
  readonly names: ByLabels<Row>;

  /** @param over  a query from one that gives `name` and `value`, and ends in its WHERE clause */
  constructor(db: Database, over: (values: string) => string) {
    const prepare = (entries: EntriesSql) => db.prepare<[object], Row>(over(valuesOf(entries)));
    this.rows = new ByLabels((labels) => prepare(inRows(labels)));
    this.names = new ByLabels((labels) => prepare(inNames(labels)));
  }
}

function valuesOf({ table, id, order, candidates, matches }: EntriesSql): string {
  return `SELECT entry.name AS name, ${VALUE} AS value FROM ${table} ${COUNT_OF(id)}
    WHERE ${candidates} AND ${order} >= $from AND ${order} < $to AND ${matches}`;
}

/** Sums of the halves of the values, which stay within int64. */
interface Part {
  readonly count: bigint;
  readonly highs: bigint | null;
  readonly lows: bigint | null;
  readonly lowest: bigint | null;
  readonly highest: bigint | null;
}

const PART = `count(value) AS count, sum(value >> 32) AS highs, sum(value & 0xffffffff) AS lows,
  min(value) AS lowest, max(value) AS highest`;

function toSum({ count, highs, lows, lowest, highest }: Part): Sum {
  if (count === 0n) return EMPTY_SUM;
  return { count: Number(count), sum: (highs! << 32n) + lows!, lowest: lowest!, highest: highest! };
}

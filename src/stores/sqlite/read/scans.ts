import type { Database, Statement } from "better-sqlite3";
import { CORRUPT } from "../../../core/batch.ts";
import type { FullCounter } from "../../../core/counter.ts";
import { INT64_MAX, INT64_MIN } from "../../../core/int64.ts";
import { type AsOf, present } from "../../../core/present.ts";
import {
  addSums,
  byRank,
  EMPTY_SUM,
  hasLabels,
  type Order,
  type Ranked,
  type Selection,
  type Sum,
} from "../../../core/selection.ts";
import type { CounterPage, Counters } from "../../../service/store-pages.ts";
import { isGuarded } from "../rows/guard.ts";
import { gapIn } from "../rows/linked-entries.ts";
import type { RowReader } from "../rows/row-reader.ts";
import { toFullCounter } from "../rows/rows.ts";
import {
  ALL,
  ByLabels,
  type CountsSql,
  countsInNames,
  countsInRows,
  type EntriesSql,
  EVERYTHING,
  inNames,
  type Place,
  type Selected,
  Selector,
} from "./entries.ts";
import { areWhole, type IndexSum, IndexSums } from "./index-sums.ts";
import { PageReader } from "./pages.ts";
import { Ties } from "./ties.ts";

/**
 * Reads that look at every counter selected: see Store.sum and Store.top. The caller owns the transaction.
 *
 * Slice by slice, so that they can be stopped: what `goOn` throws, called before each slice, ends them.
 *
 * Each count's guard is checked. And what was gone through must be what the index has: its entries, which say which one
 * follows, are summed up on their own. Only when something does not agree are the counters looked at one by one.
 */
export class Scanner {
  readonly #rows: RowReader;
  readonly #pages: PageReader;
  readonly #selector: Selector;
  readonly #index: IndexSums;
  readonly #lastId: Statement<[], bigint | null>;
  readonly #cut: ByLabels<string>;
  readonly #parts: ByWay<Part>;
  readonly #ranked: Readonly<Record<Order, ByWay<Ranked>>>;
  readonly #ties: Ties;

  constructor(db: Database, rows: RowReader) {
    this.#rows = rows;
    this.#pages = new PageReader(db, rows);
    this.#selector = new Selector(db);
    this.#index = new IndexSums(db);
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
    this.#parts = new ByWay((counts) => db.prepare(partOf(counts)));
    const best = (sign: string, order: string) =>
      new ByWay<Ranked>((counts) =>
        db.prepare(`SELECT ${counts.name} AS name, ${counts.value} AS value FROM ${counts.table}
          WHERE ${rangeOf(counts)} AND ${counts.matches} AND ${counts.value} ${sign} $worst
          ORDER BY value ${order}, name LIMIT $n`),
      );
    this.#ranked = { highest: best(">=", "DESC"), lowest: best("<=", "ASC") };
    this.#ties = new Ties(db, rows);
  }

  sum(selection: Selection, asOf: AsOf, goOn: () => void): Sum {
    const selected = this.#selector.select(selection);
    const { sum, damaged } = this.#scan(selected, ROWS_A_SLICE, goOn, () => {});
    return damaged ? { ...EMPTY_SUM, corruptNames: this.#damagedIn(selection, asOf, goOn) } : sum;
  }

  top(selection: Selection, n: number, order: Order, asOf: AsOf, goOn: () => void): Counters {
    const selected = this.#selector.select(selection);
    const compare = byRank(order);
    let best: Ranked[] = [];
    const { damaged } = this.#scan(
      selected,
      ROWS_A_RANKED_SLICE,
      goOn,
      ({ by, ...slice }, { lowest, highest }) => {
        const worst = best.length > n ? best[n]!.value : WORST[order];
        if (best.length > n && (order === "highest" ? highest! <= worst : lowest! >= worst)) return;
        const parameters = { ...selected.parameters, ...slice, worst, n: n + 1 };
        const found = this.#ranked[order].of(by, selected).all(parameters);
        best = [...best, ...found].sort(compare).slice(0, n + 1); // One more, to see whether the last one shares its value.
      },
    );
    if (damaged) return { counters: [], corruptNames: this.#damagedIn(selection, asOf, goOn) };
    const last = best[n - 1]?.value;
    if (best[n] !== undefined && best[n].value === last) {
      best = best.filter(({ value }) => value !== last);
      const names = this.#ties.first(selected, last!, n - best.length, goOn);
      best.push(...names.map((name) => ({ name, value: last! })));
    }
    return this.#whole(best.slice(0, n), selection, asOf);
  }

  /**
   * Go through the counters selected.
   *
   * @param each  is told of each slice that has any, and their sum
   */
  #scan(
    selected: Selected,
    rowsASlice: bigint,
    goOn: () => void,
    each: (slice: Slice, sum: Sum) => void,
  ): { sum: Sum; damaged: boolean } {
    let sum = EMPTY_SUM;
    let damaged = false;
    const seen: IndexSum[] = [];
    for (const slice of this.#slices(selected, rowsASlice)) {
      goOn();
      const { by, from, to } = slice;
      const part = this.#parts.of(by, selected).get({ ...selected.parameters, from, to })!;
      if (!areWhole(part)) return { sum, damaged: true };
      for (let i = 0; `seen${i}` in part; i++) {
        const { count, ids } = seen[i] ?? { count: 0n, ids: 0n };
        seen[i] = { count: count + part[`seen${i}`]!, ids: ids + part[`ids${i}`]! };
      }
      if (!isSound(part)) damaged = true;
      const its = toSum(part);
      if (its.count > 0) each(slice, its);
      sum = addSums(sum, its);
    }
    for (const [label, { count, ids }] of seen.entries()) {
      const index = this.#index.of(selected, label, goOn);
      if (index === undefined || index.count !== count || index.ids !== ids) damaged = true;
    }
    return { sum, damaged };
  }

  /** The names of what is damaged among the counters selected, or some of them. */
  #damagedIn(selection: Selection, asOf: AsOf, goOn: () => void): string[] {
    const names: string[] = [];
    for (let from: string | undefined = ""; from !== undefined && names.length < NAMED_MAX; ) {
      goOn();
      const page: CounterPage = this.#pages.read(selection, from, 1_000, asOf);
      names.push(...page.corruptNames);
      from = page.next;
    }
    if (names.length === 0) throw gapIn("counters");
    return names;
  }

  /** By rows when a good part of them is selected, because ten of them take the time of one by name. */
  *#slices(selected: Selected, rowsASlice: bigint): Iterable<Slice> {
    const end = (this.#lastId.get() ?? 0n) + 1n;
    const few = Math.ceil(Number(end) / ROWS_A_NAME);
    if (this.#selector.count(selected, few) === few) {
      for (const by of ["counts", "recent_counts"] as const) {
        for (let from = 0n; from < end; from += rowsASlice) yield { by, from, to: from + rowsASlice };
      }
      return;
    }
    let from: string | undefined = selected.parameters.begin;
    while (from !== undefined) {
      const next: string | undefined = this.#cut
        .for(Math.min(selected.labels, 1))
        .get({ ...selected.parameters, from });
      if (next !== undefined && next <= from) throw gapIn("names of counters"); // They are not in order: it would never end.
      yield { by: "names", from, to: next ?? selected.parameters.end };
      from = next;
    }
  }

  /** The counters that were found by their index entries. */
  #whole(best: readonly Ranked[], { labels }: Selection, asOf: AsOf): Counters {
    const counters: FullCounter[] = [];
    const corruptNames: string[] = [];
    for (const { name, value } of best) {
      if (name === null) throw gapIn("counters"); // Its row is gone.
      const raw = this.#rows.find(name);
      const counter = raw === undefined || raw === CORRUPT ? undefined : toFullCounter(raw);
      if (counter !== undefined && counter.value === value && hasLabels(counter.labels, labels)) {
        const now = present(counter, asOf, undefined);
        if (now !== undefined) counters.push(now);
      } else corruptNames.push(name);
    }
    return { counters, corruptNames };
  }
}

/** In the order of names, or a table of counts in the order of its rows. */
type Way = "names" | Place;

/** A part of what is selected: of the ids or of the names, `to` excluded. */
interface Slice {
  readonly by: Way;
  readonly from: bigint | string;
  readonly to: bigint | string;
}

/** What takes some 5 milliseconds. */
const ROWS_A_SLICE = 10_000n;
const NAMES_A_SLICE = 2_000;
/** Less: a slice that has one of the best is gone through twice. */
const ROWS_A_RANKED_SLICE = 2_000n;

/** So many damaged counters are named. */
const NAMED_MAX = 100;

/** So many rows in their order take the time of one that is found by name. */
const ROWS_A_NAME = 8;

/** What nothing is worse than. */
const WORST: Readonly<Record<Order, bigint>> = { highest: INT64_MIN, lowest: INT64_MAX };

/** A statement over the counts of a slice, whichever way the slice was cut. */
class ByWay<Row> {
  readonly #ways: Readonly<Record<Way, ByLabels<Row>>>;

  constructor(prepare: (counts: CountsSql) => Statement<[object], Row>) {
    const inPlace = (place: Place) => new ByLabels<Row>((labels) => prepare(countsInRows(place, labels)));
    this.#ways = {
      names: new ByLabels((labels) => prepare(countsInNames(labels))),
      counts: inPlace("counts"),
      recent_counts: inPlace("recent_counts"),
    };
  }

  of(way: Way, { labels, isAll }: Selected): Statement<[object], Row> {
    return this.#ways[way].for(isAll && way !== "names" ? EVERYTHING : labels);
  }
}

function rangeOf({ order, candidates }: EntriesSql): string {
  return `${candidates} AND ${order} >= $from AND ${order} < $to`;
}

/** What a slice comes to: sums of the halves of the values, which stay within int64; and what shows that it is right. */
interface Part extends Readonly<Record<`seen${number}` | `ids${number}`, bigint | undefined>> {
  readonly count: bigint;
  readonly highs: bigint | null;
  readonly lows: bigint | null;
  readonly lowest: bigint | null;
  readonly highest: bigint | null;
  /** How many are selected, the sum of their ids, and of the guards of their counts. */
  readonly selected: bigint;
  readonly ids: bigint;
  readonly guards: bigint;
  /** How many counts were found for what was gone through, and how much that was. */
  readonly found: bigint;
  readonly all: bigint;
  readonly disagree: bigint;
}

function partOf(counts: CountsSql): string {
  const { table, id, value, checksum, matches, disagrees, found, seen } = counts;
  const only = (what: string) => (matches === ALL ? what : `iif(${matches}, ${what}, NULL)`);
  const sum = (what: string) => `coalesce(sum(${what}), 0)`;
  const values = only(value);
  const sums = seen.flatMap((is, i) =>
    is === ALL
      ? [`count(*) AS seen${i}`, `${sum(id)} AS ids${i}`]
      : [`${sum(is)} AS seen${i}`, `${sum(`iif(${is}, ${id}, 0)`)} AS ids${i}`],
  );
  return `SELECT count(${values}) AS count, sum(${values} >> 32) AS highs, sum(${values} & 0xffffffff) AS lows,
    min(${values}) AS lowest, max(${values}) AS highest,
    ${matches === ALL ? "count(*)" : sum(matches)} AS selected, ${sum(only(id))} AS ids,
    ${sum(only(`${checksum} >> 32`))} AS guards, ${found} AS found, count(*) AS "all",
    ${disagrees === "false" ? "0" : sum(disagrees)} AS disagree, ${sums} FROM ${table} WHERE ${rangeOf(counts)}`;
}

/** Whether each counter selected has one count, and the counts are those that were written. */
function isSound({ count, selected, found, all, disagree, guards, ids, highs, lows }: Part): boolean {
  if (count !== selected || found !== all || disagree !== 0n) return false;
  return isGuarded(guards, ids, ((highs ?? 0n) << 32n) + (lows ?? 0n));
}

function toSum({ count, highs, lows, lowest, highest }: Part): Sum {
  if (count === 0n) return EMPTY_SUM;
  const sum = (highs! << 32n) + lows!;
  return { count: Number(count), sum, lowest: lowest!, highest: highest!, corruptNames: [] };
}

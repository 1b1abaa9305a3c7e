import type { Database, Statement } from "better-sqlite3";
import { CORRUPT } from "../../../core/batch.ts";
import type { FullCounter } from "../../../core/counter.ts";
import { INT64_MAX, INT64_MIN } from "../../../core/int64.ts";
import { type AsOf, isZoneUnknown, present } from "../../../core/present.ts";
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
import type { Calendar } from "../../../core/window.ts";
import type { CounterPage, Counters } from "../../../service/store-pages.ts";
import { gapIn } from "../rows/linked-entries.ts";
import type { RowReader } from "../rows/row-reader.ts";
import { toFullCounter } from "../rows/rows.ts";
import { AS_STORED } from "../rows/timing-sql.ts";
import {
  ByLabels,
  type CountsSql,
  countsInNames,
  countsInRows,
  EVERYTHING,
  inNames,
  ofEither,
  type Place,
  type Selected,
  Selector,
  TimedCounts,
} from "./entries.ts";
import { areWhole, type IndexSum, IndexSums } from "./index-sums.ts";
import { type Found, Naming } from "./naming.ts";
import { PageReader } from "./pages.ts";
import { isSound, type Part, partSql, rangeOf, toSum } from "./slice-sql.ts";
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
  readonly #calendar: Calendar;
  readonly #pages: PageReader;
  readonly #selector: Selector;
  readonly #index: IndexSums;
  readonly #lastId: Statement<[], bigint | null>;
  readonly #cut: ByLabels<string>;
  readonly #timed: TimedCounts;
  readonly #parts: ByWay<Part>;
  readonly #ranked: Readonly<Record<Order, ByWay<Best>>>;
  readonly #ties: Ties;
  readonly #naming: Naming;

  constructor(db: Database, rows: RowReader, calendar: Calendar) {
    this.#rows = rows;
    this.#calendar = calendar;
    this.#timed = new TimedCounts(db);
    this.#pages = new PageReader(db, rows, calendar);
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
    this.#parts = new ByWay((counts) => db.prepare(partSql(counts)));
    const best = (sign: string, order: string) =>
      new ByWay<Best>((counts) =>
        db.prepare(`SELECT ${counts.id} AS id, ${counts.name} AS name, ${counts.value} AS value FROM ${counts.table}
          WHERE ${rangeOf(counts)} AND ${counts.matches} AND ${counts.value} ${sign} $worst
          ORDER BY value ${order}, name LIMIT $n`),
      );
    this.#ranked = { highest: best(">=", "DESC"), lowest: best("<=", "ASC") };
    this.#ties = new Ties(db, rows);
    this.#naming = new Naming(db, rows);
  }

  sum(selection: Selection, asOf: AsOf, goOn: () => void): Sum {
    const selected = this.#selector.select(selection);
    const { sum, damaged } = this.#scan(selected, ROWS_A_SLICE, asOf, goOn, () => {});
    return damaged ? { ...EMPTY_SUM, corruptNames: this.#damagedIn(selection, asOf, goOn) } : sum;
  }

  top(selection: Selection, n: number, order: Order, asOf: AsOf, goOn: () => void): Counters {
    const selected = this.#selector.select(selection);
    const compare = byRank(order);
    let best: Best[] = [];
    const { damaged } = this.#scan(
      selected,
      ROWS_A_RANKED_SLICE,
      asOf,
      goOn,
      ({ by, timed, ...slice }, { lowest, highest }) => {
        const worst = best.length > n ? best[n]!.value : WORST[order];
        if (best.length > n && (order === "highest" ? highest! <= worst : lowest! >= worst)) return;
        const parameters = { ...selected.parameters, ...slice, worst, n: n + 1, now: nowOf(asOf) };
        const found = this.#ranked[order].of(by, selected, timed).all(parameters);
        best = [...best, ...found].sort(compare).slice(0, n + 1); // One more, to see whether the last one shares its value.
      },
    );
    if (damaged) return { counters: [], corruptNames: this.#damagedIn(selection, asOf, goOn) };
    const last = best[n - 1]?.value;
    if (best[n] !== undefined && best[n].value === last) {
      best = best.filter(({ value }) => value !== last);
      const now = this.#timed.any() ? nowOf(asOf) : undefined;
      const ties = this.#ties.first(selected, last!, n - best.length, now, goOn);
      best.push(...ties.map((tie) => ({ ...tie, value: last! })));
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
    asOf: AsOf,
    goOn: () => void,
    each: (slice: Slice, sum: Sum) => void,
  ): { sum: Sum; damaged: boolean } {
    let sum = EMPTY_SUM;
    let damaged = false;
    const seen: IndexSum[] = [];
    for (const slice of this.#slices(selected, rowsASlice)) {
      goOn();
      const { by, from, to, timed } = slice;
      const parameters = { ...selected.parameters, from, to, now: nowOf(asOf) };
      const part = this.#parts.of(by, selected, timed).get(parameters)!;
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
        for (let from = 0n; from < end; from += rowsASlice) {
          const to = from + rowsASlice;
          yield { by, from, to, timed: this.#timed.any(from, to) };
        }
      }
      return;
    }
    const timed = this.#timed.any();
    let from: string | undefined = selected.parameters.begin;
    while (from !== undefined) {
      const next: string | undefined = this.#cut
        .for(Math.min(selected.labels, 1))
        .get({ ...selected.parameters, from });
      if (next !== undefined && next <= from) throw gapIn("names of counters"); // They are not in order: it would never end.
      yield { by: "names", from, to: next ?? selected.parameters.end, timed };
      from = next;
    }
  }

  /** The counters that were found by their counts. */
  #whole(best: readonly Best[], { labels }: Selection, asOf: AsOf): Counters {
    const counters: FullCounter[] = [];
    const damaged: Found[] = [];
    for (const { id, name, value } of best) {
      const raw = name === null ? undefined : this.#rows.find(name);
      const counter = raw === undefined || raw === CORRUPT ? undefined : toFullCounter(raw);
      const now = counter && present(counter, asOf, this.#calendar);
      // Of a time zone that is not known here, only SQL says that its window has ended.
      const found = counter?.timing === undefined ? counter : now;
      const same = found !== undefined && (found.value === value || isZoneUnknown(found, asOf.now));
      if (!same || !hasLabels(counter!.labels, labels)) damaged.push({ id, name });
      else if (now !== undefined) counters.push(now);
    }
    return { counters, corruptNames: damaged.length === 0 ? [] : this.#naming.of(damaged) };
  }
}

/** One of the best, as its count or its index entry says. */
interface Best extends Ranked {
  readonly id: bigint;
}

/** In the order of names, or a table of counts in the order of its rows. */
type Way = "names" | Place;

/** A part of what is selected: of the ids or of the names, `to` excluded. */
interface Slice {
  readonly by: Way;
  readonly from: bigint | string;
  readonly to: bigint | string;
  /** Whether time may do something to any of them. */
  readonly timed: boolean;
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
  readonly #ways: (timed: boolean) => Readonly<Record<Way, ByLabels<Row>>>;

  constructor(prepare: (counts: CountsSql) => Statement<[object], Row>) {
    this.#ways = ofEither((timed) => {
      const inPlace = (place: Place) =>
        new ByLabels<Row>((labels) => prepare(countsInRows(place, labels, timed)));
      return {
        names: new ByLabels((labels) => prepare(countsInNames(labels, timed))),
        counts: inPlace("counts"),
        recent_counts: inPlace("recent_counts"),
      };
    });
  }

  of(way: Way, { labels, isAll }: Selected, timed: boolean): Statement<[object], Row> {
    return this.#ways(timed)[way].for(isAll && way !== "names" ? EVERYTHING : labels);
  }
}

/** $now, as SQL is told. */
function nowOf({ now, asStored }: AsOf): bigint {
  return asStored === true ? AS_STORED : BigInt(now);
}

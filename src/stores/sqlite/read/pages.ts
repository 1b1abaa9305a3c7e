import type { Database } from "better-sqlite3";
import { CORRUPT } from "../../../core/batch.ts";
import type { FullCounter } from "../../../core/counter.ts";
import { TallyError } from "../../../core/errors.ts";
import { type AsOf, present } from "../../../core/present.ts";
import { hasLabels, type Selection } from "../../../core/selection.ts";
import type { Calendar } from "../../../core/window.ts";
import type { CounterPage } from "../../../service/store-pages.ts";
import { Chain, isBefore } from "../rows/entry-chain.ts";
import {
  columnsOf,
  type Entry,
  type EntryKey,
  EntryReader,
  gapIn,
  type LinkedTable,
} from "../rows/linked-entries.ts";
import type { RowReader } from "../rows/row-reader.ts";
import { toFullCounter } from "../rows/rows.ts";
import { ByLabels, inNames, Selector, tableOf } from "./entries.ts";
import { Naming } from "./naming.ts";

/** An entry of an index, as a page looks at it. */
interface Looked extends Entry {
  /** 1 when the counter has the other labels too. */
  readonly matches: number;
  /** 1 when the index and the counter's row say otherwise. */
  readonly disagrees: number;
}

/** What a page is read of. */
interface Wanted {
  readonly selection: Selection;
  readonly labels: number;
  /** Where it begins, and the name that it ends before. */
  readonly at: EntryKey;
  readonly end: string;
  readonly limit: number;
  readonly asOf: AsOf;
}

/**
 * Reads pages of counters in the order of their names: see Store.list. The caller owns the transaction.
 *
 * Every entry must be the one that the entry before it says is next, from the one before the first to the one after
 * the last: so none is missing. And every one that is given, or that a page ends at, is followed to its row.
 *
 * A search that meets a key that rotted ends elsewhere, and its bounds leave out what stands behind it. Where the entries
 * that were found do not follow each other, they are gone through from the first of all, without any search.
 */
export class PageReader {
  readonly #rows: RowReader;
  readonly #calendar: Calendar;
  readonly #selector: Selector;
  readonly #entries: ByLabels<Looked>;
  readonly #all: ByLabels<Looked>;
  readonly #naming: Naming;
  readonly #beside: Readonly<Record<LinkedTable, EntryReader>>;

  constructor(db: Database, rows: RowReader, calendar: Calendar) {
    this.#rows = rows;
    this.#calendar = calendar;
    this.#selector = new Selector(db);
    this.#entries = new ByLabels((labels) => {
      const { table, matches, disagrees } = inNames(labels);
      // To the end of the table: an entry whose own label has rotted would else end its selection before those behind it.
      const [from, order] =
        labels === 0
          ? ["entry.name >= $begin", "entry.name"]
          : [
              "(entry.key, entry.value, entry.name) >= ($key0, $value0, $begin)",
              "entry.key, entry.value, entry.name",
            ];
      return db
        .prepare<[object], Looked>(`
          SELECT ${columnsOf(tableOf(labels))}, ${matches} AS matches, ${disagrees} AS disagrees FROM ${table}
          WHERE ${from} ORDER BY ${order}`)
        .safeIntegers(false);
    });
    this.#all = new ByLabels((labels) => {
      const { table, candidates, matches, disagrees } = inNames(labels);
      const of = (what: string) => `iif(${candidates}, ${what}, false)`;
      return db
        .prepare<[object], Looked>(`
          SELECT ${columnsOf(tableOf(labels))}, ${of(matches)} AS matches, ${of(disagrees)} AS disagrees FROM ${table}
          ORDER BY ${labels === 0 ? "entry.name" : "entry.key, entry.value, entry.name"}`)
        .safeIntegers(false);
    });
    this.#naming = new Naming(db, rows);
    this.#beside = {
      counter_names: new EntryReader(db, "counter_names"),
      counter_labels: new EntryReader(db, "counter_labels"),
    };
  }

  /** @throws TallyError ROW_CORRUPT  where an entry is missing, or may be */
  read(selection: Selection, from: string, limit: number, asOf: AsOf): CounterPage {
    const { labels, parameters } = this.#selector.select(selection, from);
    const { key0: key = "", value0: value = "", begin, end } = parameters;
    const at = { key, value, name: begin };
    const wanted = { selection, labels, at, end, limit, asOf };
    try {
      const chain = new Chain();
      const damaged = chain.upTo(this.#beside[tableOf(labels)], at);
      const corruptNames = damaged.flatMap((each) => this.#naming.ofEntry(each, at, end) ?? []);
      return this.#page(wanted, chain, corruptNames, this.#entries.for(labels).iterate(parameters));
    } catch (error) {
      if (!(error instanceof TallyError)) throw error;
      return this.#page(wanted, new Chain(), [], this.#all.for(labels).iterate(parameters));
    }
  }

  /**
   * @param chain         has come to the entry before these
   * @param corruptNames  of damaged ones that stand before these
   */
  #page(wanted: Wanted, chain: Chain, corruptNames: string[], entries: Iterable<Looked>): CounterPage {
    const { selection, labels, at, end, limit, asOf } = wanted;
    const { key, value, name: begin } = at;
    const counters: FullCounter[] = [];
    let hasBegun = false;
    let passed = 0;
    let looks = 0;
    let expired = 0;
    for (const entry of entries) {
      chain.step(entry);
      const { damaged } = chain;
      if (damaged !== undefined) {
        const its = this.#naming.ofEntry(damaged, at, end);
        if (its === undefined) continue;
        if (corruptNames.length > CORRUPT_MAX && damaged.isKeySound && its > begin)
          return { counters, corruptNames, next: its };
        corruptNames.push(its);
        continue;
      }
      if (!hasBegun && isBefore(entry, at)) {
        if (++passed > PASSED_MAX) throw gapIn("entries of counters");
        continue;
      }
      hasBegun = true;
      const { name } = entry;
      if (name >= end || (labels > 0 && (entry.key !== key || entry.value !== value)))
        return { counters, corruptNames, next: undefined };
      const full = counters.length + expired + corruptNames.length >= limit || ++looks > LOOKS_MAX;
      if (entry.matches === 0 && entry.disagrees === 0 && !full) continue;
      const found = this.#follow(entry, selection);
      if (found === CORRUPT) {
        if (corruptNames.length > CORRUPT_MAX && name > begin) return { counters, corruptNames, next: name };
        corruptNames.push(name);
        continue;
      }
      if (full && name > begin) return { counters, corruptNames, next: name }; // Never where it began.
      if (entry.matches === 0) continue;
      const counter = present(found, asOf, this.#calendar);
      if (counter === undefined) expired++;
      else counters.push(counter);
    }
    chain.end();
    return { counters, corruptNames, next: undefined };
  }

  #follow(entry: Looked, selection: Selection): FullCounter | typeof CORRUPT {
    const { counter_id, name, matches, disagrees } = entry;
    if (disagrees === 1) return CORRUPT;
    const raw = this.#rows.follow(BigInt(counter_id), name);
    if (raw === CORRUPT) return CORRUPT;
    const counter = toFullCounter(raw);
    return matches === 0 || hasLabels(counter.labels, selection.labels) ? counter : CORRUPT;
  }
}

/** Entries that a page looks at: some milliseconds. Only labels keep an entry from being given. */
const LOOKS_MAX = 5_000;

/** Entries before those wanted that are gone through where a search is led astray: some tens of milliseconds. */
const PASSED_MAX = 20_000;

/** Beyond so many damaged counters a page ends, also at one that is damaged. */
const CORRUPT_MAX = 2_000;

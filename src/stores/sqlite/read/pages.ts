import type { Database } from "better-sqlite3";
import { CORRUPT } from "../../../core/batch.ts";
import type { FullCounter } from "../../../core/counter.ts";
import { isName } from "../../../core/name.ts";
import { type AsOf, present } from "../../../core/present.ts";
import { hasLabels, type Selection } from "../../../core/selection.ts";
import type { Calendar } from "../../../core/window.ts";
import type { CounterPage } from "../../../service/store-pages.ts";
import {
  Chain,
  columnsOf,
  type Entry,
  EntryReader,
  gapIn,
  type LinkedTable,
} from "../rows/linked-entries.ts";
import type { RowReader } from "../rows/row-reader.ts";
import { toFullCounter } from "../rows/rows.ts";
import { ByLabels, inNames, Selector, tableOf } from "./entries.ts";

/** An entry of an index, as a page looks at it. */
interface Looked extends Entry {
  /** 1 when the counter has the other labels too. */
  readonly matches: number;
  /** 1 when the index and the counter's row say otherwise. */
  readonly disagrees: number;
}

/**
 * Reads pages of counters in the order of their names: see Store.list. The caller owns the transaction.
 *
 * Every entry must be the one that the entry before it says is next, from the one before the first to the one after
 * the last: so none is missing. And every one that is given, or that a page ends at, is followed to its row.
 */
export class PageReader {
  readonly #rows: RowReader;
  readonly #calendar: Calendar;
  readonly #selector: Selector;
  readonly #entries: ByLabels<Looked>;
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
    this.#beside = {
      counter_names: new EntryReader(db, "counter_names"),
      counter_labels: new EntryReader(db, "counter_labels"),
    };
  }

  read(selection: Selection, from: string, limit: number, asOf: AsOf): CounterPage {
    const { labels, parameters } = this.#selector.select(selection, from);
    const { begin, end } = parameters;
    const counters: FullCounter[] = [];
    const { key0: key = "", value0: value = "" } = parameters;
    const chain = new Chain(this.#beside[tableOf(labels)], { key, value, name: begin });
    const corruptNames = chain.corrupt === undefined ? [] : [this.#nameOf(chain.corrupt)];
    let looks = 0;
    let expired = 0;
    for (const entry of this.#entries.for(labels).iterate(parameters)) {
      const { name } = entry;
      chain.step(entry);
      if (chain.isSound && labels > 0 && (entry.key !== key || entry.value !== value))
        return { counters, corruptNames, next: undefined };
      if (name < begin && chain.isSound) continue; // The search for where it begins was led astray.
      const full = counters.length + expired + corruptNames.length >= limit || ++looks > LOOKS_MAX;
      if (entry.matches === 0 && entry.disagrees === 0 && !full && name < end && chain.isSound) continue;
      const found = chain.isSound ? this.#follow(entry, selection) : CORRUPT;
      if (found === CORRUPT) {
        if (corruptNames.length > CORRUPT_MAX && isName(name) && name > begin)
          return { counters, corruptNames, next: name };
        corruptNames.push(chain.isSound ? name : this.#nameOf(entry));
        continue;
      }
      if (name >= end) return { counters, corruptNames, next: undefined };
      if (full && name > begin) return { counters, corruptNames, next: name }; // Never where it began.
      if (entry.matches === 0) continue;
      const counter = present(found, asOf, this.#calendar);
      if (counter === undefined) expired++;
      else counters.push(counter);
    }
    chain.end();
    return { counters, corruptNames, next: undefined };
  }

  /**
   * What the counter of a damaged entry is called: as its own row says, or else as the entry does.
   *
   * @throws TallyError ROW_CORRUPT  where nobody can tell
   */
  #nameOf({ counter_id, name }: Entry): string {
    const row = Number.isSafeInteger(counter_id) ? this.#rows.at(BigInt(counter_id)) : undefined;
    if (row !== undefined && row !== CORRUPT) return row.name;
    if (typeof name === "string" && isName(name)) return name;
    throw gapIn("names of counters");
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

/** Beyond so many damaged counters a page ends, though the name it ends at may have rotted itself. */
const CORRUPT_MAX = 2_000;

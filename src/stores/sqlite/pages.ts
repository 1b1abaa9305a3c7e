import type { Database, Statement } from "better-sqlite3";
import { CORRUPT } from "../../core/batch.ts";
import type { FullCounter } from "../../core/counter.ts";
import { hasLabels, isName, type Selection } from "../../core/selection.ts";
import type { CounterPage } from "../../service/store.ts";
import { ByLabels, inNames, Selector } from "./entries.ts";
import { type RowReader, toFullCounter } from "./rows.ts";

/** An entry of an index. */
interface Entry {
  readonly id: bigint;
  readonly name: string;
  /** 1 when the counter has the other labels too. */
  readonly matches: bigint;
}

/**
 * Reads pages of counters in the order of their names: see Store.list. The caller owns the transaction.
 *
 * Every entry that is given, and every one that a page ends at, is followed to its row: an index that rotted would
 * otherwise end the walk early, or lead it past counters that are there.
 */
export class PageReader {
  readonly #rows: RowReader;
  readonly #selector: Selector;
  readonly #entries: ByLabels<Entry>;
  readonly #before: Statement<[string], Entry>;

  constructor(db: Database, rows: RowReader) {
    this.#rows = rows;
    this.#selector = new Selector(db);
    this.#entries = new ByLabels((labels) => {
      const { table, id, candidates, matches } = inNames(labels);
      return db.prepare(`
        SELECT ${id} AS id, name, ${matches} AS matches FROM ${table}
        WHERE ${candidates} AND name >= $begin ORDER BY name`);
    });
    this.#before = db.prepare(`
      SELECT id, name FROM counters INDEXED BY counters_by_name WHERE name < ? ORDER BY name DESC LIMIT 1`);
  }

  read(selection: Selection, from: string, limit: number): CounterPage {
    const { labels, parameters } = this.#selector.select(selection, from);
    const { begin, end } = parameters;
    const counters: FullCounter[] = [];
    const corruptNames = labels === 0 ? this.#corruptBefore(begin) : [];
    let looks = 0;
    for (const entry of this.#entries.for(labels).iterate(parameters)) {
      const { name } = entry;
      const full = counters.length + corruptNames.length >= limit || ++looks > LOOKS_MAX;
      if (entry.matches === 0n && !full && name < end) continue;
      const found = this.#follow(entry, selection);
      if (found === CORRUPT) {
        if (corruptNames.length > CORRUPT_MAX && isName(name) && name > begin)
          return { counters, corruptNames, next: name };
        corruptNames.push(name);
        continue;
      }
      if (name >= end) break;
      if (full && name > begin) return { counters, corruptNames, next: name }; // Never where it began.
      if (entry.matches === 1n) counters.push(found);
    }
    return { counters, corruptNames, next: undefined };
  }

  #follow({ id, name, matches }: Entry, selection: Selection): FullCounter | typeof CORRUPT {
    const raw = this.#rows.follow(id, name);
    if (raw === CORRUPT) return CORRUPT;
    const counter = toFullCounter(raw);
    return matches === 0n || hasLabels(counter.labels, selection.labels) ? counter : CORRUPT;
  }

  /** The search for the first name ends behind this entry; if that has rotted, it may have been led astray. */
  #corruptBefore(begin: string): string[] {
    const before = this.#before.get(begin);
    return before !== undefined && this.#rows.follow(before.id, before.name) === CORRUPT ? [before.name] : [];
  }
}

/** Entries that a page looks at: some milliseconds. Only labels keep an entry from being given. */
const LOOKS_MAX = 5_000;

/** Beyond so many damaged counters a page ends, though the name it ends at may have rotted itself. */
const CORRUPT_MAX = 2_000;

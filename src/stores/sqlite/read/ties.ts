import type { Database } from "better-sqlite3";
import { CORRUPT } from "../../../core/batch.ts";
import { Chain } from "../rows/entry-chain.ts";
import { columnsOf, type Entry, EntryReader, gapIn, type LinkedTable } from "../rows/linked-entries.ts";
import type { RowReader } from "../rows/row-reader.ts";
import {
  ByLabels,
  countsInNames,
  countsInRows,
  EVERYTHING,
  ofEither,
  type Selected,
  tableOf,
} from "./entries.ts";

/**
 * Which of the counters that share a value have the first names. A name that rotted, in its row or in its entry, would
 * put one behind the others without a trace, so each name is checked here.
 */
export class Ties {
  readonly #rows: RowReader;
  readonly #few: (timed: boolean) => readonly ByLabels<{ id: bigint; name: string | null }>[];
  readonly #many: (timed: boolean) => ByLabels<Tied>;
  readonly #beside: Readonly<Record<LinkedTable, EntryReader>>;

  constructor(db: Database, rows: RowReader) {
    this.#rows = rows;
    this.#few = ofEither((timed) =>
      (["counts", "recent_counts"] as const).map(
        (place) =>
          new ByLabels((labels) => {
            const { table, id, name, value, candidates, matches } = countsInRows(place, labels, timed);
            return db.prepare(`
              SELECT ${id} AS id, ${name} AS name FROM ${table}
              WHERE ${candidates} AND ${matches} AND ${value} = $tied LIMIT ${FEW + 1}`);
          }),
      ),
    );
    this.#many = ofEither(
      (timed) =>
        new ByLabels((labels) => {
          const { table, value, candidates, matches } = countsInNames(labels, timed);
          return db
            .prepare<[object], Tied>(`
              SELECT ${columnsOf(tableOf(labels))}, ${matches} AND ${value} = $tied AS tied FROM ${table}
              WHERE ${candidates} AND entry.name >= $begin AND entry.name < $end ORDER BY entry.name`)
            .safeIntegers(false);
        }),
    );
    this.#beside = {
      counter_names: new EntryReader(db, "counter_names"),
      counter_labels: new EntryReader(db, "counter_labels"),
    };
  }

  /**
   * @param selected  has more than n with the value, and none whose count is damaged
   * @param now       as in presentedSql; undefined when time does nothing to any of them
   * @throws TallyError ROW_CORRUPT  when a name on the way is damaged
   */
  first(selected: Selected, tied: bigint, n: number, now: bigint | undefined, goOn: () => void): Tie[] {
    const { labels, isAll } = selected;
    const timed = now !== undefined;
    const parameters = { ...selected.parameters, tied, now };
    // Of all counters, as they were gone through: by their counts, so that one whose row cannot be found is not left out.
    const how = isAll ? EVERYTHING : labels;
    const few = this.#few(timed).flatMap((place) => place.for(how).all(parameters));
    if (few.length <= FEW) {
      const ties = few.map(({ id, name }) => {
        if (name === null || this.#rows.follow(id, name) === CORRUPT) throw gapIn("names of counters");
        return { id, name };
      });
      return ties.sort((a, b) => (a.name < b.name ? -1 : 1)).slice(0, n);
    }
    const { key0: key = "", value0: value = "", begin: name } = selected.parameters;
    const chain = new Chain();
    // A damaged one may be one of them.
    if (chain.upTo(this.#beside[tableOf(labels)], { key, value, name }).length > 0)
      throw gapIn("names of counters");
    const ties: Tie[] = [];
    let looks = 0;
    for (const entry of this.#many(timed).for(labels).iterate(parameters)) {
      if (++looks % LOOKS_A_SLICE === 0) goOn();
      chain.step(entry);
      if (chain.damaged !== undefined) throw gapIn("names of counters");
      const { counter_id, name: its, tied: isTied } = entry;
      if (isTied === 1 && ties.push({ id: BigInt(counter_id), name: its }) === n) return ties;
    }
    throw gapIn("names of counters"); // There are more with the value.
  }
}

/** One of those that share the value. */
interface Tie {
  readonly id: bigint;
  readonly name: string;
}

interface Tied extends Entry {
  /** 1 when the counter is selected and has the value. */
  readonly tied: number;
}

/** So many are looked at one by one; where there are more, the first names are soon found in their order. */
const FEW = 1_000;

const LOOKS_A_SLICE = 1_000;

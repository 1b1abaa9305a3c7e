import type { Database } from "better-sqlite3";
import { END, type Entry, EntryReader, linkOf } from "../rows/linked-entries.ts";
import { ByLabels, inNames, type Selected } from "./entries.ts";

/** What an index has of a selection. */
export interface IndexSum {
  readonly count: bigint;
  /** The sum of the ids of its counters. */
  readonly ids: bigint;
}

/**
 * Sums up the entries that an index has in a range, and shows by their links that none is missing: what they say
 * follows comes to what is there, but for the first and the last.
 */
export class IndexSums {
  readonly #cut: ByLabels<string>;
  readonly #slices: ByLabels<Slice>;
  readonly #names: EntryReader;
  readonly #labels: EntryReader;

  constructor(db: Database) {
    this.#cut = new ByLabels((labels) => {
      const { table, candidates } = inNames(labels);
      return db
        .prepare<[object], string>(
          `SELECT name FROM ${table} WHERE ${candidates} AND name >= $from AND name < $end
          ORDER BY name LIMIT 1 OFFSET ${SLICE}`,
        )
        .pluck();
    });
    this.#slices = new ByLabels((labels) => {
      const { table, id, candidates } = inNames(labels);
      return db.prepare(`
        SELECT count(*) AS count, coalesce(sum(${id}), 0) AS ids, coalesce(sum(checksum), 0) AS checksums,
          coalesce(sum(next), 0) AS nexts FROM ${table} WHERE ${candidates} AND name >= $from AND name < $to`);
    });
    this.#names = new EntryReader(db, "counter_names");
    this.#labels = new EntryReader(db, "counter_labels");
  }

  /**
   * @param label  by which of the labels selected, from 0; by names when there is none
   * @returns      undefined when something is missing
   */
  of({ labels, parameters }: Selected, label: number, goOn: () => void): IndexSum | undefined {
    const { begin, end } = parameters;
    const [key, value] = labels === 0 ? ["", ""] : [parameters[`key${label}`]!, parameters[`value${label}`]!];
    const how = Math.min(labels, 1);
    let sum = { count: 0n, ids: 0n };
    let links = 0n;
    let nexts = 0n;
    for (let from: string | undefined = begin; from !== undefined; ) {
      goOn();
      const to: string | undefined = this.#cut.for(how).get({ from, end, key0: key, value0: value });
      const slice = this.#slices.for(how).get({ from, to: to ?? end, key0: key, value0: value })!;
      if (!areWhole(slice) || (to !== undefined && to <= from)) return undefined; // It would never end.
      sum = { count: sum.count + slice.count, ids: sum.ids + slice.ids };
      links += slice.checksums + slice.ids;
      nexts += slice.nexts;
      from = to;
    }

    const reader = labels === 0 ? this.#names : this.#labels;
    const at = { key, value, name: begin };
    const behind = { key, value, name: end };
    const before = reader.below(at);
    const after = reader.at(behind) ?? reader.above(behind);
    const follows = after === undefined ? END : linkOf(after);
    if (before === undefined || linkOf(before) === undefined || follows === undefined) return undefined;
    if (!Number.isSafeInteger(before.next)) return undefined;
    if (BigInt(before.next) + nexts !== links + BigInt(follows)) return undefined;
    // What the links hold together is in order. So it is what the range has if its ends are: a key that rotted may put others there.
    const isSound = (entry: Entry | undefined) => entry !== undefined && linkOf(entry) !== undefined;
    const areIn =
      sum.count === 0n || (isSound(reader.at(at) ?? reader.above(at)) && isSound(reader.below(behind)));
    return areIn ? sum : undefined;
  }
}

/** False when a column that was summed up is of another type than was written: then a sum is a REAL. */
export function areWhole(sums: object): boolean {
  return Object.values(sums).every((sum) => typeof sum !== "number");
}

interface Slice extends IndexSum {
  readonly checksums: bigint;
  readonly nexts: bigint;
}

/** What takes some 3 milliseconds. */
const SLICE = 20_000;

import type { Database, Statement } from "better-sqlite3";
import { CORRUPT } from "../../../core/batch.ts";
import { isName } from "../../../core/name.ts";
import type { DamagedEntry } from "../rows/entry-chain.ts";
import { checksumOf, columnsOf, type Entry, type EntryKey, gapIn, linkOf } from "../rows/linked-entries.ts";
import type { RowReader } from "../rows/row-reader.ts";

/** A counter that is damaged, by what was found of it. */
export interface Found {
  readonly id: bigint;
  /** As it was found, which may have rotted. */
  readonly name: string | null;
}

/** Tells what damaged counters are called: a name that has rotted is nobody's, or another's. */
export class Naming {
  readonly #rows: RowReader;
  readonly #leading: Statement<[string], Entry>;

  constructor(db: Database, rows: RowReader) {
    this.#rows = rows;
    this.#leading = db
      .prepare<[string], Entry>(`
        SELECT ${columnsOf("counter_names")} FROM counter_names AS entry
        WHERE entry.counter_id IN (SELECT value FROM json_each(?))`)
      .safeIntegers(false);
  }

  /**
   * By their rows, where these are sound, or else by what leads to them, which is gone through for all of them at once.
   *
   * @throws TallyError ROW_CORRUPT  where nobody can tell
   */
  of(found: readonly Found[]): string[] {
    const names = new Map<bigint, string>();
    for (const { id } of found) {
      const row = this.#rows.at(id);
      if (row !== undefined && row !== CORRUPT) names.set(id, row.name);
    }
    const others = found.filter(({ id }) => !names.has(id));
    if (others.length > 0) {
      for (const entry of this.#leading.iterate(JSON.stringify(others.map(({ id }) => Number(id)))))
        if (linkOf(entry) !== undefined) names.set(BigInt(entry.counter_id), entry.name);
    }
    return found.map(({ id, name }) => {
      const told = names.get(id) ?? name;
      if (told === null || !isName(told)) throw gapIn("names of counters");
      return told;
    });
  }

  /**
   * What a damaged entry leads to; undefined when it is not of a range. Of one whose key has rotted the row tells the name, and
   * the checksum whether it had that key.
   *
   * @param from  of the entries of its label, from this name up to, and without, `end`
   * @throws TallyError ROW_CORRUPT  where nobody can tell
   */
  ofEntry({ entry, id, isKeySound }: DamagedEntry, from: EntryKey, end: string): string | undefined {
    const { key = "", value = "", name, checksum } = entry;
    const isWithin = (name: string) => name >= from.name && name < end;
    if (isKeySound) return key === from.key && value === from.value && isWithin(name) ? name : undefined;
    if (id === NOBODYS) return undefined;
    const row = this.#rows.at(BigInt(id));
    if (row !== undefined && row !== CORRUPT) {
      const had = checksumOf({ ...from, name: row.name, counter_id: id }) === checksum;
      return had && isWithin(row.name) ? row.name : undefined;
    }
    if (typeof name === "string" && isName(name)) return name;
    throw gapIn("names of counters");
  }
}

/** The id in the first entry of all. */
const NOBODYS = 0;

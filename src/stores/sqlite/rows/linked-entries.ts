import type { Database, Statement } from "better-sqlite3";
import { type DamagedPart, TallyError } from "../../../core/errors.ts";
import { Checksum } from "../../shared/checksum.ts";
import { corrupt } from "./damage.ts";

/** An entry of a table of linked entries: its key (of names only the name), and whose it is. All numbers are exact. */
export interface Entry {
  readonly key?: string;
  readonly value?: string;
  readonly name: string;
  readonly counter_id: number;
  /** Over the key and the id; see `linkOf`. */
  readonly checksum: number;
  /** The link of the entry that follows; END after the last. */
  readonly next: number;
}

/** Follows the last entry. No link is as low: a checksum has 32 bits, and no id is negative. */
export const END = -(2 ** 40);
/** Leads to none that there is: of an entry of which it is not known what follows. */
const ASTRAY = END - 1;

/**
 * What an entry is told from others by, in the one before it; undefined when the entry fails its checksum. A sum, so
 * that a whole range can be checked by its sums.
 *
 * What is missing from a b-tree leaves no trace in it: a bit in a page's head hides its last cells, one in a pointer
 * leads to another page. So each entry says which one comes next, and what is between two entries that are sound and
 * follow each other is not there, whatever way the search went.
 */
export function linkOf(entry: Omit<Entry, "next">): number | undefined {
  const { key = "", value = "", name, counter_id, checksum } = entry;
  if (typeof key !== "string" || typeof value !== "string" || typeof name !== "string") return undefined;
  if (!Number.isSafeInteger(counter_id) || checksumOf(entry) !== checksum) return undefined;
  return checksum + counter_id;
}

/** The checksum of an entry: over its key, and whose it is. */
export function checksumOf({
  key = "",
  value = "",
  name,
  counter_id,
}: Omit<Entry, "checksum" | "next">): number {
  return new Checksum().text(key).text(value).text(name).number(counter_id).value;
}

/** What an entry is found by; of names only the name is not "". */
export type EntryKey = Required<Pick<Entry, "key" | "value" | "name">>;

/** Of the table of names, whose entries have neither key nor value, and of that of labels. */
const KEYS = { counter_names: ["name"], counter_labels: ["key", "value", "name"] } as const;
/** The tables of linked entries. */
export type LinkedTable = keyof typeof KEYS;

/** The columns of an Entry, of a table called `entry`. @param of  what stands before each */
export function columnsOf(table: LinkedTable, of = "entry."): string {
  return [...KEYS[table], "counter_id", "checksum", "next"].map((column) => `${of}${column}`).join(", ");
}

/** Tells what is in a table of linked entries, and what is not. For any connection. */
export class EntryReader {
  readonly #at: Statement<[EntryKey], Entry>;
  readonly #below: Statement<[EntryKey], Entry>;
  readonly #above: Statement<[EntryKey], Entry>;
  readonly #allBelow: Statement<[EntryKey], Entry>;

  constructor(db: Database, table: LinkedTable) {
    const key = KEYS[table];
    const listed = (each: (column: string) => string) => `(${key.map(each).join(", ")})`;
    const beside = (sign: string, order: string, limit = "LIMIT 1") =>
      db
        .prepare<[EntryKey], Entry>(
          `SELECT ${columnsOf(table)} FROM ${table} AS entry
           WHERE ${listed((c) => `entry.${c}`)} ${sign} ${listed((c) => `$${c}`)}
           ORDER BY ${key.map((column) => `entry.${column} ${order}`).join(", ")} ${limit}`,
        )
        .safeIntegers(false);
    this.#at = beside("=", "ASC");
    this.#below = beside("<", "DESC");
    this.#above = beside(">", "ASC");
    this.#allBelow = beside("<", "DESC", "");
  }

  /** @throws SQLITE_CORRUPT  where a damaged page has the search end at another one */
  at(wanted: EntryKey): Entry | undefined {
    const entry = this.#at.get(wanted);
    if (entry === undefined) return undefined;
    const { key = "", value = "", name } = entry;
    if (name === wanted.name && key === wanted.key && value === wanted.value) return entry;
    throw corrupt("another entry was found under this one's key");
  }

  /** The one before. The first of all, which is nobody's, is before every key. */
  below(key: EntryKey): Entry | undefined {
    return this.#below.get(key);
  }

  above(key: EntryKey): Entry | undefined {
    return this.#above.get(key);
  }

  /** Those before as they stand, from the one before down to the first that is sound. */
  downToSound(key: EntryKey): Entry[] {
    const entries: Entry[] = [];
    for (const entry of this.#allBelow.iterate(key)) {
      entries.push(entry);
      if (linkOf(entry) !== undefined) break;
    }
    return entries;
  }
}

/** Tells of names that were not found whether there is none. For any connection. */
export class MissingNames {
  readonly #below: Statement<[string], NameEntry>;
  readonly #above: Statement<[string], NameEntry>;

  constructor(db: Database) {
    const beside = (sign: string, order: string) =>
      db
        .prepare<[string], NameEntry>(
          `SELECT name, counter_id, checksum, next FROM counter_names WHERE name ${sign} ? ORDER BY name ${order} LIMIT 1`,
        )
        .raw()
        .safeIntegers(false);
    this.#below = beside("<", "DESC");
    this.#above = beside(">", "ASC");
  }

  /** False when that cannot be told. */
  lacks(name: string): boolean {
    const below = this.#below.get(name);
    if (below === undefined || !(below[0] < name) || nameLink(below) === undefined) return false;
    const above = this.#above.get(name);
    if (above === undefined) return below[3] === END;
    return name < above[0] && below[3] === nameLink(above);
  }
}

type NameEntry = readonly [name: string, counter_id: number, checksum: number, next: number];

function nameLink([name, counter_id, checksum]: NameEntry): number | undefined {
  return linkOf({ name, counter_id, checksum });
}

/** Writes the entries of such a table. The caller owns the transaction. */
export class EntryWriter extends EntryReader {
  readonly #insert: Statement<[Entry]>;
  readonly #delete: Statement<[EntryKey]>;
  readonly #relink: Statement<[EntryKey & { next: number; led: number }]>;
  readonly #leads: Statement<[EntryKey & { led: number }], unknown>;
  readonly #clear: () => void;

  constructor(db: Database, table: LinkedTable) {
    super(db, table);
    const key = KEYS[table];
    const is = key.map((column) => `${column} = $${column}`).join(" AND ");
    const values = [...key, "counter_id", "checksum", "next"].map((column) => `$${column}`);
    const into = `INSERT INTO ${table} (${values.map((value) => value.slice(1)).join(", ")})`;
    this.#insert = db.prepare(`${into} VALUES (${values.join(", ")})`);
    this.#delete = db.prepare(`DELETE FROM ${table} WHERE ${is}`);
    this.#relink = db.prepare(`UPDATE ${table} SET next = $next WHERE ${is} AND next = $led`);
    this.#leads = db.prepare(`SELECT 1 FROM ${table} WHERE ${is} AND next = $led`);
    this.#clear = () => db.exec(`DELETE FROM ${table}`);
  }

  /**
   * The entry before it leads to it from now on, if it has led to the one after it. Else entries may be hidden between these,
   * before this one or behind it, and are missed on both sides: that is for readers to find.
   *
   * @returns  whether it has: else what leads past it elsewhere may go on to say that it is not there
   * @throws SQLITE_CORRUPT when there is no entry before it, or that cannot be written
   */
  insert({ key, value, name }: EntryKey, id: bigint): boolean {
    const counter_id = Number(id);
    const checksum = checksumOf({ key, value, name, counter_id });
    const [before, after] = [this.below({ key, value, name }), this.above({ key, value, name })];
    if (before === undefined) throw corrupt("no entry is before this one");
    const proven =
      linkOf(before) !== undefined && before.next === (after === undefined ? END : linkOf(after));
    this.#insert.run({ key, value, name, counter_id, checksum, next: proven ? before.next : ASTRAY });
    if (proven) this.#lead(before, checksum + counter_id);
    return proven;
  }

  /**
   * The entry before it leads to the one after it from now on, if it has led to this one: else entries are hidden between
   * these, and are missed by where it leads.
   *
   * @throws SQLITE_CORRUPT when it is not there any more, or the one before it cannot be written
   */
  remove(which: EntryKey): void {
    const entry = this.at(which);
    if (entry === undefined) throw corrupt("the entry was there before and is gone");
    this.#delete.run(which);
    const before = this.below(which);
    if (before !== undefined && before.next === linkOf(entry)) this.#lead(before, entry.next);
  }

  /**
   * An update looks the entry up anew, and once more to write it over. Where the cells of a page are out of order each may come to
   * another one than was just read, even under this one's key; that one would lead past others. But that one does not lead to
   * where this one has led, and this one still does.
   *
   * @throws SQLITE_CORRUPT when it was not written
   */
  #lead({ key = "", value = "", name, next: led }: Entry, next: number): void {
    const isLed = this.#relink.run({ key, value, name, next, led }).changes === 1;
    if (!isLed || this.#leads.get({ key, value, name, led }) !== undefined)
      throw corrupt("an entry that was just read cannot be written");
  }

  /** Take away an entry, also where none or another one leads to it. */
  take(key: EntryKey): void {
    if (this.at(key) !== undefined) this.remove(key);
  }

  /** Have an entry say that the one which is found after it is the next. */
  relink(which: EntryKey): void {
    const [before, after] = [this.at(which), this.above(which)];
    if (before === undefined) throw corrupt("the entry was there before and is gone");
    this.#lead(before, after === undefined ? END : after.checksum + after.counter_id);
  }

  /** Have none but the first. */
  clear(): void {
    this.#clear();
    this.#insert.run(FIRST);
  }
}

/** Stands before all entries, and is nobody's. */
const NOBODY = { key: "", value: "", name: "", counter_id: 0 };
const FIRST: Entry = { ...NOBODY, checksum: checksumOf(NOBODY), next: END };
/** What would lead to that one. */
export const BEFORE_ALL: Entry = { ...FIRST, next: FIRST.checksum + FIRST.counter_id };

/** Where something is missing that nobody can name. */
export function gapIn(what: string, part: DamagedPart = "counters"): TallyError {
  return new TallyError("ROW_CORRUPT", `the ${what} are damaged: one that was there cannot be found`, {
    part,
  });
}

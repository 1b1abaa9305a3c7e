import type { Database, Statement } from "better-sqlite3";
import { CORRUPT } from "../../../core/batch.ts";
import {
  blankCounter,
  type Counter,
  type Fixed,
  type FullCounter,
  type Mutable,
} from "../../../core/counter.ts";
import { COUNTING_KEYS, DETAIL_KEYS, type Details, putCountingSettings } from "../../../core/settings.ts";
import { uidFromBytes, uidToBytes } from "../../../core/uid.ts";
import { Checksum, fits } from "../../shared/checksum.ts";
import { Counts, Missed, Place } from "./counts.ts";
import { guarded } from "./guard.ts";
import { LabelWriter } from "./labels.ts";
import { EntryWriter, linkOf, MissingNames } from "./linked-entries.ts";
import {
  readSettings,
  type SettingColumns,
  STILL_AT_FIRST,
  STILL_SETTINGS,
  SUMMED,
  sumSettings,
  toColumns,
} from "./setting-columns.ts";

/** A row of `counters` with its count, as SQLite gives them (integers as bigint). */
export interface RawRow extends SettingColumns {
  readonly id: bigint;
  readonly name: string;
  readonly uid: Uint8Array;
  readonly value: bigint;
  readonly revision: bigint;
  readonly update_ms: bigint;
  readonly settings_revision: bigint;
  readonly create_ms: bigint;
  readonly checksum: bigint;
  /** 1 when the count stands in `recent_counts`. */
  readonly recent: bigint;
}

/**
 * What the write side keeps of a row in memory. Its value, revision and time move on with each commit, in place: an
 * object that lives long is best left where it is.
 */
export interface Row {
  readonly id: bigint;
  readonly counter: Mutable<Counter>;
  /** The checksum over what counting does not change. */
  readonly still: number;
  place: Place;
}

/** What counting changes of a row. */
export type Count = Pick<Counter, "value" | "revision" | "updateTime">;

/** A column of a count, wherever it stands; NULL when the count has gone. */
const current = (column: string) => `iif(recent.id IS NULL, counts.${column}, recent.${column})`;

/** Joins a counter's count to what has its id. */
export const COUNT_OF = (id: string) =>
  `LEFT JOIN counts ON counts.id = ${id} LEFT JOIN recent_counts AS recent ON recent.id = ${id}`;

const COUNT = ["value", "revision", "update_ms", "min_value", "max_value", "checksum"]
  .map((column) => `${current(column)} AS ${column}`)
  .join(", ");

/** The columns of counters. */
const stillColumns = (settings: readonly string[]) => [
  "id",
  "name",
  "uid",
  "settings_revision",
  "create_ms",
  ...settings,
];
const STILL_COLUMNS = stillColumns(STILL_SETTINGS);

const rowOf = (columns: readonly string[]) =>
  `SELECT ${columns.map((column) => `counters.${column}`).join(", ")}, ${COUNT}, recent.id IS NOT NULL AS recent
    FROM counters ${COUNT_OF("counters.id")}`;

/** A row of counters with its count; a WHERE clause follows. */
export const ROW = rowOf(STILL_COLUMNS);

/** Reads counters, and tells a missing one from a damaged one. For any connection. */
export class RowReader {
  readonly #byName: Statement<[string], RawRow>;
  readonly #byId: Statement<[bigint], RawRow>;
  readonly #missing: MissingNames;

  constructor(db: Database) {
    // The row's own name, not the index's copy, so that the checksum covers what is stored in the row. A row whose
    // count has gone has no value, and fails its checksum.
    this.#byName = db.prepare(
      `${ROW} WHERE counters.id = (SELECT counter_id FROM counter_names WHERE name = ?)`,
    );
    // The plus hides from the planner that the id is a parameter: it would plan anew for each one, in 20 us.
    this.#byId = db.prepare(`${ROW} WHERE counters.id = +?`);
    this.#missing = new MissingNames(db);
  }

  find(name: string): RawRow | undefined | typeof CORRUPT {
    try {
      const raw = this.#byName.get(name);
      if (raw !== undefined) return sound(raw, name);
      return this.#missing.lacks(name) ? undefined : CORRUPT;
    } catch (error) {
      return corruptOrThrow(error);
    }
  }

  /** The counter that an index says has this name. */
  follow(id: bigint, name: string): RawRow | typeof CORRUPT {
    try {
      const raw = this.#byId.get(id);
      return raw === undefined ? CORRUPT : sound(raw, name);
    } catch (error) {
      return corruptOrThrow(error);
    }
  }

  /** The counter that has this id. That there is none is for the caller to prove. */
  at(id: bigint): RawRow | undefined | typeof CORRUPT {
    try {
      const raw = this.#byId.get(id);
      return raw && sound(raw, raw.name);
    } catch (error) {
      return corruptOrThrow(error);
    }
  }
}

function sound(raw: RawRow, name: string): RawRow | typeof CORRUPT {
  return raw.name !== name || stillOf(raw) === undefined ? CORRUPT : raw;
}

function corruptOrThrow(error: unknown): typeof CORRUPT {
  if ((error as { code?: string }).code?.startsWith("SQLITE_CORRUPT")) return CORRUPT;
  throw error;
}

/** A row as a counter, whole. */
export function toFullCounter(raw: RawRow): FullCounter {
  const details = {} as Details;
  readSettings(DETAIL_KEYS, raw, details);
  return { name: raw.name, ...toCounter(raw), createTime: Number(raw.create_ms), ...details };
}

/** A row as counting keeps it. */
export function toRow(raw: RawRow): Row {
  const place = raw.recent === 1n ? Place.RECENT : Place.COLD;
  return { id: raw.id, counter: toCounter(raw), still: stillOf(raw)!, place };
}

function toCounter(raw: RawRow): Mutable<Counter> {
  const counter = blankCounter();
  counter.uid = uidFromBytes(raw.uid);
  counter.value = raw.value;
  counter.revision = Number(raw.revision);
  counter.updateTime = Number(raw.update_ms);
  counter.settingsRevision = Number(raw.settings_revision);
  readSettings(COUNTING_KEYS, raw, counter);
  return counter;
}

/** The checksum over what counting does not change, or undefined when the row fails its own. */
function stillOf(raw: RawRow): number | undefined {
  try {
    const still = stillChecksum(raw);
    return guarded(unguarded(still, raw), raw.id, raw.value) === Number(raw.checksum) ? still : undefined;
  } catch {
    return undefined; // A column of another type than was written: damaged as well.
  }
}

/** The checksum over the whole row, without the guard. */
function unguarded(still: number, raw: RawRow): number {
  return new Checksum(still).int64(raw.value).int64(raw.revision).int64(raw.update_ms).value;
}

/** What counting does not change of a row. */
type StillRow = Omit<RawRow, "value" | "revision" | "update_ms" | "checksum" | "recent">;

function toStillRow(id: bigint, name: string, fixed: Fixed): StillRow {
  return {
    id,
    name,
    uid: uidToBytes(fixed.uid),
    settings_revision: BigInt(fixed.settingsRevision),
    create_ms: BigInt(fixed.createTime),
    ...toColumns(fixed),
  };
}

function stillChecksum(raw: StillRow): number {
  const sum = new Checksum().int64(raw.id).text(raw.name).bytes(raw.uid);
  sumSettings(sum, SUMMED.counting, raw).int64(raw.settings_revision).int64(raw.create_ms);
  sumSettings(sum, SUMMED.details, raw);
  return sumSettings(sum, SUMMED.later, raw).value;
}

/** Writes counters. The caller owns the transaction. */
export class RowWriter {
  readonly counts: Counts;
  readonly #insert: Statement;
  readonly #updateSettings: Statement;
  readonly #delete: Statement<[bigint]>;
  readonly #lastId: Statement<[], bigint>;
  readonly #setLastId: Statement<[bigint]>;
  readonly #firstId: Statement<[bigint]>;
  readonly #clear: () => void;
  readonly #names: EntryWriter;
  readonly #labels: LabelWriter;

  constructor(db: Database) {
    this.counts = new Counts(db);
    this.#insert = db.prepare(`
      INSERT INTO counters (${STILL_COLUMNS.join(", ")})
      VALUES (${STILL_COLUMNS.map((column) => `$${column}`).join(", ")})`);
    this.#updateSettings = db.prepare(`
      UPDATE counters SET settings_revision = $settings_revision,
        ${STILL_SETTINGS.map((column) => `${column} = $${column}`).join(", ")}
      WHERE id = $id`);
    this.#delete = db.prepare("DELETE FROM counters WHERE id = ?");
    this.#lastId = db.prepare<[], bigint>("SELECT seq FROM sqlite_sequence WHERE name = 'counters'").pluck();
    this.#setLastId = db.prepare("UPDATE sqlite_sequence SET seq = ? WHERE name = 'counters'");
    this.#firstId = db.prepare("INSERT INTO sqlite_sequence (name, seq) VALUES ('counters', ?)");
    this.#clear = () => db.exec("DELETE FROM recent_counts; DELETE FROM counts; DELETE FROM counters");
    this.#names = new EntryWriter(db, "counter_names");
    this.#labels = new LabelWriter(db);
  }

  /** The id of the counter made last, 0 when there was none. */
  lastId(): bigint {
    return this.#lastId.get() ?? 0n;
  }

  insert(id: bigint, name: string, fixed: Fixed, count: Count): Row {
    const raw = toStillRow(id, name, fixed);
    if (this.#insert.run(raw).changes !== 1) throw new Missed(id);
    this.#names.insert({ key: "", value: "", name }, id);
    this.#labels.insert(id, name, fixed.labels);
    return this.#insertCount(raw, fixed, count);
  }

  /** Have no counter get this id: what was deleted in another store has it here. */
  reserve(id: bigint): void {
    if (this.#setLastId.run(id).changes === 0) this.#firstId.run(id);
  }

  /** Take all counters away. */
  clear(): void {
    this.#clear();
    this.#names.clear();
    this.#labels.clear();
  }

  /** Whether what leads to a counter is there, to be taken away with it. */
  isFound(name: string, labels: Details["labels"]): boolean {
    const entry = this.#names.at({ key: "", value: "", name });
    return entry !== undefined && linkOf(entry) !== undefined && this.#labels.has(name, labels);
  }

  /** @throws SQLITE_CORRUPT when the row is not there any more */
  update(row: Row, value: bigint, revision: number, updateTime: number): void {
    const { id, still, counter } = row;
    const { min, max } = counter;
    const sum = checksum(still, id, value, revision, updateTime);
    const place = this.counts.update(row.place, { id, value, revision, updateTime, min, max, checksum: sum });
    if (place === undefined) throw new Missed(id);
    row.place = place;
  }

  /**
   * Write a counter whole, with other settings than before.
   *
   * @param before  the labels until now
   * @throws SQLITE_CORRUPT when the row is not there any more
   */
  updateSettings({ id }: Row, name: string, before: Details["labels"], fixed: Fixed, count: Count): Row {
    const raw = toStillRow(id, name, fixed);
    if (this.#updateSettings.run(raw).changes !== 1 || !this.counts.delete(id)) throw new Missed(id);
    this.#labels.replace(id, name, before, fixed.labels);
    return this.#insertCount(raw, fixed, count);
  }

  /**
   * @param labels  the labels until now
   * @throws SQLITE_CORRUPT when the row is not there any more
   */
  delete({ id }: Row, name: string, labels: Details["labels"]): void {
    this.#names.remove({ key: "", value: "", name });
    this.#labels.remove(name, labels);
    if (this.#delete.run(id).changes !== 1 || !this.counts.delete(id)) throw new Missed(id);
  }

  #insertCount(raw: StillRow, fixed: Fixed, count: Count): Row {
    const { id } = raw;
    const { value, revision, updateTime } = count;
    const { min, max } = fixed;
    const still = stillChecksum(raw);
    const sum = checksum(still, id, value, revision, updateTime);
    this.counts.insert({ id, value, revision, updateTime, min, max, checksum: sum });
    const counter = blankCounter();
    putCountingSettings(counter, fixed);
    counter.uid = fixed.uid;
    counter.value = value;
    counter.revision = revision;
    counter.updateTime = updateTime;
    counter.settingsRevision = fixed.settingsRevision;
    return { id, counter, still, place: Place.COLD };
  }
}

function checksum(still: number, id: bigint, value: bigint, revision: number, updateTime: number): number {
  return guarded(new Checksum(still).int64(value).number(revision).number(updateTime).value, id, value);
}

/**
 * Give the counts of a file from before there were guards theirs, except for those whose rows fail their checksums.
 * Inside the caller's transaction.
 */
export function sealCounts(db: Database): void {
  const rows = db
    .prepare<[bigint], RawRow>(
      `${rowOf(stillColumns(STILL_AT_FIRST))} WHERE counters.id > ? ORDER BY counters.id LIMIT 1000`,
    )
    .safeIntegers(true);
  const seals = ["counts", "recent_counts"].map((table) =>
    db.prepare<[number, bigint]>(`UPDATE ${table} SET checksum = ? WHERE id = ?`),
  );
  for (let last: bigint | undefined = 0n; last !== undefined; ) {
    const slice: RawRow[] = rows.all(last);
    for (const raw of slice) {
      if (!fits(() => unguarded(stillChecksum(raw), raw), raw.checksum)) continue;
      const sum = Number(raw.checksum);
      seals[Number(raw.recent)]!.run(guarded(sum, raw.id, raw.value), raw.id);
    }
    last = slice.at(-1)?.id;
  }
}

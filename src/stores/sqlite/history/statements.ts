/** The rows of a history's file as they stand there, their checksums, and the statements that read and write them. */
import type { Database } from "better-sqlite3";
import { Checksum } from "../../shared/checksum.ts";

/** What is asked of the file, prepared. */
export type Statements = ReturnType<typeof prepare>;

export const COUNTER_COLUMNS = "number, name, uid, from_ms, to_ms, erased, checksum";

export function prepare(db: Database) {
  type CounterParameters = Omit<RawCounter, "checksum"> & { checksum: number };
  const counters = `SELECT ${COUNTER_COLUMNS} FROM counters`;
  type Key = bigint;
  return {
    byUid: db.prepare<[Uint8Array], RawCounter>(`${counters} WHERE uid = ?`),
    byNumber: db.prepare<[bigint], RawCounter>(`${counters} WHERE number = ?`),
    named: db.prepare<[string], RawCounter>(`${counters} WHERE name = ? ORDER BY number`),
    under: db.prepare<[string, bigint, string, number], RawCounter>(
      `${counters} WHERE (name, number) > (?, ?) AND name < ? ORDER BY name, number LIMIT ?`,
    ),
    // Bound from above by where `limit` counters end, so that each slice looks at as many.
    endOf: db
      .prepare<[bigint, bigint], bigint | null>(
        "SELECT max(number) FROM (SELECT number FROM counters WHERE number > ? ORDER BY number LIMIT ?)",
      )
      .pluck(),
    ended: db
      .prepare<[bigint, bigint, bigint], bigint>(
        `SELECT number FROM counters AS c WHERE number > ? AND number <= ? AND to_ms < ?
          AND NOT EXISTS (SELECT 1 FROM changes WHERE changes.number = c.number) ORDER BY number`,
      )
      .pluck(),
    removeCounter: db.prepare<[bigint]>("DELETE FROM counters WHERE number = ?"),
    lastNumber: db.prepare<[], bigint>("SELECT coalesce(max(number), 0) FROM counters").pluck(),
    disown: db.prepare<[bigint]>("UPDATE counters SET uid = randomblob(16) WHERE number = ?"),
    addCounter: db.prepare<[CounterParameters]>(
      `INSERT INTO counters (${COUNTER_COLUMNS}) VALUES ($number, $name, $uid, $from_ms, $to_ms, $erased, $checksum)`,
    ),
    setCounter: db.prepare<[CounterParameters]>(
      `UPDATE counters SET name = $name, uid = $uid, from_ms = $from_ms, to_ms = $to_ms, erased = $erased,
        checksum = $checksum WHERE number = $number`,
    ),
    open: db.prepare<[Key, Key], RawBuckets>(
      "SELECT bucket AS bytes, checksum FROM minutes WHERE start_ms = ? AND number = ?",
    ),
    addOpen: db.prepare<[Key, Key, Uint8Array, number]>(
      "INSERT INTO minutes (start_ms, number, bucket, checksum) VALUES (?, ?, ?, ?)",
    ),
    changeOpen: db.prepare<[Uint8Array, number, Key, Key]>(
      "UPDATE minutes SET bucket = ?, checksum = ? WHERE start_ms = ? AND number = ?",
    ),
    removeOpen: db.prepare<[Key, Key]>("DELETE FROM minutes WHERE start_ms = ? AND number = ?"),
    // One search a start, however many counters have it.
    starts: db
      .prepare<[], bigint>(
        `WITH RECURSIVE starts (start_ms) AS (
          SELECT min(start_ms) FROM minutes
          UNION ALL
          SELECT (SELECT min(start_ms) FROM minutes WHERE start_ms > starts.start_ms) FROM starts
            WHERE starts.start_ms IS NOT NULL
        ) SELECT start_ms FROM starts WHERE start_ms IS NOT NULL`,
      )
      .pluck(),
    openAt: db
      .prepare<[Key, bigint], bigint>("SELECT number FROM minutes WHERE start_ms = ? ORDER BY number LIMIT ?")
      .pluck(),
    packed: db.prepare<[Key, Key, Key], RawBuckets>(
      "SELECT buckets AS bytes, checksum FROM packed WHERE level = ? AND period_ms = ? AND number = ?",
    ),
    setPacked: db.prepare<[Key, Key, Key, Uint8Array, number]>(
      "REPLACE INTO packed (level, period_ms, number, buckets, checksum) VALUES (?, ?, ?, ?, ?)",
    ),
    removePacked: db.prepare<[Key, Key, Key]>(
      "DELETE FROM packed WHERE level = ? AND period_ms = ? AND number = ?",
    ),
    oldest: db.prepare<[Key], bigint | null>("SELECT min(period_ms) FROM packed WHERE level = ?").pluck(),
    dropPeriod: db.prepare<[{ level: number; period: number; limit: number }]>(
      `DELETE FROM packed WHERE level = $level AND period_ms = $period AND number IN (
        SELECT number FROM packed WHERE level = $level AND period_ms = $period ORDER BY number LIMIT $limit)`,
    ),
    hasDays: db
      .prepare<[Key, Key], bigint>("SELECT 1 FROM day_rows WHERE period_ms = ? AND number = ?")
      .pluck(),
    addDays: db.prepare<[Key, Key]>("INSERT OR IGNORE INTO day_rows (period_ms, number) VALUES (?, ?)"),
    removeDays: db.prepare<[Key, Key]>("DELETE FROM day_rows WHERE period_ms = ? AND number = ?"),
    dropDays: db.prepare<[Key]>("DELETE FROM day_rows WHERE period_ms < ?"),
    addChange: db.prepare<[Key, Key, bigint, Uint8Array, number]>(
      "REPLACE INTO changes (number, position, time_ms, change, checksum) VALUES (?, ?, ?, ?, ?)",
    ),
    changes: db.prepare<[Key, bigint, bigint], RawChange>(
      `SELECT position, time_ms, change, checksum FROM changes WHERE number = ? AND position < ?
        ORDER BY position DESC LIMIT ?`,
    ),
    oldestChange: db.prepare<[], bigint | null>("SELECT min(position) FROM changes").pluck(),
    dropChanges: db.prepare<[bigint]>("DELETE FROM changes WHERE position < ?"),
    removeChanges: db.prepare<[Key]>("DELETE FROM changes WHERE number = ?"),
  };
}

export interface RawCounter {
  readonly number: bigint;
  readonly name: string;
  readonly uid: Uint8Array;
  readonly from_ms: bigint;
  readonly to_ms: bigint | null;
  readonly erased: bigint;
  readonly checksum: bigint;
}

export interface RawBuckets {
  readonly bytes: Uint8Array;
  readonly checksum: bigint;
}

export interface RawChange {
  readonly position: bigint;
  readonly time_ms: bigint;
  readonly change: Uint8Array;
  readonly checksum: bigint;
}

/** The checksum of a counter's row. */
export function counterSum({
  number,
  name,
  uid,
  from_ms,
  to_ms,
  erased,
}: Omit<RawCounter, "checksum">): number {
  return new Checksum()
    .int64(number)
    .text(name)
    .bytes(uid)
    .int64(from_ms)
    .optional(to_ms ?? undefined)
    .int64(erased).value;
}

/** The checksum of another row: over its key too, so that no row passes for another. */
export function sumOf(key: readonly number[], bytes: Uint8Array): number {
  const sum = new Checksum();
  for (const each of key) sum.number(each);
  return sum.bytes(bytes).value;
}

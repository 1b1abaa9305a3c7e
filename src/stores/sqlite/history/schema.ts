import type { Database } from "better-sqlite3";
import { Level } from "../../../core/levels.ts";
import { unusable } from "../../shared/unusable.ts";
import { versionOf } from "../schema/schema.ts";

/** Marks the file as a history of Tally's: "TALH". */
const APPLICATION_ID = 0x54414c48;

/** The schema of history files that this version of Tally has. */
export const HISTORY_SCHEMA_VERSION = 2;

/** What the second version has more: on pages of its own, it shows that a row of days in packed is missing. */
const DAY_ROWS = `
  -- The key of each row of packed that has days.
  CREATE TABLE day_rows (
    period_ms INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (period_ms, number)
  ) WITHOUT ROWID, STRICT;
  INSERT INTO day_rows (period_ms, number) SELECT period_ms, number FROM packed WHERE level = ${Level.DAY};
`;

/** Never change it: what comes later is brought there by a statement of its own. */
const SCHEMA = `
  -- How far it has come, and of which change log, in one row; see head.ts.
  CREATE TABLE head (
    log_id TEXT NOT NULL, -- Of the change log that it is made from; see history_binding of the data file.
    cursor TEXT NOT NULL, -- All up to here has been taken in.
    position INTEGER NOT NULL, -- Of the latest commit of that; 0 before the first.
    sum INTEGER, -- The checksum of that commit's row.
    durable_position INTEGER, -- The same of what was surely on disk when this was written; NULL before there was any.
    durable_sum INTEGER,
    time_ms INTEGER NOT NULL, -- Of that commit; 0 before the first.
    latest_ms INTEGER NOT NULL, -- The latest time of a change.
    change_position INTEGER NOT NULL, -- Of the latest row of changes.
    gaps TEXT NOT NULL, -- When changes were missed, as JSON: [from, to], in order.
    dropped_to TEXT NOT NULL, -- By level, up to when buckets were dropped, as JSON.
    tables TEXT NOT NULL, -- How many rows there are of counters and minutes, and sums over their keys, as JSON.
    checksum INTEGER NOT NULL
  ) STRICT;

  -- What a WAL and its file know each other by, in one row, as in the data file.
  CREATE TABLE wal_binding (
    id TEXT, -- Another one in each commit.
    based_on TEXT, -- The id that stood in the file below the WAL when that was begun.
    open INTEGER NOT NULL
  ) STRICT;
  INSERT INTO wal_binding (open) VALUES (0);

  -- The counters that it has anything of.
  CREATE TABLE counters (
    number INTEGER PRIMARY KEY, -- What the other tables refer to it by.
    name TEXT NOT NULL,
    uid BLOB NOT NULL,
    from_ms INTEGER NOT NULL,
    to_ms INTEGER,
    erased INTEGER NOT NULL, -- 1: it was deleted without its history.
    checksum INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX counters_by_uid ON counters (uid);
  CREATE INDEX counters_by_name ON counters (name);

  -- Buckets by minute that have not been packed. In this order, so that what is written at once stands together.
  CREATE TABLE minutes (
    start_ms INTEGER NOT NULL,
    number INTEGER NOT NULL,
    bucket BLOB NOT NULL, -- See packBuckets.
    checksum INTEGER NOT NULL,
    PRIMARY KEY (start_ms, number)
  ) WITHOUT ROWID, STRICT;

  -- A counter's buckets of a period: an hour of minutes, a day of quarters of an hour, 32 days.
  CREATE TABLE packed (
    level INTEGER NOT NULL,
    period_ms INTEGER NOT NULL,
    number INTEGER NOT NULL,
    buckets BLOB NOT NULL, -- See packBuckets.
    checksum INTEGER NOT NULL,
    PRIMARY KEY (level, period_ms, number)
  ) WITHOUT ROWID, STRICT;

  -- What somebody did by name, and what ends did.
  CREATE TABLE changes (
    number INTEGER NOT NULL,
    position INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    change BLOB NOT NULL, -- See packChanges.
    checksum INTEGER NOT NULL,
    PRIMARY KEY (number, position)
  ) WITHOUT ROWID, STRICT;
  CREATE INDEX changes_by_position ON changes (position);
`;

/**
 * Whether a file is a history; or empty, so that it can become one.
 *
 * @throws TallyError STORE_UNAVAILABLE  of one of a newer Tally, with one sentence for the operator
 */
export function kindOf(db: Database, path: string): "history" | "empty" | "another" {
  if (Number(db.prepare("SELECT count(*) FROM sqlite_schema").pluck().get()) === 0) return "empty";
  if (Number(db.pragma("application_id", { simple: true })) !== APPLICATION_ID) return "another";
  const version = versionOf(db);
  if (version <= HISTORY_SCHEMA_VERSION) return "history";
  throw unusable(
    `${path} was written by a newer Tally (schema ${version} of a history; this one knows up to ` +
      `${HISTORY_SCHEMA_VERSION}); start that version, move the file away to begin a new history, or set history = false.`,
  );
}

/** Make the tables of an empty file. Inside the caller's transaction. */
export function makeTables(db: Database): void {
  db.exec(SCHEMA);
  db.pragma(`application_id = ${APPLICATION_ID}`);
  addDayRows(db);
}

/** Make what a history of an older Tally lacks, in a transaction. */
export function bringUpToDate(db: Database): void {
  if (versionOf(db) < HISTORY_SCHEMA_VERSION) db.transaction(() => addDayRows(db)).immediate();
}

function addDayRows(db: Database): void {
  db.exec(DAY_ROWS);
  db.pragma(`user_version = ${HISTORY_SCHEMA_VERSION}`);
}

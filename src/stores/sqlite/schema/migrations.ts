import type { Database } from "better-sqlite3";
import { linkAll, nameGenerations } from "./linking.ts";

interface Migration {
  readonly about: string;
  readonly sql: string;
  /** What SQL alone cannot do; goes before it. */
  readonly first?: (db: Database) => void;
}

/**
 * Migrations, in order; `user_version` counts those that ran. Never change one that was released: add another.
 *
 * STRICT keeps a sum that overflows from becoming a float. The CHECKs are the backstop of `decide`, and their
 * names are what a violation is recognised by.
 */
export const MIGRATIONS: readonly Migration[] = [
  {
    about: "counters, the change log and request ids",
    sql: `
  -- What counting does not change.
  CREATE TABLE counters (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- What changes refer to; never used twice.
    name TEXT NOT NULL,
    uid BLOB NOT NULL,
    initial INTEGER NOT NULL,
    clamp INTEGER NOT NULL,
    monotonic INTEGER NOT NULL,
    settings_revision INTEGER NOT NULL,
    create_ms INTEGER NOT NULL,
    labels TEXT, -- A JSON object; NULL for none.
    description TEXT
  ) STRICT;
  CREATE UNIQUE INDEX counters_by_name ON counters (name);

  -- What it does, apart and narrow: a commit writes whole pages, and so a third of them.
  CREATE TABLE counts (
    id INTEGER PRIMARY KEY, -- Its counter's.
    value INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    update_ms INTEGER NOT NULL,
    min_value INTEGER,
    max_value INTEGER,
    checksum INTEGER NOT NULL, -- Over this row and its counter's; see checksum.ts.
    CONSTRAINT value_at_least_min CHECK (value >= min_value),
    CONSTRAINT value_at_most_max CHECK (value <= max_value)
  ) STRICT;

  -- One row a commit: all its changes, packed; see change-log.ts.
  CREATE TABLE change_log (
    position INTEGER PRIMARY KEY,
    time_ms INTEGER NOT NULL,
    bytes_end INTEGER NOT NULL, -- The bytes of all changes ever, this commit's included.
    checksum INTEGER NOT NULL,
    changes BLOB NOT NULL
  ) STRICT;

  -- What is left of a counter's changes that were dropped: its value after the last of them.
  CREATE TABLE change_openings (
    counter_id INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL,
    value INTEGER NOT NULL,
    time_ms INTEGER NOT NULL
  ) STRICT;

  -- The ids of generation 7 are in the table request_ids_7; see request-ids.ts. Times are running time.
  CREATE TABLE request_id_generations (
    id INTEGER PRIMARY KEY,
    opened_ms INTEGER NOT NULL,
    closed_ms INTEGER,
    bytes INTEGER NOT NULL,
    forgotten INTEGER NOT NULL DEFAULT 0 -- 1: its ids are dead, and its table is being emptied.
  ) STRICT;

  CREATE TABLE service_time (
    run_ms INTEGER NOT NULL,
    starts INTEGER NOT NULL -- How often the file was opened: a write that each start can show its durability by.
  ) STRICT;
  INSERT INTO service_time VALUES (0, 0);
  `,
  },
  {
    about: "counters by their labels, for lists",
    sql: `
  -- Counters by their labels, each pair in the order of the names: for lists. The truth is in counters.labels,
  -- which has a checksum.
  CREATE TABLE counter_labels (
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    name TEXT NOT NULL, -- Of the counter.
    counter_id INTEGER NOT NULL,
    PRIMARY KEY (key, value, name)
  ) WITHOUT ROWID, STRICT;
  -- Labels that rotted are no reason not to start: that counter is refused by its checksum.
  INSERT OR IGNORE INTO counter_labels
    SELECT label.key, label.value, name, counters.id
    FROM counters, json_each(CASE WHEN json_valid(labels) THEN labels END) AS label;
  `,
  },
  {
    about: "busy counts apart, so that commits write fewer pages",
    sql: `
  -- The counts that are busy, which stand here instead of in counts; see counts.ts.
  CREATE TABLE recent_counts (
    id INTEGER PRIMARY KEY,
    value INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    update_ms INTEGER NOT NULL,
    min_value INTEGER,
    max_value INTEGER,
    checksum INTEGER NOT NULL,
    CONSTRAINT value_at_least_min CHECK (value >= min_value),
    CONSTRAINT value_at_most_max CHECK (value <= max_value)
  ) STRICT;

  -- Every count, wherever it stands.
  CREATE VIEW current_counts AS SELECT * FROM counts UNION ALL SELECT * FROM recent_counts;
  `,
  },
  {
    about: "what was deleted, while the change log has it",
    sql: `
  -- Counters that were deleted, while the change log refers to them.
  CREATE TABLE deleted_counters (
    id INTEGER PRIMARY KEY, -- What it was in counters.
    name TEXT NOT NULL,
    uid BLOB NOT NULL,
    history INTEGER NOT NULL -- 1: its changes are still given out; 0: only its deletion.
  ) STRICT;
  `,
  },
  {
    about: "copies from the file and into it",
    sql: `
  -- Copies from this file and into it, in one row; see copy-target.ts.
  CREATE TABLE copying (
    store_id TEXT, -- Tells this file from all others; NULL until a copy asks for it.
    opens INTEGER NOT NULL, -- How often it was opened for a copy: the write that such a start shows its durability by.
    source_id TEXT, -- What the latest copy into this file is a copy of; NULL without one, and once it was served.
    source_state TEXT,
    progress TEXT,
    ended INTEGER -- 1: all of it is here.
  ) STRICT;
  INSERT INTO copying (opens) VALUES (0);
  `,
  },
  {
    about: "the file and its WAL bound to each other",
    sql: `
  -- What a WAL and its file know each other by, in one row; see wal-binding.ts.
  CREATE TABLE wal_binding (
    id TEXT, -- Of this state; NULL before the first.
    based_on TEXT, -- The id that stands in the file below the WAL in which this one was written.
    open INTEGER NOT NULL -- 1: a server has it, and its WAL holds changes.
  ) STRICT;
  INSERT INTO wal_binding (open) VALUES (0);
  `,
  },
  {
    about: "what shows that nothing is missing",
    first: linkAll,
    sql: `
  ALTER TABLE change_log ADD COLUMN head_checksum INTEGER; -- NULL in rows from before.
  `,
  },
  {
    about: "what is kept beside counters: the catalogue",
    first: nameGenerations,
    sql: `
  -- One row an entry; see core/catalogue.ts.
  CREATE TABLE catalogue (
    version INTEGER PRIMARY KEY, -- Of the write that left it as it is.
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    body TEXT, -- NULL once it is gone.
    checksum INTEGER NOT NULL
  ) STRICT;

  -- What shows that none of them is missing, in one row.
  CREATE TABLE catalogue_state (
    version INTEGER NOT NULL, -- Of the latest write.
    entries INTEGER NOT NULL, -- How many rows there are.
    versions INTEGER NOT NULL, -- The sum of theirs.
    checksum INTEGER NOT NULL
  ) STRICT;
  INSERT INTO catalogue_state (version, entries, versions, checksum) VALUES (0, 0, 0, -790770940);
  `,
  },
  {
    about: "what time does to counters: windows, refills, idle TTLs",
    sql: `
  -- Of the counters that time does something to; see timing-rows.ts. The checksum of the count covers it.
  CREATE TABLE timings (
    id INTEGER PRIMARY KEY, -- Its counter's.
    window_spec TEXT,
    refill_spec TEXT,
    idle_ttl_ms INTEGER,
    window_start_ms INTEGER,
    window_end_ms INTEGER,
    refill_ms INTEGER, -- When the value was what it is, and refill_carry.
    refill_carry INTEGER,
    due_ms INTEGER,
    initial_value INTEGER NOT NULL, -- As in counters. What follows is what values are reckoned by in SQL.
    refill_amount INTEGER, -- In lowest terms.
    refill_every INTEGER,
    full_ms INTEGER -- When it is at initial by its refill.
  ) STRICT;

  -- When somebody is to look at which of them; see tidying.ts. The truth is in timings.due_ms.
  CREATE TABLE due_counters (
    due_ms INTEGER NOT NULL,
    counter_id INTEGER NOT NULL,
    PRIMARY KEY (due_ms, counter_id)
  ) WITHOUT ROWID, STRICT;

  ALTER TABLE service_time ADD COLUMN wall_ms INTEGER; -- The wall clock when run_ms was written; NULL before the first time.
  `,
  },
  {
    about: "whether a history is kept of a counter",
    sql: `
  ALTER TABLE counters ADD COLUMN history INTEGER; -- 0: none is kept; NULL: one is.
  `,
  },
  {
    about: "what the file and its history know each other by",
    sql: `
  -- What the history beside the file is bound to its change log by, in one row; see history/belonging.ts.
  CREATE TABLE history_binding (
    log_id TEXT, -- Tells this change log from all others; NULL until a history follows it.
    position INTEGER, -- Up to where a history on disk had come when the log last dropped anything; NULL before.
    sum INTEGER -- The checksum of the commit there.
  ) STRICT;
  INSERT INTO history_binding (log_id) VALUES (NULL);
  `,
  },
  {
    about: "which policies counters follow",
    sql: `
  -- NULL of a counter that follows none; see core/settling.ts.
  ALTER TABLE counters ADD COLUMN policy TEXT; -- The prefix of the one that it has its settings of.
  ALTER TABLE counters ADD COLUMN policy_revision INTEGER; -- And that one's revision; 0: it has them in part.

  -- The revision of the policies that all counters have their settings by, in one row; see sweeping.ts.
  CREATE TABLE policy_sweep (swept INTEGER NOT NULL) STRICT;
  INSERT INTO policy_sweep (swept) VALUES (0);
  `,
  },
  {
    about: "when API keys were last used",
    sql: `
  -- Of the keys in the catalogue; see service/store-key-uses.ts.
  CREATE TABLE key_uses (
    key_id TEXT PRIMARY KEY,
    hour_ms INTEGER NOT NULL, -- When the hour of the latest use began.
    checksum INTEGER NOT NULL
  ) WITHOUT ROWID, STRICT;
  `,
  },
  {
    about: "where a refill is, beside the value that it moves with",
    sql: `
  -- Of a counter with a refill: see carry.ts. NULL of all others, and where timings has it.
  ALTER TABLE counts ADD COLUMN carry INTEGER;
  ALTER TABLE recent_counts ADD COLUMN carry INTEGER;
  `,
  },
];

/**
 * Migrations, in order; schema_version says how many ran. Never change one that was released: add another. `@` is
 * the schema.
 *
 * The CHECKs are the backstop of `decide`, and their names are what a violation is recognised by. Names are ordered
 * by their bytes, whatever the database's collation is. Texts that may have a NUL, which PostgreSQL cannot keep, are
 * kept as JSON.
 */
export const MIGRATIONS: readonly { readonly about: string; readonly sql: string }[] = [
  {
    about: "counters, the change log and request ids",
    sql: `
  CREATE SEQUENCE @counter_ids INCREMENT BY 1000; -- Processes take a thousand at a time.
  CREATE TABLE @counters (
    id bigint PRIMARY KEY, -- What changes refer to; never used twice.
    name text COLLATE "C" NOT NULL CONSTRAINT counters_by_name UNIQUE,
    uid uuid NOT NULL,
    value bigint NOT NULL,
    initial bigint NOT NULL,
    min_value bigint,
    max_value bigint,
    clamp boolean NOT NULL,
    monotonic boolean NOT NULL,
    revision bigint NOT NULL,
    settings_revision bigint NOT NULL,
    create_ms bigint NOT NULL,
    update_ms bigint NOT NULL,
    labels text, -- A JSON object; NULL for none.
    description text, -- A JSON string; NULL for none.
    CONSTRAINT value_at_least_min CHECK (value >= min_value),
    CONSTRAINT value_at_most_max CHECK (value <= max_value)
  ) WITH (fillfactor = 70); -- Room on the page: a new value then touches no index.

  CREATE TABLE @counter_labels (
    label text COLLATE "C" NOT NULL, -- A JSON array of key and value.
    name text COLLATE "C" NOT NULL,
    PRIMARY KEY (label, name)
  );

  -- One row a commit: all its changes, packed.
  CREATE SEQUENCE @change_order;
  CREATE TABLE @change_log (
    taken bigint PRIMARY KEY, -- From change_order, while all rows were locked: of two commits on one counter, the later has more.
    position bigint, -- Where followers find it; given once the commit is visible. See change-log.ts.
    bytes_end bigint, -- Likewise: the bytes of all changes ever, this commit's included.
    time_ms bigint NOT NULL,
    changes bytea NOT NULL
  );
  CREATE UNIQUE INDEX change_log_by_position ON @change_log (position);
  CREATE INDEX change_log_unplaced ON @change_log (taken) WHERE position IS NULL;

  -- What is left of a counter's changes that were dropped: its value after the last of them.
  CREATE TABLE @change_openings (
    counter_id bigint PRIMARY KEY,
    revision bigint NOT NULL,
    value bigint NOT NULL,
    time_ms bigint NOT NULL
  );

  -- Counters that were deleted, while the change log refers to them.
  CREATE TABLE @deleted_counters (
    id bigint PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    uid uuid NOT NULL,
    history boolean NOT NULL -- Whether its changes are still given out, or only its deletion.
  );

  -- The answers under request ids; a generation is forgotten as a whole. Times are running time.
  CREATE TABLE @request_id_generations (
    id bigint PRIMARY KEY,
    opened_ms bigint NOT NULL,
    closed_ms bigint,
    bytes bigint NOT NULL,
    forgotten boolean NOT NULL DEFAULT false
  );
  INSERT INTO @request_id_generations (id, opened_ms, bytes) VALUES (0, 0, 0);
  CREATE TABLE @request_ids (
    key text COLLATE "C" PRIMARY KEY,
    generation bigint NOT NULL,
    record bytea NOT NULL
  );
  -- They stand in the table nearly as they came, so a summary by ranges of pages finds a generation, and costs nothing
  -- to keep: a B-tree took a third of the time of a row.
  CREATE INDEX request_ids_by_generation ON @request_ids USING brin (generation) WITH (autosummarize = on);

  -- One row; who has locked it does the maintenance.
  CREATE TABLE @service_state (
    run_ms bigint NOT NULL, -- How long the service has run, on any number of machines.
    log_position bigint NOT NULL, -- The last one given.
    log_bytes_end bigint NOT NULL
  );
  INSERT INTO @service_state VALUES (0, 0, 0);
  `,
  },
  {
    about: "copies from the store and into it",
    sql: `
  -- Copies from this store and into it, in one row; see copying.ts.
  CREATE TABLE @copying (
    store_id text, -- Tells this store from all others; NULL until a copy asks for it.
    source_id text, -- What the latest copy into it is a copy of; NULL without one, and once it was served.
    source_state text,
    progress text,
    ended boolean -- Whether all of it is here.
  );
  INSERT INTO @copying DEFAULT VALUES;
  `,
  },
  {
    about: "what is kept beside counters: the catalogue",
    sql: `
  -- One row an entry; see core/catalogue.ts.
  CREATE TABLE @catalogue (
    version bigint NOT NULL CONSTRAINT catalogue_by_version UNIQUE, -- Of the write that left it as it is.
    kind text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    body text, -- NULL once it is gone.
    checksum int NOT NULL,
    PRIMARY KEY (kind, key)
  );

  -- One row: who has locked it writes the catalogue.
  CREATE TABLE @catalogue_state (
    version bigint NOT NULL, -- Of the latest write.
    entries bigint NOT NULL, -- How many rows there are.
    versions bigint NOT NULL -- The sum of theirs.
  );
  INSERT INTO @catalogue_state (version, entries, versions) VALUES (0, 0, 0);
  `,
  },
  {
    about: "windows, refills and idle TTLs",
    sql: `
  -- Settings, and where a counter is in time; NULL where nobody set any. Such a counter has its settings_revision below
  -- 0, so that processes of older versions refuse it (see rows.ts).
  ALTER TABLE @counters
    ADD COLUMN window_spec text, -- "every 86400000 0", "month Europe/Berlin 31"
    ADD COLUMN refill_spec text, -- "3/1000": amount and milliseconds, as given
    ADD COLUMN idle_ttl_ms bigint,
    ADD COLUMN refill_amount bigint, -- The refill in lowest terms, for what SQL reckons.
    ADD COLUMN refill_every bigint,
    ADD COLUMN window_start_ms bigint,
    ADD COLUMN window_end_ms bigint,
    ADD COLUMN refill_ms bigint, -- When the value was what it is; NULL while it is at initial.
    ADD COLUMN refill_carry bigint,
    ADD COLUMN due_ms bigint; -- When to look whether there is something to write down.
  -- Counting leaves due_ms as it is, and so touches no index.
  CREATE INDEX counters_by_due ON @counters (due_ms, id) WHERE due_ms IS NOT NULL;
  ALTER TABLE @service_state ADD COLUMN wall_ms bigint; -- This server's clock, while nobody doubted it.
  `,
  },
  {
    about: "whether a history is kept of a counter",
    sql: "ALTER TABLE @counters ADD COLUMN history boolean; -- false: none is kept; NULL: one is.",
  },
  {
    about: "history: what became of counters over time",
    sql: `
  -- How far history has come, in one row; see history/intake.ts.
  CREATE TABLE @history_state (
    owner text, -- Which process takes the change log in, and until when the others leave it to that.
    until timestamptz,
    saves bigint NOT NULL DEFAULT 0, -- Each save takes the next: of two that loaded the same, one comes through.
    saved_ms bigint, -- When anything was taken in last; NULL before anybody began.
    cursor text NOT NULL DEFAULT '', -- Of the change log, up to which all is here.
    time_ms bigint NOT NULL DEFAULT 0,
    latest_ms bigint NOT NULL DEFAULT 0,
    position bigint NOT NULL DEFAULT 0, -- Of the latest named change.
    next_number bigint NOT NULL DEFAULT 0,
    bytes bigint NOT NULL DEFAULT 0, -- Of all buckets, about.
    gaps text NOT NULL DEFAULT '[]', -- JSON: when changes were missed.
    dropped_to text NOT NULL DEFAULT '[0,0,0]' -- JSON: by level, up to when buckets were dropped.
  );
  INSERT INTO @history_state DEFAULT VALUES;
  CREATE TABLE @history_counters (
    number bigint PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    uid uuid NOT NULL CONSTRAINT history_counters_by_uid UNIQUE,
    from_ms bigint NOT NULL,
    to_ms bigint, -- NULL while the counter is there.
    erased boolean NOT NULL -- It was deleted without its history.
  );
  CREATE INDEX history_counters_by_name ON @history_counters (name, number);
  -- The buckets of minutes, until their hour is packed.
  CREATE TABLE @history_open (
    start_ms bigint NOT NULL,
    number bigint NOT NULL,
    bucket bytea NOT NULL,
    PRIMARY KEY (start_ms, number)
  ) WITH (fillfactor = 70);
  -- An hour of minutes, a day of quarters of an hour, 32 days of days; see core/packed-buckets.ts.
  CREATE TABLE @history_packed (
    level smallint NOT NULL,
    period_ms bigint NOT NULL,
    number bigint NOT NULL,
    buckets bytea NOT NULL,
    PRIMARY KEY (level, period_ms, number)
  );
  -- What somebody did by name, and what time did.
  CREATE TABLE @history_changes (
    number bigint NOT NULL,
    position bigint NOT NULL,
    time_ms bigint NOT NULL,
    change bytea NOT NULL,
    PRIMARY KEY (number, position)
  );
  CREATE INDEX history_changes_by_position ON @history_changes (position);
  `,
  },
  {
    about: "policies for the counters of a prefix",
    sql: `
  -- What a counter follows; NULL of one whose settings are its own. Of one that follows a policy, settings_revision is 2^53
  -- farther from 0 than it is, so that processes of older versions refuse it (see rows.ts).
  ALTER TABLE @counters
    ADD COLUMN policy text COLLATE "C", -- The prefix of the one that it has its settings of.
    ADD COLUMN policy_revision bigint; -- And that one's revision; 0: it has them in part.
  -- How often a copy has put another catalogue in the place of this one: whoever has read one begins anew.
  ALTER TABLE @catalogue_state ADD COLUMN round bigint NOT NULL DEFAULT 0;

  -- How far counters are settled by their policies, in one row; see sweeping.ts.
  CREATE TABLE @policy_sweep (
    swept bigint NOT NULL DEFAULT 0, -- The revision of the policies that all are settled by.
    owner text, -- Which process settles them, and until when the others leave it to that.
    until timestamptz
  );
  INSERT INTO @policy_sweep DEFAULT VALUES;
  `,
  },
  {
    about: "when API keys were last used",
    sql: `
  -- Of the keys in the catalogue; see service/store-key-uses.ts.
  CREATE TABLE @key_uses (
    key_id text COLLATE "C" PRIMARY KEY,
    hour_ms bigint NOT NULL -- When the hour of the latest use began.
  );
  `,
  },
];

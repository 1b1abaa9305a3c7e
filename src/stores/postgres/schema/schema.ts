import { TallyError } from "../../../core/errors.ts";
import { unusable } from "../../shared/unusable.ts";
import type { Database } from "../connection/database.ts";
import type { Session } from "../connection/session.ts";
import { PUT_BACK } from "../connection/session.ts";
import { INSUFFICIENT_PRIVILEGE, type Remediable } from "../connection/start-failure.ts";

/**
 * Migrations, in order; schema_version says how many ran. Never change one that was released: add another. `@` is
 * the schema.
 *
 * The CHECKs are the backstop of `decide`, and their names are what a violation is recognised by. Names are ordered
 * by their bytes, whatever the database's collation is. Texts that may have a NUL, which PostgreSQL cannot keep, are
 * kept as JSON.
 */
const MIGRATIONS: readonly { readonly about: string; readonly sql: string }[] = [
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

/** The schema that this version of Tally has: one for each migration. */
export const SCHEMA_VERSION = MIGRATIONS.length;

/** What the schema of a database has. */
type SchemaState =
  | { readonly kind: "missing" }
  /** It is there, and empty. */
  | { readonly kind: "empty" }
  | { readonly kind: "ours"; readonly version: number }
  | { readonly kind: "foreign" };

/** @param ask  how to run a statement that reads */
async function schemaState(database: Database, ask: Session["send"]): Promise<SchemaState> {
  const [found] = await ask(database.statement(FIND), [database.schema]);
  if (found!.schema === null) return { kind: "missing" };
  if (found!.versions === null) return { kind: found!.tables === 0n ? "empty" : "foreign" };
  const rows = await ask(database.statement("SELECT version FROM @schema_version"));
  if (rows.length !== 1 || rows[0]!.version === null)
    throw notWhole(database.schema, "schema_version", rows.length);
  return { kind: "ours", version: Number(rows[0]!.version) };
}

/** Other programs have a schema_version too; a service_state beside it is ours. */
const FIND = `SELECT to_regnamespace(quote_ident($1)) AS schema,
  CASE WHEN to_regclass(quote_ident($1) || '.service_state') IS NOT NULL
    THEN to_regclass(quote_ident($1) || '.schema_version') END AS versions,
  (SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace(quote_ident($1))) AS tables`;

/**
 * Bring the database to this version's schema, in one transaction and one process after another; processes that run
 * on the older one meanwhile go on.
 *
 * @returns  the version that it had, if it had an older one
 * @throws TallyError STORE_UNAVAILABLE, with one sentence for the operator
 */
export async function migrate(database: Database): Promise<number | undefined> {
  const { schema } = database;
  const from = await versionFound(database);
  if (from === SCHEMA_VERSION) return undefined;
  let found: SchemaState["kind"] = "missing";
  const migrated = database.transaction(async (session) => {
    await session.send(
      database.statement("SELECT pg_advisory_xact_lock(hashtextextended('tally ' || $1, 0))"),
      [schema],
    );
    const state = await schemaState(database, (statement, values) => session.send(statement, values));
    const version = versionOf(state, schema); // Another process may have been here first.
    found = state.kind;
    // Only where it is missing: who may use a schema that is there may not make one.
    if (state.kind === "missing")
      await session.simply(`CREATE SCHEMA ${database.inSchema("@").slice(0, -1)}`);
    if (state.kind !== "ours") await session.simply(database.inSchema(VERSION_TABLE));
    for (const { sql } of MIGRATIONS.slice(version)) await session.simply(database.inSchema(sql));
    await session.send(database.statement("UPDATE @schema_version SET version = $1"), [SCHEMA_VERSION]);
  });
  await migrated.catch((error: unknown) => {
    const cause = error instanceof TallyError ? (error.cause as Remediable | undefined) : undefined;
    if (cause?.code === INSUFFICIENT_PRIVILEGE) cause.remedy = REMEDIES[found];
    throw error;
  });
  return from === 0 ? undefined : from;
}

/** Where the role may not migrate, what its operator can do. */
const REMEDIES: Readonly<Partial<Record<SchemaState["kind"], string>>> = {
  missing: "this user may not; let it create a schema (GRANT CREATE ON DATABASE), or create one that it owns",
  empty: "this user may not make tables in the schema; GRANT CREATE ON SCHEMA, or create one that it owns",
  ours: "this user may not change the schema to this version's; let the owner of its tables run: tally migrate up",
};

const VERSION_TABLE =
  "CREATE TABLE @schema_version (version int NOT NULL); INSERT INTO @schema_version VALUES (0)";

/** Refuse a store that is not of this version's schema. */
export async function assertUpToDate(database: Database): Promise<void> {
  const version = await versionFound(database);
  if (version === SCHEMA_VERSION) return;
  throw unusable(
    `The schema "${database.schema}" ${version === 0 ? "is not made yet" : `is of version ${version}`}, this Tally needs ` +
      `${SCHEMA_VERSION}, and migrate-at-start is off; bring it there with: tally migrate up.`,
  );
}

/** What `migrate` would do to a store of this version, in order: a phrase each. */
export function pendingAfter(version: number): string[] {
  return MIGRATIONS.slice(version).map(({ about }) => about);
}

/**
 * The version of a database's schema; 0 where there is none yet.
 *
 * @throws TallyError STORE_UNAVAILABLE, with one sentence for the operator, when it is not ours or newer
 */
export async function versionFound(database: Database): Promise<number> {
  const state = await schemaState(database, (statement, values) => database.read(statement, values));
  return versionOf(state, database.schema);
}

function versionOf(state: SchemaState, schema: string): number {
  switch (state.kind) {
    case "missing":
    case "empty":
      return 0;
    case "foreign":
      throw unusable(
        `The schema "${schema}" has tables of another program; give Tally one of its own: postgres://...?schema=NAME.`,
      );
    case "ours":
      if (state.version <= SCHEMA_VERSION) return state.version;
      throw unusable(
        `The schema "${schema}" was made by a newer Tally (version ${state.version}; this one knows up to ` +
          `${SCHEMA_VERSION}); start that version, or restore a backup made before the upgrade.`,
      );
  }
}

/** Refuse a schema of which what has one row by all rights has not; somebody changed it by hand. */
export async function assertWhole(database: Database): Promise<void> {
  const [counts] = await database.read(
    database.statement(`SELECT (SELECT count(*) FROM @service_state) AS service_state,
      (SELECT count(*) FROM @copying) AS copying,
      (SELECT count(*) FROM @catalogue_state) AS catalogue_state,
      (SELECT count(*) FROM @history_state) AS history_state,
      (SELECT count(*) FROM @policy_sweep) AS policy_sweep,
      (SELECT least(count(*), 1) FROM @request_id_generations WHERE NOT forgotten) AS request_id_generations`),
  );
  for (const [table, count] of Object.entries(counts!)) {
    if (count !== 1n) throw notWhole(database.schema, table, Number(count));
  }
}

function notWhole(schema: string, table: string, rows: number): TallyError {
  const found = rows === 1 ? "a row without its value" : `${rows === 0 ? "no" : rows} rows`;
  const mend =
    rows === 0 && table in PUT_BACK ? `Put it back: ${PUT_BACK[table as keyof typeof PUT_BACK]}` : RESTORE;
  return unusable(
    `The table "${table}" of the schema "${schema}" has ${found}, where Tally keeps one: somebody changed it by hand. ${mend}`,
  );
}

const RESTORE = "Restore the schema from a backup.";

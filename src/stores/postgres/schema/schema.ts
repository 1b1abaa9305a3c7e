import { TallyError } from "../../../core/errors.ts";
import { unusable } from "../../shared/unusable.ts";
import type { Database } from "../connection/database.ts";
import type { Session } from "../connection/session.ts";
import { PUT_BACK } from "../connection/session.ts";
import { INSUFFICIENT_PRIVILEGE, type Remediable } from "../connection/start-failure.ts";
import { MIGRATIONS } from "./migrations.ts";

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

/**
 * Other programs have a schema_version too; a service_state beside it is ours. What else there is it counts only where those
 * are not: PostgreSQL looks at all the relations of the database for that, which may be many.
 */
const FIND = `SELECT schema, versions, CASE WHEN schema IS NOT NULL AND versions IS NULL
    THEN (SELECT count(*) FROM pg_class WHERE relnamespace = schema) END AS tables
  FROM (SELECT to_regnamespace(quote_ident($1)) AS schema,
    CASE WHEN to_regclass(quote_ident($1) || '.service_state') IS NOT NULL
      THEN to_regclass(quote_ident($1) || '.schema_version') END AS versions OFFSET 0) AS found`;

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

/** A mistyped name is not to be an empty store that is copied. */
export async function assertThere(database: Database): Promise<void> {
  if ((await versionFound(database)) === 0) {
    throw unusable(`There is no schema "${database.schema}" with counters to copy from.`);
  }
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

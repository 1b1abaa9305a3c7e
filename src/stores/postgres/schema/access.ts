import { TallyError } from "../../../core/errors.ts";
import { unusable } from "../../shared/unusable.ts";
import type { Database } from "../connection/database.ts";
import type { Row, Statement } from "../connection/session.ts";
import { INSUFFICIENT_PRIVILEGE, type Remediable } from "../connection/start-failure.ts";

/** What Tally does with each of its relations, once they are there. */
const NEEDED: Readonly<Record<string, readonly string[]>> = {
  schema_version: ["SELECT"],
  counters: ["SELECT", "INSERT", "UPDATE", "DELETE"],
  counter_labels: ["SELECT", "INSERT", "DELETE"],
  change_log: ["SELECT", "INSERT", "UPDATE", "DELETE"],
  change_openings: ["SELECT", "INSERT", "UPDATE", "DELETE"],
  deleted_counters: ["SELECT", "INSERT", "DELETE"],
  request_id_generations: ["SELECT", "INSERT", "UPDATE", "DELETE"],
  request_ids: ["SELECT", "INSERT", "DELETE"],
  service_state: ["SELECT", "UPDATE"],
  copying: ["SELECT", "UPDATE"],
  catalogue: ["SELECT", "INSERT", "UPDATE"],
  catalogue_state: ["SELECT", "UPDATE"],
  key_uses: ["SELECT", "INSERT", "UPDATE", "DELETE"],
  policy_sweep: ["SELECT", "UPDATE"],
  history_state: ["SELECT", "UPDATE"],
  history_counters: ["SELECT", "INSERT", "UPDATE", "DELETE"],
  history_open: ["SELECT", "INSERT", "UPDATE", "DELETE"],
  history_packed: ["SELECT", "INSERT", "UPDATE", "DELETE"],
  history_changes: ["SELECT", "INSERT", "DELETE"],
  counter_ids: ["USAGE"],
  change_order: ["USAGE"],
};

/** What is in the way of this role, in one schema. */
export interface Access {
  readonly role: string;
  /** Relations that are not there. */
  readonly absent: readonly string[];
  /** "UPDATE ON counters"; first "USAGE ON SCHEMA ..." where that is missing. */
  readonly missing: readonly string[];
  /** Tables of which row level security hides rows from it. */
  readonly filtered: readonly string[];
}

/** Asks for it; works without any privilege, for the catalogue is everybody's. */
export function accessStatement(database: Database): Statement {
  return database.statement(ACCESS);
}

/** The parameters of the query for what the role may do. */
export function accessValues(database: Database): readonly unknown[] {
  const each = Object.entries(NEEDED).flatMap(([relation, privileges]) =>
    privileges.map((privilege) => [relation, privilege] as const),
  );
  return [database.schema, each.map(([relation]) => relation), each.map(([, privilege]) => privilege)];
}

/** Its answer. */
export function toAccess([row]: readonly Row[]): Access {
  const { role, usable, absent, missing, filtered } = row as unknown as Access & { usable: boolean };
  return { role, absent, missing: usable ? missing : ["USAGE ON SCHEMA", ...missing], filtered };
}

/**
 * Refuse a role that may not do all that Tally does, or that does not see all there is. What is not there yet is not
 * looked at.
 *
 * @throws TallyError STORE_UNAVAILABLE, with one sentence for the operator
 */
export async function assertAccess(database: Database): Promise<void> {
  const access = toAccess(await database.read(accessStatement(database), accessValues(database)));
  if (access.missing.length > 0) throw denied(missingSentence(access, database.schema));
  if (access.filtered.length > 0) throw denied(filteredSentence(access, database.schema));
}

function denied(remedy: string): TallyError {
  const cause: Remediable = Object.assign(new Error(remedy), { code: INSUFFICIENT_PRIVILEGE, remedy });
  return unusable(`${remedy}.`, cause);
}

/** What keeps reads from being answered, and truly. @throws TallyError STORE_UNAVAILABLE */
export function assertReads(access: Access, schema: string): void {
  const unread = access.missing.filter((each) => /^(SELECT|USAGE ON SCHEMA)/.test(each));
  if (access.absent.length > 0)
    throw new Hindered("PostgreSQL does not have all the tables", `missing: ${access.absent.join(", ")}`);
  if (unread.length > 0)
    throw new Hindered(NOT_ALLOWED, missingSentence({ ...access, missing: unread }, schema));
  if (access.filtered.length > 0)
    throw new Hindered("row level security of PostgreSQL hides counters", filteredSentence(access, schema));
}

/** What keeps changes from being taken. @throws TallyError STORE_UNAVAILABLE */
export function assertWrites(access: Access, schema: string): void {
  assertReads(access, schema);
  if (access.missing.length > 0) throw new Hindered(NOT_ALLOWED, missingSentence(access, schema));
}

const NOT_ALLOWED = "PostgreSQL does not give the privileges that are needed; the log names them";

/** With a reason for everybody, and its details for the log. */
export class Hindered extends TallyError {
  constructor(reason: string, detail: string) {
    super("STORE_UNAVAILABLE", reason, { cause: new Error(detail) });
  }
}

function missingSentence({ role, missing }: Access, schema: string): string {
  const grants = missing.length > GRANTS_MAX ? grantAll(schema) : grantEach(missing, schema);
  const shown = missing.slice(0, GRANTS_MAX).join(", ");
  const more = missing.length > GRANTS_MAX ? ` and ${missing.length - GRANTS_MAX} more` : "";
  const lacking = `the role "${role}" lacks ${shown}${more} in the schema "${schema}"`;
  return `${lacking}; let its owner run: ${grants.map((grant) => `${grant} TO "${role}"`).join("; ")}`;
}

const GRANTS_MAX = 4;

function grantEach(missing: readonly string[], schema: string): string[] {
  return missing.map((each) => {
    if (each === "USAGE ON SCHEMA") return `GRANT USAGE ON SCHEMA "${schema}"`;
    const [privilege, , relation] = each.split(" ");
    return `GRANT ${privilege} ON ${privilege === "USAGE" ? "SEQUENCE " : ""}"${schema}".${relation}`;
  });
}

function grantAll(schema: string): string[] {
  return [
    `GRANT USAGE ON SCHEMA "${schema}"`,
    `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "${schema}"`,
    `GRANT USAGE ON ALL SEQUENCES IN SCHEMA "${schema}"`,
  ];
}

function filteredSentence({ role, filtered }: Access, schema: string): string {
  return (
    `row level security hides rows of ${filtered.join(", ")} in the schema "${schema}" from the role "${role}", so that ` +
    `counters would be missing without a word; let its owner run: ALTER TABLE "${schema}".${filtered[0]} DISABLE ROW ` +
    `LEVEL SECURITY${filtered.length > 1 ? " (and so on)" : ""}, or a superuser: ALTER ROLE "${role}" BYPASSRLS`
  );
}

/**
 * Each name is looked for by itself, in the schema alone: joined, PostgreSQL looked at it in all schemas of the database, or at all
 * relations, and of a database with a Tally in each of five hundred schemas that took 10 ms.
 */
const ACCESS = `WITH needed AS (
    SELECT relation, privilege, place, oid, relkind
    FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS n (relation, privilege, place)
    LEFT JOIN LATERAL (
      SELECT oid, relkind FROM pg_class
      WHERE relname = relation AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) OFFSET 0
    ) AS c ON true
  ), judged AS (
    SELECT relation, privilege, place, oid, relkind,
      CASE
        WHEN oid IS NULL THEN true
        WHEN relkind = 'S' THEN has_sequence_privilege(oid, 'USAGE, UPDATE')
        WHEN has_table_privilege(oid, privilege) THEN true
        WHEN privilege = 'DELETE' THEN false
        ELSE (SELECT bool_and(has_column_privilege(oid, a.attnum, privilege)) FROM pg_attribute AS a
          WHERE a.attrelid = oid AND a.attnum > 0 AND NOT a.attisdropped)
      END AS may
    FROM needed
  )
  SELECT current_user::text AS role,
    coalesce((SELECT has_schema_privilege(s.oid, 'USAGE') FROM pg_namespace AS s WHERE s.nspname = $1), true) AS usable,
    coalesce((SELECT array_agg(DISTINCT relation) FROM judged WHERE oid IS NULL), '{}') AS absent,
    coalesce((SELECT array_agg(privilege || ' ON ' || relation ORDER BY place) FROM judged WHERE NOT may), '{}') AS missing,
    coalesce((SELECT array_agg(DISTINCT relation) FROM judged WHERE relkind = 'r' AND row_security_active(oid)), '{}')
      AS filtered`;

import type { Database } from "better-sqlite3";
import { unusable } from "../../shared/unusable.ts";
import { MIGRATIONS } from "./migrations.ts";

/** Marks the file as Tally's: "TALY". See https://www.sqlite.org/pragma.html#pragma_application_id */
export const APPLICATION_ID = 0x54414c59;

/** Below this, two connections can corrupt the file when the WAL is reset; see the release notes of 3.51.3. */
export const SQLITE_FLOOR = "3.51.3";

/** The schema that this version of Tally has: one for each migration. */
export const SCHEMA_VERSION = MIGRATIONS.length;

/** The first schemas that have these tables. */
export const COPIES_SINCE = firstWith("copying");
/** The first schema that binds a file to its WAL. */
export const BOUND_SINCE = firstWith("wal_binding");

function firstWith(table: string): number {
  return 1 + MIGRATIONS.findIndex(({ sql }) => sql.includes(`CREATE TABLE ${table} (`));
}

/**
 * Refuse a file that is not Tally's or is newer. Only looks: what is refused stays as it is.
 *
 * @throws TallyError STORE_UNAVAILABLE, with one sentence for the operator
 */
export function assertOurs(db: Database, path: string): void {
  const tables = Number(db.prepare("SELECT count(*) FROM sqlite_schema").pluck().get());
  const applicationId = Number(db.pragma("application_id", { simple: true }));
  const version = versionOf(db);
  if (applicationId !== APPLICATION_ID && (tables > 0 || applicationId !== 0 || version !== 0)) {
    throw unusable(`${path} is an SQLite database of another program; give Tally a file of its own.`);
  }
  if (version > SCHEMA_VERSION) {
    throw unusable(
      `${path} was written by a newer Tally (schema ${version}; this one knows up to ${SCHEMA_VERSION}); ` +
        "start that version, or restore a backup made before the upgrade.",
    );
  }
}

/**
 * Bring a file of ours to this version's schema, in one transaction.
 *
 * @param to  the version to stop at; tests make files of older versions with it
 * @returns   the version that it had, if it had an older one
 */
export function migrate(db: Database, to = SCHEMA_VERSION): number | undefined {
  const version = versionOf(db);
  if (version >= to) return undefined;
  db.transaction(() => {
    for (const { sql, first } of MIGRATIONS.slice(version, to)) {
      first?.(db);
      db.exec(sql);
    }
    db.pragma(`application_id = ${APPLICATION_ID}`);
    db.pragma(`user_version = ${to}`);
  }).immediate();
  return version === 0 ? undefined : version;
}

/** Refuse a file that is not of this version's schema. */
export function assertUpToDate(db: Database, path: string): void {
  const version = versionOf(db);
  if (version === SCHEMA_VERSION) return;
  throw unusable(
    `${path} ${version === 0 ? "has no schema yet" : `is of schema ${version}`}, this Tally needs ${SCHEMA_VERSION}, and ` +
      "migrate-at-start is off; bring it there with: tally migrate up.",
  );
}

/** What `migrate` would do to a file of this version, in order: a phrase each. */
export function pendingAfter(version: number): string[] {
  return MIGRATIONS.slice(version).map(({ about }) => about);
}

/** The schema of a file of ours; 0 for one that has none yet. */
export function versionOf(db: Database): number {
  return Number(db.pragma("user_version", { simple: true }));
}

/** Refuse an SQLite library that is known to lose data. */
export function assertSqliteFloor(version: string): void {
  const [a = 0, b = 0, c = 0] = version.split(".").map(Number);
  const [x = 0, y = 0, z = 0] = SQLITE_FLOOR.split(".").map(Number);
  if (a * 1e6 + b * 1e3 + c >= x * 1e6 + y * 1e3 + z) return;
  throw unusable(
    `SQLite ${version} can corrupt a file in WAL mode; Tally needs ${SQLITE_FLOOR} or newer: reinstall its dependencies (npm ci).`,
  );
}

import Database from "better-sqlite3";
import type { Purpose, StoreOptions } from "../../service/store.ts";
import { unusable } from "../unusable.ts";
import { forgetCopy } from "./copy-target.ts";
import { readCopying, writeCopying } from "./copying-row.ts";
import { Head } from "./head.ts";
import { assertOurs, assertSqliteFloor, assertUpToDate, migrate } from "./schema.ts";

export interface OpenedFile {
  readonly db: Database.Database;
  readonly head: Head;
  readonly sqliteVersion: string;
  /** The schema that the file had, if it was brought from an older one to this. */
  readonly migratedFrom: number | undefined;
}

/**
 * Open the data file for writing, bring it to this schema, and take what a crash left in the WAL into the file.
 *
 * @param path     the real path of the data file; the caller holds the lock
 * @param options  see StoreOptions
 * @throws TallyError STORE_UNAVAILABLE, or SQLite's own error; the file is closed again
 */
export function openForWriting(
  path: string,
  { purpose = "serve", migrates = true }: Pick<StoreOptions, "purpose" | "migrates"> = {},
): OpenedFile {
  const db = new Database(path);
  try {
    db.defaultSafeIntegers(true);
    const sqliteVersion = db.prepare<[], string>("SELECT sqlite_version()").pluck().get()!;
    assertSqliteFloor(sqliteVersion);
    assertOurs(db, path); // Before anything is written, the journal mode included.
    if (!migrates) assertUpToDate(db, path);
    db.pragma("journal_mode = WAL");
    db.pragma("synchronous = FULL"); // The build defaults to NORMAL in WAL, which can lose acknowledged commits.
    db.pragma("wal_autocheckpoint = 0"); // Checkpoints are ours, after the answers: SQLite's own hide their errors.
    db.pragma("trusted_schema = OFF");
    db.pragma(`cache_size = -${PAGE_CACHE_KIB}`);
    const migratedFrom = migrate(db);
    const head = new Head(db);
    head.assertSchema(path);
    if (purpose !== "copyTo") assertNoHalfCopy(db, path);
    db.pragma("wal_checkpoint(TRUNCATE)");
    assertDurable(db, head, purpose);
    return { db, head, sqliteVersion, migratedFrom };
  } catch (error) {
    db.close();
    throw error;
  }
}

const PAGE_CACHE_KIB = 65_536;

/** What is being copied into the file is not all there, and callers would count on top of a part. */
function assertNoHalfCopy(db: Database.Database, path: string): void {
  if (readCopying(db).ended !== 0n) return;
  throw unusable(
    `A copy into ${path} was begun and has not ended: run the same \`tally copy\` again to end it, or give Tally another file.`,
  );
}

/**
 * The pragma reads 2 whatever is in force until something was written, so this looks after a write: one that
 * changes a byte, because SQLite leaves a page alone that would stay the same. Also shows that fsync works here.
 */
function assertDurable(db: Database.Database, head: Head, purpose: Purpose): void {
  db.transaction(() => {
    if (purpose === "serve") {
      head.set({ starts: head.row.starts + 1n });
      forgetCopy(db);
    } else writeCopying(db, { opens: readCopying(db).opens + 1n });
    head.noteSchema();
    head.save();
  }).immediate();
  const synchronous = Number(db.pragma("synchronous", { simple: true }));
  const journal = db.pragma("journal_mode", { simple: true });
  if (synchronous !== 2 || journal !== "wal") {
    throw unusable(
      `SQLite runs with synchronous=${synchronous}, journal_mode=${journal}; expected 2 (FULL) and wal.`,
    );
  }
}

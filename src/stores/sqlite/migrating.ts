import type { SchemaStatus } from "../../service/store.ts";
import { leavingNothing } from "./file/beside.ts";
import { holdLock, type Lock } from "./file/lock.ts";
import { assertRegular } from "./file/names.ts";
import { realPathOf } from "./file/real-path.ts";
import { statOf } from "./file/whereabouts.ts";
import { openReadOnly } from "./read/reading.ts";
import { assertOurs, pendingAfter, SCHEMA_VERSION, versionOf } from "./schema/schema.ts";
import { startFailure } from "./start-failure.ts";
import { openForWriting } from "./write/opening.ts";

/** See schemaStatus in open.ts. Reads only, also beside the server that has the file. */
export async function statusOfSqlite(path: string): Promise<SchemaStatus> {
  const real = await realPathOf(path);
  let version: number | undefined;
  try {
    const stat = statOf(real);
    if (stat !== undefined) {
      assertRegular(real, stat);
      version = leavingNothing(real, () => {
        const db = openReadOnly(real, 1_024);
        try {
          assertOurs(db, real);
          return versionOf(db) || undefined;
        } finally {
          db.close();
        }
      });
    }
  } catch (error) {
    throw startFailure(real, error);
  }
  return { store: `SQLite ${real}`, version, latest: SCHEMA_VERSION, pending: pendingAfter(version ?? 0) };
}

/** See migrateStore in open.ts. */
export async function migrateSqlite(path: string, startId: string): Promise<void> {
  const real = await realPathOf(path);
  let lock: Lock | undefined;
  try {
    lock = holdLock(real);
    const file = openForWriting(real, { purpose: "copyTo", startId }); // The purpose that refuses no file of ours.
    file.seal();
    file.close();
  } catch (error) {
    lock?.abandon();
    throw startFailure(real, error);
  }
  lock.release();
}

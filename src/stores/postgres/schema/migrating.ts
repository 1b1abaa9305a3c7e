import type { SchemaStatus } from "../../../service/store.ts";
import { Database } from "../connection/database.ts";
import { startFailure } from "../connection/start-failure.ts";
import { parseUrl } from "../connection/url.ts";
import { migrate, pendingAfter, SCHEMA_VERSION, versionFound } from "./schema.ts";

/** See schemaStatus in open.ts. */
export function statusOfPostgres(url: string): Promise<SchemaStatus> {
  return onDatabase(url, async (database, shown) => {
    const version = (await versionFound(database)) || undefined;
    const pending = pendingAfter(version ?? 0);
    return { store: `PostgreSQL ${shown}`, version, latest: SCHEMA_VERSION, pending };
  });
}

/** See migrateStore in open.ts. Processes that serve the store meanwhile go on. */
export function migratePostgres(url: string): Promise<void> {
  return onDatabase(url, async (database) => void (await migrate(database)));
}

async function onDatabase<T>(
  url: string,
  work: (database: Database, shown: string) => Promise<T>,
): Promise<T> {
  const parsed = parseUrl(url);
  const { shown } = parsed;
  const database = new Database(parsed, 1, () => {});
  try {
    return await work(database, shown);
  } catch (error) {
    throw startFailure(shown, error);
  } finally {
    await database.close();
  }
}

import type { Database } from "./connection/database.ts";

/** The time by that clock, in milliseconds since the Unix epoch: one round trip. */
export async function databaseNow(database: Database): Promise<number> {
  const [row] = await database.read(database.statement(`SELECT ${NOW_MS} AS now`));
  return Number(row!.now);
}

/** The database server's clock as it is when a statement comes to it. */
export const NOW_MS = "floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/** The thread that reads, on a connection that cannot write, in short transactions. */
import Database from "better-sqlite3";
import { CORRUPT } from "../../core/batch.ts";
import type { FullCounter } from "../../core/counter.ts";
import { ChangeLogReader } from "./change-log.ts";
import { RowReader, toFullCounter } from "./rows.ts";
import { serveThread } from "./thread.ts";

/** A symbol does not cross threads. */
export type Read = FullCounter | undefined | "corrupt";

export interface ChangesRequest {
  readonly cursor: string;
  readonly limit: number;
}

serveThread<{ path: string }>(({ path }) => {
  const db = new Database(path, { readonly: true, fileMustExist: true });
  db.defaultSafeIntegers(true);
  db.pragma("cache_size = -16384");
  const rows = new RowReader(db);
  const log = new ChangeLogReader(db);
  const get = db.transaction((names: readonly string[]): Read[] =>
    names.map((name) => {
      const raw = rows.find(name);
      return raw === CORRUPT ? "corrupt" : raw && toFullCounter(raw);
    }),
  );
  const changesSince = db.transaction(({ cursor, limit }: ChangesRequest) => log.since(cursor, limit));
  return {
    opened: undefined,
    handlers: { get, changesSince, close: () => void db.close() },
  };
});

import Database from "better-sqlite3";
import { type DamagedPart, TallyError } from "../../../core/errors.ts";
import { isCorrupt } from "../rows/damage.ts";

/** Open a connection that cannot write. */
export function openReadOnly(path: string, pageCacheKib: number): Database.Database {
  const db = new Database(path, { readonly: true, fileMustExist: true });
  try {
    db.defaultSafeIntegers(true);
    db.pragma("trusted_schema = OFF");
    db.pragma(`cache_size = -${pageCacheKib}`);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/**
 * A read that sees the file as of one moment: in a transaction, which ends also when the read throws.
 *
 * @param of  what it reads, which is told as damaged where that is
 * @throws TallyError ROW_CORRUPT when SQLite finds the file damaged where the read cannot do without
 */
export function asOfOneMoment<Request, Result>(
  db: Database.Database,
  read: (request: Request) => Result,
  of: DamagedPart = "counters",
): (request: Request) => Result {
  const [begin, end] = [db.prepare("BEGIN"), db.prepare("ROLLBACK")];
  return (request) => {
    try {
      begin.run();
      try {
        return read(request);
      } finally {
        // COMMIT would fail where anything was found damaged, and take what was sound with it.
        if (db.inTransaction) end.run();
      }
    } catch (error) {
      if (error instanceof TallyError || !isCorrupt(error)) throw error;
      throw new TallyError("ROW_CORRUPT", "SQLite finds the file damaged", { cause: error, part: of });
    }
  };
}

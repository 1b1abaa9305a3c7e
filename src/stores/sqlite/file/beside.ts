import { existsSync } from "node:fs";
import Database from "better-sqlite3";
import { unusable } from "../../shared/unusable.ts";
import { assertBelongs } from "./belonging.ts";
import { holdLock, type Lock } from "./lock.ts";
import { statOf } from "./whereabouts.ts";

/**
 * Read a data file as another process than its server: beside that, or while nobody has it, whom it then keeps off.
 *
 * @param path  the real path of the data file
 * @param read  given whether a server has the file; opens connections that cannot write, and closes them
 * @throws TallyError STORE_UNAVAILABLE, or SQLite's own error
 */
export async function beside<Result>(
  path: string,
  read: (served: boolean) => Promise<Result>,
): Promise<Result> {
  if (!existsSync(path))
    throw unusable(`There is no file ${path}.`, Object.assign(new Error("missing"), { code: "ENOENT" }));
  const lock = lockUnlessServed(path);
  if (lock === undefined) return read(true);
  try {
    assertBelongs(path, () => {}); // Of one that is served its server has done so.
    return await read(false);
  } finally {
    for (const each of [path, `${path}-history`]) takeAwayEmptyWal(each);
    lock.abandon();
  }
}

/** Undefined where another process has the file. */
function lockUnlessServed(path: string): Lock | undefined {
  try {
    return holdLock(path);
  } catch (error) {
    const { cause } = error as { cause?: { code?: string } };
    if (cause?.code === "SQLITE_BUSY") return undefined;
    throw error;
  }
}

/** Who reads a file in WAL mode makes an empty WAL, and only who can write takes it away again. */
function takeAwayEmptyWal(path: string): void {
  if (statOf(`${path}-wal`)?.size !== 0n) return;
  const db = new Database(path);
  db.pragma("user_version");
  db.close();
}

import { existsSync } from "node:fs";
import Database from "better-sqlite3";
import { TallyError } from "../../../core/errors.ts";
import { unusable } from "../../shared/unusable.ts";
import { assertBelongs } from "./belonging.ts";
import { holdLock, type Lock } from "./lock.ts";
import { lockedBy } from "./names.ts";
import { WalIndex } from "./wal-index.ts";
import { statOf } from "./whereabouts.ts";

/** The server that has a file, while another process reads it. */
export interface Serving {
  /**
   * To be asked every some milliseconds: a server that starts waits a second for who reads the file, and then gives up.
   *
   * @throws TallyError CALL_CANCELLED  once it has let go of the file: so that it, or the next one, can start
   */
  assertStill(): void;
}

/**
 * Read a data file as another process than its server: beside that, or while nobody has it, whom it then keeps off.
 *
 * @param path  the real path of the data file
 * @param read  given the server that has the file; undefined while nobody has. Opens connections that cannot write, and closes them
 * @throws TallyError STORE_UNAVAILABLE, or SQLite's own error
 */
export async function beside<Result>(
  path: string,
  read: (serving: Serving | undefined) => Promise<Result>,
): Promise<Result> {
  if (!existsSync(path))
    throw unusable(`There is no file ${path}.`, Object.assign(new Error("missing"), { code: "ENOENT" }));
  const lock = lockUnlessServed(path);
  if (lock === undefined) return read(servingOf(path));
  const index = new WalIndex(path);
  index.note();
  try {
    assertBelongs(path, () => {}, index); // Of one that is served its server has done so.
    return await read(undefined);
  } finally {
    for (const each of [path, `${path}-history`]) takeAwayEmptyWal(each);
    index.takeAwayIfNew();
    index.forget();
    lock.abandon();
  }
}

/**
 * Look at a data file, whatever stands beside it and whoever has it: what is beside it is as before, and nothing more.
 *
 * @param path  the real path of a regular file
 * @param look  opens connections that cannot write, and closes them
 */
export function leavingNothing<Result>(path: string, look: () => Result): Result {
  let lock: Lock | undefined;
  try {
    lock = holdLock(path);
  } catch {
    return look(); // Who has the file has all beside it already; and who may not write there leaves nothing.
  }
  const index = new WalIndex(path);
  const hadWal = statOf(`${path}-wal`) !== undefined;
  index.note();
  try {
    return look();
  } finally {
    if (!hadWal) takeAwayEmptyWal(path);
    index.putBack();
    index.forget();
    lock.abandon();
  }
}

/**
 * Refuse a data file that another process has; one that nobody has, or that is not there, stays as it is.
 *
 * @param path  the real path of the data file
 * @throws TallyError STORE_UNAVAILABLE
 */
export function assertUnserved(path: string): void {
  if (existsSync(path)) holdLock(path).abandon();
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

function servingOf(path: string): Serving {
  const lock = `${path}-lock`;
  const isSeen = lockedBy(lock) !== undefined; // Not of one in another container.
  return {
    assertStill() {
      if (!isSeen || lockedBy(lock) !== undefined) return;
      throw new TallyError(
        "CALL_CANCELLED",
        `the server of ${path} has ended meanwhile, and may start again; do it once more`,
      );
    },
  };
}

/**
 * Who reads a file in WAL mode makes an empty WAL, and only who can write takes it away again. Of a file that nobody else
 * can have open.
 */
export function takeAwayEmptyWal(path: string): void {
  if (statOf(`${path}-wal`)?.size !== 0n) return;
  const db = new Database(path);
  db.pragma("user_version");
  db.close();
}

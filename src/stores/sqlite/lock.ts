import Database from "better-sqlite3";
import { unusable } from "../unusable.ts";

/**
 * Keep every other process off a data file, until `release` or the end of this process.
 *
 * A sidecar `PATH-lock`, itself an SQLite file held in BEGIN EXCLUSIVE: the kernel lets go of it on kill -9, where
 * a pid file would lie. Locking the data file itself (locking_mode=EXCLUSIVE) would shut out our own reader.
 *
 * Nothing in this process may open the sidecar or the data file by other means: closing any descriptor of a file
 * drops all of a process's POSIX locks on it.
 *
 * @param path  the real path of the data file, so that two names of one file meet
 */
export function holdLock(path: string): { release(): void } {
  const db = new Database(`${path}-lock`, { timeout: LOCK_WAIT_MS });
  try {
    db.pragma("journal_mode = MEMORY"); // No journal file beside it.
    db.exec("BEGIN EXCLUSIVE");
  } catch (cause) {
    db.close();
    if ((cause as { code?: string }).code === "SQLITE_BUSY") {
      throw unusable(
        `${path} is in use by another Tally process; stop that one, or give this one another file.`,
        cause,
      );
    }
    throw cause;
  }
  return { release: () => db.close() };
}

/**
 * Long enough for another process that is about to give up: it holds the lock shared for some microseconds, and of
 * two that start in the same instant both would give up if neither outlasted that.
 */
const LOCK_WAIT_MS = 200;

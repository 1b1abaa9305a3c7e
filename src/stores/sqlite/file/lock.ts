import Database from "better-sqlite3";
import { unusable } from "../../shared/unusable.ts";
import { makeFile, unmakeFile } from "./making.ts";
import { assertNotOpen, assertOneName, inUse, lockedBy } from "./names.ts";
import { isSame, statOf } from "./whereabouts.ts";

/** A data file that no other process has. */
export interface Lock {
  release(): void;
  /** Release it, and leave no file behind that was not there before. */
  abandon(): void;
}

/**
 * Keep every other process off a data file, until `release` or the end of this process.
 *
 * A sidecar `PATH-lock`, itself an SQLite file held in BEGIN EXCLUSIVE: the kernel lets go of it on kill -9, where
 * a pid file would lie. Locking the data file itself (locking_mode=EXCLUSIVE) would shut out our own reader.
 *
 * Nothing in this process may open the sidecar or the data file by other means: closing any descriptor of a file
 * drops all of a process's POSIX locks on it.
 *
 * @param path  the real path of the data file, so that symbolic links to one file meet; other names are refused
 * @throws TallyError STORE_UNAVAILABLE
 */
export function holdLock(path: string): Lock {
  const lockPath = `${path}-lock`;
  assertOneName(path);
  // Of a server that has it, the lock was removed: a new one would tell that server that it has lost the file.
  if (statOf(lockPath) === undefined) assertNotOpen(path);
  for (let left = TRIES; ; left--) {
    const made = makeFile(lockPath, path);
    const before = statOf(lockPath);
    const db = lockExclusively(path, lockPath);
    const now = statOf(lockPath);
    if (before !== undefined && now !== undefined && isSame(before, now)) {
      const abandon = () => {
        if (made) unmakeFile(lockPath); // While it is held: whoever waits for it sees that it has gone.
        db.close();
      };
      try {
        assertNotOpen(path); // By a process that knows it by another name, as after a rename.
      } catch (error) {
        abandon();
        throw error;
      }
      return { release: () => db.close(), abandon };
    }
    db.close(); // A start that had made it has removed it: what is locked here is no lock any more.
    if (left === 0) throw inUse(`${lockPath} comes and goes; stop what starts on ${path} again and again.`);
  }
}

function lockExclusively(path: string, lockPath: string): Database.Database {
  const db = new Database(lockPath, { timeout: LOCK_WAIT_MS });
  try {
    db.pragma("journal_mode = MEMORY"); // No journal file beside it.
    db.exec("BEGIN EXCLUSIVE");
    return db;
  } catch (cause) {
    db.close();
    const { code = "" } = cause as { code?: string };
    if (/^SQLITE_(NOTADB|CORRUPT)/.test(code))
      throw unusable(
        `${lockPath} is no lock of Tally's: there is something else in it. See that no Tally has ${path}, and remove it.`,
        cause,
      );
    if (code !== "SQLITE_BUSY") throw cause;
    const pid = lockedBy(lockPath);
    const who = pid === undefined ? "another Tally process" : `another Tally process (${pid})`;
    throw inUse(`${path} is in use by ${who}; stop that one, or give this one another file.`, cause);
  }
}

/**
 * Long enough for another process that is about to give up: it holds the lock shared for some microseconds, and of
 * two that start in the same instant both would give up if neither outlasted that.
 */
const LOCK_WAIT_MS = 200;

/** Each one more is a start that failed just then. */
const TRIES = 100;

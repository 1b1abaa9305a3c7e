import { closeSync, openSync, readSync } from "node:fs";
import { basename } from "node:path";
import Database from "better-sqlite3";
import { unusable } from "../../shared/unusable.ts";
import { openReadOnly } from "../read/reading.ts";
import { headReader } from "../rows/head.ts";
import { APPLICATION_ID, assertOurs, BOUND_SINCE, versionOf } from "../schema/schema.ts";
import { walFrames } from "../write/checkpoints.ts";
import { type BindingRow, type FileAlone, readAlone } from "./alone.ts";
import { frameBytesOf, readWalHead, WAL_HEAD_BYTES } from "./wal.ts";
import { WalIndex } from "./wal-index.ts";
import { isRotten } from "./wal-rot.ts";
import { statOf } from "./whereabouts.ts";

/**
 * Refuse a data file beside which something stands that belongs to another file, or to another state of this one: SQLite
 * would make a mixture of both. Only looks: what is refused stays as it is.
 *
 * What a kill in the middle of a checkpoint leaves is a mixture too, which the WAL makes right: never refused.
 *
 * @param path   the real path of the data file, which no connection of this process has; the caller holds the lock
 * @param fits   refuses a file for other reasons, while it is only looked at
 * @param noted  what the index of the WAL was, where the caller has noted that
 * @throws TallyError STORE_UNAVAILABLE, or SQLite's own error
 */
export function assertBelongs(path: string, fits: (db: Database.Database) => void, noted?: WalIndex): void {
  const alone = readAlone(path);
  const index = noted ?? new WalIndex(path);
  const walBytes = statOf(`${path}-wal`)?.size ?? 0n;
  if ((statOf(path)?.size ?? 0n) === 0n) {
    if (walBytes > 0n) throw unusable(NO_FILE(path));
    index.forget(); // What was noted was of files that are not there any more.
    return;
  }
  const ours = alone?.applicationId === APPLICATION_ID;
  if (ours && alone.inWalMode && (statOf(`${path}-journal`)?.size ?? 0n) > 0n) throw unusable(JOURNAL(path));
  if (ours && walBytes === 0n && alone.binding?.open) throw unusable(NO_WAL(path));
  if (walBytes === 0n) {
    const db = new Database(path); // Closing one that can write also takes away what is empty.
    try {
      assertOurs(db, path);
      fits(db);
    } finally {
      db.close();
    }
    index.forget(); // Likewise.
    return;
  }
  if (noted === undefined) index.note();
  try {
    assertFollows(path, alone, index.framesOf(readHead(`${path}-wal`, WAL_HEAD_BYTES)), fits);
  } catch (error) {
    index.putBack();
    throw error;
  } finally {
    if (noted === undefined) index.forget();
  }
}

/**
 * The same where there is a WAL.
 *
 * @param before  how many frames it had, where that is known
 */
function assertFollows(
  path: string,
  alone: FileAlone | undefined,
  before: number | undefined,
  fits: (db: Database.Database) => void,
): void {
  let db: Database.Database | undefined;
  try {
    db = openReadOnly(path, LOOK_CACHE_KIB); // Closing one that cannot write leaves the WAL where it is.
    assertOurs(db, path);
    if (alone?.binding?.open) assertHasCommit(path);
    const frames = Number(walFrames(db));
    if (before !== undefined && frames < before) throw unusable(SHORT_WAL(path, frames, before));
    if (isRotten(`${path}-wal`, frames)) throw unusable(ROTTEN_WAL(path, frames));
    fits(db);
    if (alone !== undefined && !(follows(alone, bindingOf(db)) && reaches(db, alone)))
      throw unusable(MISMATCH(path));
  } catch (error) {
    const damaged = (error as { code?: string }).code?.startsWith("SQLITE_CORRUPT");
    // Where the file is sound by itself: what makes it unsound is the WAL of another one.
    throw damaged && alone?.binding !== undefined ? unusable(MISMATCH(path), error) : error;
  } finally {
    db?.close();
  }
}

const LOOK_CACHE_KIB = 1_024;

/**
 * That a file says it is open it has from a WAL, which was on disk by then and has not become shorter than a commit since: it
 * is begun anew in its place, and emptied only once the file says that it is closed. So no crash leaves less. It can leave
 * one of which no frame is sound: when a new head was written over the old, and the first commit below it was not.
 *
 * Each commit that takes a file, or begins a WAL, writes two pages: that of the ids, and that of how far it has come.
 */
function assertHasCommit(path: string): void {
  const bytes = readHead(`${path}-wal`, WAL_HEAD_BYTES);
  const head = bytes && readWalHead(bytes);
  if (head === undefined) throw unusable(DAMAGED_WAL(path));
  const size = statOf(`${path}-wal`)?.size ?? 0n;
  if (size < WAL_HEAD_BYTES + COMMIT_FRAMES * frameBytesOf(head)) throw unusable(CUT_WAL(path, size));
}

const COMMIT_FRAMES = 2;

/** Whether the file by itself is one that this WAL was written on, or into. */
function follows({ version, binding }: FileAlone, withWal: Ids): boolean {
  // Of a file that has the table, and does not show it, a checkpoint was cut short.
  if (binding === undefined && version >= BOUND_SINCE) return true;
  const { id } = binding ?? UNBOUND;
  return id === withWal.id || id === withWal.basedOn;
}

/**
 * Whether the WAL goes as far as what was already moved into the file: one that was copied before that has the beginning
 * of the same WAL, and would put older pages among newer ones.
 */
function reaches(db: Database.Database, { version, head }: FileAlone): boolean {
  if (versionOf(db) < version) return false;
  if (head === undefined) return true;
  const { log_end, log_dropped } = headReader(db)();
  return log_end >= head.log_end && log_dropped >= head.log_dropped;
}

type Ids = Pick<BindingRow, "id" | "basedOn">;
const UNBOUND: Ids = { id: null, basedOn: null };

function bindingOf(db: Database.Database): Ids {
  if (versionOf(db) < BOUND_SINCE) return UNBOUND;
  return db.prepare<[], Ids>("SELECT id, based_on AS basedOn FROM wal_binding").get()!;
}

function readHead(path: string, bytes: number): Buffer | undefined {
  try {
    const fd = openSync(path, "r");
    try {
      const head = Buffer.alloc(bytes);
      return readSync(fd, head, 0, bytes, 0) === bytes ? head : undefined;
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined;
  }
}

const HELP = 'docs/files.md says more under "What a start refuses".';

const MISMATCH = (path: string) =>
  `${path} and ${basename(path)}-wal do not belong together: the -wal follows another state of the file. To serve the file ` +
  `as it is, a backup for example, move ${basename(path)}-wal and ${basename(path)}-shm away; to have what the -wal ` +
  `holds, put back the file that it stood beside. ${HELP}`;

const NO_WAL = (path: string) =>
  `${path} was not closed by its server, and its ${basename(path)}-wal, which has the latest changes, is missing or ` +
  "empty. Put it back, or restore a backup that was made after a stop. If another program has taken it into the file (a " +
  `checkpoint of sqlite3's, for example), the file has all of it, and can be served without. ${HELP}`;

const NO_FILE = (path: string) =>
  `${path} is missing or empty, and ${basename(path)}-wal has changes to it. Put the file back; to begin anew, move ` +
  `${basename(path)}-wal away. ${HELP}`;

const JOURNAL = (path: string) =>
  `${basename(path)}-journal stands beside ${path}, which never has one: it would bring back another state of it. Move it ` +
  `away. ${HELP}`;

const CUT_WAL = (path: string, bytes: bigint) =>
  `${path} was not closed by its server, and its ${basename(path)}-wal, which has the latest changes, was cut: of ${bytes} ` +
  `bytes, it has none. Put the whole one back, or restore a backup. ${HELP}`;

const DAMAGED_WAL = (path: string) =>
  `The beginning of ${path}-wal, which has the latest changes, is damaged. Put a sound one back, or restore a backup. ${HELP}`;

const ROTTEN_WAL = (path: string, frames: number) =>
  `${path}-wal is damaged: ${frames} of its frames can be read, and behind them stand more changes that were answered. Put a ` +
  `sound one back, or restore a backup. ${HELP}`;

const SHORT_WAL = (path: string, frames: number, before: number) =>
  `${path}-wal lacks its end: ${frames} of its ${before} frames are sound, so changes that were answered are missing. Put ` +
  `the whole one back, or restore a backup. ${HELP}`;

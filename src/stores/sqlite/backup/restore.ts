import { lstatSync, renameSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import Database from "better-sqlite3";
import type { CatalogueWrite } from "../../../core/catalogue.ts";
import { TallyError } from "../../../core/errors.ts";
import type {
  BackupManifest,
  BackupSource,
  CopyingProgress,
  Restored,
} from "../../../service/store-backup.ts";
import type { CatalogueChanges } from "../../../service/store-catalogue.ts";
import { unusable } from "../../shared/unusable.ts";
import { holdLock, type Lock } from "../file/lock.ts";
import { makeFile } from "../file/making.ts";
import { HeadRows } from "../history/head.ts";
import { historyPathOf } from "../history/path.ts";
import { HISTORY_SCHEMA_VERSION } from "../history/schema.ts";
import { CatalogueReader } from "../rows/catalogue-rows.ts";
import { writeCopying } from "../rows/copying-row.ts";
import { assertOurs, SCHEMA_VERSION } from "../schema/schema.ts";
import { startFailure } from "../start-failure.ts";
import { realPathOf } from "../store.ts";
import { CatalogueWrites } from "../write/catalogue.ts";
import { writeAll } from "./archive.ts";
import { ArchiveReader } from "./archive-reader.ts";
import { HISTORY } from "./manifest.ts";
import { assertNothingAt, assertRoom, syncFolder } from "./scratch.ts";

/** How a store is restored. */
export interface RestoreOptions {
  /** A text that no other change log has as its id. */
  readonly newLogId: string;
  /** What is to become of the catalogue that is in the backup. */
  readonly rewrite: (catalogue: CatalogueChanges) => readonly CatalogueWrite[];
  readonly onProgress: (progress: CopyingProgress) => void;
  readonly signal: AbortSignal;
}

/**
 * Make a data file and its history of a backup, where nothing stands. Both have their names only once all of them is on disk,
 * and was found to be what was written, the data file last.
 *
 * @param from  the backup
 * @param path  of the data file to make
 * @throws TallyError STORE_UNAVAILABLE  with one sentence for the operator; then nothing is left
 */
export async function restoreSqlite(
  from: BackupSource,
  path: string,
  options: RestoreOptions,
): Promise<Restored> {
  const real = await realPathOf(path);
  const archive = await ArchiveReader.open(from);
  try {
    const { manifest } = archive;
    assertKnown(manifest, typeof from === "string" ? from : from.name);
    assertFree(real);
    const lock = lockFor(real);
    try {
      assertFree(real); // Who had the lock before may have made it.
      await restored(archive, real, options);
    } catch (error) {
      throw startFailure(real, error);
    } finally {
      lock.abandon(); // One made by root would be root's.
    }
    return { store: `SQLite ${real}`, manifest };
  } finally {
    await archive.close();
  }
}

function assertKnown({ schema, historySchema }: BackupManifest, from: string): void {
  if (schema <= SCHEMA_VERSION && (historySchema ?? 0) <= HISTORY_SCHEMA_VERSION) return;
  throw unusable(
    `${from} was made by a newer Tally (schema ${schema}; this one knows up to ${SCHEMA_VERSION}); restore it with that version.`,
  );
}

/** A -lock alone is no obstacle: there is one from the first start on, and it is empty. */
function assertFree(path: string): void {
  const history = historyPathOf(path);
  const isHere = (each: string) => lstatSync(each, { throwIfNoEntry: false }) !== undefined;
  if (!isHere(path) && isHere(history) && isHere(`${path}${PART}`))
    throw unusable(`${history} was left by a restore that was cut off; remove it, and do it again.`);
  for (const each of [path, history])
    for (const suffix of ["", "-wal", "-shm", "-journal"]) assertNothingAt(each + suffix);
}

function lockFor(path: string): Lock {
  try {
    return holdLock(path);
  } catch (error) {
    throw startFailure(path, error);
  }
}

async function restored(archive: ArchiveReader, path: string, options: RestoreOptions): Promise<void> {
  const { files } = archive.manifest;
  // What a restore that was killed has left goes; while a server or a restore has it, nobody comes here.
  const parts = [path, historyPathOf(path)].map((each) => each + PART);
  const clear = () => {
    for (const part of parts) for (const suffix of ["", "-journal"]) rmSync(part + suffix, { force: true });
  };
  clear();
  try {
    const all = files.reduce((sum, { bytes }) => sum + bytes, 0);
    assertRoom(dirname(path), all);
    let done = 0;
    for (const file of files) {
      const part = parts[file.name === HISTORY ? 1 : 0]!;
      makeFile(part, dirname(path)); // For the user who is to serve it.
      const handle = await open(part, "r+");
      try {
        for await (const piece of archive.extract(file)) {
          if (options.signal.aborted) throw new TallyError("CALL_CANCELLED", "it was stopped");
          await writeAll(handle, piece);
          done += piece.length;
          options.onProgress({ doing: "restored", bytes: done, of: all });
        }
      } finally {
        await handle.close();
      }
    }
    await archive.end();
    const [data, history] = parts as [string, string];
    const hasHistory = files.length > 1;
    asAnotherStore(data, hasHistory ? history : undefined, options);
    await sync(data);
    if (hasHistory) {
      await sync(history);
      renameSync(history, historyPathOf(path));
    }
    renameSync(data, path);
    await syncFolder(dirname(path));
  } catch (error) {
    clear();
    // The history had its name for a moment before the data file.
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined)
      rmSync(historyPathOf(path), { force: true });
    throw withRoomTold(error, path);
  }
}

/**
 * What was counted since is not in it, so its positions will be given again, to other changes: it is another log from now on,
 * in both files, of another epoch, and no copy of the store that it was may go on with it.
 */
function asAnotherStore(
  data: string,
  history: string | undefined,
  { newLogId: logId, rewrite }: RestoreOptions,
): void {
  const db = new Database(data);
  try {
    db.defaultSafeIntegers(true);
    assertOurs(db, data);
    db.transaction(() => {
      // One that no history has followed has no id, and gets one with the first.
      db.prepare("UPDATE history_binding SET log_id = ? WHERE log_id IS NOT NULL").run(logId);
      writeCopying(db, { store_id: null });
      const catalogue = new CatalogueWrites(db);
      for (const entry of rewrite(new CatalogueReader(db).read(0)))
        if (catalogue.write(entry) === undefined)
          throw new TypeError(`expected an entry of the catalogue as it was read, got ${entry.key}`);
    }).immediate();
  } finally {
    db.close();
  }
  if (history === undefined) return;
  const beside = new Database(history);
  try {
    beside.defaultSafeIntegers(true);
    const heads = new HeadRows(beside);
    beside.transaction(() => heads.write({ ...heads.read()!, logId })).immediate();
  } finally {
    beside.close();
  }
}

/** What is not whole yet ends in this. */
const PART = "-restoring";

async function sync(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function withRoomTold(error: unknown, path: string): unknown {
  const { code } = error as { code?: string };
  if (code !== "SQLITE_FULL" && code !== "ENOSPC") return error;
  return unusable(`There is no room for ${path}; nothing is left of it.`, error);
}

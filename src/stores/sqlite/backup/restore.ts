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
  Reached,
  Restored,
  RestoreUntil,
} from "../../../service/store-backup.ts";
import type { CatalogueChanges } from "../../../service/store-catalogue.ts";
import { unusable } from "../../shared/unusable.ts";
import { BackupTooLate, forward } from "../archive/forward.ts";
import { holdLock, type Lock } from "../file/lock.ts";
import { makeFile } from "../file/making.ts";
import { realPathOf } from "../file/real-path.ts";
import { HeadRows } from "../history/head.ts";
import { historyPathOf } from "../history/path.ts";
import { HISTORY_SCHEMA_VERSION } from "../history/schema.ts";
import { CatalogueReader } from "../rows/catalogue-rows.ts";
import { writeCopying } from "../rows/copying-row.ts";
import { assertOurs, SCHEMA_VERSION, versionOf } from "../schema/schema.ts";
import { startFailure } from "../start-failure.ts";
import { verifyFile } from "../verify/verify.ts";
import { CatalogueWrites } from "../write/catalogue.ts";
import { backupsBefore } from "./choosing.ts";
import { standAlone } from "./copies.ts";
import { HISTORY } from "./manifest.ts";
import { assertNothingAt, assertRoom, syncFolder } from "./scratch.ts";
import { writeAll } from "./tar.ts";
import { TarReader } from "./tar-reader.ts";

/** How a store is brought from a backup to a later moment. */
export interface ThroughArchive {
  readonly dir: string;
  readonly until: RestoreUntil | undefined;
  /** Told what the operator is to know: a sentence. */
  readonly warn: (sentence: string) => void;
}

/** How a store is restored. */
export interface RestoreOptions {
  /** A text that no other change log has as its id. */
  readonly newLogId: string;
  /** What is to become of the catalogue that is in the backup. */
  readonly rewrite: (catalogue: CatalogueChanges) => readonly CatalogueWrite[];
  /** The folder of an archive, and up to when to go on from the backup; to its end unless given. */
  readonly archive?: ThroughArchive | undefined;
  readonly onProgress: (progress: CopyingProgress) => void;
  readonly signal: AbortSignal;
}

/**
 * Make a data file and its history of a backup, where nothing stands. Both have their names only once all of them is on disk,
 * and was found to be what was written, the data file last.
 *
 * @param from  the backup; with an archive also a folder of them, of which the newest is taken that is early enough
 * @param path  of the data file to make
 * @throws TallyError STORE_UNAVAILABLE  with one sentence for the operator; then nothing is left
 */
export async function restoreSqlite(
  from: BackupSource,
  path: string,
  options: RestoreOptions,
): Promise<Restored> {
  const real = await realPathOf(path);
  const { archive } = options;
  const backups = archive === undefined ? [from] : await backupsBefore(from, archive.until, archive.warn);
  for (const [i, backup] of backups.entries()) {
    try {
      return await restoreOne(backup, real, options);
    } catch (error) {
      // By its pages one may be later than by its time.
      if (!(error instanceof BackupTooLate) || i === backups.length - 1) throw error;
    }
  }
  throw new TypeError("expected a backup, got none");
}

async function restoreOne(from: BackupSource, real: string, options: RestoreOptions): Promise<Restored> {
  const tar = await TarReader.open(from);
  try {
    const { manifest } = tar;
    const backup = typeof from === "string" ? from : from.name;
    assertKnown(manifest, backup);
    assertFree(real);
    const lock = lockFor(real);
    try {
      assertFree(real); // Who had the lock before may have made it.
      const reached = await restored(tar, real, options);
      return { store: `SQLite ${real}`, backup, manifest, reached };
    } catch (error) {
      throw startFailure(real, error);
    } finally {
      lock.abandon(); // One made by root would be root's.
    }
  } finally {
    await tar.close();
  }
}

function assertKnown(
  { schema, historySchema }: Pick<BackupManifest, "schema" | "historySchema">,
  from: string,
): void {
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

async function restored(tar: TarReader, path: string, options: RestoreOptions): Promise<Reached | undefined> {
  const { files } = tar.manifest;
  // What a restore that was killed has left goes; while a server or a restore has it, nobody comes here.
  const parts = [path, historyPathOf(path)].map((each) => each + PART);
  const clear = () => {
    for (const part of parts)
      for (const suffix of ["", "-wal", "-shm", "-journal"]) rmSync(part + suffix, { force: true });
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
        for await (const piece of tar.extract(file)) {
          if (options.signal.aborted) throw new TallyError("CALL_CANCELLED", "it was stopped");
          await writeAll(handle, piece);
          done += piece.length;
          options.onProgress({ doing: "restored", bytes: done, of: all });
        }
      } finally {
        await handle.close();
      }
    }
    await tar.end();
    const [data, history] = parts as [string, string];
    const hasHistory = files.length > 1;
    const reached = await broughtForward(data, tar.manifest, options);
    asAnotherStore(data, hasHistory ? history : undefined, options);
    if (reached !== undefined) await tellFindings(data, options);
    await sync(data);
    if (hasHistory) {
      await sync(history);
      renameSync(history, historyPathOf(path));
    }
    renameSync(data, path);
    await syncFolder(dirname(path));
    return reached;
  } catch (error) {
    clear();
    // The history had its name for a moment before the data file.
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined)
      rmSync(historyPathOf(path), { force: true });
    throw withRoomTold(error, path);
  }
}

/** Through the archive, where one is given. */
async function broughtForward(
  data: string,
  manifest: BackupManifest,
  { archive, onProgress, signal }: RestoreOptions,
): Promise<Reached | undefined> {
  if (archive === undefined) return undefined;
  const onPiece = (done: number, of: number) => onProgress({ doing: "pieces", bytes: done, of });
  const reached = await forward(data, { ...archive, manifest, onPiece, signal });
  standAlone(data);
  const db = new Database(data, { readonly: true });
  try {
    assertKnown({ schema: versionOf(db), historySchema: null }, `What is in the archive ${archive.dir}`);
  } finally {
    db.close();
  }
  return reached;
}

/** The pages are the store's own, so what is damaged in them was damaged there: better restored, and said, than not. */
async function tellFindings(data: string, { archive, signal, onProgress }: RestoreOptions): Promise<void> {
  const { warn } = archive!;
  const db = new Database(data, { readonly: true });
  const schema = versionOf(db);
  db.close();
  if (schema !== SCHEMA_VERSION)
    return warn(`It is of schema ${schema}, and is verified once it was brought to this one.`);
  const { findings } = await verifyFile(data, {
    ...{ serving: undefined, signal },
    onProgress: ({ rows }) => onProgress({ doing: "checked", bytes: rows, of: undefined }),
  });
  const [first] = findings;
  if (first === undefined) return;
  warn(
    `The store was damaged at that moment, and is restored as it was: ${first.name}, ${first.about}. \`tally verify\` says all that is.`,
  );
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

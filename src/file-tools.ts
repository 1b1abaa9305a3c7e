import { randomBytes } from "node:crypto";
import { v7 as uuidv7 } from "uuid";
import { newEpoch } from "./core/epoch.ts";
import { TallyError } from "./core/errors.ts";
import { revocationsIn } from "./guard/revocations.ts";
import type {
  BackedUp,
  BackupSource,
  CopyingProgress,
  Restored,
  RestoredKeys,
} from "./service/store-backup.ts";
import type { Verification, VerifyProgress } from "./service/store-findings.ts";
import { StartError, storeStartFailure } from "./start-error.ts";
import { sqlitePathOf } from "./stores/open.ts";
import type { ThroughArchive } from "./stores/sqlite/backup/restore.ts";
import { giveWay } from "./stores/sqlite/process/giving-way.ts";
import { SYSTEM_CLOCK } from "./system-clock.ts";

/** How something is done to a store's files, which may take long. */
export interface FileToolOptions {
  /** Ends it; then it rejects with "stopped". */
  readonly signal: AbortSignal;
}

/**
 * Look at everything that a store keeps, whether or not a server has it.
 *
 * @throws StartError  when it cannot be looked at
 */
export async function verifyStore(
  url: string,
  options: FileToolOptions & { readonly onProgress: (progress: VerifyProgress) => void },
): Promise<Verification> {
  return ofFile(async () => {
    const path = sqlitePathOf(url, POSTGRES_VERIFY);
    const { verifySqlite } = await import("./stores/sqlite/verify/opening.ts");
    return verifySqlite(path, options);
  });
}

/**
 * Look at everything that is in a backup, and that it is as it was written: it is unpacked for that.
 *
 * @param scratch  where; beside the backup, or of what is no file in the system's folder for that, unless given
 * @throws StartError  when it is damaged, or cannot be looked at
 */
export async function verifyBackup(
  from: BackupSource,
  scratch: string | undefined,
  options: FileToolOptions & { readonly onProgress: (progress: VerifyProgress) => void },
): Promise<Verification> {
  return ofFile(async () => {
    const { verifyArchive } = await import("./stores/sqlite/backup/verify.ts");
    return verifyArchive(from, scratch, options);
  });
}

/** How a store is backed up; see BackupOptions. */
export interface StoreBackupOptions extends FileToolOptions {
  readonly to: string | ((piece: Buffer) => Promise<void>);
  readonly scratch: string | undefined;
  readonly bytesPerSecond: number;
  readonly onProgress: (progress: CopyingProgress) => void;
  readonly warn: (sentence: string) => void;
}

/**
 * Back up a store, whether or not a server has it.
 *
 * @throws StartError  then nothing is left of it
 */
export async function backupStore(url: string, options: StoreBackupOptions): Promise<BackedUp> {
  return ofFile(async () => {
    const path = sqlitePathOf(url, POSTGRES_BACKUP);
    const { backupSqlite } = await import("./stores/sqlite/backup/backup.ts");
    return backupSqlite(path, { ...options, clock: SYSTEM_CLOCK });
  });
}

/**
 * Make a store of a backup, where there is none: of another epoch.
 *
 * @param options.revokesKeys  whether no API key that is in it is to be good any more
 * @param options.archive      through which to go on from the backup, and up to when
 *
 * @throws StartError  then nothing is left of it
 */
export async function restoreStore(
  from: BackupSource,
  url: string,
  options: FileToolOptions & {
    readonly revokesKeys: boolean;
    readonly archive: ThroughArchive | undefined;
    readonly onProgress: (progress: CopyingProgress) => void;
  },
): Promise<Restored & RestoredKeys> {
  return ofFile(async () => {
    const path = sqlitePathOf(url, POSTGRES_RESTORE);
    const { restoreSqlite } = await import("./stores/sqlite/backup/restore.ts");
    const now = SYSTEM_CLOCK.now();
    let told: RestoredKeys | undefined;
    const restored = await restoreSqlite(from, path, {
      ...{ signal: options.signal, onProgress: options.onProgress, newLogId: uuidv7() },
      archive: options.archive,
      rewrite(catalogue) {
        const { good, writes } = revocationsIn(catalogue, now);
        const { epoch, write } = newEpoch(catalogue, randomBytes(4));
        told = { epoch, good, revoked: options.revokesKeys ? writes.length : 0 };
        return [write, ...(options.revokesKeys ? writes : [])];
      },
    });
    return { ...restored, ...told! };
  });
}

const POSTGRES_BACKUP =
  "A PostgreSQL store is backed up by PostgreSQL's own means: pg_basebackup and an archive of its WAL, or pg_dump.";

const POSTGRES_RESTORE =
  "A PostgreSQL store is restored by PostgreSQL's own means: of what pg_basebackup or pg_dump made; `tally copy` takes what is in a file of SQLite's into one.";

const POSTGRES_VERIFY =
  "A PostgreSQL store is not in files of Tally's: pg_amcheck looks at its tables and indexes, `tally accept --store URL` for counters whose changes do not lead to their values.";

/** Do something to a file, and give way to whoever counts meanwhile. */
async function ofFile<Result>(work: () => Promise<Result>): Promise<Result> {
  giveWay();
  try {
    return await work();
  } catch (error) {
    if (error instanceof TallyError && error.code === "CALL_CANCELLED")
      throw new StartError("STORE_FAILED", `Nothing came of it: ${error.message}.`, { cause: error });
    throw storeStartFailure(error);
  }
}

import Database from "better-sqlite3";
import type { Purpose, StoreOptions } from "../../../service/store.ts";
import { Metrics } from "../../../telemetry/metrics.ts";
import { unusable } from "../../shared/unusable.ts";
import { ArchiveGate, type GateLine } from "../archive/gate.ts";
import { assertBelongs } from "../file/belonging.ts";
import { assertHead } from "../file/head-bytes.ts";
import { makeFile, unmakeFile } from "../file/making.ts";
import { WalBinding } from "../file/wal-binding.ts";
import { syncWal } from "../file/wal-rot.ts";
import { statOf, Whereabouts } from "../file/whereabouts.ts";
import { openReadOnly } from "../read/reading.ts";
import { readCopying, writeCopying } from "../rows/copying-row.ts";
import { Head } from "../rows/head.ts";
import {
  assertOurs,
  assertSqliteFloor,
  assertUpToDate,
  COPIES_SINCE,
  migrate,
  versionOf,
} from "../schema/schema.ts";
import { Checkpoints, type TakenIn, takeInWhole, walFrames } from "./checkpoints.ts";
import { forgetCopy } from "./copy-target.ts";
import { Transaction } from "./transaction.ts";

/** A data file that is open for writing, and what watches over it. */
export interface OpenedFile {
  readonly db: Database.Database;
  readonly head: Head;
  readonly transaction: Transaction;
  /** Whose `first` is called once the caller has written what it writes at a start. */
  readonly checkpoints: Checkpoints;
  readonly whereabouts: Whereabouts;
  readonly sqliteVersion: string;
  /** The schema that the file had, if it was brought from an older one to this. */
  readonly migratedFrom: number | undefined;
  /** Whether the data file was made by this. */
  readonly made: boolean;
  /** Take the WAL into the file, whole; when that fails, the file is abandoned. Nothing is written after it. */
  seal(): void;
  /** Close it, once it is sealed; what stands at the path of its WAL by then, and is another file, is left there. */
  close(): void;
  /** Close it, and leave everything as it is. */
  abandon(): void;
}

/** What a file is opened for. */
export interface OpeningOptions extends Pick<StoreOptions, "purpose" | "migrates" | "metrics"> {
  /** A text that no other start has; see WalBinding. */
  readonly startId: string;
  /** How to reach the thread that archives it, where one does. */
  readonly archive?: GateLine | undefined;
  /** When it is opened, in milliseconds since the Unix epoch. */
  readonly now?: number;
}

/**
 * Open the data file for writing, bring it to this schema, and take what a crash left in the WAL into the file.
 *
 * @param path     the real path of the data file; the caller holds the lock
 * @param options  see StoreOptions
 * @throws TallyError STORE_UNAVAILABLE, or SQLite's own error; the file is closed again
 */
export function openForWriting(
  path: string,
  { purpose = "serve", migrates = true, startId, metrics = new Metrics(), archive, now = 0 }: OpeningOptions,
): OpenedFile {
  const fits = (db: Database.Database) => {
    if (!migrates) assertUpToDate(db, path);
    if (purpose !== "copyTo") assertNoHalfCopy(db, path);
  };
  const gate = archive && new ArchiveGate(path, archive);
  if (statOf(path) !== undefined) assertHead(path);
  assertBelongs(path, fits);
  if ((statOf(`${path}-wal`)?.size ?? 0n) > 0n) syncWal(`${path}-wal`);
  const made = makeFile(path);
  let connections: Connections | undefined;
  try {
    connections = new Connections(path);
    const { db } = connections;
    const sqliteVersion = db.prepare<[], string>("SELECT sqlite_version()").pluck().get()!;
    assertSqliteFloor(sqliteVersion);
    assertOurs(db, path); // Before anything is written, the journal mode included.
    fits(db);
    db.pragma("journal_mode = WAL");
    db.pragma("synchronous = FULL"); // The build defaults to NORMAL in WAL, which can lose acknowledged commits.
    db.pragma("wal_autocheckpoint = 0"); // Checkpoints are ours, after the answers: SQLite's own hide their errors.
    // What a long read made it grow by is given back to the disk once it is begun anew; never all of it: see Checkpoints.first.
    db.pragma(`journal_size_limit = ${WAL_KEPT_BYTES}`);
    connections.anchor();
    const migratedFrom = migrate(db);
    const head = new Head(db);
    head.assertSchema(path);

    const binding = new WalBinding(db, startId, () => gate?.isWhole ?? false);
    gate?.open(db, now);
    // What a crash or the migration left there.
    let taken: TakenIn = walFrames(db) > 0n ? takeInWhole(db, binding, gate) : "whole";
    if (taken === "not archived" && !gate!.waits()) taken = takeInWhole(db, binding, gate);
    if (walFrames(db) === 0n) gate?.boundary();
    assertDurable(
      db,
      head,
      purpose,
      () => (taken === "whole" ? binding.write(true) : binding.reopen()),
      gate && startId,
    );
    const whereabouts = new Whereabouts(path);
    const checkpoints = new Checkpoints(db, whereabouts, binding, metrics, gate, taken === "not archived");
    const abandon = connections.abandon.bind(connections);
    const orAbandon = (work: () => void) => {
      try {
        work();
      } catch (error) {
        abandon();
        throw error;
      }
    };
    let isLeft = false;
    const seal = () =>
      orAbandon(() => {
        isLeft = checkpoints.last() !== "whole";
      });
    const close = () => {
      orAbandon(() => whereabouts.assertUnchanged()); // SQLite removes what stands at the WAL's path, whoever's it is.
      if (isLeft) abandon();
      else connections!.close();
    };
    const transaction = new Transaction(db, whereabouts, binding);
    return {
      db,
      head,
      transaction,
      checkpoints,
      whereabouts,
      sqliteVersion,
      migratedFrom,
      made,
      seal,
      close,
      abandon,
    };
  } catch (error) {
    connections?.abandon();
    if (made) unmakeFile(path);
    throw error;
  }
}

/**
 * The connection that writes, and one beside it that does nothing.
 *
 * Whatever connection is closed last takes the WAL into the file and removes it. That is right only at an orderly end:
 * otherwise the WAL may be another file's by now, or the disk have failed. So the second one is closed after the first,
 * and cannot write. At the end of a process, where Node closes those of a thread in any order, another thread's does the
 * same: see `keepOpen`.
 */
export class Connections {
  readonly db: Database.Database;
  readonly #last: Database.Database;

  constructor(path: string) {
    this.db = new Database(path);
    try {
      this.#last = openReadOnly(path, 64);
    } catch (error) {
      this.db.close();
      throw error;
    }
    try {
      this.db.defaultSafeIntegers(true);
      this.db.pragma("trusted_schema = OFF");
      this.db.pragma(`cache_size = -${PAGE_CACHE_KIB}`);
      this.anchor();
    } catch (error) {
      this.abandon();
      throw error;
    }
  }

  /** Have the second one take its lock on a file in WAL mode, which it then keeps. */
  anchor(): void {
    this.#last.pragma("user_version");
  }

  close(): void {
    this.#last.close();
    this.db.close();
  }

  abandon(): void {
    this.db.close();
    this.#last.close();
  }
}

const PAGE_CACHE_KIB = 65_536;
/** Four times what a checkpoint waits for: so in quiet times nothing is cut off and allocated anew. */
const WAL_KEPT_BYTES = 64 * 2 ** 20;

/**
 * A connection for the thread that ends the process: when that exits, Node closes the connections of other threads, and
 * leaves those of this one to the system. So none of them is the last, whatever it was about, and the WAL stays.
 *
 * @returns  what closes it, to be called when the file is sealed
 */
export function keepOpen(path: string): () => void {
  const db = openReadOnly(path, 64);
  db.pragma("user_version"); // It has its lock from the first read on.
  return () => db.close();
}

/** What is being copied into the file is not all there, and callers would count on top of a part. */
function assertNoHalfCopy(db: Database.Database, path: string): void {
  if (versionOf(db) < COPIES_SINCE) return;
  const ended = db.prepare("SELECT ended = 0 FROM copying").pluck().get();
  if (Number(ended) !== 1) return;
  throw unusable(
    `A copy into ${path} was begun and has not ended: run the same \`tally copy\` again to end it, or give Tally another file.`,
  );
}

/**
 * The pragma reads 2 whatever is in force until something was written, so this looks after a write: one that
 * changes a byte, because SQLite leaves a page alone that would stay the same. Also shows that fsync works here.
 *
 * @param bind        has the file say that a server has it
 * @param newStoreId  of one that is archived and has no id yet: by it its archive is told from others
 */
function assertDurable(
  db: Database.Database,
  head: Head,
  purpose: Purpose,
  bind: () => void,
  newStoreId: string | undefined,
): void {
  const begin = db.transaction(() => {
    if (purpose === "serve") {
      head.set({ starts: head.row.starts + 1n });
      forgetCopy(db);
      if (newStoreId !== undefined && readCopying(db).store_id === null)
        writeCopying(db, { store_id: newStoreId });
    } else writeCopying(db, { opens: readCopying(db).opens + 1n });
    head.noteSchema();
    head.save();
    bind();
  });
  begin.immediate();
  const synchronous = Number(db.pragma("synchronous", { simple: true }));
  const journal = db.pragma("journal_mode", { simple: true });
  if (synchronous !== 2 || journal !== "wal") {
    throw unusable(
      `SQLite runs with synchronous=${synchronous}, journal_mode=${journal}; expected 2 (FULL) and wal.`,
    );
  }
}

/** Copies of a data file and its history, made beside their server, and made into files that stand by themselves. */
import Database from "better-sqlite3";
import { TallyError } from "../../../core/errors.ts";
import type { CopyingProgress } from "../../../service/store-backup.ts";
import { unusable } from "../../shared/unusable.ts";
import type { Serving } from "../file/beside.ts";
import { makeFile } from "../file/making.ts";
import { statOf } from "../file/whereabouts.ts";
import { historyPathOf } from "../history/path.ts";
import { readTogether, type Together } from "../history/together.ts";
import { openReadOnly } from "../read/reading.ts";
import { readCopying } from "../rows/copying-row.ts";
import { headReader } from "../rows/head.ts";
import { assertOurs, SCHEMA_VERSION, versionOf } from "../schema/schema.ts";
import type { Pace } from "./pace.ts";
import { freeIn } from "./scratch.ts";

/** How a copy is made. */
export interface CopyOptions {
  /** The server that has the file meanwhile; undefined where nobody has. */
  readonly serving: Serving | undefined;
  readonly pace: Pace;
  readonly now: () => number;
  readonly onProgress: (progress: CopyingProgress) => void;
  readonly signal: AbortSignal;
  /** Refuses it, before anything is written, where there is no room for so many bytes. */
  readonly assertRoom: (bytes: number) => void;
}

/** What was copied. */
export interface Copied {
  readonly schema: number;
  readonly historySchema: number | null;
  readonly position: bigint;
  /** In milliseconds since the Unix epoch. */
  readonly time: number;
  readonly storeId: string | null;
  readonly logId: string | null;
  /** Why the history that stands there is not in it, as what follows "because". */
  readonly historyLeft: string | undefined;
}

/**
 * Copy a data file and its history as they are at one moment each, the history's the earlier: what it lacks the log has.
 *
 * All pages are read in one read transaction: without it SQLite would begin the copy anew at each commit, for ever.
 *
 * @param path  the real path of the data file
 * @param into  where its copy is made; the history's beside it. Neither is there
 */
export async function copyFiles(path: string, into: string, options: CopyOptions): Promise<Copied> {
  const data = openReadOnly(path, PAGE_CACHE_KIB);
  let together: Together | undefined;
  try {
    assertOurs(data, path);
    assertKnown(data, path);
    together = asOfOneMoment(path, data, options.serving !== undefined);
    const time = options.now();
    const { history } = together;
    const bytes = [data, history?.db].map((db) => (db === undefined ? 0 : sizeOf(db)));
    options.assertRoom(bytes[0]! + bytes[1]!);
    const copied: Copied = {
      schema: versionOf(data),
      historySchema: history === undefined ? null : versionOf(history.db),
      position: headReader(data)().log_end,
      time,
      storeId: readCopying(data).store_id,
      logId: data.prepare<[], string | null>("SELECT log_id FROM history_binding").pluck().get() ?? null,
      historyLeft: together.whyNot,
    };
    const bound = new WalBound(path, options);
    let done = 0;
    const all = bytes[0]! + bytes[1]!;
    const onStep = (read: number) => {
      if (options.signal.aborted) throw new TallyError("CALL_CANCELLED", "it was stopped");
      options.serving?.assertStill();
      options.onProgress({ doing: "copied", bytes: done + read, of: all });
      bound.check();
      if (bound.isFar) options.pace.stop();
    };
    // The data file first: its WAL is the one that grows.
    await copyOne(data, into, options.pace, onStep);
    done = bytes[0]!;
    if (history !== undefined) await copyOne(history.db, historyPathOf(into), options.pace, onStep);
    return copied;
  } finally {
    together?.end();
    data.close();
  }
}

const PAGE_CACHE_KIB = 1_024;

function assertKnown(db: Database.Database, path: string): void {
  const version = versionOf(db);
  if (version === SCHEMA_VERSION) return;
  throw unusable(
    `${path} ${version === 0 ? "has no schema yet" : `is of schema ${version}`}, and this Tally backs up schema ${SCHEMA_VERSION}; ` +
      "bring it there with `tally migrate up`, or use the Tally that serves it.",
  );
}

/** The history has all that the log does not: if not, the log went on between the two looks, or without it. */
function asOfOneMoment(path: string, data: Database.Database, served: boolean): Together {
  for (let left = LOOKS; ; left--) {
    const together = readTogether(path, data, served);
    const { history } = together;
    if (history === undefined || left === 0) return together;
    if (BigInt(history.head.place.position) >= headReader(data)().log_dropped) return together;
    together.end();
  }
}

/** A log that goes on without its history has done so for a minute. */
const LOOKS = 3;

function sizeOf(db: Database.Database): number {
  return Number(db.pragma("page_count", { simple: true })) * Number(db.pragma("page_size", { simple: true }));
}

async function copyOne(
  db: Database.Database,
  into: string,
  pace: Pace,
  onStep: (bytes: number) => void,
): Promise<void> {
  const pageBytes = Number(db.pragma("page_size", { simple: true }));
  makeFile(into);
  let before = 0;
  const step = (pages: number) => {
    onStep(pages * pageBytes);
    pace.spendNow((pages - before) * pageBytes);
    before = pages;
  };
  const { totalPages } = await db.backup(into, {
    progress({ totalPages, remainingPages }) {
      step(totalPages - remainingPages);
      return Math.floor(pace.turnBytes / pageBytes); // A server that starts waits a second for who reads.
    },
  });
  step(totalPages); // It tells of no last step.
  standAlone(into);
}

/** Have a copy be a file by itself, which no WAL belongs to and no server had. Two pages say so: the first, and that of the ids. */
export function standAlone(path: string): void {
  const db = new Database(path);
  try {
    db.pragma("locking_mode = EXCLUSIVE"); // So that it needs no -shm.
    db.pragma("journal_mode = DELETE");
    db.exec("UPDATE wal_binding SET open = 0");
  } finally {
    db.close();
  }
}

/** How far the WAL of a file that is served may grow while it is read: nothing of it can be begun anew. */
class WalBound {
  readonly #path: string;
  readonly #served: boolean;
  readonly #before: bigint;

  constructor(path: string, { serving }: CopyOptions) {
    this.#path = path;
    this.#served = serving !== undefined;
    this.#before = this.#bytes;
    this.check();
  }

  /** Whether it has grown so far that the copy is to be made as fast as can be. */
  get isFar(): boolean {
    return this.#served && this.#bytes > this.#before && this.#bytes > HURRY_BYTES;
  }

  /** @throws TallyError STORE_UNAVAILABLE  when the disk that the server counts on gets full */
  check(): void {
    if (!this.#served) return;
    if (freeIn(this.#path) >= LEFT_BYTES) return;
    throw unusable(
      `The disk of ${this.#path} has less than 64 MiB left, and its WAL grows while it is read: free some room first.`,
      Object.assign(new Error("no room"), { code: "SQLITE_FULL" }),
    );
  }

  get #bytes(): bigint {
    return statOf(`${this.#path}-wal`)?.size ?? 0n;
  }
}

const HURRY_BYTES = 2n ** 30n;
/** For the server to go on counting with: some seconds of the fastest there is. */
const LEFT_BYTES = 64 * 2 ** 20;

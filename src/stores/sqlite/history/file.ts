import { existsSync, lstatSync, readlinkSync, renameSync, rmSync, unlinkSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import type { Database, Statement } from "better-sqlite3";
import { TallyError } from "../../../core/errors.ts";
import { type HistoryHead, NO_HISTORY } from "../../shared/history/rows.ts";
import type { BindingRow } from "../file/alone.ts";
import { takeAwayEmptyWal } from "../file/beside.ts";
import { makeFile } from "../file/making.ts";
import { assertNotOpen, assertOneName, noFile } from "../file/names.ts";
import { isSame, statOf } from "../file/whereabouts.ts";
import { openReadOnly } from "../read/reading.ts";
import type { LogPlace } from "../write/history-binding.ts";
import { Connections } from "../write/opening.ts";
import { followsWal, type LogFacts, whyNotOf } from "./belonging.ts";
import { HeadRows, type StoredHead } from "./head.ts";
import { bringUpToDate, kindOf, makeTables } from "./schema.ts";
import { areWhole, NO_ROWS } from "./tables.ts";

/** What a history file is opened with. */
export interface HistoryFileOptions {
  /** A text that no other start has. */
  readonly startId: string;
  /** The log that it is to be of. */
  readonly log: LogFacts;
  /** The wall clock, in milliseconds since the Unix epoch. */
  readonly now: number;
  /** Told what the operator is to know: a sentence. */
  readonly warn: (message: string) => void;
  /** Why what is there is to be set aside, whatever it is. */
  readonly distrusted?: string | undefined;
  /** Whether there is to be one. */
  readonly expected: boolean;
}

/**
 * A history file that is open, and of this change log: what was found there, or a new one. One that does not fit is set
 * aside under another name, with what belongs to it.
 *
 * What is committed may be lost with the machine until `checkpoint`, whose cursor is therefore the one to hold the log back
 * by; nothing else may be.
 */
export class HistoryFile {
  readonly db: Database;
  readonly #connections: Connections;
  readonly #path: string;
  readonly #log: LogFacts;
  readonly #heads: HeadRows;
  readonly #bind: Statement<[string, string | null]>;
  readonly #startId: string;
  readonly #files: readonly (readonly [path: string, stat: ReturnType<typeof statOf>])[];
  #head: StoredHead;
  #durable: LogPlace | undefined;
  #ids = 0;
  /** The id that this file has by itself, and the one of the latest commit. */
  #basedOn: string | null;
  #id: string | null;

  /**
   * @param linked  where the history is to stand; a symbolic link leads to where it does, with what belongs to it
   * @throws TallyError STORE_UNAVAILABLE of one that is not to be touched, or SQLite's own error
   */
  constructor(linked: string, { startId, log, now, warn, distrusted, expected }: HistoryFileOptions) {
    const path = linkedFrom(linked);
    this.#path = path;
    this.#log = log;
    this.#startId = startId;
    if (path !== linked && !existsSync(dirname(path)))
      throw noFile(linked, `a symbolic link to ${path}, whose folder is not there`);
    assertOneName(path);
    if (path !== linked) assertNotOpen(path); // No lock of the data file's keeps another one's server from it.
    const found = distrusted ?? lookAt(path, log);
    const begins = `a new history begins${log.end === 0 ? "" : `, at ${new Date(log.begins).toISOString()}`}`;
    if (typeof found === "string")
      warn(`${path} was set aside as ${setAside(path, now)}: ${found}; ${begins}.`);
    else if (found === undefined && expected) warn(`${path} is missing; ${begins}.`);
    else if (found !== undefined && found.place.position < log.dropped)
      warn(
        `${path} lacks what was counted from ${new Date(found.time).toISOString()} to ${new Date(log.begins).toISOString()}.`,
      );
    makeFile(path);
    this.#connections = new Connections(path);
    this.db = this.#connections.db;
    try {
      this.db.pragma("journal_mode = WAL");
      this.db.pragma("synchronous = NORMAL"); // What it loses, the log still has: see `checkpoint`.
      this.db.pragma("wal_autocheckpoint = 0");
      this.#connections.anchor();
      const made = kindOf(this.db, path) === "empty";
      if (made) this.db.transaction(() => makeTables(this.db)).immediate();
      else bringUpToDate(this.db);
      this.#heads = new HeadRows(this.db);
      this.#bind = this.db.prepare("UPDATE wal_binding SET id = ?, based_on = ?, open = 1");
      if (made) {
        const head = {
          ...NO_HISTORY,
          logId: log.id,
          place: { position: 0, sum: undefined },
          durable: undefined,
          tables: NO_ROWS,
        };
        this.db.transaction(() => this.#heads.write(head, true)).immediate();
      }
      this.#head = this.#heads.read()!;
      [this.#id, this.#basedOn] = [null, null];
      this.#files = [path, `${path}-wal`].map((each) => [each, statOf(each)]);
      this.checkpoint(); // What a crash left in the WAL: from here on it is on disk.
    } catch (error) {
      this.abandon();
      throw error;
    }
  }

  /** As it was saved last. */
  get head(): StoredHead {
    return this.#head;
  }

  /** The commit that the history on disk has come to, whatever happens. */
  get durable(): LogPlace {
    return this.#durable!;
  }

  /** Have a transaction, if there is none yet. */
  begin(): void {
    if (!this.db.inTransaction) this.db.exec("BEGIN IMMEDIATE");
  }

  /** End it, and save how far history has come. @throws TallyError STORE_UNAVAILABLE when somebody took the file away */
  commit(head: HistoryHead & Pick<StoredHead, "tables">): void {
    this.#assertThere();
    const position = head.cursor === "" ? 0 : Number(head.cursor);
    const place =
      position === this.#head.place.position
        ? this.#head.place
        : { position, sum: this.#log.sumAt(position) };
    const saved: StoredHead = { ...head, logId: this.#log.id, place, durable: this.#durable };
    this.#heads.write(saved);
    const id = `${this.#startId}.${++this.#ids}`;
    this.#bind.run(id, this.#basedOn);
    this.db.exec("COMMIT");
    this.#head = saved;
    this.#id = id;
  }

  rollback(): void {
    if (this.db.inTransaction) this.db.exec("ROLLBACK");
  }

  /** Have all that was committed on disk, which takes some fsyncs. */
  checkpoint(): void {
    const [{ busy, log, checkpointed }] = this.db.pragma("wal_checkpoint(PASSIVE)") as [Checkpointed];
    if (busy !== 0n || log !== checkpointed) return; // Somebody looks at it: the next one will.
    this.#basedOn = this.#id ?? this.#bindingNow();
    this.#durable = this.#head.place;
  }

  /** Have everything in the file alone, and close it. */
  close(): void {
    this.rollback();
    if (!isThere(this.#files)) {
      this.abandon();
      return;
    }
    this.db.pragma("wal_checkpoint(TRUNCATE)");
    this.#connections.close();
  }

  /** Close it, and leave what stands at its path as it is. */
  abandon(): void {
    this.#connections.abandon();
  }

  #bindingNow(): string | null {
    return this.db.prepare<[], string | null>("SELECT id FROM wal_binding").pluck().get() ?? null;
  }

  #assertThere(): void {
    if (isThere(this.#files)) return;
    throw new TallyError(
      "STORE_UNAVAILABLE",
      `${this.#path} was removed, moved or replaced while Tally had it`,
    );
  }
}

/** Where a link leads, or the next one; also to what is not there yet. Beside that SQLite has the WAL. */
function linkedFrom(path: string): string {
  let at = path;
  for (let i = 0; i < LINKS_MAX && lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink(); i++)
    at = resolve(dirname(at), readlinkSync(at));
  return at;
}

/** As many as the kernel follows. */
const LINKS_MAX = 40;

interface Checkpointed {
  readonly busy: bigint;
  readonly log: bigint;
  readonly checkpointed: bigint;
}

function isThere(files: readonly (readonly [path: string, stat: ReturnType<typeof statOf>])[]): boolean {
  return files.every(([path, before]) => {
    const now = statOf(path);
    return now !== undefined && before !== undefined && isSame(now, before);
  });
}

/**
 * What stands there, before anything is written.
 *
 * @returns  its head; undefined where there is nothing; and otherwise why it cannot be gone on with
 * @throws TallyError STORE_UNAVAILABLE of one of a newer Tally
 */
export function lookAt(path: string, log: LogFacts): StoredHead | string | undefined {
  const [file, wal] = [statOf(path), statOf(`${path}-wal`)];
  if ((file?.size ?? 0n) === 0n)
    return (wal?.size ?? 0n) > 0n ? "it is missing, and its -wal alone is there" : undefined;
  if ((statOf(`${path}-journal`)?.size ?? 0n) > 0n) return "a -journal stands beside it, which it never has";
  let db: Database | undefined;
  try {
    db = openReadOnly(path, 1_024);
    const follows = (binding: BindingRow) => (wal?.size ?? 0n) === 0n || followsWal(path, binding);
    return foundIn(db, path, log, follows);
  } catch (error) {
    return damageIn(error);
  } finally {
    db?.close();
  }
}

/**
 * The same of a connection that is open; as of the read transaction under way, if there is one.
 *
 * @param follows  whether what the file says with its WAL is what it says without it, or comes after
 */
export function foundIn(
  db: Database,
  path: string,
  log: LogFacts,
  follows: (withWal: BindingRow) => boolean,
): StoredHead | string | undefined {
  try {
    const kind = kindOf(db, path);
    if (kind === "empty") return undefined;
    if (kind === "another") return "it is no history";
    const binding = db.prepare<[], BindingRow>("SELECT id, based_on AS basedOn, open FROM wal_binding").get();
    if (binding === undefined) return "it is damaged";
    if (!follows(binding)) return "it and its -wal do not belong together";
    const head = new HeadRows(db).read();
    if (head === undefined || !areWhole(db, head.tables)) return "it is damaged";
    return whyNotOf(head, log) ?? head;
  } catch (error) {
    return damageIn(error);
  }
}

/** What SQLite found damaged, as what follows "because"; another error is thrown on. */
function damageIn(error: unknown): string {
  const { code = "" } = error as { code?: string };
  if (/^SQLITE_(CORRUPT|NOTADB|ERROR|FORMAT)/.test(code)) return `it is damaged (${code})`;
  throw error;
}

/** What there is of a history and of what belongs to it, as suffixes of its path; where a link leads, it is looked for there. */
export function historyFilesAt(path: string): readonly string[] {
  const real = linkedFrom(path);
  return HISTORY_FILES.filter((suffix) => statOf(real + suffix) !== undefined);
}

/** Looking at a history has made it a WAL, which goes again. Nobody may have it open. */
export function removeEmptyWal(path: string): void {
  takeAwayEmptyWal(linkedFrom(path));
}

/** Take a history away, and what belongs to it, that nobody has open; where a link leads to it, that stays. */
export function removeHistory(path: string): void {
  const real = linkedFrom(path);
  for (const suffix of HISTORY_FILES) rmSync(real + suffix, { force: true });
}

/** It goes last. */
const HISTORY_FILES = ["-shm", "-wal", "-journal", ""] as const;

/** @returns  under which name */
function setAside(path: string, now: number): string {
  const stamp = new Date(now).toISOString().replaceAll(/[-:]|\.\d+/g, "");
  let aside = `${path}-before-${stamp}`;
  for (let i = 2; statOf(aside) !== undefined; i++) aside = `${path}-before-${stamp}-${i}`;
  for (const suffix of ["", "-wal", "-journal"]) {
    const stat = statOf(path + suffix);
    if (stat === undefined) continue;
    if (stat.size > 0n || suffix === "") renameSync(path + suffix, aside + suffix);
    else unlinkSync(path + suffix);
  }
  if (statOf(`${path}-shm`) !== undefined) unlinkSync(`${path}-shm`);
  return basename(aside);
}

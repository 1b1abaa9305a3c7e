import { accessSync, type BigIntStats, constants, statSync } from "node:fs";
import { TallyError } from "../../../core/errors.ts";

/**
 * Whether what stands at the paths of a data file, its WAL and its lock still is what was opened there, and nobody else
 * has written it. SQLite goes on with the files that it has open, whatever the paths lead to: what it then acknowledges
 * is gone with the last descriptor.
 *
 * Looks by path only: to open a file and to close it again would drop this process's locks on it. A look at a file takes
 * some 2 us, and a commit takes four.
 */
export class Whereabouts {
  readonly #path: string;
  readonly #walPath: string;
  readonly #lockPath: string;
  #data: BigIntStats;
  #wal: BigIntStats;
  readonly #lock: BigIntStats | undefined;
  /** Since when what is on disk may be another than is known: nothing is written any more then. */
  #lost: TallyError | undefined;

  /** Both files are there, and the lock is held. */
  constructor(path: string) {
    this.#path = path;
    this.#walPath = `${path}-wal`;
    this.#lockPath = `${path}-lock`;
    this.#data = statSync(path, { bigint: true });
    this.#wal = statSync(this.#walPath, { bigint: true });
    this.#lock = statOf(this.#lockPath);
  }

  /** What was written until now was written by this process. */
  settle(): void {
    const data = statOf(this.#path);
    const wal = statOf(this.#walPath);
    if (data === undefined || !isSame(data, this.#data)) throw displaced(this.#path, data);
    if (wal === undefined || !isSame(wal, this.#wal)) throw displaced(this.#walPath, wal);
    this.#data = data;
    this.#wal = wal;
  }

  /**
   * Before anything is written, best with SQLite's write lock held: another process has none of its own yet then.
   *
   * @throws TallyError OUTCOME_UNKNOWN
   */
  beforeWriting(): void {
    if (this.#lost !== undefined) throw this.#lost;
    this.#same(this.#walPath, this.#wal, statOf(this.#walPath));
    this.#locked();
  }

  /**
   * After something was written into the WAL, and before anybody is told.
   *
   * @throws TallyError OUTCOME_UNKNOWN
   */
  afterWriting(): void {
    try {
      this.sameFile();
      const wal = statOf(this.#walPath);
      if (wal === undefined || !isSame(wal, this.#wal)) throw displaced(this.#walPath, wal);
      this.#wal = wal;
    } catch (error) {
      throw this.lost(error as TallyError);
    }
  }

  /**
   * Nobody knows any more what is on disk: from now on nothing is written, for it would be written over what is there and
   * is not known. The next start finds out.
   *
   * @returns  the error
   */
  lost(error: TallyError): TallyError {
    this.#lost ??= error;
    return error;
  }

  /**
   * Before anybody is told what was found there.
   *
   * @throws TallyError OUTCOME_UNKNOWN
   */
  sameFile(): void {
    this.#same(this.#path, this.#data, statOf(this.#path));
  }

  /** The WAL has grown without a commit: a transaction was too large for memory, and was rolled back. */
  rolledBack(): void {
    const wal = statOf(this.#walPath);
    if (wal !== undefined && isSame(wal, this.#wal)) this.#wal = wal;
  }

  /**
   * Everything is as it was left.
   *
   * @throws TallyError OUTCOME_UNKNOWN
   */
  assertUnchanged(): void {
    this.sameFile();
    this.beforeWriting();
    try {
      accessSync(this.#walPath, constants.W_OK);
    } catch (cause) {
      // What else may be said here, permissions for example, does not concern a file that is open already.
      if ((cause as NodeJS.ErrnoException).code !== "EROFS") return;
      throw new TallyError("OUTCOME_UNKNOWN", `the disk of ${this.#path} takes no writes any more`, {
        cause,
      });
    }
  }

  /**
   * Have the WAL taken into the file, which only happens through here.
   *
   * @throws TallyError OUTCOME_UNKNOWN  also beforehand: then the file is not touched
   */
  checkpointing<Result>(checkpoint: () => Result): Result {
    this.sameFile();
    this.beforeWriting();
    let result: Result;
    try {
      result = checkpoint();
    } catch (cause) {
      // One that found no room has written some of it, and all is still in the WAL.
      if ((cause as { code?: string }).code === "SQLITE_FULL") this.settle();
      else this.lost(new TallyError("OUTCOME_UNKNOWN", "the disk failed during a checkpoint", { cause }));
      throw cause;
    }
    this.settle();
    return result;
  }

  #same(path: string, before: BigIntStats, now: BigIntStats | undefined): void {
    if (now === undefined || !isSame(now, before)) throw displaced(path, now);
    if (now.size === before.size && now.mtimeNs === before.mtimeNs) return;
    throw new TallyError(
      "OUTCOME_UNKNOWN",
      `${path} was written by somebody else while Tally had it; see "While a server has it" in docs/files.md before it is started again`,
    );
  }

  /** One that was only removed does no harm: whoever takes it next makes another. */
  #locked(): void {
    const lock = statOf(this.#lockPath);
    if (lock === undefined || this.#lock === undefined || isSame(lock, this.#lock)) return;
    throw new TallyError(
      "OUTCOME_UNKNOWN",
      `${this.#lockPath} is another file than the one that Tally holds: another process may have ${this.#path}`,
    );
  }
}

/** What stands at a path; undefined when nothing does, or nothing that may be seen. */
export function statOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/** Whether both are one file, whatever is in it. */
export function isSame(one: BigIntStats, other: BigIntStats): boolean {
  return one.ino === other.ino && one.dev === other.dev;
}

function displaced(path: string, now: BigIntStats | undefined): TallyError {
  const what = now === undefined ? "was removed or moved" : "was replaced by another file";
  return new TallyError(
    "OUTCOME_UNKNOWN",
    `${path} ${what} while Tally had it; see "While a server has it" in docs/files.md before it is started again`,
  );
}

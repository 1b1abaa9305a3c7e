import type { Database, Statement } from "better-sqlite3";

/**
 * Binds the WAL to the file that it was begun on.
 *
 * SQLite takes any sound WAL that stands beside a file into it, whatever it followed. So the file has an id, which each
 * WAL replaces by another one in its first commit, along with the id that it follows. A start compares what the file says
 * by itself with what it says with its WAL (see belonging.ts). For that to hold:
 *
 * - a new id is written only while the file has the one before, which is to say after a whole checkpoint;
 * - each start takes a new one into the file, so that what was copied at the stop is not what the next WAL follows;
 * - while the file says that it is open, its WAL is not empty.
 *
 * So all commits between two whole checkpoints have one id, which no others have: by it an archive knows where a backup is of.
 */
export class WalBinding {
  readonly #change: Statement<[string, number]>;
  readonly #reopen: Statement<[]>;
  readonly #startId: string;
  readonly #isArchived: () => boolean;
  /** Whether the next commit has a new id: the WAL was taken into the file whole, and it may begin it anew. */
  isDue = false;
  #count = 0;
  #archived = false;

  /**
   * @param startId     a text that no other start has: ids begin with it
   * @param isArchived  whether an archive has all that was committed until now; asked after a whole checkpoint
   */
  constructor(db: Database, startId: string, isArchived: () => boolean = () => false) {
    this.#change = db.prepare("UPDATE wal_binding SET based_on = id, id = ?, open = ?");
    this.#reopen = db.prepare("UPDATE wal_binding SET open = 1");
    this.#startId = startId;
    this.#isArchived = isArchived;
  }

  /** The WAL was taken into the file whole. */
  checkpointed(): void {
    this.isDue = true;
    this.#archived = this.#isArchived();
  }

  /** Inside the transaction of a commit when it is due; it still is until that has succeeded. */
  renew(): void {
    this.#write(true, this.#archived);
  }

  /**
   * Give the store a new id, inside the caller's transaction.
   *
   * @param open  whether a server has it from now on
   */
  write(open: boolean): void {
    this.#write(open, this.#isArchived());
  }

  /** A server has the file from now on, whose WAL is not taken in yet: it goes on under its id. Inside the caller's transaction. */
  reopen(): void {
    this.#reopen.run();
  }

  #write(open: boolean, archived: boolean): void {
    this.#change.run(`${this.#startId}.${++this.#count}${archived ? ARCHIVED : ""}`, open ? 1 : 0);
  }
}

/** Ends an id that follows one all of whose commits are in an archive: so that it can go on after a kill. */
const ARCHIVED = ".archived";

/** Whether an archive has all that was committed under the id before. */
export function isArchivedId(id: string | null): boolean {
  return id?.endsWith(ARCHIVED) ?? false;
}

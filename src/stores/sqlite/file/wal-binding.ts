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
 */
export class WalBinding {
  readonly #change: Statement<[string, number]>;
  readonly #startId: string;
  #count = 0;
  #due = false;
  #written = false;

  /** @param startId  a text that no other start has: ids begin with it */
  constructor(db: Database, startId: string) {
    this.#change = db.prepare("UPDATE wal_binding SET based_on = id, id = ?, open = ?");
    this.#startId = startId;
  }

  /** The WAL was taken into the file whole: the next commit may begin it anew. */
  checkpointed(): void {
    this.#due = true;
  }

  /** Inside the transaction of every commit. */
  commit(): void {
    this.#written = this.#due;
    if (this.#due) this.write(true);
  }

  committed(): void {
    if (this.#written) this.#due = false;
  }

  /**
   * Give the store a new id, inside the caller's transaction.
   *
   * @param open  whether a server has it from now on
   */
  write(open: boolean): void {
    this.#change.run(`${this.#startId}.${++this.#count}`, open ? 1 : 0);
  }
}

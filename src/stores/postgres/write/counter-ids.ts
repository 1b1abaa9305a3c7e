import { beginWaiting, type Database } from "../connection/database.ts";
import type { Statement } from "../connection/session.ts";

/**
 * Ids for the rows of new counters, taken from the database a thousand at a time: so a batch knows the ids of the
 * counters it makes before it saves them. Those not used are lost, which does no harm.
 *
 * They are taken in a transaction of their own, which has ended when they are used: one that is rolled back leaves
 * nothing on disk of what it took, and after a crash the database would give the same ids to others.
 */
export class CounterIds {
  readonly #database: Database;
  readonly #next: Statement;
  #free: bigint[] = [];

  constructor(database: Database) {
    this.#database = database;
    this.#next = database.statement(
      "SELECT nextval('@counter_ids') AS first FROM generate_series(1, $1::int)",
    );
  }

  async take(count: number): Promise<bigint[]> {
    while (this.#free.length < count) {
      const wanted = Math.ceil((count - this.#free.length) / BLOCK);
      const blocks = await this.#database.transaction(
        (session) => session.send(this.#next, [wanted]),
        beginWaiting(LOCK_MS), // A commit waits for it.
      );
      for (const { first } of blocks) {
        for (let i = 0n; i < BigInt(BLOCK); i++) this.#free.push((first as bigint) + i);
      }
    }
    return this.#free.splice(0, count);
  }

  /** Give back what was taken, and certainly did not come to be in use. */
  giveBack(ids: readonly bigint[]): void {
    this.#free.unshift(...ids);
  }
}

const LOCK_MS = 2_000;

/** What the sequence goes on by. */
const BLOCK = 1_000;

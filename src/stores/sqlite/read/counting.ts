import type { Database, Statement } from "better-sqlite3";
import { COUNTED_MAX } from "../../../service/store-size.ts";

/**
 * About how many counters there are, without counting a million of them: few are counted; of many it is looked how many of
 * the ids between the first and the last are still somebody's, at a thousand places.
 */
export class CounterCount {
  readonly #few: Statement<[], number>;
  readonly #ends: Statement<[], { first: number; last: number }>;
  readonly #has: Statement<[number], number>;

  constructor(db: Database) {
    this.#few = db
      .prepare<[], number>(`SELECT count(*) FROM (SELECT 1 FROM counters LIMIT ${COUNTED_MAX + 1})`)
      .pluck();
    this.#ends = db.prepare(
      "SELECT (SELECT min(id) FROM counters) AS first, (SELECT max(id) FROM counters) AS last",
    );
    this.#has = db.prepare<[number], number>("SELECT 1 FROM counters WHERE id = ?").pluck();
  }

  about(): number {
    const few = Number(this.#few.get());
    if (few <= COUNTED_MAX) return few;
    const { first, last } = this.#ends.get()!;
    const span = Number(last) - Number(first) + 1;
    let found = 0;
    for (let i = 0; i < PLACES; i++) {
      // Spread evenly, and in step with nothing, such as with every second counter that was deleted.
      const at = Number(first) + Math.floor(((i * GOLDEN) % 1) * span);
      if (this.#has.get(at) !== undefined) found++;
    }
    return Math.max(few, Math.round((span * found) / PLACES));
  }
}

const PLACES = 1_000;
const GOLDEN = (Math.sqrt(5) - 1) / 2;

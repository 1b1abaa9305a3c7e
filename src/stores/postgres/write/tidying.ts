import { setTimeout as pause } from "node:timers/promises";
import type { Clock } from "../../../core/clock.ts";
import { ClockDoubt } from "../../shared/clock-doubt.ts";
import type { Database } from "../connection/database.ts";
import type { Row, Statement } from "../connection/session.ts";
import { SERVING_COLUMNS } from "../copy-lock.ts";
import { NOW_MS } from "../now.ts";
import { arrayOf, COUNTER_COLUMNS, DETAIL_COLUMNS } from "../rows.ts";
import { objectionTo, type WritingDown } from "./writing-down.ts";

/** What the rest of the store lends. */
interface Parts {
  readonly database: Database;
  readonly writing: WritingDown;
  readonly clock: Clock;
  readonly warn: (message: string) => void;
}

/**
 * Writes down what time has done to counters that nobody has called: windows that have ended, counters that have expired.
 *
 * One process at a time, so that none does the same work; what keeps it right is that the rows are locked. It waits for no
 * lock: a row that somebody has is left for the next round, so no commit waits for one that waits for it.
 *
 * A round goes through what is due in order, a slice at a time, each a transaction. What cannot be written down (a row is
 * damaged, or a constraint of the operator's own is against it) is passed over: met again by the next round, or ten minutes later.
 */
export class Tidying {
  readonly #parts: Parts;
  readonly #clockDoubt: ClockDoubt;
  readonly #begin: Statement;
  readonly #due: Statement;
  /** Where this round has come to: due_ms and id of the last one looked at. */
  #after: readonly unknown[] = BEGINNING;
  /** How many are to be written down one by one, for there is something against one of them. */
  #oneByOne = 0;
  /** The ids of rows that something is against, and when the first of them was met. */
  readonly #refused: bigint[] = [];
  #refusedAt = 0;

  constructor(parts: Parts) {
    const { database, warn } = parts;
    this.#parts = parts;
    this.#clockDoubt = new ClockDoubt(warn);
    const alone = `pg_try_advisory_xact_lock(hashtextextended('tally tidying ${database.schema}', 0))`;
    this.#begin = database.statement(
      `SELECT ${alone} AS alone, ${NOW_MS} AS now, ${SERVING_COLUMNS(database.schema)}`,
    );
    this.#due = database.statement(`
      SELECT ${COUNTER_COLUMNS}, ${DETAIL_COLUMNS} FROM @counters
      WHERE due_ms IS NOT NULL AND due_ms <= $1 AND (due_ms, id) > ($2, $3) AND id <> ALL($4::bigint[])
      ORDER BY due_ms, id LIMIT $5 FOR UPDATE SKIP LOCKED`);
  }

  /** @param row  the time by the database's clock, and what it was when it was last saved */
  start({ now, wall_ms }: Row): void {
    const saved = wall_ms === null ? undefined : Number(wall_ms);
    this.#clockDoubt.start(Number(now), this.#parts.clock.monotonic(), saved);
  }

  /** Whether the database's clock is to be doubted. @param row  the time by it */
  doubts({ now }: Row): boolean {
    return this.#clockDoubt.look(Number(now), this.#parts.clock.monotonic());
  }

  /**
   * Do a slice. Returns whether this round has more.
   *
   * @param beside  whether to leave room for calls: to rest after a slice that is not the last
   */
  async slice(beside: boolean): Promise<boolean> {
    const { clock } = this.#parts;
    const began = clock.monotonic();
    const more = await this.#slice();
    if (more && beside && this.#oneByOne === 0)
      await pause(Math.max(0, began + SLICES_APART_MS - clock.monotonic()));
    return more;
  }

  async #slice(): Promise<boolean> {
    const limit = this.#oneByOne > 0 ? 1 : SLICE_COUNTERS;
    /** Those that were looked at. */
    let looked: readonly Row[] = [];
    try {
      await this.#parts.database.upkeep(async (session) => {
        looked = [];
        const [begun] = await session.send(this.#begin);
        const { alone, free, copied } = begun!;
        if (!alone || !free || copied === false || this.doubts(begun!)) return; // Another does it, or a copy has the store.
        const values = [begun!.now, ...this.#after, arrayOf(this.#refusedLately()), limit];
        looked = await session.send(this.#due, values);
        if (looked.length > 0) await this.#parts.writing.write(session, looked, copied === true);
      });
    } catch (error) {
      const objection = objectionTo(error);
      if (objection === undefined || looked.length === 0) throw error;
      if (limit > 1) {
        this.#oneByOne = looked.length;
        return true;
      }
      this.#refuse(looked[0]!, objection);
    }
    this.#oneByOne = Math.max(0, this.#oneByOne - 1);
    const more = looked.length === limit;
    const last = looked.at(-1);
    this.#after = more ? [last!.due_ms, last!.id] : BEGINNING;
    return more;
  }

  /** The rows that something in the database was against in the last minutes, by their ids. */
  #refusedLately(): readonly bigint[] {
    if (this.#parts.clock.monotonic() - this.#refusedAt >= REFUSED_MS) this.#refused.length = 0;
    return this.#refused;
  }

  #refuse({ id, name }: Row, objection: string): void {
    if (this.#refused.length === REFUSED_MAX) this.#refused.length = 0;
    if (this.#refused.push(id as bigint) > 1) return;
    this.#refusedAt = this.#parts.clock.monotonic();
    this.#parts.warn(
      `The database refuses to write down what time has done to the counter ${name} (${objection}); callers see it as of now ` +
        "all the same. Of others within ten minutes nothing is said.",
    );
  }
}

const BEGINNING = [-(2n ** 63n), 0n] as const;

/** Some milliseconds, and so long do commits wait that want one of them. */
const SLICE_COUNTERS = 200;

/** So that it is 2,000 a second. */
const SLICES_APART_MS = 100;

/** Such rows are tried again after so long; there are hardly ever more of them. */
const REFUSED_MS = 600_000;
const REFUSED_MAX = 1_000;

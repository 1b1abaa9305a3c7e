import type { Database, Statement } from "better-sqlite3";
import type { DueEntry } from "./found-rows.ts";
import type { Moment } from "./running-time.ts";

/**
 * Which counters are looked at next, to write down what time has done to them: in the order in which they are due, a slice
 * at a time, so that a commit waits for one slice at most; and while calls come, not more than so many a second.
 *
 * What is left behind, because its row is damaged or somebody's trigger is against it, is passed over until the next
 * round begins.
 */
export class Tidying {
  readonly #after: Statement<[bigint, bigint, bigint, bigint], DueEntry>;
  /** The last that was looked at in this round, and when the round began, by the monotonic clock. */
  #last = START;
  #roundFromMs = Number.NEGATIVE_INFINITY;
  /** The wall clock when it was last looked at. */
  #now = Number.NEGATIVE_INFINITY;
  /** What was given out and is not done. */
  #given: readonly DueEntry[] = [];
  /** How many are looked at one at a time, because one of them is refused. */
  #alone = 0;
  /** How many were looked at since `#paceFromMs`. */
  #paced = 0;
  #paceFromMs = Number.NEGATIVE_INFINITY;
  /** How many commits there were by this slice, and by the last that was written. */
  #commits = 0;
  #commitsBefore = 0;

  constructor(db: Database) {
    this.#after = db.prepare(`
      SELECT due_ms, counter_id FROM due_counters WHERE due_ms <= ? AND (due_ms, counter_id) > (?, ?)
      ORDER BY due_ms, counter_id LIMIT ?`);
  }

  /**
   * What is to be looked at now; then `done` or `refused` is called, unless it is nothing.
   *
   * @param commits  how many there were so far
   */
  next({ now, monotonic }: Moment, commits: number): readonly DueEntry[] {
    // After the clock was put back, what comes due stands before where the round has come to.
    if (monotonic - this.#roundFromMs >= ROUND_MS || now < this.#now) {
      this.#last = START;
      this.#roundFromMs = monotonic;
    }
    this.#now = now;
    this.#commits = commits;
    if (monotonic - this.#paceFromMs >= 1_000) {
      this.#paced = 0;
      this.#paceFromMs = monotonic;
    }
    if (this.#busy && this.#paced >= A_SECOND) return [];
    const { due_ms, counter_id } = this.#last;
    this.#given = this.#after.all(BigInt(now), due_ms, counter_id, this.#alone > 0 ? 1n : BigInt(A_SLICE));
    return this.#given;
  }

  /** What was given is written down. Returns whether to go on at once. */
  done(): boolean {
    const { length } = this.#given;
    this.#paced += length;
    const more = this.#alone > 0 || length === A_SLICE;
    this.#pass();
    const goesOn = more && !(this.#busy && this.#paced >= A_SECOND);
    this.#commitsBefore = this.#commits;
    return goesOn;
  }

  /** Calls come: there is no hurry. */
  get #busy(): boolean {
    return this.#commits !== this.#commitsBefore;
  }

  /** What was given cannot be written: then one by one, and the one that cannot is passed over. Returns whether to go on. */
  refused(): boolean {
    if (this.#given.length === 1) this.#pass();
    else this.#alone = this.#given.length;
    return true;
  }

  #pass(): void {
    if (this.#alone > 0) this.#alone--;
    this.#last = this.#given.at(-1)!;
  }
}

const START: DueEntry = { due_ms: -(2n ** 63n), counter_id: 0n };

/** Some 3 milliseconds. */
const A_SLICE = 64;
/** While calls come. */
const A_SECOND = 2_000;
/** After so long the next round begins. */
const ROUND_MS = 60_000;

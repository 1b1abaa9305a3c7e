import type { Database, Statement } from "better-sqlite3";
import { CORRUPT } from "../../../core/counter.ts";
import { isCorrupt, unlessCorrupt } from "./damage.ts";

/** A row of `counts` or `recent_counts`: what counting changes, the bounds it is checked by, the checksum. */
export interface StoredCount {
  readonly id: bigint;
  readonly value: bigint;
  readonly revision: number;
  readonly updateTime: number;
  readonly min: bigint | undefined;
  readonly max: bigint | undefined;
  /** Where its refill is (see carry.ts); undefined of one that has none, whose column stays as it is. */
  readonly carry?: number | null | undefined;
  readonly checksum: number;
}

/** Where the writer believes a count to stand. Only RECENT can be wrong: a fold moves the row without telling. */
export const Place = {
  /** In `counts`, and not changed since it was read or made. */
  COLD: 0,
  /** In `counts`, and changed once since. */
  WARM: 1,
  /** In `recent_counts`. */
  RECENT: 2,
} as const;
export type Place = (typeof Place)[keyof typeof Place];

/**
 * Writes counts, each into the one of two tables where it stands.
 *
 * A commit writes whole pages. Counters that are busy together were seldom made together, so in a table of millions,
 * in the order of their ids, each of them is a page of its own. A count that is changed a second time while it is
 * remembered therefore moves to `recent_counts`, where the busy ones are neighbours. Maintenance folds back those that
 * have become quiet, so that they do not stand between the busy ones; and all, in the order of ids and so many to a
 * page, when the table has grown.
 *
 * A count stands in one table only, so that a row which rotted away is missed and never replaced by an older copy.
 * Each call is one or two statements; the caller owns the transaction.
 */
export class Counts {
  readonly #insert: Statement;
  readonly #insertRecent: Statement;
  readonly #update: Updates;
  readonly #updateRecent: Updates;
  readonly #delete: Statement<[bigint]>;
  readonly #deleteRecent: Statement<[bigint]>;
  readonly #size: Statement<[], bigint>;
  readonly #edge: Statement<[bigint], bigint>;
  readonly #fold: Statement<[bigint, bigint, bigint]>;
  readonly #unfold: Statement<[bigint, bigint, bigint]>;
  readonly #recentMax: number;
  /** The rows in `recent_counts`. */
  #recent = 0;
  /** While a fold of all is under way: the id up to which it has come. */
  #folded: bigint | undefined;
  /** The same of the fold of the quiet ones, which never ends. */
  #looked = 0n;

  constructor(db: Database, recentMax = RECENT_MAX) {
    this.#recentMax = recentMax;
    const values = `(${COLUMNS}) VALUES ($id, $value, $revision, $updateTime, $min, $max, $checksum, $carry)`;
    this.#insert = db.prepare(`INSERT INTO counts ${values}`);
    this.#insertRecent = db.prepare(`INSERT INTO recent_counts ${values}`);
    const set = (table: string, columns: readonly string[]) =>
      db.prepare(`UPDATE ${table} SET ${columns.map((column) => `${column} = ?`).join(", ")} WHERE id = ?`);
    const updates = (table: string) => ({
      plain: set(table, COUNTED),
      carrying: set(table, [...COUNTED, "carry"]),
    });
    this.#update = updates("counts");
    this.#updateRecent = updates("recent_counts");
    this.#delete = db.prepare("DELETE FROM counts WHERE id = ?");
    this.#deleteRecent = db.prepare("DELETE FROM recent_counts WHERE id = ?");
    this.#size = db.prepare<[], bigint>("SELECT count(*) FROM recent_counts").pluck();
    this.#edge = db
      .prepare<[bigint], bigint>(
        `SELECT max(id) FROM (SELECT id FROM recent_counts WHERE id > ? ORDER BY id LIMIT ${SLICE_ROWS})`,
      )
      .pluck();
    const slice = "FROM recent_counts WHERE id > ? AND id <= ? AND update_ms < ?";
    this.#fold = db.prepare(`INSERT INTO counts (${COLUMNS}) SELECT ${COLUMNS} ${slice}`);
    this.#unfold = db.prepare(`DELETE ${slice}`);
    this.reload();
  }

  insert(count: StoredCount): void {
    inserted(this.#insert, count);
  }

  /**
   * Write a count that stands at `place`.
   *
   * @returns  where it stands now; undefined when it is in neither table any more
   */
  update(place: Place, count: StoredCount): Place | undefined {
    if (place === Place.WARM && this.#delete.run(count.id).changes === 1) {
      inserted(this.#insertRecent, count);
      this.#recent++;
      return Place.RECENT;
    }
    if (place !== Place.COLD && changed(this.#updateRecent, count)) return Place.RECENT;
    return changed(this.#update, count) ? Place.WARM : undefined;
  }

  /** Take a count away, wherever it stands; false when it is in neither table. */
  delete(id: bigint): boolean {
    if (this.#deleteRecent.run(id).changes === 0) return this.#delete.run(id).changes === 1;
    this.#recent--;
    return true;
  }

  /** Whether there is a fold of all to begin or to go on with. */
  get foldDue(): boolean {
    return this.#folded !== undefined || this.#recent > this.#recentMax;
  }

  /**
   * Take a slice of `recent_counts` back into `counts`.
   *
   * @throws SQLITE_CORRUPT  where it is damaged: the next time it goes on behind it
   */
  fold(): void {
    const from = this.#folded ?? 0n;
    const to = this.#edge.get(from);
    if (to === undefined || to === null) {
      this.#folded = undefined;
      return;
    }
    try {
      this.#foldSlice(from, to, EVER_MS);
    } catch (error) {
      if (isCorrupt(error)) this.#folded = to;
      throw error;
    }
    this.#folded = to;
  }

  /**
   * Look at a slice of `recent_counts`, and take back into `counts` what was not changed for a while. One slice a
   * second goes round in a minute.
   *
   * @param now  milliseconds since the Unix epoch
   * @returns    whether there was any
   */
  foldQuiet(now: number): boolean {
    if (this.#recent <= QUIET_MIN) return false;
    const from = this.#looked;
    const to = this.#edge.get(from) ?? undefined;
    this.#looked = to ?? 0n;
    return to !== undefined && this.#foldSlice(from, to, BigInt(now - QUIET_MS)) > 0;
  }

  #foldSlice(from: bigint, to: bigint, beforeMs: bigint): number {
    const { changes } = this.#fold.run(from, to, beforeMs);
    if (changes === 0) return 0;
    const gone = this.#unfold.run(from, to, beforeMs).changes;
    if (gone !== changes) throw new Missed(to); // What was not taken back may not go.
    this.#recent -= gone;
    return changes;
  }

  /**
   * Look again how many are recent, after a transaction was rolled back. Where they cannot be counted, because some are
   * damaged, it stays what it was: folds go by it, and nothing else.
   */
  reload(): void {
    const size = unlessCorrupt(() => this.#size.get());
    if (size !== CORRUPT) this.#recent = Number(size);
  }
}

const COLUMNS = "id, value, revision, update_ms, min_value, max_value, checksum, carry";
/** What counting changes, as `changed` gives it. */
const COUNTED = ["value", "revision", "update_ms", "checksum"];

/** The statements that update a count in one of the tables: of one that has no refill, and of one that has. */
interface Updates {
  readonly plain: Statement;
  readonly carrying: Statement;
}

/** So many counts are kept together, about 2 MB; a fold of more of them would write fewer pages a row. */
const RECENT_MAX = 65_536;

/** Rows a slice of a fold; some 5 milliseconds. */
const SLICE_ROWS = 1_000;

/** So few are some thirty pages, whoever is among them. */
const QUIET_MIN = 4_096;
const QUIET_MS = 10_000;

/** After every time there is. */
const EVER_MS = 2n ** 62n;

/** By position: an object a statement costs a third of a microsecond. */
function changed({ plain, carrying }: Updates, count: StoredCount): boolean {
  const { id, value, revision, updateTime, checksum, carry } = count;
  // Numbers below 2^53 become whole numbers in a STRICT INTEGER column; the value may be beyond, and is a bigint.
  const { changes } =
    carry === undefined
      ? plain.run(value, revision, updateTime, checksum, id)
      : carrying.run(value, revision, updateTime, checksum, carry, id);
  return changes === 1;
}

/** A trigger may have it skipped, and what was taken from where it stood before would be gone. */
function inserted(insert: Statement, count: StoredCount): void {
  if (insert.run(nullable(count)).changes !== 1) throw new Missed(count.id);
}

/** A row is not there that was, or was to be: it rotted, or a trigger keeps it. */
export class Missed extends Error {
  readonly code = "SQLITE_CORRUPT";

  constructor(id: bigint) {
    super(`row ${id} was loaded before and is gone`);
  }
}

/** A row of a counter's timing is not there that was, although the one of its count is. */
export class MissedTiming extends Missed {}

function nullable(count: StoredCount): object {
  return { ...count, min: count.min ?? null, max: count.max ?? null, carry: count.carry ?? null };
}

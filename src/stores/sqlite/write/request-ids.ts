import type { Database } from "better-sqlite3";
import { CORRUPT } from "../../../core/batch.ts";
import {
  type GenerationPlan,
  keptRequestIds,
  planGenerations,
  type RequestIdRetention,
} from "../../../core/request-ids.ts";
import type { ExportHead, StoredRequestId } from "../../../service/store-copying.ts";
import type { Kept } from "../../../telemetry/kept.ts";
import { isCorrupt, unlessCorrupt } from "../rows/damage.ts";
import { idLink } from "../rows/generation-rows.ts";
import type { Head } from "../rows/head.ts";
import { generationsIn, LiveGeneration, writeGeneration } from "../rows/live-generation.ts";

/**
 * The answers under request ids, a table a generation (see core/request-ids.ts for how long they live).
 *
 * A key begins with the id, so ids that are ordered in time (UUIDv7) are appended at one end of the table, several
 * times cheaper than random ones; and a new one sorts after the last key of every generation, which is kept in
 * memory, so that none is searched for it.
 *
 * A forgotten generation is emptied in short slices by key range and dropped when empty: DROP TABLE of a full one
 * takes 60 ms a million rows.
 */
export class RequestIds {
  readonly #db: Database;
  readonly #head: Head;
  readonly #retention: RequestIdRetention;
  /** Oldest first; the last is open. */
  #live: LiveGeneration[];
  /** Dead generations that cannot be emptied, because they are damaged. */
  readonly #left = new Set<bigint>();
  /** From when on, in running time, a generation is closed again, after that has met damage. */
  #rotatesFromMs = Number.NEGATIVE_INFINITY;
  /** Whether the sizes are noted: until the rows of the generations have met damage. */
  #notes = true;
  readonly #told: (message: string) => void;
  #plan: GenerationPlan = { rotate: false, forget: [], early: false, fullForMs: undefined };

  /** @param told  what the operator is to know */
  constructor(
    db: Database,
    head: Head,
    retention: RequestIdRetention,
    runMs: number,
    told: (message: string) => void = () => {},
  ) {
    this.#told = told;
    this.#db = db;
    this.#head = head;
    this.#retention = retention;
    const live = generationsIn(db).filter(({ forgotten }) => forgotten === 0n);
    this.#live = live.map((row) => new LiveGeneration(db, row));
    if (this.#live.length === 0) {
      db.transaction(() => {
        this.#open(0, runMs);
        head.save();
      }).immediate();
    }
    this.plan(runMs);
  }

  /** Whether new ids must be refused, and for about how long. */
  get fullForMs(): number | undefined {
    return this.#plan.fullForMs;
  }

  find(key: string): Uint8Array | undefined | typeof CORRUPT {
    for (let g = this.#live.length - 1; g >= 0; g--) {
      const found = this.#live[g]!.find(key);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /**
   * Close the open generation and open the next, if that is due. Inside the caller's transaction.
   *
   * @throws SQLITE_CORRUPT  where that meets damage; it is tried again in ten minutes. Until then ids are kept in the open
   *                         one: longer than is promised, and once there is no room for more, new ones are refused
   */
  rotate(runMs: number): void {
    this.plan(runMs);
    if (!this.#plan.rotate || runMs < this.#rotatesFromMs) return;
    try {
      this.#live.at(-1)!.close(runMs);
      this.#open(this.#live.at(-1)!.id + 1, runMs);
    } catch (error) {
      if (isCorrupt(error)) {
        this.#rotatesFromMs = runMs + ROTATES_AGAIN_MS;
        this.#stuck();
      }
      throw error;
    }
  }

  /** Save answers; inside the caller's transaction. */
  save(answers: ReadonlyMap<string, Uint8Array>): void {
    if (answers.size > 0) this.#live.at(-1)!.save(answers);
  }

  /**
   * The same, one by one in their order, where SQLite finds damaged where one of them goes.
   *
   * @returns  the key of the first that cannot be saved; then the transaction is to be rolled back, for SQLite writes nothing
   *           more in it
   */
  saveApart(answers: ReadonlyMap<string, Uint8Array>): string | undefined {
    for (const answer of answers) {
      if (unlessCorrupt(() => this.#live.at(-1)!.save([answer])) === CORRUPT) return answer[0];
    }
    return undefined;
  }

  /** Forget what was saved in a transaction that was rolled back. */
  reload(runMs: number): void {
    const fresh = new RequestIds(this.#db, this.#head, this.#retention, runMs);
    this.#live = fresh.#live;
    this.plan(runMs);
  }

  /** Whether there is no id that lives. */
  get isEmpty(): boolean {
    return this.#live.every(({ isEmpty }) => isEmpty);
  }

  get generations(): ExportHead["generations"] {
    return this.#live.map(({ id, openedMs, closedMs }) => ({ id, openedMs, closedMs }));
  }

  /** Have these generations, without ids, and no others. Inside the caller's transaction. */
  begin(generations: ExportHead["generations"]): void {
    const ids = this.#db.prepare<[], bigint>("SELECT id FROM request_id_generations").pluck().all();
    for (const id of ids) this.#db.exec(`DROP TABLE request_ids_${id}`);
    this.#db.exec("DELETE FROM request_id_generations");
    this.#head.noteSchema();
    this.#live = [];
    for (const { id, openedMs, closedMs } of generations) {
      this.#open(id, openedMs);
      if (closedMs !== undefined) this.#live.at(-1)!.close(closedMs);
    }
  }

  /** Take in ids of another store, into the generations that it has them in. Inside the caller's transaction. */
  import(requestIds: readonly StoredRequestId[]): void {
    for (const generation of this.#live) {
      const its = requestIds.filter((each) => each.generation === generation.id);
      generation.save(its.map(({ key, record }) => [key, record] as const));
    }
  }

  /** Look at what is due. Returns true when ids are to be forgotten before their time. */
  plan(runMs: number): boolean {
    this.#plan = planGenerations(this.#live, runMs, this.#retention);
    return this.#plan.early;
  }

  /** How much is remembered. */
  keptAt(runMs: number): Kept["requestIds"] {
    return keptRequestIds(this.#live, runMs, this.#retention);
  }

  /**
   * Note what must survive a restart: the sizes. Inside the caller's transaction.
   *
   * @throws SQLITE_CORRUPT  where that meets damage; they are not noted any more then, and a start knows of less than there is
   */
  persist(): void {
    if (!this.#notes) return;
    try {
      for (const generation of this.#live) generation.persist();
    } catch (error) {
      if (isCorrupt(error)) this.#stuck();
      throw error;
    }
  }

  /** The rows of the generations have met damage. */
  #stuck(): void {
    if (this.#notes) this.#told(STUCK);
    this.#notes = false;
  }

  /** Declare dead what is due. Inside the caller's transaction. Returns how many generations were forgotten. */
  forget(): number {
    const { forget } = this.#plan;
    for (const generation of this.#live.splice(0, forget.length)) generation.persist(1n);
    return forget.length;
  }

  /**
   * Empty a slice of a dead generation. Inside the caller's transaction. Returns whether there was any.
   *
   * @throws SQLITE_CORRUPT  of one that is damaged: it is left until the next start, and the next time it is another's turn
   */
  empty(): boolean {
    const id = this.#db
      .prepare<[], bigint>("SELECT id FROM request_id_generations WHERE forgotten = 1 ORDER BY id")
      .pluck()
      .all()
      .find((each) => !this.#left.has(each));
    if (id === undefined) return false;
    try {
      this.#emptySlice(id);
    } catch (error) {
      if (isCorrupt(error)) this.#left.add(id);
      throw error;
    }
    return true;
  }

  #emptySlice(id: bigint): void {
    const table = `request_ids_${id}`;
    const edge = this.#db
      .prepare<[], string>(`SELECT key FROM ${table} ORDER BY key LIMIT 1 OFFSET ${SLICE_ROWS}`)
      .pluck()
      .get();
    if (edge !== undefined) this.#db.prepare(`DELETE FROM ${table} WHERE key < ?`).run(edge);
    else {
      this.#db.exec(`DROP TABLE ${table}`);
      this.#db.prepare("DELETE FROM request_id_generations WHERE id = ?").run(id);
      this.#head.noteSchema();
    }
  }

  #open(id: number, runMs: number): void {
    const table = `request_ids_${id}`;
    this.#db.exec(
      `CREATE TABLE ${table} (
         key TEXT PRIMARY KEY, checksum INTEGER NOT NULL, record BLOB NOT NULL, next INTEGER NOT NULL
       ) WITHOUT ROWID, STRICT`,
    );
    // Before all keys stands one that is nobody's, so that each has one before it.
    this.#db
      .prepare(`INSERT INTO ${table} (key, checksum, record, next) VALUES ('', 0, x'', ?)`)
      .run(idLink(id, "", ""));
    writeGeneration(this.#db, "INSERT", { id, openedMs: runMs, closedMs: undefined, bytes: 0 });
    this.#head.noteSchema();
    const row = generationsIn(this.#db).find((each) => each.id === BigInt(id))!;
    this.#live.push(new LiveGeneration(this.#db, row));
  }
}

const ROTATES_AGAIN_MS = 600_000;

const STUCK =
  "The file is damaged in request_id_generations, which says from when the request ids are: none are forgotten any more, and " +
  "once they fill their room (request-ids-bytes-max) calls with new ones are refused. Everything else goes on. `tally verify` " +
  "says what is damaged; restore a backup.";

/** Rows a slice; some 2 milliseconds. */
const SLICE_ROWS = 1_000;

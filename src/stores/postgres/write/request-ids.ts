import {
  type Generation,
  keptRequestIds,
  planGenerations,
  type RequestIdRetention,
} from "../../../core/request-ids.ts";
import type { Kept } from "../../../telemetry/kept.ts";
import type { Database } from "../connection/database.ts";
import { type Call, type Row, type Session, type Statement, theRow } from "../connection/session.ts";

/**
 * The answers under request ids (see core/request-ids.ts for how long they live), in one table for all processes.
 *
 * Each process knows the generations as they were at its last maintenance, and what it has saved itself since: the
 * room may be passed by what the others save in a second. In which generation an answer is saved is for the database
 * to say, so none is ever forgotten early.
 */
export class RequestIds {
  readonly #retention: RequestIdRetention;
  readonly #find: Statement;
  readonly #save: Statement;
  readonly #load: Statement;
  readonly #rotate: Statement;
  readonly #open: Statement;
  readonly #count: Statement;
  readonly #forget: Statement;
  readonly #empty: Statement;
  readonly #drop: Statement;
  /** Those that are not forgotten, oldest first; the last is open. */
  #generations: readonly Generation[] = [];
  /** Those that are, while they have answers left. */
  #forgotten: readonly number[] = [];
  /** The bytes that this process saved and the table of generations does not have. */
  #uncounted = 0;

  constructor(database: Database, retention: RequestIdRetention) {
    this.#retention = retention;
    this.#find = database.statement("SELECT key, record FROM @request_ids WHERE key = ANY($1::text[])");
    this.#save = database.statement(`
      INSERT INTO @request_ids (key, generation, record)
      SELECT key, (SELECT max(id) FROM @request_id_generations), record
      FROM unnest($1::text[], $2::bytea[]) AS u (key, record)`);
    this.#load = database.statement(`SELECT ${GENERATION_COLUMNS} FROM @request_id_generations ORDER BY id`);
    this.#rotate = database.statement("UPDATE @request_id_generations SET closed_ms = $2 WHERE id = $1");
    this.#open = database.statement(
      "INSERT INTO @request_id_generations (id, opened_ms, bytes) VALUES ($1, $2, 0)",
    );
    this.#count = database.statement("UPDATE @request_id_generations SET bytes = bytes + $2 WHERE id = $1");
    this.#forget = database.statement(
      "UPDATE @request_id_generations SET forgotten = true WHERE id = ANY($1::bigint[])",
    );
    this.#empty = database.statement(`
      WITH slice AS (SELECT key FROM @request_ids WHERE generation = $1 LIMIT ${SLICE_ROWS}),
        emptied AS (DELETE FROM @request_ids WHERE key IN (SELECT key FROM slice) RETURNING 1)
      SELECT count(*) AS count FROM emptied`);
    this.#drop = database.statement("DELETE FROM @request_id_generations WHERE id = $1");
  }

  /** To be sent once the rows are locked: who held them may have answered under these ids. */
  find(keys: readonly string[]): Call {
    return [this.#find, [keys]];
  }

  save(answers: ReadonlyMap<string, Uint8Array>): Call {
    const keys = [...answers.keys()].sort(); // One order for everyone, so no deadlock: who comes second waits.
    return [this.#save, [keys, keys.map((key) => answers.get(key))]];
  }

  /** These answers were committed. */
  saved(answers: ReadonlyMap<string, Uint8Array>): void {
    for (const [key, record] of answers)
      this.#uncounted += key.length + record.length + RECORD_OVERHEAD_BYTES;
  }

  /** Whether new ids must be refused, and for about how many milliseconds. */
  fullForMs(runMs: number): number | undefined {
    return this.#plan(runMs).fullForMs;
  }

  /** Whether some are to be forgotten before their time. */
  early(runMs: number): boolean {
    return this.#plan(runMs).early;
  }

  /** Those that are not forgotten, oldest first. */
  get generations(): readonly Generation[] {
    return this.#generations;
  }

  /** What the table of generations says, to be handed to `learn`. */
  get look(): Call {
    return [this.#load, []];
  }

  learn(rows: readonly Row[]): void {
    const generations = rows.map((row) => ({
      id: Number(row.id),
      openedMs: Number(row.opened_ms),
      closedMs: row.closed_ms === null ? undefined : Number(row.closed_ms),
      bytes: Number(row.bytes),
      forgotten: row.forgotten as boolean,
    }));
    const live = generations.filter(({ forgotten }) => !forgotten);
    if (live.length === 0) theRow([], "request_id_generations");
    this.#generations = live;
    this.#forgotten = generations.filter(({ forgotten }) => forgotten).map(({ id }) => id);
  }

  /** Whether `maintain` has something to do. */
  due(runMs: number): boolean {
    return this.#uncounted > 0 || this.more(runMs);
  }

  /** Whether it has so now, other than to count what was saved: under load there always is something to count. */
  more(runMs: number): boolean {
    const { rotate, forget } = this.#plan(runMs);
    return rotate || forget.length > 0 || this.#forgotten.length > 0;
  }

  /**
   * Count, close, forget, and empty a slice of what is forgotten. Inside a transaction whose owner has locked the
   * state of the service.
   *
   * @returns  what to do once it is committed
   */
  async maintain(session: Session, runMs: number): Promise<() => void> {
    this.learn(await session.send(...this.look));
    const { rotate, forget } = this.#plan(runMs);
    const counted = this.#uncounted;
    const open = this.#generations.at(-1)!;
    if (counted > 0) await session.send(this.#count, [open.id, counted]);
    if (rotate) {
      await session.send(this.#rotate, [open.id, Math.trunc(runMs)]);
      await session.send(this.#open, [open.id + 1, Math.trunc(runMs)]);
    }
    const forgotten = [...this.#forgotten, ...forget.map(({ id }) => id)];
    if (forget.length > 0) await session.send(this.#forget, [forgotten]);
    const [oldest] = forgotten;
    if (oldest !== undefined) {
      const [emptied] = await session.send(this.#empty, [oldest]);
      if (emptied!.count === 0n) await session.send(this.#drop, [oldest]);
    }
    const now = await session.send(...this.look);
    return () => {
      this.#uncounted -= counted;
      this.learn(now);
    };
  }

  /** How much is remembered. */
  keptAt(runMs: number): Kept["requestIds"] {
    return keptRequestIds(this.#counted, runMs, this.#retention);
  }

  #plan(runMs: number) {
    return planGenerations(this.#counted, runMs, this.#retention);
  }

  /** With what the table does not have yet. */
  get #counted(): readonly Generation[] {
    const known = this.#generations;
    const open = known.at(-1)!;
    return [...known.slice(0, -1), { ...open, bytes: open.bytes + this.#uncounted }];
  }
}

const GENERATION_COLUMNS = "id, opened_ms, closed_ms, bytes, forgotten";

/** Rows a slice; some 5 milliseconds. */
const SLICE_ROWS = 500;

/** What a record takes beside its key and bytes. */
export const RECORD_OVERHEAD_BYTES = 64;

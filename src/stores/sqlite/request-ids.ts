import type { Database, Statement } from "better-sqlite3";
import { CORRUPT } from "../../core/batch.ts";
import {
  type Generation,
  type GenerationPlan,
  planGenerations,
  type RequestIdRetention,
} from "../../core/request-ids.ts";
import type { ExportHead, StoredRequestId } from "../../service/store.ts";
import { Checksum } from "../checksum.ts";

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
  readonly #retention: RequestIdRetention;
  /** Oldest first; the last is open. */
  #live: LiveGeneration[];
  #plan: GenerationPlan = { rotate: false, forget: [], early: false, fullForMs: undefined };

  constructor(db: Database, retention: RequestIdRetention, runMs: number) {
    this.#db = db;
    this.#retention = retention;
    const rows = db
      .prepare<[], GenerationRow>(
        "SELECT id, opened_ms, closed_ms, bytes FROM request_id_generations WHERE forgotten = 0 ORDER BY id",
      )
      .all();
    this.#live = rows.map((row) => new LiveGeneration(db, row));
    if (this.#live.length === 0) this.#open(0, runMs);
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

  /** Save answers; inside the caller's transaction. */
  save(answers: ReadonlyMap<string, Uint8Array>, runMs: number): void {
    this.plan(runMs);
    if (this.#plan.rotate) {
      this.#live.at(-1)!.close(runMs);
      this.#open(this.#live.at(-1)!.id + 1, runMs);
    }
    const open = this.#live.at(-1)!;
    for (const [key, record] of answers) open.save(key, record);
  }

  /** Forget what was saved in a transaction that was rolled back. */
  reload(runMs: number): void {
    const fresh = new RequestIds(this.#db, this.#retention, runMs);
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
    this.#live = [];
    for (const { id, openedMs, closedMs } of generations) {
      this.#open(id, openedMs);
      if (closedMs !== undefined) this.#live.at(-1)!.close(closedMs);
    }
  }

  /** Take in ids of another store, into the generations that it has them in. Inside the caller's transaction. */
  import(requestIds: readonly StoredRequestId[]): void {
    for (const { generation, key, record } of requestIds) {
      this.#live.find(({ id }) => id === generation)!.save(key, record);
    }
  }

  /** Look at what is due. Returns true when ids are to be forgotten before their time. */
  plan(runMs: number): boolean {
    this.#plan = planGenerations(this.#live, runMs, this.#retention);
    return this.#plan.early;
  }

  /** Note what must survive a restart: the sizes. Inside the caller's transaction. */
  persist(): void {
    for (const generation of this.#live) generation.persist();
  }

  /** Declare dead what is due. Inside the caller's transaction. Returns how many generations were forgotten. */
  forget(): number {
    const { forget } = this.#plan;
    for (const { id } of forget) {
      this.#db.prepare("UPDATE request_id_generations SET forgotten = 1 WHERE id = ?").run(BigInt(id));
    }
    this.#live.splice(0, forget.length);
    return forget.length;
  }

  /** Empty a slice of a dead generation. Inside the caller's transaction. Returns whether there was any. */
  empty(): boolean {
    const id = this.#db
      .prepare<[], bigint>("SELECT id FROM request_id_generations WHERE forgotten = 1 ORDER BY id LIMIT 1")
      .pluck()
      .get();
    if (id === undefined) return false;
    const table = `request_ids_${id}`;
    const edge = this.#db
      .prepare<[], string>(`SELECT key FROM ${table} ORDER BY key LIMIT 1 OFFSET ${SLICE_ROWS}`)
      .pluck()
      .get();
    if (edge !== undefined) this.#db.prepare(`DELETE FROM ${table} WHERE key < ?`).run(edge);
    else {
      this.#db.exec(`DROP TABLE ${table}`);
      this.#db.prepare("DELETE FROM request_id_generations WHERE id = ?").run(id);
    }
    return true;
  }

  #open(id: number, runMs: number): void {
    this.#db.exec(
      `CREATE TABLE request_ids_${id} (
         key TEXT PRIMARY KEY, checksum INTEGER NOT NULL, record BLOB NOT NULL
       ) WITHOUT ROWID, STRICT`,
    );
    const row = { id: BigInt(id), opened_ms: BigInt(Math.trunc(runMs)), closed_ms: null, bytes: 0n };
    this.#db
      .prepare(
        "INSERT INTO request_id_generations (id, opened_ms, closed_ms, bytes) VALUES ($id, $opened_ms, $closed_ms, $bytes)",
      )
      .run(row);
    this.#live.push(new LiveGeneration(this.#db, row));
  }
}

/** Rows a slice; some 2 milliseconds. */
const SLICE_ROWS = 1_000;

/** What a record takes beside its key and bytes: its length fields, checksum and share of the page. */
const RECORD_OVERHEAD_BYTES = 16;

interface GenerationRow {
  readonly id: bigint;
  readonly opened_ms: bigint;
  readonly closed_ms: bigint | null;
  readonly bytes: bigint;
}

class LiveGeneration implements Generation {
  readonly id: number;
  readonly openedMs: number;
  closedMs: number | undefined;
  bytes: number;
  /** Its first and last key, "" while there is none: an id beyond them is new, and costs no search. */
  #first: string;
  #last: string;
  readonly #db: Database;
  readonly #find: Statement<[string], RecordRow>;
  readonly #insert: Statement<[string, bigint, Uint8Array]>;

  constructor(db: Database, row: GenerationRow) {
    this.#db = db;
    this.id = Number(row.id);
    this.openedMs = Number(row.opened_ms);
    this.closedMs = row.closed_ms === null ? undefined : Number(row.closed_ms);
    this.bytes = Number(row.bytes);
    const table = `request_ids_${this.id}`;
    this.#find = db.prepare(`SELECT checksum, record FROM ${table} WHERE key = ?`);
    this.#insert = db.prepare(`INSERT INTO ${table} (key, checksum, record) VALUES (?, ?, ?)`);
    const edge = (order: string) =>
      db.prepare<[], string>(`SELECT key FROM ${table} ORDER BY key ${order} LIMIT 1`).pluck().get() ?? "";
    this.#first = edge("ASC");
    this.#last = edge("DESC");
  }

  get isEmpty(): boolean {
    return this.#last === "";
  }

  find(key: string): Uint8Array | undefined | typeof CORRUPT {
    if (key > this.#last || key < this.#first) return undefined;
    const found = this.#find.get(key);
    return found && soundRecord(key, found);
  }

  save(key: string, record: Uint8Array): void {
    this.#insert.run(key, checksumOf(key, record), record);
    if (key > this.#last) this.#last = key;
    if (key < this.#first || this.#first === "") this.#first = key;
    this.bytes += key.length + record.length + RECORD_OVERHEAD_BYTES;
  }

  close(runMs: number): void {
    this.closedMs = Math.trunc(runMs);
    this.persist();
  }

  persist(): void {
    const closed = this.closedMs === undefined ? null : BigInt(this.closedMs);
    this.#db
      .prepare("UPDATE request_id_generations SET closed_ms = ?, bytes = ? WHERE id = ?")
      .run(closed, BigInt(this.bytes), BigInt(this.id));
  }
}

/** A row of a generation's table, without its key. */
export interface RecordRow {
  readonly checksum: bigint;
  readonly record: Uint8Array;
}

export function soundRecord(key: string, { checksum, record }: RecordRow): Uint8Array | typeof CORRUPT {
  return checksumOf(key, record) === checksum ? record : CORRUPT;
}

function checksumOf(key: string, record: Uint8Array): bigint {
  return BigInt(new Checksum().text(key).bytes(record).value);
}

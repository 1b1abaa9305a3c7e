import type { Database, Statement } from "better-sqlite3";
import { CORRUPT } from "../../core/batch.ts";
import {
  type Generation,
  type GenerationPlan,
  planGenerations,
  type RequestIdRetention,
} from "../../core/request-ids.ts";
import type { ExportHead, StoredRequestId } from "../../service/store.ts";
import { fits } from "../checksum.ts";
import { unusable } from "../unusable.ts";
import {
  GENERATION_COLUMNS,
  type GenerationRow,
  generationChecksum,
  idLink,
  type RecordRow,
  recordChecksum,
  soundRecord,
} from "./generation-rows.ts";
import type { Head } from "./head.ts";

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
  #plan: GenerationPlan = { rotate: false, forget: [], early: false, fullForMs: undefined };

  constructor(db: Database, head: Head, retention: RequestIdRetention, runMs: number) {
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

  /** Save answers; inside the caller's transaction. */
  save(answers: ReadonlyMap<string, Uint8Array>, runMs: number): void {
    this.plan(runMs);
    if (this.#plan.rotate) {
      this.#live.at(-1)!.close(runMs);
      this.#open(this.#live.at(-1)!.id + 1, runMs);
    }
    if (answers.size > 0) this.#live.at(-1)!.save(answers);
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

  /** Note what must survive a restart: the sizes. Inside the caller's transaction. */
  persist(): void {
    for (const generation of this.#live) generation.persist();
  }

  /** Declare dead what is due. Inside the caller's transaction. Returns how many generations were forgotten. */
  forget(): number {
    const { forget } = this.#plan;
    for (const generation of this.#live.splice(0, forget.length)) generation.persist(1n);
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
      this.#head.noteSchema();
    }
    return true;
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
      .run(idLink("", ""));
    writeGeneration(this.#db, "INSERT", { id, openedMs: runMs, closedMs: undefined, bytes: 0 });
    this.#head.noteSchema();
    const row = generationsIn(this.#db).find((each) => each.id === BigInt(id))!;
    this.#live.push(new LiveGeneration(this.#db, row));
  }
}

/** Rows a slice; some 2 milliseconds. */
const SLICE_ROWS = 1_000;

/** What a record takes beside its key and bytes: its length fields, checksums and share of the page. */
const RECORD_OVERHEAD_BYTES = 21;

class LiveGeneration implements Generation {
  readonly id: number;
  readonly openedMs: number;
  closedMs: number | undefined;
  bytes: number;
  /**
   * Its last key, "" while there is none: an id beyond it is new, and costs no search. Undefined when the row that is
   * found last does not say that none follows.
   */
  #last: string | undefined;
  /** Where keys were looked for and not found, until something is saved: mostly just that. */
  readonly #gaps = new Map<string, Around>();
  readonly #db: Database;
  readonly #find: Statement<[string], RecordRow>;
  readonly #around: Statement<[{ key: string }], Around>;
  readonly #insert: Statement<[string, number, Uint8Array, number]>;
  readonly #relink: Statement<[number, string]>;

  constructor(db: Database, row: GenerationRow) {
    this.#db = db;
    this.id = Number(row.id);
    this.openedMs = Number(row.opened_ms);
    this.closedMs = row.closed_ms === null ? undefined : Number(row.closed_ms);
    this.bytes = Number(row.bytes);
    const table = `request_ids_${this.id}`;
    this.#find = db.prepare(`SELECT checksum, record FROM ${table} WHERE key = ?`);
    this.#around = db.prepare<[{ key: string }], Around>(`
      SELECT key AS below, next, (SELECT key FROM ${table} WHERE key > $key ORDER BY key LIMIT 1) AS above
      FROM ${table} WHERE key <= $key ORDER BY key DESC LIMIT 1`);
    this.#insert = db.prepare(`INSERT INTO ${table} (key, checksum, record, next) VALUES (?, ?, ?, ?)`);
    this.#relink = db.prepare(`UPDATE ${table} SET next = ? WHERE key = ?`);
    const last = db
      .prepare<[], Around>(`SELECT key AS below, next, NULL AS above FROM ${table} ORDER BY key DESC LIMIT 1`)
      .get();
    this.#last = last !== undefined && areNeighbours(last) ? last.below : undefined;
  }

  get isEmpty(): boolean {
    return this.#last === "";
  }

  find(key: string): Uint8Array | undefined | typeof CORRUPT {
    if (this.#isBeyond(key)) return undefined;
    const around = this.#around.get({ key });
    if (around === undefined) return CORRUPT;
    if (around.below === key) {
      const found = this.#find.get(key);
      return found === undefined ? CORRUPT : soundRecord(key, found);
    }
    if (!areNeighbours(around)) return CORRUPT;
    if (this.#gaps.size >= GAPS_MAX) this.#gaps.clear();
    this.#gaps.set(key, around);
    return undefined;
  }

  #isBeyond(key: string): boolean {
    return this.#last !== undefined && key > this.#last;
  }

  /** Save answers under keys that it does not have. Inside the caller's transaction. */
  save(answers: Iterable<readonly [key: string, record: Uint8Array]>): void {
    const sorted = [...answers].sort(([a], [b]) => (a < b ? -1 : 1));
    for (let first = 0, end: number; first < sorted.length; first = end) {
      const { below, above } = this.#gapOf(sorted[first]![0]);
      for (end = first + 1; end < sorted.length && (above === null || sorted[end]![0] < above); ) end++;
      this.#saveIn(below, above ?? "", sorted.slice(first, end));
    }
    this.#gaps.clear();
  }

  /** Between which keys a key goes. */
  #gapOf(key: string): Pick<Around, "below" | "above"> {
    if (this.#isBeyond(key)) return { below: this.#last!, above: null };
    const around = this.#gaps.get(key) ?? this.#around.get({ key });
    if (around !== undefined) return around;
    throw Object.assign(new Error("no id is before this one"), { code: "SQLITE_CORRUPT" });
  }

  /** Save what goes between two keys, in order: each is linked to the next as it is written. */
  #saveIn(below: string, above: string, answers: readonly (readonly [string, Uint8Array])[]): void {
    for (const [i, [key, record]] of answers.entries())
      this.#write(key, record, answers[i + 1]?.[0] ?? above);
    this.#relink.run(idLink(below, answers[0]![0]), below);
    const last = answers.at(-1)![0];
    if (this.#isBeyond(last)) this.#last = last;
  }

  #write(key: string, record: Uint8Array, next: string): void {
    this.#insert.run(key, recordChecksum(key, record), record, idLink(key, next));
    this.bytes += key.length + record.length + RECORD_OVERHEAD_BYTES;
  }

  close(runMs: number): void {
    this.closedMs = Math.trunc(runMs);
    this.persist();
  }

  persist(forgotten = 0n): void {
    writeGeneration(this.#db, "UPDATE", this, forgotten);
  }
}

/** As many as a batch can look for. */
const GAPS_MAX = 8_000;

/** The row at a key or before it, and the key after it. */
interface Around {
  readonly below: string;
  readonly next: bigint;
  readonly above: string | null;
}

function areNeighbours({ below, next, above }: Around): boolean {
  return fits(() => idLink(below, above ?? ""), next);
}

function writeGeneration(
  db: Database,
  how: "INSERT" | "UPDATE",
  { id, openedMs, closedMs, bytes }: Generation,
  forgotten = 0n,
): void {
  const opened = BigInt(Math.trunc(openedMs));
  const closed = closedMs === undefined ? null : BigInt(closedMs);
  const sum = BigInt(generationChecksum(BigInt(id), opened, closed, BigInt(bytes), forgotten));
  const row = { id: BigInt(id), opened, closed, bytes: BigInt(bytes), forgotten, sum };
  const statement =
    how === "INSERT"
      ? `INSERT INTO request_id_generations (${GENERATION_COLUMNS}) VALUES ($id, $opened, $closed, $bytes, $forgotten, $sum)`
      : "UPDATE request_id_generations SET closed_ms = $closed, bytes = $bytes, forgotten = $forgotten, checksum = $sum WHERE id = $id";
  db.prepare(statement).run(row);
}

/**
 * The rows of all generations, oldest first.
 *
 * @throws TallyError STORE_UNAVAILABLE when one is damaged, or a row or a table is missing
 */
export function generationsIn(db: Database): GenerationRow[] {
  const rows = db
    .prepare<[], GenerationRow>(`SELECT ${GENERATION_COLUMNS} FROM request_id_generations ORDER BY id`)
    .all();
  const tables = db
    .prepare<[], string>("SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'request_ids_*'")
    .pluck()
    .all();
  const sound = ({ id, opened_ms, closed_ms, bytes, forgotten, checksum }: GenerationRow) =>
    fits(() => generationChecksum(id, opened_ms, closed_ms, bytes, forgotten), checksum) &&
    tables.includes(`request_ids_${id}`);
  if (rows.length === tables.length && rows.every(sound)) return rows;
  throw unusable("What the file says of its request ids is damaged; restore it from a backup.");
}

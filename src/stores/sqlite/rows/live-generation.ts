import type { Database, Statement } from "better-sqlite3";
import { CORRUPT } from "../../../core/batch.ts";
import type { Generation } from "../../../core/request-ids.ts";
import { fits } from "../../shared/checksum.ts";
import { unusable } from "../../shared/unusable.ts";
import { corrupt, unlessCorrupt } from "./damage.ts";
import {
  GENERATION_COLUMNS,
  type GenerationRow,
  generationChecksum,
  idLink,
  type RecordRow,
  recordChecksum,
  soundRecord,
} from "./generation-rows.ts";

/** What a record takes beside its key and bytes: its length fields, checksums and share of the page. */
const RECORD_OVERHEAD_BYTES = 21;

/** A generation whose ids live: its table, and its row in `request_id_generations`. */
export class LiveGeneration implements Generation {
  readonly id: number;
  readonly openedMs: number;
  closedMs: number | undefined;
  bytes: number;
  /**
   * Its last key, "" while there is none: an id beyond it is new, and costs no search. Undefined when the row that is
   * found last does not say that none follows, or none can be found.
   */
  #last: string | undefined;
  /** Where keys were looked for and not found, until something is saved: mostly just that. */
  readonly #gaps = new Map<string, Around>();
  readonly #db: Database;
  readonly #find: Statement<[string], RecordRow>;
  readonly #around: Statement<[{ key: string }], Around>;
  readonly #insert: Statement<[string, number, Uint8Array, number]>;
  readonly #relink: Statement<[number, string, bigint | number]>;
  readonly #leads: Statement<[string, bigint | number], unknown>;

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
    this.#relink = db.prepare(`UPDATE ${table} SET next = ? WHERE key = ? AND next = ?`);
    this.#leads = db.prepare(`SELECT 1 FROM ${table} WHERE key = ? AND next = ?`);
    const find = db.prepare<[], Around>(
      `SELECT key AS below, next, NULL AS above FROM ${table} ORDER BY key DESC LIMIT 1`,
    );
    const last = unlessCorrupt(() => find.get());
    this.#last = last !== undefined && last !== CORRUPT && this.#areNeighbours(last) ? last.below : undefined;
  }

  get isEmpty(): boolean {
    return this.#last === "";
  }

  /** CORRUPT where its record is damaged, or may be there and cannot be found. */
  find(key: string): Uint8Array | undefined | typeof CORRUPT {
    return this.#isBeyond(key) ? undefined : unlessCorrupt(() => this.#search(key));
  }

  #search(key: string): Uint8Array | undefined | typeof CORRUPT {
    const around = this.#around.get({ key });
    if (around === undefined) return CORRUPT;
    if (around.below === key) {
      const found = this.#find.get(key);
      return found === undefined ? CORRUPT : soundRecord(key, found);
    }
    if (!this.#areNeighbours(around)) return CORRUPT;
    if (this.#gaps.size >= GAPS_MAX) this.#gaps.clear();
    this.#gaps.set(key, around);
    return undefined;
  }

  #isBeyond(key: string): boolean {
    return this.#last !== undefined && key > this.#last;
  }

  #areNeighbours({ below, next, above }: Around): boolean {
    return fits(() => idLink(this.id, below, above ?? ""), next);
  }

  /**
   * Save answers under keys that it does not have. Inside the caller's transaction.
   *
   * @throws SQLITE_CORRUPT where one cannot be put between its neighbours; then the whole is to be rolled back, and read anew
   */
  save(answers: Iterable<readonly [key: string, record: Uint8Array]>): void {
    const sorted = [...answers].sort(([a], [b]) => (a < b ? -1 : 1));
    for (let first = 0, end: number; first < sorted.length; first = end) {
      const gap = this.#gapOf(sorted[first]![0]);
      for (end = first + 1; end < sorted.length && (gap.above === null || sorted[end]![0] < gap.above); )
        end++;
      this.#saveIn(gap, sorted.slice(first, end));
    }
    this.#gaps.clear();
  }

  /** Between which keys a key goes. */
  #gapOf(key: string): Gap {
    if (this.#isBeyond(key))
      return { below: this.#last!, next: idLink(this.id, this.#last!, ""), above: null };
    const around = this.#gaps.get(key) ?? this.#around.get({ key });
    if (around !== undefined && this.#areNeighbours(around)) return around;
    throw corrupt("no id is before this one, or others are hidden there");
  }

  /** Save what goes between two keys, in order: each is linked to the next as it is written. */
  #saveIn({ below, next, above }: Gap, answers: readonly (readonly [string, Uint8Array])[]): void {
    for (const [i, [key, record]] of answers.entries())
      this.#write(key, record, answers[i + 1]?.[0] ?? above ?? "");
    this.#lead(below, next, answers[0]![0]);
    const last = answers.at(-1)![0];
    if (this.#isBeyond(last)) this.#last = last;
  }

  /**
   * An update looks the row up anew, and once more to write it over. Where the cells of a page are out of order each may come to
   * another one, even under this one's key: that one leads elsewhere, and this one still to where it led.
   */
  #lead(key: string, led: bigint | number, to: string): void {
    const isLed = this.#relink.run(idLink(this.id, key, to), key, led).changes === 1;
    if (!isLed || this.#leads.get(key, led) !== undefined)
      throw corrupt("the id before this one cannot be written");
  }

  #write(key: string, record: Uint8Array, next: string): void {
    this.#insert.run(key, recordChecksum(key, record), record, idLink(this.id, key, next));
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

/** Two keys that follow each other, if the link of the first says so. */
interface Gap {
  readonly below: string;
  readonly next: bigint | number;
  readonly above: string | null;
}
/** The row at a key or before it, and the key after it. */
type Around = Gap & { readonly next: bigint };

/** Write the row of a generation. Inside the caller's transaction. */
export function writeGeneration(
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
  const rows = unlessCorrupt(() =>
    db
      .prepare<[], GenerationRow>(`SELECT ${GENERATION_COLUMNS} FROM request_id_generations ORDER BY id`)
      .all(),
  );
  const tables = db
    .prepare<[], string>("SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'request_ids_*'")
    .pluck()
    .all();
  const sound = ({ id, opened_ms, closed_ms, bytes, forgotten, checksum }: GenerationRow) =>
    fits(() => generationChecksum(id, opened_ms, closed_ms, bytes, forgotten), checksum) &&
    tables.includes(`request_ids_${id}`);
  if (rows !== CORRUPT && rows.length === tables.length && rows.every(sound)) return rows;
  throw unusable(
    "What the file says of its request ids is damaged (request_id_generations); restore it from a backup.",
  );
}

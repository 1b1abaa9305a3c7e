import type { Database, Statement } from "better-sqlite3";
import { Checksum, fits } from "../../shared/checksum.ts";
import { unusable } from "../../shared/unusable.ts";

/** What the whole file is told by, in one row with a checksum. */
export interface HeadRow {
  /** How long the service has run on the file, over all its starts, in milliseconds. */
  readonly run_ms: bigint;
  /** How often the file was opened to be served: a write that each start can show its durability by. */
  readonly starts: bigint;
  /** Up to where the change log was dropped, and the position of the latest commit. */
  readonly log_dropped: bigint;
  readonly log_end: bigint;
  /** How many openings there are, and the sum of the ids of their counters. */
  readonly openings: bigint;
  readonly opening_ids: bigint;
  /** Over the tables and where they are; and SQLite's count of changes of the schema, when that was noted. */
  readonly schema_sum: bigint;
  readonly schema_version: bigint;
  /** The wall clock when run_ms was written; NULL when that was before it was. */
  readonly wall_ms: bigint | null;
}

/**
 * The row of `service_time`, as it is in the transaction under way. The log is believed to end, and ids to be forgotten,
 * only where it says so: a b-tree that has lost its end shows nothing of it.
 *
 * @throws TallyError STORE_UNAVAILABLE when the row is damaged
 */
export class Head {
  readonly #db: Database;
  readonly #read: () => HeadRow;
  readonly #update: Statement<[HeadRow & { checksum: number }]>;
  readonly #updateEnd: Statement<[bigint, number]>;
  #row: HeadRow;
  /** The checksum over all but the log's end, which is what each commit moves. */
  #still: number;
  #logEnd: bigint;
  #changed = false;

  constructor(db: Database) {
    this.#db = db;
    this.#read = headReader(db);
    const set = [...COLUMNS, "wall_ms", "checksum"].map((column) => `${column} = $${column}`).join(", ");
    this.#update = db.prepare(`UPDATE service_time SET ${set}`);
    this.#updateEnd = db.prepare("UPDATE service_time SET log_end = ?, checksum = ?");
    this.#row = this.#read();
    this.#still = stillOf(this.#row);
    this.#logEnd = this.#row.log_end;
  }

  get row(): HeadRow {
    return this.#row;
  }

  set(columns: Partial<Omit<HeadRow, "log_end">>): void {
    this.#row = { ...this.#row, ...columns };
    this.#changed = true;
  }

  /** Write what was set, and where the log ends. Inside the caller's transaction. */
  save(logEnd = this.#logEnd): void {
    if (this.#changed) {
      this.#row = { ...this.#row, log_end: logEnd };
      this.#still = stillOf(this.#row);
      this.#update.run({ ...this.#row, checksum: checksumOf(this.#still, logEnd) });
    } else if (logEnd !== this.#logEnd) this.#updateEnd.run(logEnd, checksumOf(this.#still, logEnd));
    this.#logEnd = logEnd;
    this.#changed = false;
  }

  /** After a transaction was rolled back. */
  reload(): void {
    this.#row = this.#read();
    this.#still = stillOf(this.#row);
    this.#logEnd = this.#row.log_end;
    this.#changed = false;
  }

  /** Note which tables there are, after one was made or dropped. Inside the caller's transaction. */
  noteSchema(): void {
    const schema_sum = schemaSum(this.#db);
    if (schema_sum !== this.#row.schema_sum || schemaVersion(this.#db) !== this.#row.schema_version) {
      this.set({ schema_sum, schema_version: schemaVersion(this.#db) });
    }
  }

  /** Refuse a schema that differs from what was written. */
  assertSchema(path: string): void {
    if (isSchemaAsWritten(this.#db, this.#row)) return;
    throw unusable(`${path} is damaged: its schema is not what was written; restore it from a backup.`);
  }
}

/** Reads the row, on any connection. */
export function headReader(db: Database): () => HeadRow {
  const read = db.prepare<[], HeadRow & { checksum: bigint }>(
    `SELECT ${COLUMNS.join(", ")}, wall_ms, checksum FROM service_time LIMIT 2`,
  );
  return () => {
    const [row, ...others] = read.all();
    if (row !== undefined && others.length === 0 && isSound(row)) return row;
    throw unusable(DAMAGED);
  };
}

/**
 * The row from its columns in the order that the table has them.
 *
 * @returns  undefined when they are none of such a row, or damaged
 */
export function headFrom(columns: readonly unknown[]): HeadRow | undefined {
  if (columns.length !== IN_ORDER.length) return undefined;
  const named = IN_ORDER.map((name, i) => [
    name,
    Number.isSafeInteger(columns[i]) ? BigInt(columns[i] as number) : null,
  ]);
  const row: HeadRow & { checksum: bigint } = Object.fromEntries(named);
  return isSound(row) ? row : undefined;
}

function isSound(row: HeadRow & { checksum: bigint }): boolean {
  return fits(() => checksumOf(stillOf(row), row.log_end), row.checksum);
}

const DAMAGED = "The row that says how far the file has come is damaged; restore the file from a backup.";

/** What was there when it got its checksum. */
const COLUMNS = [
  ...["run_ms", "starts", "log_dropped", "log_end", "openings", "opening_ids"],
  ...["schema_sum", "schema_version"],
] as const as readonly (keyof Omit<HeadRow, "wall_ms">)[];

/** As they stand in the table, and how many there are. */
const IN_ORDER = [...COLUMNS, "checksum", "wall_ms"];
export const HEAD_COLUMNS = IN_ORDER.length;

function stillOf({ wall_ms, ...row }: HeadRow): number {
  const sum = new Checksum();
  for (const column of COLUMNS) if (column !== "log_end") sum.int64(row[column]);
  if (wall_ms !== null) sum.int64(wall_ms);
  return sum.value;
}

function checksumOf(still: number, logEnd: bigint): number {
  return new Checksum(still).int64(logEnd).value;
}

/** Give the row of a file from before there was a checksum its first one. Inside the caller's transaction. */
export function sealHead(db: Database): void {
  const row = db
    .prepare<[], HeadRow>(`SELECT ${COLUMNS.join(", ")}, NULL AS wall_ms FROM service_time`)
    .safeIntegers(true)
    .get();
  if (row === undefined) throw unusable(DAMAGED);
  db.prepare("UPDATE service_time SET checksum = ?").run(checksumOf(stillOf(row), row.log_end));
}

/** Whether the schema is what was written; or somebody changed it by SQL since: then SQLite counted that. */
export function isSchemaAsWritten(
  db: Database,
  row: Pick<HeadRow, "schema_sum" | "schema_version">,
): boolean {
  return schemaVersion(db) !== row.schema_version || schemaSum(db) === row.schema_sum;
}

function schemaSum(db: Database): bigint {
  const sum = new Checksum();
  const tables = db
    .prepare<[], { name: string; rootpage: bigint; sql: string | null }>(
      "SELECT name, rootpage, sql FROM sqlite_schema ORDER BY name",
    )
    .safeIntegers(true);
  for (const { name, rootpage, sql } of tables.all()) {
    sum
      .text(name)
      .int64(rootpage ?? -1n)
      .text(sql ?? "");
  }
  return BigInt(sum.value);
}

function schemaVersion(db: Database): bigint {
  return BigInt(db.pragma("schema_version", { simple: true }) as bigint | number);
}

import type { Database, Statement } from "better-sqlite3";
import type { Span } from "../../../core/points.ts";
import { Checksum, fits } from "../../shared/checksum.ts";
import type { HistoryHead } from "../../shared/history/rows.ts";
import type { LogPlace } from "../write/history-binding.ts";
import type { Tables } from "./tables.ts";

/** Where a history has come from, and how far. */
export interface StoredHead extends HistoryHead {
  readonly logId: string;
  /** The latest commit that it has; position 0 before the first. */
  readonly place: LogPlace;
  /** What was surely on disk when this was written. */
  readonly durable: LogPlace | undefined;
  readonly tables: Tables;
}

/** The row of `head`. */
export class HeadRows {
  readonly #read: Statement<[], Row & { checksum: bigint }>;
  readonly #insert: Statement<[Row & { checksum: number }]>;
  readonly #update: Statement<[Row & { checksum: number }]>;

  constructor(db: Database) {
    this.#read = db.prepare(`SELECT ${COLUMNS.join(", ")}, checksum FROM head LIMIT 2`);
    const all = [...COLUMNS, "checksum"];
    this.#insert = db.prepare(
      `INSERT INTO head (${all.join(", ")}) VALUES (${all.map((column) => `$${column}`).join(", ")})`,
    );
    this.#update = db.prepare(`UPDATE head SET ${all.map((column) => `${column} = $${column}`).join(", ")}`);
  }

  /** @returns  undefined when it is damaged */
  read(): StoredHead | undefined {
    const [row, ...others] = this.#read.all();
    if (row === undefined || others.length > 0 || !fits(() => checksumOf(row), row.checksum))
      return undefined;
    return {
      logId: row.log_id,
      cursor: row.cursor,
      place: { position: Number(row.position), sum: numberOr(row.sum) },
      durable:
        row.durable_position === null
          ? undefined
          : { position: Number(row.durable_position), sum: numberOr(row.durable_sum) },
      time: Number(row.time_ms),
      latest: Number(row.latest_ms),
      position: Number(row.change_position),
      gaps: (JSON.parse(row.gaps) as [number, number][]).map(([from, to]): Span => ({ from, to })),
      droppedTo: JSON.parse(row.dropped_to) as number[],
      tables: JSON.parse(row.tables) as Tables,
    };
  }

  /** Inside the caller's transaction. */
  write(head: StoredHead, first = false): void {
    const row: Row = {
      log_id: head.logId,
      cursor: head.cursor,
      position: BigInt(head.place.position),
      sum: bigintOr(head.place.sum),
      durable_position: bigintOr(head.durable?.position),
      durable_sum: bigintOr(head.durable?.sum),
      time_ms: BigInt(head.time),
      latest_ms: BigInt(head.latest),
      change_position: BigInt(head.position),
      gaps: JSON.stringify(head.gaps.map(({ from, to }) => [from, to])),
      dropped_to: JSON.stringify(head.droppedTo),
      tables: JSON.stringify(head.tables),
    };
    (first ? this.#insert : this.#update).run({ ...row, checksum: checksumOf(row) });
  }
}

interface Row {
  readonly log_id: string;
  readonly cursor: string;
  readonly position: bigint;
  readonly sum: bigint | null;
  readonly durable_position: bigint | null;
  readonly durable_sum: bigint | null;
  readonly time_ms: bigint;
  readonly latest_ms: bigint;
  readonly change_position: bigint;
  readonly gaps: string;
  readonly dropped_to: string;
  readonly tables: string;
}

const COLUMNS = [
  ...["log_id", "cursor", "position", "sum", "durable_position", "durable_sum"],
  ...["time_ms", "latest_ms", "change_position", "gaps", "dropped_to", "tables"],
];

function checksumOf(row: Row): number {
  return new Checksum()
    .text(row.log_id)
    .text(row.cursor)
    .int64(row.position)
    .optional(row.sum ?? undefined)
    .optional(row.durable_position ?? undefined)
    .optional(row.durable_sum ?? undefined)
    .int64(row.time_ms)
    .int64(row.latest_ms)
    .int64(row.change_position)
    .text(row.gaps)
    .text(row.dropped_to)
    .text(row.tables).value;
}

function numberOr(value: bigint | null): number | undefined {
  return value === null ? undefined : Number(value);
}

function bigintOr(value: number | undefined): bigint | null {
  return value === undefined ? null : BigInt(value);
}

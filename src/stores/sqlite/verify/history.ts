/** A history by itself: its rows are sound, and none is missing. */
import type { Statement } from "better-sqlite3";
import { Level, PERIOD_MS, periodStart } from "../../../core/levels.ts";
import { unpackBuckets } from "../../../core/packed-buckets.ts";
import type { HistoryRow } from "../../../service/store-history-copying.ts";
import { placeOf } from "../../shared/history/copying.ts";
import { HistoryRowPages } from "../history/exporting.ts";
import { areLedTo } from "../history/tables.ts";
import type { HistorySums } from "./history-sums.ts";
import { type LookedHistory, outOfOrder, SLICE_ROWS, type Walk } from "./walk.ts";

/** Looks at each row of a history, and tells the sums of its minutes. */
export class HistoryWalk implements Walk {
  readonly part = "history";
  rows = 0;
  readonly #looked: LookedHistory;
  readonly #sums: HistorySums;
  readonly #pages: HistoryRowPages;
  readonly #has: Statement<[bigint, bigint, bigint], bigint>;
  readonly #lacksDays: Statement<[], { period_ms: bigint; number: bigint }>;
  #cursor = "";

  constructor(looked: LookedHistory, sums: HistorySums) {
    const { db } = looked;
    this.#looked = looked;
    this.#sums = sums;
    this.#pages = new HistoryRowPages(db);
    this.#has = db
      .prepare<[bigint, bigint, bigint], bigint>(
        "SELECT 1 FROM packed WHERE level = ? AND period_ms = ? AND number = ?",
      )
      .pluck();
    this.#lacksDays = db.prepare(`
      SELECT period_ms, number FROM day_rows WHERE NOT EXISTS (SELECT 1 FROM packed
        WHERE level = ${Level.DAY} AND packed.period_ms = day_rows.period_ms AND packed.number = day_rows.number)`);
  }

  step(): boolean {
    const { findings, db } = this.#looked;
    const { rows, cursor, damagedFrom } = this.#pages.page(this.#cursor, SLICE_ROWS);
    if (damagedFrom !== undefined)
      findings.add("HISTORY_DAMAGED", `from ${timeOf(damagedFrom)}`, "a row fails its checksum", "restore");
    for (const row of rows) this.#look(row);
    this.rows += rows.length;
    if (cursor !== this.#cursor) {
      this.#goOn(cursor);
      return true;
    }
    for (const { period_ms } of this.#lacksDays.iterate()) this.#missing(Number(period_ms));
    if (!areLedTo(db))
      findings.add("HISTORY_DAMAGED", "indexes", "they do not lead to all counters", "start");
    return false;
  }

  #goOn(cursor: string): void {
    const [before, now] = [placeOf(this.#cursor), placeOf(cursor)];
    const differs = now.after.findIndex((key, i) => key !== before.after[i]);
    if (now.table === before.table && now.after[differs]! < before.after[differs]!) throw outOfOrder();
    this.#cursor = cursor;
  }

  #look(row: HistoryRow): void {
    if (row.table === "minutes")
      this.#sums.take(row.number, unpackBuckets(Level.MINUTE, row.start, row.buckets));
    if (row.table !== "packed") return;
    const { level, period, number } = row;
    const buckets = unpackBuckets(level, period, row.buckets);
    if (level === Level.MINUTE) {
      this.#sums.take(number, buckets);
      return;
    }
    // What is packed into one level is packed into the finer one, too.
    const finer = level === Level.DAY ? Level.QUARTER : Level.MINUTE;
    const periods = new Set(buckets.map(({ start }) => periodStart(finer, start)));
    for (const each of periods) {
      if (each + PERIOD_MS[finer] <= this.#looked.head.droppedTo[finer]!) continue;
      if (this.#has.get(BigInt(finer), BigInt(each), BigInt(number)) === undefined) this.#missing(each);
    }
  }

  #missing(from: number): void {
    this.#looked.findings.add("HISTORY_DAMAGED", `from ${timeOf(from)}`, "a row is missing", "restore");
  }
}

function timeOf(ms: number): string {
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : `${ms}`;
}

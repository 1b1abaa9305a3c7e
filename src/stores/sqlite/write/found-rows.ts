import type { Database } from "better-sqlite3";
import { CORRUPT, type Loaded } from "../../../core/batch.ts";
import type { Fixed } from "../../../core/counter.ts";
import { RowReader } from "../rows/row-reader.ts";
import { type Row, toFullCounter, toRow } from "../rows/rows.ts";
import { hasTiming } from "../rows/timing-rows.ts";
import type { BatchRows, LoadedRows } from "./batch-rows.ts";

/** What is known of counters that are to be tidied, or settled. */
export type FoundFacts = Pick<Loaded, "names" | "counters" | "fixed">;

/** What leads to a counter that is due. */
export interface DueEntry {
  readonly due_ms: bigint;
  readonly counter_id: bigint;
}

/** The rows of counters that nobody calls just then: looked for to write down what time and policies have made of them. */
export class FoundRows {
  readonly #reads: RowReader;
  readonly #rows: BatchRows;

  constructor(db: Database, rows: BatchRows) {
    this.#reads = new RowReader(db);
    this.#rows = rows;
  }

  /**
   * Those of some counters that are due as they say, to be tidied; and what leads to others by mistake is mended. Inside the
   * caller's transaction.
   */
  due(due: readonly DueEntry[]): LoadedRows<FoundFacts> {
    const rows: Row[] = [];
    const fixed = new Map<number, Fixed>();
    const names: string[] = [];
    for (const { due_ms, counter_id } of due) {
      const raw = this.#reads.at(counter_id);
      if (raw === CORRUPT) continue;
      const its = raw !== undefined && hasTiming(raw) ? raw.due_ms : null;
      if (its !== due_ms) {
        this.#rows.writes.timings.mendDue(counter_id, due_ms, its);
        continue;
      }
      const counter = toFullCounter(raw!);
      const { name } = counter;
      const row = this.#rows.remembered(name) ?? toRow(raw!);
      if (row.id !== counter_id || !this.#rows.writes.isFound(name, counter.labels)) continue;
      fixed.set(names.push(name) - 1, counter);
      rows.push(row);
    }
    return { facts: { names, counters: rows.map(({ counter }) => counter), fixed }, rows };
  }

  /** Those that have these names, to be settled; but for damaged ones. Inside the caller's transaction. */
  named(asked: readonly string[]): LoadedRows<FoundFacts> {
    const rows: Row[] = [];
    const fixed = new Map<number, Fixed>();
    const names: string[] = [];
    for (const name of asked) {
      const raw = this.#reads.find(name);
      if (raw === CORRUPT || raw === undefined) continue;
      const counter = toFullCounter(raw);
      const row = this.#rows.remembered(name) ?? toRow(raw);
      if (!this.#rows.writes.isFound(name, counter.labels)) continue;
      fixed.set(names.push(name) - 1, counter);
      rows.push(row);
    }
    return { facts: { names, counters: rows.map(({ counter }) => counter), fixed }, rows };
  }
}

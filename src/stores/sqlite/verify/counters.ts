/** Counters by their rows: each is sound, and whatever is to lead to it does. */
import type { Statement } from "better-sqlite3";
import { CORRUPT } from "../../../core/batch.ts";
import type { FullCounter } from "../../../core/counter.ts";
import { Leading } from "../read/looking.ts";
import { RowReader } from "../rows/row-reader.ts";
import { toFullCounter } from "../rows/rows.ts";
import { behind, LOWEST_ID, type Looked, SLICE_ROWS, type Walk } from "./walk.ts";

/** Looks at each row of `counters`, with its count and its timing. */
export class CounterWalk implements Walk {
  readonly part = "counters";
  rows = 0;
  readonly #looked: Looked;
  readonly #reader: RowReader;
  readonly #leads: Leading;
  readonly #some: Statement<[bigint, number], { id: bigint; name: unknown }>;
  readonly #isDue: Statement<[bigint, bigint], bigint>;
  #last = LOWEST_ID;

  constructor(looked: Looked) {
    const { db } = looked;
    this.#looked = looked;
    this.#reader = new RowReader(db);
    this.#leads = new Leading(db);
    this.#some = db.prepare("SELECT id, name FROM counters NOT INDEXED WHERE id > ? ORDER BY id LIMIT ?");
    this.#isDue = db
      .prepare<[bigint, bigint], bigint>("SELECT 1 FROM due_counters WHERE due_ms = ? AND counter_id = ?")
      .pluck();
  }

  step(): boolean {
    const found = this.#some.all(this.#last, SLICE_ROWS);
    for (const { id, name } of found) this.#look(id, typeof name === "string" ? name : `row id ${id}`);
    this.rows += found.length;
    this.#last = behind(this.#last, found.at(-1)?.id);
    return found.length === SLICE_ROWS;
  }

  #look(id: bigint, name: string): void {
    const { findings } = this.#looked;
    const raw = this.#reader.at(id);
    if (raw === undefined) return; // Its table says that it is there: SQLite finds it damaged elsewhere.
    if (raw === CORRUPT) {
      findings.add("ROW_DAMAGED", name, "its row fails its checksum, or its count is missing", "accept");
      return;
    }
    const counter = toFullCounter(raw);
    for (const { key, value } of this.#leads.lost(id, counter)) {
      if (key === "") findings.add("NAME_LOST", name, "nothing leads to its row by its name", "accept");
      else findings.add("LABEL_LOST", name, `nothing leads to it by its label ${key}=${value}`, "accept");
    }
    if (!this.#leadsToDue(id, counter))
      findings.add("DUE_LOST", name, "nothing leads to it when it is due", "change");
  }

  #leadsToDue(id: bigint, { timing }: FullCounter): boolean {
    return timing?.due === undefined || this.#isDue.get(BigInt(timing.due), id) !== undefined;
  }
}

/** Looks at the rows of counts and timings, for what is left of counters whose own rows are gone, and for what is there twice. */
export class LeftoverWalk implements Walk {
  readonly part = "counts";
  rows = 0;
  readonly #looked: Looked;
  readonly #tables: readonly Statement<[bigint, number], Left>[];
  #table = 0;
  #last = LOWEST_ID;

  constructor(looked: Looked) {
    this.#looked = looked;
    this.#tables = ["counts", "recent_counts", "timings"].map((table) =>
      looked.db.prepare<[bigint, number], Left>(`
        SELECT part.id, counters.name, counters.id IS NULL AS gone,
          ${table === "recent_counts" ? "EXISTS (SELECT 1 FROM counts WHERE counts.id = part.id)" : "0"} AS twice
        FROM (SELECT id FROM ${table} WHERE id > ? ORDER BY id LIMIT ?) AS part
        LEFT JOIN counters ON counters.id = part.id`),
    );
  }

  step(): boolean {
    const { findings } = this.#looked;
    const found = this.#tables[this.#table]!.all(this.#last, SLICE_ROWS);
    for (const { id, name, gone, twice } of found) {
      if (gone !== 0n)
        findings.add("ROW_GONE", `row id ${id}`, "its count is there, and its row is gone", "accept gone");
      if (twice !== 0n) findings.add("ROW_DAMAGED", name ?? `row id ${id}`, "it has two counts", "restore");
    }
    this.rows += found.length;
    this.#last = behind(this.#last, found.at(-1)?.id);
    if (found.length === SLICE_ROWS) return true;
    this.#last = LOWEST_ID;
    return ++this.#table < this.#tables.length;
  }
}

interface Left {
  readonly id: bigint;
  readonly name: string | null;
  readonly gone: bigint;
  readonly twice: bigint;
}

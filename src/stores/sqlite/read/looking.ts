import type { Database, Statement } from "better-sqlite3";
import { CORRUPT } from "../../../core/batch.ts";
import type { FullCounter } from "../../../core/counter.ts";
import type { LookedPage } from "../../../service/store-accepting.ts";
import {
  columnsOf,
  type Entry,
  type EntryKey,
  EntryReader,
  type LinkedTable,
  linkOf,
} from "../rows/linked-entries.ts";
import type { RowReader } from "../rows/row-reader.ts";
import { toFullCounter } from "../rows/rows.ts";

/** Reads counters by their rows, for who looks for what was changed by hand: see Accepting.look. */
export class RowLooker {
  readonly #rows: RowReader;
  readonly #some: Statement<[bigint, bigint], { id: bigint; name: string }>;
  readonly #leads: Leading;
  readonly #orphans: readonly Statement<[], Entry>[];

  constructor(db: Database, rows: RowReader) {
    this.#rows = rows;
    this.#some = db.prepare("SELECT id, name FROM counters NOT INDEXED WHERE id > ? ORDER BY id LIMIT ?");
    this.#leads = new Leading(db);
    this.#orphans = (["counter_names", "counter_labels"] as const).map((table) =>
      db.prepare<[], Entry>(orphansOf(table)).safeIntegers(false),
    );
  }

  /** The caller owns the transaction. */
  page(from: string, limit: number): LookedPage {
    const found = this.#some.all(from === "" ? -(2n ** 63n) : BigInt(from), BigInt(limit));
    const counters: FullCounter[] = [];
    const corruptNames: string[] = [];
    for (const { id, name } of found) {
      const counter = this.#counter(id);
      if (counter === undefined) corruptNames.push(name);
      else counters.push(counter);
    }
    if (found.length === limit) return { counters, corruptNames, next: `${found.at(-1)!.id}`, lost: [] };
    const orphans = this.#orphans.flatMap((statement) => statement.all());
    const lost = new Set<bigint>();
    for (const entry of orphans) {
      if (linkOf(entry) === undefined) corruptNames.push(entry.name);
      else lost.add(BigInt(entry.counter_id));
    }
    return { counters, corruptNames, next: undefined, lost: [...lost].map(String) };
  }

  /** Undefined when the row is damaged, or not all that is to lead to it does. */
  #counter(id: bigint): FullCounter | undefined {
    const raw = this.#rows.at(id);
    if (raw === undefined || raw === CORRUPT) return undefined;
    const counter = toFullCounter(raw);
    return this.#leads.lost(id, counter).length === 0 ? counter : undefined;
  }
}

/** Tells whether what is to lead to a counter's row does. For any connection. */
export class Leading {
  readonly #entries: Readonly<Record<LinkedTable, EntryReader>>;

  constructor(db: Database) {
    this.#entries = {
      counter_names: new EntryReader(db, "counter_names"),
      counter_labels: new EntryReader(db, "counter_labels"),
    };
  }

  /** By which keys it is not found that it ought to be found by: its name has no label's key. */
  lost(id: bigint, { name, labels }: Pick<FullCounter, "name" | "labels">): EntryKey[] {
    const keys = [["", ""] as const, ...Object.entries(labels)].map(([key, value]) => ({ key, value, name }));
    return keys.filter((key) => {
      const entry = this.#entries[key.key === "" ? "counter_names" : "counter_labels"].at(key);
      return entry === undefined || entry.counter_id !== Number(id) || linkOf(entry) === undefined;
    });
  }
}

/** The entries that lead to no row. */
function orphansOf(table: LinkedTable): string {
  return `SELECT ${columnsOf(table)} FROM ${table} AS entry
    WHERE entry.name <> '' AND NOT EXISTS (SELECT 1 FROM counters WHERE counters.id = entry.counter_id)`;
}

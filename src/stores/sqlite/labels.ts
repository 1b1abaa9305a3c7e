import type { Database, Statement } from "better-sqlite3";
import type { Details } from "../../core/counter.ts";

type Labels = Details["labels"];

/**
 * Keeps `counter_labels`, where counters are found by their labels, in step with the labels of the counters
 * themselves. The caller owns the transaction, and knows what the labels are now: from the counter's row.
 */
export class LabelWriter {
  readonly #insert: Statement;
  readonly #delete: Statement;

  constructor(db: Database) {
    this.#insert = db.prepare(
      "INSERT OR REPLACE INTO counter_labels (key, value, name, counter_id) VALUES (?, ?, ?, ?)",
    );
    this.#delete = db.prepare("DELETE FROM counter_labels WHERE key = ? AND value = ? AND name = ?");
  }

  /** The labels of a counter that had none. */
  insert(id: bigint, name: string, labels: Labels): void {
    for (const [key, value] of Object.entries(labels)) this.#insert.run(key, value, name, id);
  }

  /** @param before  the counter's labels until now */
  replace(id: bigint, name: string, before: Labels, after: Labels): void {
    this.remove(name, before);
    this.insert(id, name, after);
  }

  /** @param labels  the counter's labels until now: all of them */
  remove(name: string, labels: Labels): void {
    for (const [key, value] of Object.entries(labels)) this.#delete.run(key, value, name);
  }
}

import type { Database } from "better-sqlite3";
import type { Details } from "../../../core/settings.ts";
import { EntryWriter, linkOf } from "./linked-entries.ts";

type Labels = Details["labels"];

/**
 * Keeps `counter_labels`, where counters are found by their labels, in step with the labels of the counters
 * themselves. The caller owns the transaction, and knows what the labels are now: from the counter's row.
 */
export class LabelWriter {
  readonly #entries: EntryWriter;

  constructor(db: Database) {
    this.#entries = new EntryWriter(db, "counter_labels");
  }

  /** The labels of a counter that had none. */
  insert(id: bigint, name: string, labels: Labels): void {
    for (const [key, value] of Object.entries(labels)) this.#entries.insert({ key, value, name }, id);
  }

  /** @param before  the counter's labels until now */
  replace(id: bigint, name: string, before: Labels, after: Labels): void {
    this.remove(name, before);
    this.insert(id, name, after);
  }

  /** @param labels  the counter's labels until now: all of them */
  remove(name: string, labels: Labels): void {
    for (const [key, value] of Object.entries(labels)) this.#entries.remove({ key, value, name });
  }

  /** Whether the entries of a counter's labels are there. */
  has(name: string, labels: Labels): boolean {
    return Object.entries(labels).every(([key, value]) => {
      const entry = this.#entries.at({ key, value, name });
      return entry !== undefined && linkOf(entry) !== undefined;
    });
  }

  clear(): void {
    this.#entries.clear();
  }
}

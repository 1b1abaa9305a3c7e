import type { Row } from "../rows/rows.ts";

/**
 * The rows counted lately, by name, so that a hot counter is not read again: at most `max` of them, some 500 bytes
 * each (value, bounds and revision; never labels or descriptions).
 *
 * Two halves: rows that were used since the last turn, and those from before. When the young half is full it
 * becomes the old one, and what was in the old one and not used since goes. Close to least-recently-used, at the
 * price of a Map.
 */
export class RowCache {
  readonly #halfMax: number;
  #young = new Map<string, Row>();
  #old = new Map<string, Row>();

  constructor(max: number) {
    this.#halfMax = Math.max(1, Math.floor(max / 2));
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  get(name: string): Row | undefined {
    const young = this.#young.get(name);
    if (young !== undefined) return young;
    const old = this.#old.get(name);
    if (old !== undefined) {
      this.#old.delete(name);
      this.set(name, old);
    }
    return old;
  }

  /** The same, but it does not count as used. */
  peek(name: string): Row | undefined {
    return this.#young.get(name) ?? this.#old.get(name);
  }

  set(name: string, row: Row): void {
    if (this.#young.size >= this.#halfMax && !this.#young.has(name)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(name, row);
    if (this.#old.size > 0) this.#old.delete(name);
  }

  delete(name: string): void {
    this.#young.delete(name);
    this.#old.delete(name);
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
  }
}

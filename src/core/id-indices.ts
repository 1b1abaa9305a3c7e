import { halvesOf } from "./bytes.ts";

/** What a store knows a counter by: a number where it is below 2^53, which is found more quickly. */
export type StoredId = number | bigint;

/**
 * Gives ids indices, 0 and up, in the order in which they are first met. A Map takes 100 nanoseconds for one in a page of
 * thousands, which is as much as the rest of a change does; this table 15.
 */
export class IdIndices {
  readonly #ids: StoredId[] = [];
  /** One more than the index of the id whose place it is, or that found its place taken; 0 where there is none. */
  #table = new Int32Array(64);

  /** How many ids. */
  get count(): number {
    return this.#ids.length;
  }

  indexOf(id: StoredId): number {
    for (let at = this.#placeOf(id); ; at = (at + 1) & (this.#table.length - 1)) {
      const index = this.#table[at]! - 1;
      if (index === -1) return this.#add(id, at);
      if (this.#ids[index] === id) return index;
    }
  }

  /** Forget the ids from an index on. */
  truncate(count: number): void {
    this.#ids.length = count;
    this.#table.fill(0);
    for (let index = 0; index < count; index++) this.#enter(index);
  }

  /** The ids, in the order of their indices. */
  toColumn(): BigInt64Array {
    const column = new BigInt64Array(this.#ids.length);
    const halves = halvesOf(column);
    for (const [i, id] of this.#ids.entries()) {
      if (typeof id === "bigint") column[i] = id;
      else {
        halves[2 * i] = id;
        halves[2 * i + 1] = id / 0x100000000;
      }
    }
    return column;
  }

  #add(id: StoredId, at: number): number {
    this.#table[at] = this.#ids.push(id);
    if (2 * this.#ids.length > this.#table.length) {
      this.#table = new Int32Array(2 * this.#table.length);
      this.truncate(this.#ids.length);
    }
    return this.#ids.length - 1;
  }

  #enter(index: number): void {
    let at = this.#placeOf(this.#ids[index]!);
    while (this.#table[at] !== 0) at = (at + 1) & (this.#table.length - 1);
    this.#table[at] = index + 1;
  }

  #placeOf(id: StoredId): number {
    const low = typeof id === "number" ? id : Number(BigInt.asIntN(32, id));
    const mixed = Math.imul(low, 0x9e3779b1);
    return (mixed ^ (mixed >>> 15)) & (this.#table.length - 1);
  }
}

/** So many lines for each name; the names are bytes, one character a byte. */
export interface Summed {
  readonly names: readonly string[];
  /** At each name's index, how often it came: from 1. */
  readonly amounts: readonly number[];
}

/** Adds up names as they come, until they are taken: a name that comes often is then one operation, not many. */
export class Sums {
  #indices = new Map<string, number>();
  #names: string[] = [];
  #amounts: number[] = [];
  #bytes = 0;

  /** Names that differ. */
  get size(): number {
    return this.#names.length;
  }

  /** What the names take, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Count a name once more. */
  add(name: string): void {
    const index = this.#indices.get(name);
    if (index !== undefined) {
      this.#amounts[index]! += 1;
      return;
    }
    const own = copyOf(name);
    this.#indices.set(own, this.#names.length);
    this.#names.push(own);
    this.#amounts.push(1);
    this.#bytes += own.length;
  }

  /** Take what was added up, and begin anew. */
  take(): Summed {
    const summed = { names: this.#names, amounts: this.#amounts };
    this.#indices = new Map();
    this.#names = [];
    this.#amounts = [];
    this.#bytes = 0;
    return summed;
  }
}

/** A slice of a chunk would keep the whole chunk in memory, for as long as the name is remembered. */
function copyOf(slice: string): string {
  return Buffer.from(slice, "latin1").toString("latin1");
}

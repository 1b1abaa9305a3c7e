/**
 * What some of the counters of a batch have, by index. As a Map, but nothing is hashed, which is most of what a Map takes
 * where thousands have it; and nothing is made before the first has.
 */
export class ByIndex<Value> {
  #size = 0;
  #has: Uint8Array | undefined;
  readonly #values: (Value | undefined)[] = [];
  readonly #count: number;

  /** @param count  indices are below it */
  constructor(count: number) {
    this.#count = count;
  }

  /** How many have it. */
  get size(): number {
    return this.#size;
  }

  has(index: number): boolean {
    return this.#has !== undefined && this.#has[index] === 1;
  }

  /** What an index has; undefined of one that has nothing, too. */
  get(index: number): Value | undefined {
    return this.#size === 0 ? undefined : this.#values[index];
  }

  set(index: number, value: Value): void {
    this.#has ??= this.#begin();
    if (this.#has[index] === 0) {
      this.#has[index] = 1;
      this.#size++;
    }
    this.#values[index] = value;
  }

  delete(index: number): void {
    if (!this.has(index)) return;
    this.#has![index] = 0;
    this.#values[index] = undefined;
    this.#size--;
  }

  #begin(): Uint8Array {
    for (let index = 0; index < this.#count; index++) this.#values.push(undefined);
    return new Uint8Array(this.#count);
  }
}

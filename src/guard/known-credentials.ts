/**
 * What was found of credentials, under their digests: as many as were used lately. Two halves: what is found in the older
 * one goes to the younger, and when that is full it is the older one, and what was there is forgotten. So who was asked for
 * among the last half stays, and a look-up that finds moves nothing.
 */
export class KnownCredentials<T> {
  readonly #halfMax: number;
  #younger = new Map<string, T>();
  #older = new Map<string, T>();

  /** @param max  how many are kept at most */
  constructor(max: number) {
    this.#halfMax = max / 2;
  }

  get size(): number {
    return this.#younger.size + this.#older.size;
  }

  get(digest: string): T | undefined {
    const young = this.#younger.get(digest);
    if (young !== undefined) return young;
    const old = this.#older.get(digest);
    if (old !== undefined) this.set(digest, old);
    return old;
  }

  set(digest: string, found: T): void {
    this.#older.delete(digest);
    this.#younger.set(digest, found);
    if (this.#younger.size < this.#halfMax) return;
    this.#older = this.#younger;
    this.#younger = new Map();
  }

  delete(digest: string): void {
    this.#younger.delete(digest);
    this.#older.delete(digest);
  }
}

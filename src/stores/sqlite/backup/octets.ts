/** Octets that come one after the other, of a file or of whatever writes them, as many as are asked for. */
export class Octets {
  readonly #chunks: AsyncIterator<Buffer>;
  #left: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** @returns  undefined when there are not as many */
  async take(count: number): Promise<Buffer | undefined> {
    const parts: Buffer[] = [];
    for (let missing = count; missing > 0; ) {
      const some = await this.takeSome(missing);
      if (some === undefined) return undefined;
      parts.push(some);
      missing -= some.length;
    }
    return parts.length === 1 ? parts[0] : Buffer.concat(parts);
  }

  /** @returns  one and up to so many, as they come; undefined at the end */
  async takeSome(max: number): Promise<Buffer | undefined> {
    while (this.#left.length === 0) {
      const next = await this.#chunks.next();
      if (next.done) return undefined;
      this.#left = next.value;
    }
    const some = this.#left.subarray(0, max);
    this.#left = this.#left.subarray(some.length);
    return some;
  }

  /** Let go of where they come from. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}

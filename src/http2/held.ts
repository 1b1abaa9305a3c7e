/**
 * Bytes that are put together as they come. They are copied into blocks, of which only the last grows, and with what has
 * come: what is announced may never come, a piece that is kept keeps all that was read with it, and what a block has grown
 * out of takes memory until it is swept.
 */
export class HeldBytes {
  /** Full. */
  #blocks: Buffer[] = [];
  #last: Buffer = NOTHING;
  #lastLength = 0;
  #blockBytes = 0;

  get length(): number {
    return this.#blockBytes + this.#lastLength;
  }

  /** All of them. Copied where they are more than a block. */
  get bytes(): Buffer {
    const last = this.#last.subarray(0, this.#lastLength);
    return this.#blocks.length === 0 ? last : Buffer.concat([...this.#blocks, last], this.length);
  }

  /**
   * @param most    how many there may be in the end
   * @param charge  takes room for so many, if there is
   * @returns       false where there is no room for all of a piece; nothing that has come is of use then
   */
  add(piece: Buffer, most: number, charge: (bytes: number) => boolean): boolean {
    for (let at = 0; at < piece.length; ) {
      const left = piece.length - at;
      if (this.#lastLength === this.#last.length && !this.#makeSpace(left, most, charge)) return false;
      const copied = piece.copy(this.#last, this.#lastLength, at);
      this.#lastLength += copied;
      at += copied;
    }
    return true;
  }

  #makeSpace(bytes: number, most: number, charge: (bytes: number) => boolean): boolean {
    const isFull = this.#last.length === BLOCK_BYTES;
    const had = isFull ? 0 : this.#last.length;
    const toCome = Math.max(most - this.length, bytes);
    const wanted = isFull ? BLOCK_BYTES : Math.max(2 * had, had + bytes, BLOCK_BYTES_MIN);
    let size = Math.min(BLOCK_BYTES, had + toCome, wanted);
    if (!charge(size - had)) {
      size = Math.min(BLOCK_BYTES, had + bytes); // Room for what is here, if there is none for what may come.
      if (!charge(size - had)) return false;
    }
    const block = Buffer.allocUnsafeSlow(size);
    if (isFull) {
      this.#blocks.push(this.#last);
      this.#blockBytes += this.#lastLength;
      this.#lastLength = 0;
    } else this.#last.copy(block);
    this.#last = block;
    return true;
  }
}

const NOTHING = Buffer.alloc(0);
const BLOCK_BYTES = 64 * 1024;
const BLOCK_BYTES_MIN = 256;

import { PAGE_BYTES, type Pages } from "./pages.ts";

/**
 * Bytes that are put together as they come. They are copied into blocks, of which only the last grows, and with what has
 * come: what is announced may never come, and a piece that is kept keeps all that was read with it.
 */
export class HeldBytes {
  readonly #pages: Pages;
  /** Full. */
  #blocks: Buffer[] = [];
  #last: Buffer = NOTHING;
  #lastLength = 0;
  #blockBytes = 0;

  constructor(pages: Pages) {
    this.#pages = pages;
  }

  get length(): number {
    return this.#blockBytes + this.#lastLength;
  }

  /** All of them, not to be kept. Copied where they are more than a block. */
  get bytes(): Buffer {
    const last = this.#last.subarray(0, this.#lastLength);
    return this.#blocks.length === 0 ? last : Buffer.concat([...this.#blocks, last], this.length);
  }

  /** All of them, to be kept: nothing is held any more. */
  take(): Buffer {
    const { bytes } = this;
    const isAlone = this.#blocks.length === 0;
    const taken = isAlone && isPage(this.#last) ? Buffer.from(bytes) : bytes;
    if (isAlone && !isPage(this.#last)) this.#last = NOTHING; // They lie in it.
    this.drop();
    return taken;
  }

  /** Hold nothing any more: what was held is read by nobody, and its memory is free at once. */
  drop(): void {
    for (const block of this.#blocks) this.#free(block);
    this.#free(this.#last);
    this.#blocks = [];
    this.#last = NOTHING;
    this.#blockBytes = this.#lastLength = 0;
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
    let size = sizeOf(Math.min(had + toCome, wanted));
    if (!charge(size - had)) {
      size = sizeOf(had + bytes); // Room for what is here, if there is none for what may come.
      if (!charge(size - had)) return false;
    }
    const block = size === BLOCK_BYTES ? this.#pages.take() : Buffer.allocUnsafeSlow(size);
    if (isFull) {
      this.#blocks.push(this.#last);
      this.#blockBytes += this.#lastLength;
      this.#lastLength = 0;
    } else {
      this.#last.copy(block);
      this.#free(this.#last);
    }
    this.#last = block;
    return true;
  }

  /**
   * Free a block that nobody reads any more. Left to the collector, which looks at the heap and hardly at what lies beside
   * it, as much as there is room for could be garbage while as much again is held.
   */
  #free(block: Buffer): void {
    if (isPage(block)) this.#pages.give(block);
    else if (block !== NOTHING) (block.buffer as ArrayBuffer).transfer(0);
  }
}

const NOTHING = Buffer.alloc(0);
/** Of a full one, which is a page. */
const BLOCK_BYTES = PAGE_BYTES;
const BLOCK_BYTES_MIN = 256;

/** A block for so many bytes: they themselves, or a page, which so many may take before it is known how many come. */
function sizeOf(bytes: number): number {
  return bytes > BLOCK_BYTES / 2 ? BLOCK_BYTES : bytes;
}

function isPage(block: Buffer): boolean {
  return block.length === BLOCK_BYTES;
}

/**
 * A 32-bit checksum over what a row says, so that a byte that rotted on disk is refused and never counted with.
 *
 * The mixing step is that of MurmurHash3: one-to-one in each of its two inputs, so a change confined to one
 * 32-bit word is always noticed. zlib's crc32 would serve as well, but needs the row laid out as bytes first,
 * which costs more than the sum.
 */
export class Checksum {
  #hash: number;

  /** @param from  the value of another checksum, to go on from */
  constructor(from = 0) {
    this.#hash = from;
  }

  get value(): number {
    return this.#hash;
  }

  word(word: number): this {
    let k = Math.imul(word, 0xcc9e2d51);
    k = (k << 15) | (k >>> 17);
    let h = this.#hash ^ Math.imul(k, 0x1b873593);
    h = (h << 13) | (h >>> 19);
    this.#hash = (Math.imul(h, 5) + 0xe6546b64) | 0;
    return this;
  }

  /** A whole number below 2^53. */
  number(value: number): this {
    return this.word(value | 0).word((value / 0x100000000) | 0);
  }

  /** @throws TypeError when it is another type: an empty text would pass for 0 */
  int64(value: bigint): this {
    if (typeof value !== "bigint") throw new TypeError(`expected a bigint, got ${typeof value}`);
    WIDE[0] = value;
    return this.word(HALVES[0]!).word(HALVES[1]!);
  }

  optional(value: bigint | undefined): this {
    return value === undefined ? this.word(0) : this.word(1).int64(value);
  }

  /** @throws TypeError when it is none: the number 0 would pass for an empty one */
  text(text: string): this {
    if (typeof text !== "string") throw new TypeError(`expected a text, got ${typeof text}`);
    for (let i = 0; i < text.length; i++) this.word(text.charCodeAt(i));
    return this.word(text.length);
  }

  /** @throws TypeError when they are none */
  bytes(bytes: Uint8Array): this {
    if (!(bytes instanceof Uint8Array)) throw new TypeError(`expected bytes, got ${typeof bytes}`);
    const whole = bytes.length & ~3;
    for (let i = 0; i < whole; i += 4) {
      this.word(bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24));
    }
    for (let i = whole; i < bytes.length; i++) this.word(bytes[i]!);
    return this.word(bytes.length);
  }
}

/**
 * Whether a row has the checksum that it is to have.
 *
 * @param sum  made from the row; throws when a column is of another type than was written, which is damage as well
 */
export function fits(sum: () => number, stored: unknown): boolean {
  try {
    return BigInt(sum()) === stored;
  } catch {
    return false;
  }
}

const WIDE = new BigInt64Array(1);
const HALVES = new Int32Array(WIDE.buffer);

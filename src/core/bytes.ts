/**
 * Compact binary records: varints as in Protobuf (base 128, low group first), signed numbers in zigzag.
 *
 * A BigInt costs some 50 nanoseconds a step of a varint loop, so numbers below 2^53, which most counts are, are
 * written from the halves of the 64-bit value.
 */
export class ByteWriter {
  #bytes: Uint8Array;
  #at = 0;

  constructor(capacity = 64) {
    this.#bytes = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#at;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = value;
  }

  /** A whole number, 0 to 2^53-1. */
  uint(value: number): void {
    this.#reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#at++] = (rest & 0x7f) | 0x80;
      rest = rest >= 0x80000000 ? Math.floor(rest / 128) : rest >>> 7;
    }
    this.#bytes[this.#at++] = rest;
  }

  /** 0 to 2^64-1. */
  uint64(value: bigint): void {
    WIDE[0] = value;
    this.uint64At(HALVES, 0);
  }

  /** -2^63 to 2^63-1, zigzag. */
  int64(value: bigint): void {
    WIDE[0] = BigInt.asUintN(64, value);
    this.int64At(HALVES, 0);
  }

  /** Element i of a BigUint64Array, given by its 32-bit halves: no BigInt is made for it where it is below 2^53. */
  uint64At(halves: Uint32Array, i: number): void {
    this.#halves(halves[2 * i + 1]!, halves[2 * i]!);
  }

  /** By how much element i of one column of 64-bit numbers is above that of another, likewise: 0 to 2^64-1. */
  differenceAt(above: Uint32Array, below: Uint32Array, i: number): void {
    const low = above[2 * i]! - below[2 * i]!;
    const high = above[2 * i + 1]! - below[2 * i + 1]! - (low < 0 ? 1 : 0);
    this.#halves(high >>> 0, low >>> 0);
  }

  /** Element i of a BigInt64Array, likewise, zigzag. */
  int64At(halves: Uint32Array, i: number): void {
    const high = halves[2 * i + 1]! | 0;
    const low = halves[2 * i]!;
    if (high >= -0x100000 && high < 0x100000) {
      const value = high * 0x100000000 + low;
      this.uint(value >= 0 ? value * 2 : -value * 2 - 1);
    } else {
      const value = (BigInt(high) << 32n) | BigInt(low);
      this.#wide(BigInt.asUintN(64, (value << 1n) ^ (value >> 63n)));
    }
  }

  /** Text, its length in bytes before it. */
  text(value: string): void {
    if (value === "") {
      this.byte(0); // Most are, and the encoder takes as long for none as for some.
      return;
    }
    const bytes = UTF8.encode(value);
    this.uint(bytes.length);
    this.raw(bytes);
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#at);
  }

  #halves(high: number, low: number): void {
    if (high < 0x200000) this.uint(high * 0x100000000 + low);
    else this.#wide((BigInt(high) << 32n) | BigInt(low));
  }

  #wide(value: bigint): void {
    this.#reserve(10);
    let rest = value;
    while (rest >= 0x80n) {
      this.#bytes[this.#at++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#bytes[this.#at++] = Number(rest);
  }

  #reserve(more: number): void {
    const needed = this.#at + more;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}

/**
 * A column of 64-bit numbers as 32-bit halves, the low one first (every machine Node runs on is little-endian).
 */
export function halvesOf({ buffer, byteOffset, length }: BigInt64Array | BigUint64Array): Uint32Array {
  return new Uint32Array(buffer, byteOffset, 2 * length);
}

/** Reads what ByteWriter wrote, in the same order. Throws RangeError past the end. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  byte(): number {
    if (this.done) throw new RangeError(`expected another byte after ${this.#at}, got the end of the record`);
    return this.#bytes[this.#at++]!;
  }

  uint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  uint64(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }

  int64(): bigint {
    const zigzag = this.uint64();
    return (zigzag >> 1n) ^ -(zigzag & 1n);
  }

  /**
   * What `uint64` reads, into element i of a column of 64-bit numbers, given by its 32-bit halves: no BigInt is made for
   * it where it is below 2^49.
   */
  uint64To(halves: Uint32Array, i: number): void {
    const value = this.#narrow();
    if (value === undefined) {
      this.#wideTo(halves, i, this.uint64());
      return;
    }
    halves[2 * i] = value;
    halves[2 * i + 1] = value / 0x100000000;
  }

  /** What `int64` reads, likewise. */
  int64To(halves: Uint32Array, i: number): void {
    const zigzag = this.#narrow();
    if (zigzag === undefined) {
      this.#wideTo(halves, i, this.int64());
      return;
    }
    const half = Math.floor(zigzag / 2);
    const value = half * 2 === zigzag ? half : -half - 1;
    halves[2 * i] = value;
    halves[2 * i + 1] = Math.floor(value / 0x100000000);
  }

  text(): string {
    const length = this.uint();
    return length === 0 ? "" : FROM_UTF8.decode(this.raw(length));
  }

  raw(length: number): Uint8Array {
    if (this.#at + length > this.#bytes.length) {
      throw new RangeError(`expected ${length} bytes after ${this.#at}, got the end of the record`);
    }
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** A number of up to seven bytes; undefined, and nothing is read, where it has more. */
  #narrow(): number | undefined {
    const from = this.#at;
    let value = this.byte();
    if (value < 0x80) return value;
    value &= 0x7f;
    for (let scale = 128; scale < NARROW; scale *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    this.#at = from;
    return undefined;
  }

  #wideTo(halves: Uint32Array, i: number, value: bigint): void {
    WIDE[0] = value;
    halves[2 * i] = HALVES[0]!;
    halves[2 * i + 1] = HALVES[1]!;
  }
}

/** What seven bytes hold. */
const NARROW = 2 ** 49;
const WIDE = new BigUint64Array(1);
const HALVES = new Uint32Array(WIDE.buffer);
const UTF8 = new TextEncoder();
const FROM_UTF8 = new TextDecoder();

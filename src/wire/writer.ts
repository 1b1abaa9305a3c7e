/**
 * Writes Protobuf fields one after another into room that is known to be enough.
 *
 * 64-bit numbers are taken as two halves of 32 bits, the low one first, as an Int32Array on a BigInt64Array has
 * them: arithmetic on BigInts would cost more than all the rest.
 */
export class WireWriter {
  readonly #bytes: Buffer;
  #at = HEAD_BYTES;

  /** @param capacity  bytes; the caller's bound of what will be written */
  constructor(capacity: number) {
    this.#bytes = Buffer.allocUnsafe(HEAD_BYTES + capacity);
  }

  /** A field's number, left out when it is 0. */
  number(tag: number, low: number, high: number): void {
    if (low === 0 && high === 0) return;
    this.presentNumber(tag, low, high);
  }

  /** A number that is there even if it is 0. */
  presentNumber(tag: number, low: number, high: number): void {
    const bytes = this.#bytes;
    let at = writeVarint(bytes, this.#at, tag);
    let lowRest = low;
    let highRest = high;
    while (highRest !== 0 || lowRest >>> 0 >= 0x80) {
      bytes[at++] = (lowRest & 0x7f) | 0x80;
      lowRest = (lowRest >>> 7) | (highRest << 25);
      highRest >>>= 7;
    }
    bytes[at++] = lowRest;
    this.#at = at;
  }

  /** An int64, left out when it is 0; a number of 2^63 and more is written as the same 64 bits. */
  int64(tag: number, value: bigint): void {
    SCRATCH[0] = value;
    this.number(tag, LANES[0]!, LANES[1]!);
  }

  /** An int64 that is there even if it is 0. */
  presentInt64(tag: number, value: bigint): void {
    SCRATCH[0] = value;
    this.presentNumber(tag, LANES[0]!, LANES[1]!);
  }

  /** A whole number from 0 to 2^53, left out when it is 0. */
  safe(tag: number, value: number): void {
    this.number(tag, value | 0, highOf(value));
  }

  /** A google.protobuf.Timestamp. @param time  milliseconds since the Unix epoch */
  timestamp(tag: number, time: number): void {
    const seconds = Math.floor(time / 1000);
    const nanos = (time - seconds * 1000) * 1_000_000;
    this.begin(tag, numberSize(seconds | 0, highOf(seconds)) + numberSize(nanos, 0));
    this.safe(SECONDS, seconds);
    this.number(NANOS, nanos, 0);
  }

  /** The tag and length of what is written next. */
  begin(tag: number, length: number): void {
    this.#at = writeVarint(this.#bytes, writeVarint(this.#bytes, this.#at, tag), length);
  }

  /** The tag of what is written next and how long is known only at its end; returns where it begins, for `close`. */
  open(tag: number): number {
    this.#at = writeVarint(this.#bytes, this.#at, tag) + 1; // Room for a length of one byte, which most have.
    return this.#at;
  }

  /** The end of what was opened: its length is written before it, and where one byte is too few it is moved. */
  close(start: number): void {
    const bytes = this.#bytes;
    const length = this.#at - start;
    const after = start - 1 + varintSize(length);
    if (after > start) bytes.copyWithin(after, start, this.#at);
    writeVarint(bytes, start - 1, length);
    this.#at = after + length;
  }

  /** A text that is known to be ASCII. */
  ascii(tag: number, text: string): void {
    this.begin(tag, text.length);
    this.#at += this.#bytes.write(text, this.#at, "latin1");
  }

  text(tag: number, text: string): void {
    this.begin(tag, Buffer.byteLength(text));
    this.#at += this.#bytes.write(text, this.#at);
  }

  /** A part of some bytes, as a field of their own. */
  slice(tag: number, from: Uint8Array, start: number, end: number): void {
    this.begin(tag, end - start);
    const bytes = this.#bytes;
    let at = this.#at;
    for (let i = start; i < end; i++) bytes[at++] = from[i]!; // A call of set() costs more for most names.
    this.#at = at;
  }

  raw(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** What was written. */
  finish(): Buffer {
    if (this.#at > this.#bytes.length) {
      throw new RangeError(`expected at most ${this.#bytes.length} bytes, got ${this.#at}`);
    }
    return this.#bytes.subarray(HEAD_BYTES, this.#at);
  }

  /** What was written, less than 2^14 bytes, as the one field of a message. */
  finishInside(tag: number): Buffer {
    const bytes = this.#bytes;
    const length = this.#at - HEAD_BYTES;
    const start = length < 0x80 ? 1 : 0;
    bytes[start] = tag;
    bytes[start + 1] = length < 0x80 ? length : (length & 0x7f) | 0x80;
    if (length >= 0x80) bytes[2] = length >>> 7;
    return bytes.subarray(start, this.#at);
  }
}

/** Write a number below 2^32; returns where it ends. */
function writeVarint(bytes: Buffer, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest >= 0x80) {
    bytes[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[at++] = rest;
  return at;
}

/** What a number below 2^32 takes. */
function varintSize(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
}

/** Room before what is written, for a tag and a length that are known only at the end. */
const HEAD_BYTES = 3;

/** What a number takes with its one-byte tag; 0 is left out. */
export function numberSize(low: number, high: number): number {
  return low === 0 && high === 0 ? 0 : presentNumberSize(low, high);
}

/** What a number takes with its one-byte tag, also if it is 0. */
export function presentNumberSize(low: number, high: number): number {
  let rest = low >>> 0;
  if (high === 0)
    return rest < 0x80 ? 2 : rest < 0x4000 ? 3 : rest < 0x200000 ? 4 : rest < 0x10000000 ? 5 : 6;
  rest = high >>> 0;
  return rest < 0x8
    ? 6
    : rest < 0x400
      ? 7
      : rest < 0x20000
        ? 8
        : rest < 0x1000000
          ? 9
          : rest < 0x80000000
            ? 10
            : 11;
}

/** What `length` bytes take with a one-byte tag and their length, which is below 2^21. */
export function textSize(length: number): number {
  return length + (length < 0x80 ? 2 : length < 0x4000 ? 3 : 4);
}

/** The tags of google.protobuf.Timestamp's fields. */
const SECONDS = 0x08;
const NANOS = 0x10;

/** 64-bit numbers as pairs of 32 bits, the low one first. */
export function lanesOf({ buffer, byteOffset, length }: BigInt64Array): Int32Array {
  return new Int32Array(buffer, byteOffset, 2 * length);
}

/** The high half of a whole number from 0 to 2^53; its low half is `number | 0`. */
export function highOf(number: number): number {
  return Math.floor(number / 0x1_0000_0000);
}

/** Halves a BigInt. */
const SCRATCH = new BigInt64Array(1);
const LANES = lanesOf(SCRATCH);

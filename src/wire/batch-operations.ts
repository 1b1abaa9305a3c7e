import { isUtf8 } from "node:buffer";
import type { newOpColumns } from "../core/columns.ts";
import { NAME_BYTES_MAX } from "../core/name.ts";
import { Verb } from "../core/op.ts";
import { endOfTag, endOfUnknown, readTag } from "./reader.ts";
import { lanesOf } from "./writer.ts";

/** The tags of Operation's fields. */
const NAME = 0x0a;
const INCREMENT = 0x10;
const DECREMENT = 0x18;
const SET = 0x20;
const RESET = 0x28;
const MUST_EXIST = 0x30;
const ETAG = 0x3a;
const NOTE = 0x42;

const FIELD_NUMBER_MAX = 9;
const ETAG_BYTES_MAX = 64;
const NOTE_BYTES_MAX = 200;

/** No verb was read yet. */
const NONE = -1;

/**
 * Reads operations as encoders write them into columns: each field at most once, lengths in as few bytes as they
 * need. By the rules of Operation in the .proto file; test/transports/batch-request.test.ts holds them together.
 */
export class PlainOperations {
  readonly #bytes: Uint8Array;
  readonly #columns: ReturnType<typeof newOpColumns>;
  /** The amounts as pairs of 32 bits, the low one first: a BigInt an operation would cost more than all the rest. */
  readonly #lanes: Int32Array;

  constructor(bytes: Uint8Array, columns: ReturnType<typeof newOpColumns>) {
    this.#bytes = bytes;
    this.#columns = columns;
    this.#lanes = lanesOf(columns.amounts);
  }

  /**
   * Read the operation in bytes `start` to `end` as number i, its name to byte `nameAt` of the names.
   *
   * @returns  the byte after its name; -1 when the operation is not plain, or breaks a rule
   */
  read(i: number, start: number, end: number, nameAt: number): number {
    const bytes = this.#bytes;
    const { verbs, mustExist, nameEnds } = this.#columns;
    let nameEnd = -1;
    let verb: number = NONE;
    let etag: string | undefined;
    let note: string | undefined;
    let at = start;
    while (at < end) {
      const tag = bytes[at]!;
      switch (tag) {
        case NAME: {
          const from = textStart(bytes, at + 1);
          const to = textEnd(bytes, at + 1);
          if (nameEnd !== -1 || to > end) return -1;
          nameEnd = this.#copyName(from, to, nameAt);
          if (nameEnd === -1) return -1;
          at = to;
          break;
        }
        case INCREMENT:
        case DECREMENT:
        case SET:
          if (verb !== NONE) return -1;
          verb = tag === INCREMENT ? Verb.INCREMENT : tag === DECREMENT ? Verb.DECREMENT : Verb.SET;
          at = this.#copyAmount(i, at + 1, end);
          if (at === -1 || (verb !== Verb.SET && !this.#isPositive(i))) return -1;
          break;
        case RESET:
          if (verb !== NONE || bytes[at + 1] !== 1) return -1;
          verb = Verb.RESET;
          at += 2;
          break;
        case MUST_EXIST:
          if (bytes[at + 1]! > 1) return -1;
          mustExist[i] = bytes[at + 1]!;
          at += 2;
          break;
        case ETAG:
        case NOTE: {
          const text = bytes.subarray(textStart(bytes, at + 1), textEnd(bytes, at + 1));
          at = textEnd(bytes, at + 1);
          if (at > end) return -1;
          if (tag === NOTE && note === undefined && text.length <= NOTE_BYTES_MAX && isUtf8(text)) {
            note = Buffer.from(text).toString("utf8");
          } else if (tag === ETAG && etag === undefined && isToken(text, ETAG_BYTES_MAX)) {
            etag = Buffer.from(text).toString("latin1");
          } else return -1;
          break;
        }
        default:
          at = skipUnknown(bytes, at, end);
          if (at === -1) return -1;
      }
    }
    const setsOrResets = verb === Verb.SET || verb === Verb.RESET;
    if (at !== end || nameEnd === -1 || verb === NONE) return -1;
    if (!setsOrResets && (etag !== undefined || note)) return -1;
    verbs[i] = verb;
    nameEnds[i] = nameEnd;
    if (etag !== undefined || note)
      this.#columns.extras.set(i, { etag, note: note || undefined, settings: undefined });
    return nameEnd;
  }

  #copyName(from: number, to: number, nameAt: number): number {
    const bytes = this.#bytes;
    const { names } = this.#columns;
    if (to === from || to - from > NAME_BYTES_MAX || bytes[from] === MINUS) return -1;
    let nameEnd = nameAt;
    for (let at = from; at < to; at++) {
      const byte = bytes[at]!;
      if (byte < FIRST_PRINTABLE || byte > LAST_PRINTABLE) return -1;
      names[nameEnd++] = byte;
    }
    return nameEnd;
  }

  /** Copy a varint into the lanes; returns where it ends, -1 when it does not end in ten bytes or before `end`. */
  #copyAmount(i: number, from: number, end: number): number {
    const bytes = this.#bytes;
    const lanes = this.#lanes;
    let at = from;
    let byte = bytes[at++]!;
    let low = byte & 0x7f;
    let high = 0;
    for (let shift = 7; byte >= 0x80; shift += 7) {
      if (shift > 63 || at >= end) return -1;
      byte = bytes[at++]!;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else high |= bits << (shift - 32);
    }
    lanes[2 * i] = low;
    lanes[2 * i + 1] = high;
    return at <= end ? at : -1;
  }

  #isPositive(i: number): boolean {
    const high = this.#lanes[2 * i + 1]!;
    return high > 0 || (high === 0 && this.#lanes[2 * i] !== 0);
  }
}

const FIRST_PRINTABLE = 0x21;
const LAST_PRINTABLE = 0x7e;
const MINUS = 0x2d;

/** Where a text begins whose length, below 2^14, stands at `at`. */
function textStart(bytes: Uint8Array, at: number): number {
  return bytes[at]! < 0x80 ? at + 1 : at + 2;
}

/** Where it ends; past everything when the length is larger. */
function textEnd(bytes: Uint8Array, at: number): number {
  const length = bytes[at]!;
  if (length < 0x80) return at + 1 + length;
  const more = bytes[at + 1]!;
  return more < 0x80 ? at + 2 + (length & 0x7f) + more * 0x80 : Number.POSITIVE_INFINITY;
}

function isToken(text: Uint8Array, bytesMax: number): boolean {
  if (text.length === 0 || text.length > bytesMax) return false;
  return text.every((byte) => byte >= FIRST_PRINTABLE && byte <= LAST_PRINTABLE);
}

/** Where a field ends that Operation does not have; -1 when it does have it, or it is malformed. */
function skipUnknown(bytes: Uint8Array, at: number, end: number): number {
  const tag = readTag(bytes, at, end);
  if (tag === -1 || tag >>> 3 <= FIELD_NUMBER_MAX) return -1;
  return endOfUnknown(bytes, endOfTag(bytes, at), end, tag, 1);
}

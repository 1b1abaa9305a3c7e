import { isUtf8 } from "node:buffer";
import {
  BACKSLASH,
  CAPITAL_E,
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  DIGIT_0,
  DOT,
  isDigit,
  isEscape,
  isHexDigit,
  LETTER_E,
  LETTER_F,
  LETTER_N,
  LETTER_T,
  LETTER_U,
  LINE_FEED,
  MINUS,
  OPEN_ARRAY,
  OPEN_OBJECT,
  PLUS,
  QUOTE,
  RETURN,
  SPACE,
  TAB,
} from "./characters.ts";

/** Why a text is not taken: a clause that completes "The body ...". */
export class JsonError extends Error {
  override readonly name = "JsonError";
}

/** A text of the caller's for a message to people. */
export function shortened(text: string, lengthMax = 60): string {
  return text.length <= lengthMax ? text : `${text.slice(0, lengthMax)}...`;
}

/**
 * Goes through JSON in UTF-8, as RFC 8259 has it, and leaves nothing behind: what is in the text is written or counted
 * where it stands. What parsers disagree on, the same key twice in an object, is refused.
 *
 * Not by JSON.parse, which keeps the last of equal keys and a number only as a float, and makes a hundred bytes of
 * objects of each `{}` before anybody has looked at how many there may be.
 */
export class JsonReader {
  /** The text. */
  readonly bytes: Buffer;
  /** What is read next. */
  at = 0;
  /** Where the string or number that was read last begins and ends, without its quotes, and whether it has escapes. */
  from = 0;
  to = 0;
  escaped = false;
  #duplicate: string | undefined;
  #keys = 0;

  /** @throws JsonError */
  constructor(text: Buffer) {
    if (!isUtf8(text)) throw new JsonError("is not UTF-8");
    if (text.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK))
      throw new JsonError("begins with a byte order mark, which JSON does not have");
    this.bytes = text;
  }

  /** Past the end of the text, which must be here. @throws JsonError also if an object had a key twice */
  finish(): void {
    if (this.next() !== undefined) throw this.fault();
    if (this.#duplicate === undefined) return;
    throw new JsonError(`has the key ${JSON.stringify(shortened(this.#duplicate))} twice in one object`);
  }

  /** Whether the whole text is JSON, from its beginning. @throws JsonError if it is not */
  check(): void {
    this.at = 0;
    this.#keys = 0;
    this.skip(0);
    this.finish();
  }

  /** The next byte that is not white space, undefined at the end; it is not taken yet. */
  next(): number | undefined {
    const { bytes } = this;
    for (;;) {
      const byte = bytes[this.at];
      if (byte !== SPACE && byte !== LINE_FEED && byte !== RETURN && byte !== TAB) return byte;
      this.at++;
    }
  }

  takes(byte: number): boolean {
    if (this.next() !== byte) return false;
    this.at++;
    return true;
  }

  /** What is said of a text that goes on as no JSON does. */
  fault(): JsonError {
    const { bytes, at } = this;
    if (at >= bytes.length)
      return new JsonError(`is not JSON: it ends after ${bytes.length} bytes, unfinished`);
    const [character] = bytes.toString("utf8", at, at + 4);
    return new JsonError(`is not JSON: unexpected ${JSON.stringify(character)} at byte ${at + 1}`);
  }

  /** Past the bracket that opens an object or an array. */
  enter(depth: number): void {
    if (depth > DEPTH_MAX) throw new JsonError(`nests deeper than ${DEPTH_MAX} levels`);
    this.at++;
  }

  /**
   * Past a value, whatever it is.
   *
   * @param depth  of the object or array that it stands in; 0 outside of any
   * @returns      how many items or members it has
   */
  skip(depth: number): number {
    switch (this.next()) {
      case QUOTE:
        this.string();
        return 0;
      case OPEN_OBJECT:
        return this.#skipObject(depth + 1);
      case OPEN_ARRAY:
        return this.#skipArray(depth + 1);
      case LETTER_T:
        return this.word("true");
      case LETTER_F:
        return this.word("false");
      case LETTER_N:
        return this.word("null");
      default:
        return this.number();
    }
  }

  #skipArray(depth: number): number {
    this.enter(depth);
    if (this.takes(CLOSE_ARRAY)) return 0;
    let count = 0;
    do {
      this.skip(depth);
      count++;
    } while (this.takes(COMMA));
    if (!this.takes(CLOSE_ARRAY)) throw this.fault();
    return count;
  }

  #skipObject(depth: number): number {
    this.enter(depth);
    if (this.takes(CLOSE_OBJECT)) return 0;
    const keys = new Keys();
    do {
      this.key(keys);
      this.skip(depth);
    } while (this.takes(COMMA));
    if (!this.takes(CLOSE_OBJECT)) throw this.fault();
    return keys.count;
  }

  /** A key must be next, and is counted. */
  beginKey(): void {
    if (this.next() !== QUOTE) throw this.fault();
    if (++this.#keys > KEYS_MAX) {
      throw new JsonError(`has more than ${KEYS_MAX} keys, which no request needs; split it`);
    }
  }

  /** Past a key and its colon; one that is among these keys already is told in the end. @returns the key */
  key(keys: Keys): string {
    this.beginKey();
    this.string();
    const key = this.value();
    if (!keys.add(key)) this.#duplicate ??= key;
    if (!this.takes(COLON)) throw this.fault();
    return key;
  }

  /** Past a string, whose first quote is next. */
  string(): void {
    const { bytes } = this;
    let at = this.at + 1;
    this.from = at;
    this.escaped = false;
    for (;;) {
      const byte = bytes[at]!; // Behind the end undefined, which is neither.
      if (byte === QUOTE) break;
      if (byte === BACKSLASH) {
        this.escaped = true;
        at = this.#endOfEscape(at);
      } else if (byte >= SPACE) at++;
      else throw this.#faultAt(at);
    }
    this.to = at;
    this.at = at + 1;
  }

  #endOfEscape(at: number): number {
    const letter = this.bytes[at + 1]!;
    if (letter !== LETTER_U) {
      if (isEscape(letter)) return at + 2;
      throw this.#faultAt(at + 1);
    }
    for (let digit = at + 2; digit < at + 6; digit++) {
      if (!isHexDigit(this.bytes[digit]!)) throw this.#faultAt(digit);
    }
    return at + 6;
  }

  /** The string or number that was read last. */
  value(): string {
    const { bytes, from, to } = this;
    return this.escaped
      ? (JSON.parse(bytes.toString("utf8", from - 1, to + 1)) as string)
      : bytes.toString("utf8", from, to);
  }

  /** Past a number. What it means depends on the field that it is for. */
  number(): 0 {
    const { bytes } = this;
    let at = this.at;
    this.from = at;
    this.escaped = false;
    if (bytes[at] === MINUS) at++;
    at = bytes[at] === DIGIT_0 ? at + 1 : this.#endOfDigits(at);
    if (bytes[at] === DOT) at = this.#endOfDigits(at + 1);
    if (bytes[at] === LETTER_E || bytes[at] === CAPITAL_E) {
      at++;
      if (bytes[at] === PLUS || bytes[at] === MINUS) at++;
      at = this.#endOfDigits(at);
    }
    this.at = at;
    this.to = at;
    return 0;
  }

  /** Where digits end, of which there is at least one. */
  #endOfDigits(start: number): number {
    let at = start;
    while (isDigit(this.bytes[at]!)) at++;
    if (at === start) throw this.#faultAt(at);
    return at;
  }

  word(word: string): 0 {
    for (let i = 0; i < word.length; i++) {
      if (this.bytes[this.at] !== word.charCodeAt(i)) throw this.fault();
      this.at++;
    }
    return 0;
  }

  #faultAt(at: number): JsonError {
    this.at = at;
    return this.fault();
  }
}

/** Requests have three levels. What reads JSON calls itself for each, and would run out of stack. */
const DEPTH_MAX = 32;

/** Of all objects together: more than a request with each field of 8,000 operations has. Each costs as much as ten values. */
export const KEYS_MAX = 100_000;

/** The keys of one object, so that one that comes twice is noticed. */
export class Keys {
  count = 0;
  #first = "";
  /** From the second on: a set for each object that has one key would cost more than all else. */
  #all: Set<string> | undefined;

  /** Returns whether it is a new one. */
  add(key: string): boolean {
    if (this.count++ === 0) {
      this.#first = key;
      return true;
    }
    this.#all ??= new Set([this.#first]);
    const { size } = this.#all;
    return this.#all.add(key).size > size;
  }
}

const BYTE_ORDER_MARK = Buffer.from("\ufeff");

/**
 * JSON text straight into the bytes of a message, as nearly every client writes it.
 *
 * Parsing, checking and encoding by way of objects takes 10 microseconds an operation of a batch, during which nobody
 * else is served; one pass over the text takes a twentieth of that. It only ever accepts: a text that it does not take
 * at once (a fault, something rare) is judged by request.ts, which says what is wrong. test/transports/json-plain.test.ts
 * holds the two together.
 */
import { isUtf8 } from "node:buffer";
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";

export interface PlainMessage {
  readonly bytes: Buffer;
  /** The fields that the text has, by their names in the .proto file. */
  readonly given: ReadonlySet<string>;
}

/** The message that a text says; undefined when the text is not plain, or breaks a rule of ProtoJSON. */
export function encodePlain(schema: DescMessage, text: Buffer): PlainMessage | undefined {
  const plan = planOf(schema);
  if (plan === undefined || !isUtf8(text)) return undefined;
  return new Encoder(text).encode(plan);
}

/** How a field is written. */
interface FieldPlan {
  readonly name: string;
  readonly kind: "string" | "bool" | "int64" | "message";
  readonly list: boolean;
  /** Of a varint or a length-delimited value; below 0x80. */
  readonly tag: number;
  /** Left out when it is what it would be anyway. */
  readonly implicit: boolean;
  /** A bit for the field; each field comes once. */
  readonly bit: number;
  /** The bits of all fields of its oneof. */
  readonly choice: number;
  readonly message: Plan | undefined;
}

/** A field under one of its names. */
interface Key {
  readonly bytes: Buffer;
  readonly field: FieldPlan | undefined;
}

/** The fields of a message under both of their names; one without a plan has what is not plain. */
type Plan = readonly Key[];

const plans = new Map<DescMessage, Plan | undefined>();

function planOf(schema: DescMessage): Plan | undefined {
  if (plans.has(schema)) return plans.get(schema);
  plans.set(schema, undefined); // Before its fields: a message that contains itself is not plain.
  const plan = newPlan(schema);
  plans.set(schema, plan);
  return plan;
}

function newPlan(schema: DescMessage): Plan | undefined {
  // Those of Google have a JSON of their own; and a bit a field is what there is.
  if (schema.typeName.startsWith("google.") || schema.fields.length > 31) return undefined;
  return schema.fields.flatMap((field) => {
    const plan = fieldPlan(schema, field);
    return [...new Set([field.jsonName, field.name])].map((name) => ({
      bytes: Buffer.from(name),
      field: plan,
    }));
  });
}

function fieldPlan(schema: DescMessage, field: DescField): FieldPlan | undefined {
  const kind = kindOf(field);
  if (kind === undefined || field.number > 15) return undefined;
  const message = kind === "message" ? planOf(field.message!) : undefined;
  if (kind === "message" && message === undefined) return undefined;
  const bit = (each: DescField) => 1 << schema.fields.indexOf(each);
  return {
    name: field.name,
    kind,
    list: field.fieldKind === "list",
    tag: (field.number << 3) | (kind === "string" || kind === "message" ? 2 : 0),
    implicit: field.presence === FeatureSet_FieldPresence.IMPLICIT,
    bit: bit(field),
    choice: field.oneof?.fields.reduce((bits, each) => bits | bit(each), 0) ?? 0,
    message,
  };
}

function kindOf(field: DescField): FieldPlan["kind"] | undefined {
  if (field.fieldKind === "map") return undefined;
  if (field.message !== undefined) return "message";
  if (field.scalar === ScalarType.STRING) return "string";
  if (field.fieldKind === "list") return undefined; // Of numbers: they would be packed.
  if (field.scalar === ScalarType.BOOL) return "bool";
  return field.scalar === ScalarType.INT64 ? "int64" : undefined;
}

/** Thrown for what is not plain. */
const NOT_PLAIN = new Error("not plain");

class Encoder {
  readonly #text: Buffer;
  #at = 0;
  /** Twice the text is enough: what takes most beside its text is -1, ten bytes and a tag for `"x":-1,`. */
  readonly #bytes: Buffer;
  #end = 0;

  constructor(text: Buffer) {
    this.#text = text;
    this.#bytes = Buffer.allocUnsafe(2 * text.length + 16);
  }

  encode(plan: Plan): PlainMessage | undefined {
    try {
      this.#space();
      const bits = this.#message(plan);
      this.#space();
      if (this.#at !== this.#text.length) return undefined;
      const given = plan.filter(({ field }) => field !== undefined && (bits & field.bit) !== 0);
      return {
        bytes: this.#bytes.subarray(0, this.#end),
        given: new Set(given.map(({ field }) => field!.name)),
      };
    } catch (error) {
      if (error !== NOT_PLAIN) throw error;
      return undefined;
    }
  }

  /** Write an object; returns the bits of the fields that it has. */
  #message(plan: Plan): number {
    this.#expect(OPEN_OBJECT);
    let seen = 0;
    let given = 0; // Less those that are null, which is as if they were not there.
    this.#space();
    if (this.#takes(CLOSE_OBJECT)) return given;
    for (;;) {
      const field = this.#key(plan);
      this.#space();
      this.#expect(COLON);
      this.#space();
      if ((seen & field.bit) !== 0) throw NOT_PLAIN;
      seen |= field.bit;
      if (this.#text[this.#at] === LETTER_N) this.#word(NULL);
      else {
        if ((given & field.choice) !== 0) throw NOT_PLAIN; // Beside another of its oneof.
        given |= field.bit;
        if (field.list) this.#list(field);
        else this.#value(field);
      }
      this.#space();
      if (this.#takes(CLOSE_OBJECT)) return given;
      this.#expect(COMMA);
      this.#space();
    }
  }

  #list(field: FieldPlan): void {
    this.#expect(OPEN_LIST);
    this.#space();
    if (this.#takes(CLOSE_LIST)) return;
    for (;;) {
      this.#value(field);
      this.#space();
      if (this.#takes(CLOSE_LIST)) return;
      this.#expect(COMMA);
      this.#space();
    }
  }

  #value(field: FieldPlan): void {
    const tagAt = this.#end;
    this.#bytes[this.#end++] = field.tag;
    let isDefault = false;
    switch (field.kind) {
      case "message": {
        const from = ++this.#end; // Room for a length of one byte.
        this.#message(field.message!);
        this.#lengthBefore(from);
        break;
      }
      case "string": {
        const from = ++this.#end;
        this.#string();
        isDefault = this.#end === from;
        this.#lengthBefore(from);
        break;
      }
      case "bool":
        isDefault = !this.#bool();
        this.#bytes[this.#end++] = isDefault ? 0 : 1;
        break;
      case "int64":
        isDefault = this.#int64();
    }
    if (isDefault && field.implicit && !field.list) this.#end = tagAt;
  }

  /** Write the length of what was written from `from`, into the one byte before it; if it takes more, make room. */
  #lengthBefore(from: number): void {
    const bytes = this.#bytes;
    let length = this.#end - from;
    const more = length < 0x80 ? 0 : length < 0x4000 ? 1 : length < 0x200000 ? 2 : 3;
    if (more > 0) {
      bytes.copyWithin(from + more, from, this.#end);
      this.#end += more;
    }
    let at = from - 1;
    while (length >= 0x80) {
      bytes[at++] = (length & 0x7f) | 0x80;
      length >>>= 7;
    }
    bytes[at] = length;
  }

  /** The field of a key, which has no escapes: names of fields need none. */
  #key(plan: Plan): FieldPlan {
    this.#expect(QUOTE);
    const text = this.#text;
    const at = this.#at;
    next: for (const { bytes, field } of plan) {
      const end = at + bytes.length;
      if (text[end] !== QUOTE) continue;
      for (let i = 0; i < bytes.length; i++) if (text[at + i] !== bytes[i]) continue next;
      if (field === undefined) break;
      this.#at = end + 1;
      return field;
    }
    throw NOT_PLAIN;
  }

  /** Copy a string; its escapes are left to JSON.parse. */
  #string(): void {
    this.#expect(QUOTE);
    const text = this.#text;
    const bytes = this.#bytes;
    const start = this.#end;
    let at = this.#at;
    let end = start;
    for (;;) {
      const byte = text[at]!; // Behind the end undefined, which is not taken either.
      if (byte === QUOTE) break;
      if (byte === BACKSLASH) {
        end = this.#escaped(start);
        at = this.#at;
        break;
      }
      if (!(byte >= SPACE)) throw NOT_PLAIN;
      bytes[end++] = byte;
      at++;
    }
    this.#at = at + 1;
    this.#end = end;
  }

  /** Write a string that has escapes; returns where it ends, and stops at its last quote. */
  #escaped(start: number): number {
    const text = this.#text;
    const from = this.#at;
    let at = from;
    while (at < text.length && text[at] !== QUOTE) at += text[at] === BACKSLASH ? 2 : 1;
    let string: string;
    try {
      string = JSON.parse(text.toString("utf8", from - 1, at + 1));
    } catch {
      throw NOT_PLAIN;
    }
    if (!string.isWellFormed()) throw NOT_PLAIN;
    this.#at = at;
    return start + this.#bytes.write(string, start);
  }

  #bool(): boolean {
    const isTrue = this.#text[this.#at] === LETTER_T;
    this.#word(isTrue ? TRUE : FALSE);
    return isTrue;
  }

  /** Write a whole number, in quotes or not; returns whether it is 0. */
  #int64(): boolean {
    const text = this.#text;
    const quoted = text[this.#at] === QUOTE;
    const from = quoted ? this.#at + 1 : this.#at;
    let at = from;
    const negative = text[at] === MINUS;
    if (negative) at++;
    const firstDigit = at;
    let magnitude = 0;
    while (text[at]! >= DIGIT_0 && text[at]! <= DIGIT_9) magnitude = magnitude * 10 + (text[at++]! - DIGIT_0);
    const digits = at - firstDigit;
    if (digits === 0 || digits > 19 || (digits > 1 && text[firstDigit] === DIGIT_0)) throw NOT_PLAIN;
    if (quoted && text[at] !== QUOTE) throw NOT_PLAIN;
    this.#at = quoted ? at + 1 : at;
    if (digits <= 15) {
      this.#varint(magnitude, negative);
      return magnitude === 0;
    }
    if (!quoted && !Number.isSafeInteger(magnitude)) throw NOT_PLAIN;
    const value = BigInt(text.toString("latin1", from, at));
    if (value !== BigInt.asIntN(64, value)) throw NOT_PLAIN;
    this.#halves(Number(value & 0xffffffffn), Number((value >> 32n) & 0xffffffffn));
    return false;
  }

  /** @param magnitude  below 2^53 */
  #varint(magnitude: number, negative: boolean): void {
    const low = magnitude >>> 0;
    const high = Math.floor(magnitude / 0x1_0000_0000);
    if (!negative) this.#halves(low, high);
    else this.#halves(-low >>> 0, (~high + (low === 0 ? 1 : 0)) >>> 0); // The complement of two.
  }

  #halves(low: number, high: number): void {
    const bytes = this.#bytes;
    let end = this.#end;
    let lowRest = low;
    let highRest = high;
    while (highRest !== 0 || lowRest >= 0x80) {
      bytes[end++] = (lowRest & 0x7f) | 0x80;
      lowRest = ((lowRest >>> 7) | (highRest << 25)) >>> 0;
      highRest >>>= 7;
    }
    bytes[end++] = lowRest;
    this.#end = end;
  }

  #space(): void {
    const text = this.#text;
    for (;;) {
      const byte = text[this.#at];
      if (byte !== SPACE && byte !== LINE_FEED && byte !== RETURN && byte !== TAB) return;
      this.#at++;
    }
  }

  #takes(byte: number): boolean {
    if (this.#text[this.#at] !== byte) return false;
    this.#at++;
    return true;
  }

  #expect(byte: number): void {
    if (this.#text[this.#at] !== byte) throw NOT_PLAIN;
    this.#at++;
  }

  #word(word: Buffer): void {
    for (const byte of word) this.#expect(byte);
  }
}

const TAB = 0x09;
const LINE_FEED = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_LIST = 0x5d;
const LETTER_N = 0x6e;
const LETTER_T = 0x74;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const TRUE = Buffer.from("true");
const FALSE = Buffer.from("false");
const NULL = Buffer.from("null");

import { highOf, WireWriter } from "../../wire/writer.ts";
import {
  CAPITAL_A,
  CAPITAL_Z,
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  LETTER_F,
  LETTER_N,
  LETTER_T,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
  UNDERSCORE,
} from "./characters.ts";
import { Fault } from "./fault.ts";
import { type JsonReader, Keys, shortened } from "./parse.ts";
import type { FieldPlan, MessagePlan } from "./plan.ts";
import type { TimeText } from "./time-text.ts";
import { readWhole } from "./whole.ts";

/**
 * Writes a message as its text is read. Objects in between would take several times as long, and a hundred bytes for
 * each `{}` before anybody has looked at how many there may be.
 */
export class Encoder {
  /** How many there are in a list or map that has more than its rule allows, by the path of its field. */
  readonly excess = new Map<string, number>();
  readonly #plan: MessagePlan;
  readonly #text: JsonReader;
  readonly #out: WireWriter;
  /** What stands beside the text for a field. */
  readonly #beside = new Map<FieldPlan, string>();
  /** Where it is: names of fields, keys of maps and indexes. */
  readonly #path: (string | number | { readonly key: string })[] = [];

  /** @param text  an object is next in it */
  constructor(plan: MessagePlan, text: JsonReader, beside: Readonly<Record<string, string>>) {
    this.#plan = plan;
    this.#text = text;
    // Twice the text is enough: what takes most beside its text is -1, ten bytes behind a tag of two for `"n":-1,`.
    let capacity = 2 * text.bytes.length;
    for (const [name, value] of Object.entries(beside)) {
      this.#beside.set(plan.fields.get(name)!, value);
      capacity += Buffer.byteLength(value) + FIELD_BYTES_MAX;
    }
    this.#out = new WireWriter(capacity);
  }

  /** @throws Fault, and JsonError */
  encode(): Buffer {
    this.#message(this.#plan, 1, this.#beside);
    this.#text.finish();
    for (const [{ tag }, value] of this.#beside) this.#out.text(tag, value);
    return this.#out.finish();
  }

  /** The path of the field where it stopped: `operations[1].name`. */
  where(): string {
    return this.#path
      .map((step, i) => {
        if (typeof step === "number") return `[${step}]`;
        if (typeof step === "object") return `[${JSON.stringify(shortened(step.key))}]`;
        return i === 0 ? step : `.${step}`;
      })
      .join("");
  }

  /** An object, which is next. @param depth  its own: 1 is the outermost */
  #message(plan: MessagePlan, depth: number, beside?: ReadonlyMap<FieldPlan, string>): void {
    const text = this.#text;
    text.at++;
    if (text.takes(CLOSE_OBJECT)) return;
    let given = 0;
    let chosen = 0; // Of oneofs, what stands in the path too.
    for (const { bit } of beside?.keys() ?? []) chosen |= bit;
    do {
      const field = this.#key(plan);
      const { name, oneof } = field.field;
      this.#path.push(name);
      if ((given & field.bit) !== 0) throw new Fault("must be given once, not by both of its names");
      given |= field.bit;
      if (text.next() === LETTER_N)
        text.word("null"); // As if it were not there.
      else if (beside?.has(field) === true) this.#same(beside.get(field)!);
      else {
        if ((chosen & field.choice) !== 0) {
          const other = plan.keys.find((each) => (each.field.bit & chosen & field.choice) !== 0)!;
          this.#path[this.#path.length - 1] = oneof!.name;
          throw new Fault(`must be one, not ${other.field.field.name} and ${name}`);
        }
        chosen |= field.bit;
        if (field.shape === "one") this.#value(field, field.tag, depth);
        else if (field.shape === "list") this.#list(field, depth + 1);
        else this.#map(field, depth + 1);
      }
      this.#path.pop();
    } while (text.takes(COMMA));
    if (!text.takes(CLOSE_OBJECT)) throw text.fault();
  }

  /** Past a key, which is one of a field, and its colon. */
  #key({ name, keys, fields }: MessagePlan): FieldPlan {
    const text = this.#text;
    text.beginKey();
    let field = this.#plainKey(keys);
    if (field === undefined) {
      text.string();
      const key = text.value();
      field = fields.get(key);
      if (field === undefined) {
        this.#path.push(shortened(key));
        throw new Fault(`is not a field of ${name}`);
      }
    }
    if (!text.takes(COLON)) throw text.fault();
    return field;
  }

  /** A key that stands in the text as its field is named: no string is made for it. */
  #plainKey(keys: MessagePlan["keys"]): FieldPlan | undefined {
    const { bytes, at } = this.#text;
    const start = at + 1;
    next: for (const { name, field } of keys) {
      const end = start + name.length;
      if (bytes[end] !== QUOTE) continue;
      for (let i = 0; i < name.length; i++) if (bytes[start + i] !== name[i]) continue next;
      this.#text.at = end + 1;
      return field;
    }
    return undefined;
  }

  /** A string that says what stands beside the text, too. */
  #same(value: string): void {
    const start = this.#text.at;
    if (this.#quoted() !== value) {
      throw new Fault(`must be the same in the path (${JSON.stringify(value)})`, start);
    }
  }

  #list(field: FieldPlan, depth: number): void {
    const text = this.#text;
    if (text.next() !== OPEN_ARRAY) throw new Fault("must be an array", text.at);
    text.at++;
    if (text.takes(CLOSE_ARRAY)) return;
    let count = 0;
    do {
      if (count > field.itemsMax) text.skip(depth);
      else {
        this.#path.push(count);
        this.#value(field, field.tag, depth);
        this.#path.pop();
      }
      count++;
    } while (text.takes(COMMA));
    if (!text.takes(CLOSE_ARRAY)) throw text.fault();
    if (count > field.itemsMax) this.excess.set(this.where(), count);
  }

  #map(field: FieldPlan, depth: number): void {
    const text = this.#text;
    if (text.next() !== OPEN_OBJECT) throw new Fault("must be an object", text.at);
    text.at++;
    if (text.takes(CLOSE_OBJECT)) return;
    const keys = new Keys();
    do {
      const key = text.key(keys);
      if (keys.count > field.itemsMax + 1) text.skip(depth);
      else {
        this.#path.push({ key });
        const start = this.#out.open(field.tag);
        if (text.escaped) this.#out.text(MAP_KEY, key);
        else this.#out.slice(MAP_KEY, text.bytes, text.from, text.to);
        this.#value(field, MAP_VALUE, depth);
        this.#out.close(start);
        this.#path.pop();
      }
    } while (text.takes(COMMA));
    if (!text.takes(CLOSE_OBJECT)) throw text.fault();
    if (keys.count > field.itemsMax) this.excess.set(this.where(), keys.count);
  }

  /** One value. What is 0 or empty anyway is left out of a message. @param depth  of what it stands in */
  #value(field: FieldPlan, tag: number, depth: number): void {
    switch (field.kind) {
      case "message": {
        if (this.#text.next() !== OPEN_OBJECT) throw new Fault("must be an object", this.#text.at);
        const start = this.#out.open(tag);
        this.#message(field.message!, depth + 1);
        this.#out.close(start);
        return;
      }
      case "string":
        this.#string(field, tag);
        return;
      case "bool":
        this.#bool(field, tag);
        return;
      case "int32":
        this.#number(field, tag, readWhole(this.#text, 32, field.range));
        return;
      case "int64":
        this.#number(field, tag, readWhole(this.#text, 64, field.range));
        return;
      case "enum":
        this.#enum(field, tag);
        return;
      case "time":
        this.#time(field.time!, tag);
        return;
      case "mask":
        this.#mask(tag);
    }
  }

  #string({ written }: FieldPlan, tag: number): void {
    const text = this.#text;
    if (text.next() !== QUOTE) throw new Fault("must be a string", text.at);
    text.string();
    if (text.escaped) {
      const value = text.value();
      if (!value.isWellFormed()) throw new Fault("must be well-formed Unicode");
      this.#out.text(tag, value);
    } else if (written || text.to > text.from) this.#out.slice(tag, text.bytes, text.from, text.to);
  }

  #bool(field: FieldPlan, tag: number): void {
    const text = this.#text;
    const next = text.next();
    if (next !== LETTER_T && next !== LETTER_F) throw new Fault("must be true or false", text.at);
    text.word(next === LETTER_T ? "true" : "false");
    this.#number(field, tag, next === LETTER_T ? 1 : 0);
  }

  #enum(field: FieldPlan, tag: number): void {
    const start = this.#text.at;
    const { values } = field.field.enum!;
    const quoted = this.#quoted();
    const known = values.find(({ name }) => name === quoted);
    if (known === undefined) {
      const names = values.slice(1).map(({ name }) => name);
      throw new Fault(`must be one of ${names.join(", ")}`, start);
    }
    this.#number(field, tag, known.number);
  }

  #time({ expected, toBytes }: TimeText, tag: number): void {
    const start = this.#text.at;
    const quoted = this.#quoted();
    const bytes = quoted === undefined ? undefined : toBytes(quoted);
    if (bytes === undefined) throw new Fault(expected, start);
    this.#out.slice(tag, bytes, 0, bytes.length);
  }

  /** In JSON a mask is one string: "min,onBound". */
  #mask(tag: number): void {
    const start = this.#text.at;
    const quoted = this.#quoted();
    if (quoted === undefined || !/^([a-zA-Z0-9.]+(,[a-zA-Z0-9.]+)*)?$/.test(quoted)) {
      throw new Fault("must be fields in lowerCamelCase, separated by commas", start);
    }
    const opened = this.#out.open(tag);
    if (quoted !== "") this.#paths(quoted);
    this.#out.close(opened);
  }

  /** The paths of a mask in snake_case; by bytes, for there may be two million. */
  #paths(mask: string): void {
    const snake = Buffer.allocUnsafe(2 * mask.length);
    let from = 0;
    let to = 0;
    for (let i = 0; i < mask.length; i++) {
      const code = mask.charCodeAt(i);
      if (code === COMMA) {
        this.#out.slice(MASK_PATHS, snake, from, to);
        from = to;
      } else if (code >= CAPITAL_A && code <= CAPITAL_Z) {
        snake[to++] = UNDERSCORE;
        snake[to++] = code | 0x20; // In lower case.
      } else snake[to++] = code;
    }
    this.#out.slice(MASK_PATHS, snake, from, to);
  }

  /** Past a string and what it says; undefined, and still before it, where there is none. */
  #quoted(): string | undefined {
    if (this.#text.next() !== QUOTE) return undefined;
    this.#text.string();
    return this.#text.value();
  }

  #number({ written }: FieldPlan, tag: number, value: number | bigint): void {
    const [low, high] =
      typeof value === "number"
        ? [value | 0, highOf(value)]
        : [Number(BigInt.asIntN(32, value)), Number(value >> 32n)];
    if (written) this.#out.presentNumber(tag, low, high);
    else this.#out.number(tag, low, high);
  }
}

const MAP_KEY = 0x0a;
const MAP_VALUE = 0x12;
const MASK_PATHS = 0x0a;

/** What a tag and a length take. */
const FIELD_BYTES_MAX = 10;

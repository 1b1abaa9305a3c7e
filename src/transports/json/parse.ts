import { textOf } from "../http/target.ts";

/** A number as it was written: what it means depends on the field that it is for. */
export class Numeral {
  readonly source: string;
  constructor(source: string) {
    this.source = source;
  }
}

/** What JSON text says, its numbers as written. */
export type Json = null | boolean | string | Numeral | readonly Json[] | JsonFields;

/** What an object in JSON has. */
export type JsonFields = { readonly [key: string]: Json };

/** Why a text is not taken: a clause that completes "The body ...". */
export class JsonError extends Error {
  override readonly name = "JsonError";
}

/**
 * Read JSON in UTF-8 as RFC 8259 has it, and refuse what parsers disagree on: the same key twice in an object.
 *
 * Not by JSON.parse, which keeps the last of equal keys and a number only as a float: a reviver that sees both, and a
 * pass that counts the keys, take three times as long, and nobody else is served meanwhile.
 *
 * @throws JsonError
 */
export function parseJson(bytes: Buffer): Json {
  const text = textOf(bytes);
  if (text === undefined) throw new JsonError("is not UTF-8");
  if (text.startsWith("\ufeff"))
    throw new JsonError("begins with a byte order mark, which JSON does not have");
  const parser = new Parser(text);
  const json = parser.whole();
  if (json === FAULT) throw faultIn(text);
  if (parser.duplicate !== undefined) {
    throw new JsonError(`has the key ${JSON.stringify(shortened(parser.duplicate))} twice in one object`);
  }
  return json;
}

/** A text of the caller's for a message to people. */
export function shortened(text: string, lengthMax = 60): string {
  return text.length <= lengthMax ? text : `${text.slice(0, lengthMax)}...`;
}

/** What is wrong with a text that is not JSON, in the words of JSON.parse. */
function faultIn(text: string): JsonError {
  try {
    JSON.parse(text);
  } catch (error) {
    return new JsonError(`is not JSON: ${shortened((error as Error).message, 100)}`);
  }
  throw new TypeError(`expected text that JSON.parse refuses too, got ${shortened(text)}`);
}

/** Requests have three levels. What reads JSON calls itself for each, and would run out of stack. */
const DEPTH_MAX = 32;

/** In the place of what is not JSON. */
const FAULT = Symbol("not JSON");
type Read = Json | typeof FAULT;

class Parser {
  /** The first key that an object has twice. */
  duplicate: string | undefined;
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): Read {
    const json = this.#value(0);
    return this.#next() === "" ? json : FAULT;
  }

  /** The next character that is not white space, "" at the end; it is not taken yet. */
  #next(): string {
    const text = this.#text;
    for (;;) {
      const code = text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return text.charAt(this.#at);
      this.#at++;
    }
  }

  #takes(character: string): boolean {
    if (this.#next() !== character) return false;
    this.#at++;
    return true;
  }

  #value(depth: number): Read {
    switch (this.#next()) {
      case '"':
        return this.#string();
      case "{":
        return this.#object(depth + 1);
      case "[":
        return this.#array(depth + 1);
      case "t":
        return this.#word("true", true);
      case "f":
        return this.#word("false", false);
      case "n":
        return this.#word("null", null);
      default:
        return this.#numeral();
    }
  }

  #object(depth: number): Read {
    this.#enter(depth);
    const json: Record<string, Json> = {};
    if (this.#takes("}")) return json;
    do {
      const key = this.#next() === '"' ? this.#string() : FAULT;
      if (key === FAULT || !this.#takes(":")) return FAULT;
      const value = this.#value(depth);
      if (value === FAULT) return FAULT;
      if (Object.hasOwn(json, key)) this.duplicate ??= key;
      if (key === "__proto__")
        Object.defineProperty(json, key, { value, enumerable: true, configurable: true });
      else json[key] = value;
    } while (this.#takes(","));
    return this.#takes("}") ? json : FAULT;
  }

  #array(depth: number): Read {
    this.#enter(depth);
    const json: Json[] = [];
    if (this.#takes("]")) return json;
    do {
      const value = this.#value(depth);
      if (value === FAULT) return FAULT;
      json.push(value);
    } while (this.#takes(","));
    return this.#takes("]") ? json : FAULT;
  }

  /** Past the bracket that opens an object or an array. */
  #enter(depth: number): void {
    if (depth > DEPTH_MAX) throw new JsonError(`nests deeper than ${DEPTH_MAX} levels`);
    this.#at++;
  }

  /** A string whose first quote is next. One with escapes is left to JSON.parse. */
  #string(): string | typeof FAULT {
    const text = this.#text;
    const start = this.#at + 1;
    let escaped = false;
    for (let at = start; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code < 0x20) return FAULT;
      if (code === BACKSLASH) {
        escaped = true;
        at++;
      } else if (code === QUOTE) {
        this.#at = at + 1;
        return escaped ? unescaped(text.slice(start - 1, at + 1)) : text.slice(start, at);
      }
    }
    return FAULT;
  }

  #word(word: string, means: boolean | null): Read {
    if (!this.#text.startsWith(word, this.#at)) return FAULT;
    this.#at += word.length;
    return means;
  }

  #numeral(): Read {
    NUMBER.lastIndex = this.#at;
    const source = NUMBER.exec(this.#text)?.[0];
    if (source === undefined) return FAULT;
    this.#at += source.length;
    return new Numeral(source);
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;

function unescaped(quoted: string): string | typeof FAULT {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return FAULT;
  }
}

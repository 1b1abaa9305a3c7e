import { visit } from "jsonc-parser";
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
 * @throws JsonError
 */
export function parseJson(bytes: Buffer): Json {
  const text = textOf(bytes);
  if (text === undefined) throw new JsonError("is not UTF-8");
  if (text.startsWith("\ufeff"))
    throw new JsonError("begins with a byte order mark, which JSON does not have");
  const keysWritten = countKeys(text);
  let keysRead = 0;
  /** TypeScript does not know the third parameter of a reviver yet. */
  function keepNumerals(
    this: unknown,
    _key: string,
    value: unknown,
    { source }: { source: string },
  ): unknown {
    if (!Array.isArray(this)) keysRead++;
    return typeof value === "number" ? new Numeral(source) : value;
  }
  let json: Json;
  try {
    json = JSON.parse(text, keepNumerals as (key: string, value: unknown) => unknown);
  } catch (error) {
    throw new JsonError(`is not JSON: ${shortened((error as Error).message, 100)}`);
  }
  // JSON.parse keeps the last of equal keys, and does not tell. It also reads the whole as if under a key.
  if (keysRead !== keysWritten + 1) throw duplicateIn(text);
  return json;
}

/** A text of the caller's for a message to people. */
export function shortened(text: string, lengthMax = 60): string {
  return text.length <= lengthMax ? text : `${text.slice(0, lengthMax)}...`;
}

/** Requests have three levels. */
const DEPTH_MAX = 32;

/**
 * How many keys the objects of a text have, by their colons, if it is JSON.
 *
 * @throws JsonError for one that nests too deep: what reads JSON calls itself for each level, and would run out of stack
 */
function countKeys(text: string): number {
  let depth = 0;
  let keys = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '"') at = endOfString(text, at);
    else if (character === ":") keys++;
    else if (character === "]" || character === "}") depth--;
    else if ((character === "[" || character === "{") && ++depth > DEPTH_MAX) {
      throw new JsonError(`nests deeper than ${DEPTH_MAX} levels`);
    }
  }
  return keys;
}

/** Where the string that begins at `at` has its last quote. */
function endOfString(text: string, at: number): number {
  let end = at + 1;
  while (end < text.length && text[end] !== '"') end += text[end] === "\\" ? 2 : 1;
  return end;
}

/** The first key of a text that comes twice in one object; there is one. */
function duplicateIn(text: string): JsonError {
  const open: Set<string>[] = [];
  let duplicate: string | undefined;
  visit(text, {
    onObjectBegin: () => void open.push(new Set()),
    onObjectEnd: () => void open.pop(),
    onObjectProperty: (key) => {
      const keys = open.at(-1)!;
      if (keys.has(key)) duplicate ??= key;
      keys.add(key);
    },
  });
  return new JsonError(`has the key ${JSON.stringify(shortened(duplicate!))} twice in one object`);
}

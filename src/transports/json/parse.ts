import { visit } from "jsonc-parser";

/** A number as it was written: what it means depends on the field that it is for. */
export class Numeral {
  readonly source: string;
  constructor(source: string) {
    this.source = source;
  }
}

/** What JSON text says, its numbers as written. */
export type Json = null | boolean | string | Numeral | readonly Json[] | { readonly [key: string]: Json };

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
  let json: Json;
  let text: string;
  try {
    text = UTF8.decode(bytes);
  } catch {
    throw new JsonError("is not UTF-8");
  }
  try {
    json = JSON.parse(text, keepNumerals as (key: string, value: unknown) => unknown);
  } catch (error) {
    throw new JsonError(`is not JSON: ${(error as Error).message}`);
  }
  refuseDuplicates(text);
  return json;
}

const UTF8 = new TextDecoder("utf-8", { fatal: true });

/** TypeScript does not know the third parameter of a reviver yet. */
function keepNumerals(_key: string, value: unknown, { source }: { source: string }): unknown {
  return typeof value === "number" ? new Numeral(source) : value;
}

/** JSON.parse keeps the last of equal keys, and does not tell. */
function refuseDuplicates(text: string): void {
  const open: Set<string>[] = [];
  visit(text, {
    onObjectBegin: () => void open.push(new Set()),
    onObjectEnd: () => void open.pop(),
    onObjectProperty: (key) => {
      const keys = open.at(-1)!;
      if (keys.has(key)) throw new JsonError(`has the key ${JSON.stringify(key)} twice in one object`);
      keys.add(key);
    },
  });
}

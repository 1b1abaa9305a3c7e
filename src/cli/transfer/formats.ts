/** The two formats of files of counters: how a record is written, and how lines become records again. */
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { numbersAsWritten, parsed } from "../exact-json.ts";
import { visibleJson } from "../visible.ts";
import { rowText } from "./csv.ts";
import { CsvParser } from "./csv-parser.ts";
import { type Parser, UnreadableFile } from "./parser.ts";
import { BadRecord, FIELDS } from "./record.ts";

/** A record a line as JSON; or a line of names and then a row a record. */
export type FileFormat = "ndjson" | "csv";

export const FILE_FORMATS: readonly FileFormat[] = ["ndjson", "csv"];

/** What stands before the first record. */
export function headOf(format: FileFormat): string {
  return format === "csv" ? `${rowText(FIELDS.map(({ name }) => name))}\r\n` : "";
}

/** A record, with the end of its line. */
export function lineOf(format: FileFormat, record: JsonObject): string {
  if (format === "ndjson") return `${visibleJson(JSON.stringify(record))}\n`;
  return `${rowText(FIELDS.map(({ jsonName }) => cellOf(record[jsonName])))}\r\n`;
}

/** Text as it is, what has parts as JSON, and nothing for what is not set. */
function cellOf(value: JsonValue | undefined): string {
  if (value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : `${value}`;
}

/**
 * @param first  the first line: a file that begins with "{" is NDJSON, any other CSV
 * @throws UnreadableFile
 */
export function formatOf(first: string): FileFormat {
  if (/^\s*\[/.test(first))
    throw new UnreadableFile("it is one JSON array; make it a line a record, with: jq -c '.[]'");
  return /^\s*\{/.test(first) ? "ndjson" : "csv";
}

export function parserOf(format: FileFormat): Parser {
  return format === "csv" ? new CsvParser() : new NdjsonParser();
}

class NdjsonParser implements Parser {
  readonly linesBefore = 0;

  take(line: string): unknown {
    if (line.trim() === "") return undefined;
    const record = parsed(line, numbersOfCounters);
    if (record === undefined) throw new BadRecord("it is not JSON");
    const twice = keyTwiceIn(line);
    if (twice !== undefined) throw new BadRecord(`${twice} is given twice`);
    return record;
  }

  lost(): void {}

  end(): void {}
}

/** Exact; but a number is no name. */
const numbersOfCounters: typeof numbersAsWritten = (key, value, context) =>
  key === "name" ? value : numbersAsWritten(key, value, context);

/** A key that an object has twice, as JSON: who wrote both meant one of them, and nobody knows which. @param json  legal */
function keyTwiceIn(json: string): string | undefined {
  const objects: Set<string>[] = [];
  let text = "";
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[{}:]/g)) {
    if (token === "{") objects.push(new Set());
    else if (token === "}") objects.pop();
    else if (token !== ":") text = token;
    else {
      const keys = objects.at(-1)!;
      const key = JSON.parse(text) as string;
      if (keys.has(key)) return text;
      keys.add(key);
    }
  }
  return undefined;
}

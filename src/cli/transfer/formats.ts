/** The two formats of files of counters: how a record is written, and how lines become records again. */
import { type JsonObject, type JsonValue, ScalarType } from "@bufbuild/protobuf";
import { numbersAsWritten, parsed } from "../exact-json.ts";
import { visibleJson } from "../visible.ts";
import { closes, fieldsOf, rowText } from "./csv.ts";
import { BadRecord, FIELDS, type Field, fieldNamed } from "./record.ts";

/** A record a line as JSON; or a line of names and then a row a record. */
export type FileFormat = "ndjson" | "csv";

export const FILE_FORMATS: readonly FileFormat[] = ["ndjson", "csv"];

/** The first line says that nothing can be read of the others. */
export class UnreadableFile extends BadRecord {}

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

/** Makes records of the lines of a file, one line after the other. */
export interface Parser {
  /**
   * Take the next line, without its end.
   *
   * @returns  the record that ends with it; undefined when none does
   * @throws BadRecord  and goes on with the line after it
   */
  take(line: string): unknown;
  /** The line that the record just taken, or the one begun, began on: so many lines before the last one. */
  readonly linesBefore: number;
  /** No line follows. @throws BadRecord when a record is begun */
  end(): void;
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

class CsvParser implements Parser {
  linesBefore = 0;
  #columns: readonly Field[] | undefined;
  /** A row whose quotes are still open. */
  #begun: string | undefined;

  take(line: string): unknown {
    const text = this.#joined(line);
    if (text === undefined) return undefined;
    const row = text.replace(/\r$/, "");
    if (row === "") return undefined;
    const cells = fieldsOf(row);
    if (cells === "open") {
      this.#begun = text;
      return undefined;
    }
    if (cells === undefined) throw new BadRecord('it is no row of CSV: a quote (") stands within a field');
    if (this.#columns === undefined) {
      this.#columns = columnsIn(cells);
      return undefined;
    }
    return recordIn(this.#columns, cells);
  }

  /** What is begun and the line; undefined while quotes are open. To look into all of it for each line would take for ever. */
  #joined(line: string): string | undefined {
    if (this.#begun === undefined) {
      this.linesBefore = 0;
      return line;
    }
    this.linesBefore++;
    const text = `${this.#begun}\n${line}`;
    this.#begun = undefined;
    if (closes(line)) return text;
    if (text.length > ROW_MAX) throw new BadRecord(`a quote in it is still open ${ROW_MAX} characters later`);
    this.#begun = text;
    return undefined;
  }

  end(): void {
    const open = this.#begun !== undefined;
    this.#begun = undefined;
    if (open) throw new BadRecord("a quote in it is still open at the end of the file");
    if (this.#columns === undefined) throw new UnreadableFile("it has no line of names, such as: name,value");
  }
}

/** The longest row; each of its lines may be as long as `tally count` takes them. */
const ROW_MAX = 2 ** 20;

function columnsIn(cells: readonly string[]): Field[] {
  try {
    const columns = cells.map((cell) => fieldNamed(cell.trim()));
    for (const required of ["name", "value"]) {
      const count = columns.filter(({ name }) => name === required).length;
      if (count !== 1) throw new BadRecord(`expected a column ${required}, got ${count}`);
    }
    return columns;
  } catch (error) {
    if (error instanceof BadRecord) throw new UnreadableFile(`of the names of columns, ${error.message}`);
    throw error;
  }
}

function recordIn(columns: readonly Field[], cells: readonly string[]): unknown {
  if (cells.length !== columns.length)
    throw new BadRecord(
      `expected ${columns.length} fields, as many as in the first line, got ${cells.length}`,
    );
  const record: Record<string, unknown> = {};
  for (const [i, field] of columns.entries()) {
    const cell = cells[i]!;
    if (cell === "") continue;
    if (Object.hasOwn(record, field.jsonName)) throw new BadRecord(`${field.name} is given twice`);
    record[field.jsonName] = valueIn(field, cell);
  }
  return record;
}

function valueIn(field: Field, cell: string): unknown {
  if (field.fieldKind === "map" || (field.fieldKind === "message" && /^[{["]/.test(cell))) {
    const value = parsed(cell, numbersAsWritten);
    if (value === undefined) throw new BadRecord(`${field.name}: expected JSON, got ${JSON.stringify(cell)}`);
    return value;
  }
  if (field.fieldKind !== "scalar" || field.scalar !== ScalarType.BOOL) return cell;
  const lower = cell.toLowerCase(); // Spreadsheets write TRUE.
  return lower === "true" ? true : lower === "false" ? false : cell;
}

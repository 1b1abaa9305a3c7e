import { ScalarType } from "@bufbuild/protobuf";
import { numbersAsWritten, parsed } from "../exact-json.ts";
import { closes, fieldsOf, type Open } from "./csv.ts";
import { type Parser, UnreadableFile } from "./parser.ts";
import { BadRecord, type Field, fieldNamed } from "./record.ts";

/**
 * Makes records of the rows of a CSV file, whose first one names the columns.
 *
 * A quote that somebody forgot to close makes all that follows one field. So a field goes over the end of a line only where
 * a counter may have one, and only for as long as such a text may be; and where it then does not end as it should, nothing
 * more is read, for nobody can tell which lines were meant to be rows.
 */
export class CsvParser implements Parser {
  linesBefore = 0;
  #columns: readonly Field[] | undefined;
  #begun: Begun | undefined;

  take(line: string): unknown {
    const text = this.#joined(line);
    if (text === undefined) return undefined;
    const begun = this.#begun;
    this.#begun = undefined;
    const row = text.replace(/\r$/, "");
    if (row === "") return undefined;
    const cells = fieldsOf(row);
    if (cells !== undefined && !Array.isArray(cells)) {
      this.#begun = this.#opened(text, cells);
      return undefined;
    }
    if (cells === undefined || (begun !== undefined && cells.length !== this.#columns?.length)) {
      if (begun === undefined) throw new BadRecord('it is no row of CSV: a quote (") stands within a field');
      throw this.#unclosed(
        begun,
        "does not end as it should: a comma or the end of a line is to follow the one that ends it",
      );
    }
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
    const { text: before, ...opened } = this.#begun;
    const text = `${before}\n${line}`;
    if (closes(line)) return text;
    if (text.length > ROW_MAX) throw this.#unclosed(this.#begun, `is still open ${ROW_MAX} characters later`);
    this.#begun = { text, ...opened };
    return undefined;
  }

  /** @throws BadRecord  where the column takes no line break: then the row ends with its line all the same */
  #opened(text: string, { fields, at }: Open): Begun {
    const line = text.slice(0, at).split("\n").length - 1;
    const begun = { text, line, column: this.#columns?.[fields] };
    if (begun.column !== undefined && TAKES_LINES.has(begun.column.name)) return begun;
    if (line > 0 || this.#columns === undefined) throw this.#unclosed(begun, "is not closed on its line");
    throw new BadRecord(
      `${begun.column?.name ?? `column ${fields + 1}`}: a quote (") opens it, and is not closed on its line`,
    );
  }

  #unclosed({ line, column }: Begun, how: string): UnreadableFile {
    const field = column === undefined ? "a field" : column.name;
    return new UnreadableFile(`a quote (") opens ${field} there, and ${how}`, this.linesBefore - line);
  }

  lost(): void {
    if (this.#begun === undefined) return;
    this.linesBefore++;
    throw this.#unclosed(this.#begun, "a line within it cannot be read");
  }

  end(): void {
    if (this.#begun !== undefined) throw this.#unclosed(this.#begun, "is still open at the end of the file");
    if (this.#columns === undefined) throw new UnreadableFile("it has no line of names, such as: name,value");
  }
}

/** A row whose quotes are still open. */
interface Begun {
  /** Its lines so far. */
  readonly text: string;
  /** On which of them, from 0, the quote is. */
  readonly line: number;
  /** Which it opens; undefined where there is none of that number, or no names yet. */
  readonly column: Field | undefined;
}

/** Fields that may have line breaks: a text of somebody's own, and JSON between its parts. */
const TAKES_LINES: ReadonlySet<string> = new Set(["description", "labels", "window", "refill"]);

/** Longer than any row with a description and labels of the longest that there may be, all of it escaped. */
const ROW_MAX = 2 ** 17;

function columnsIn(cells: readonly string[]): Field[] {
  try {
    const columns = cells.map((cell) => fieldNamed(cell.trim()));
    for (const [i, { name }] of columns.entries())
      if (columns.findIndex((field) => field.name === name) !== i)
        throw new BadRecord(`the column ${name} stands there twice, as ${ordinal(columns, name)}`);
    for (const required of ["name", "value"])
      if (!columns.some(({ name }) => name === required))
        throw new BadRecord(
          `the column ${required} is missing; it names ${columns.map(({ name }) => name).join(", ")}`,
        );
    return columns;
  } catch (error) {
    if (error instanceof BadRecord) throw new UnreadableFile(`of the names of columns, ${error.message}`, 0);
    throw error;
  }
}

/** "columns 2 and 5". */
function ordinal(columns: readonly Field[], name: string): string {
  const at = columns.flatMap((field, i) => (field.name === name ? [i + 1] : []));
  return `columns ${at.join(" and ")}`;
}

function recordIn(columns: readonly Field[], cells: readonly string[]): unknown {
  if (cells.length < columns.length)
    throw new BadRecord(
      `expected ${columns.length} fields, as many as in the line of names, got ${cells.length}: ` +
        `the column ${columns[cells.length]!.name} is the first that is missing`,
    );
  if (cells.length > columns.length)
    throw new BadRecord(
      `expected ${columns.length} fields, as many as in the line of names, got ${cells.length}: ` +
        `the last column is ${columns.at(-1)!.name}, and behind it stands ${JSON.stringify(cells[columns.length])}`,
    );
  const record: Record<string, unknown> = {};
  for (const [i, field] of columns.entries()) {
    const cell = cells[i]!;
    if (cell !== "") record[field.jsonName] = valueIn(field, cell);
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

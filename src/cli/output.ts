import { styleText } from "node:util";
import type { JsonValue } from "@bufbuild/protobuf";
import { fitted, GAP, shortened } from "./columns.ts";
import { hasUnseen, visible, visibleJson } from "./visible.ts";

/** How data is printed. "wide" is a table with more columns; the last three are of histories and exports alone. */
export type Format = "table" | "wide" | "json" | "yaml" | "value" | "name" | "chart" | "csv" | "ndjson";

/** One thing to print, in every format. */
export interface View {
  /** As Protobuf's JSON mapping has it: an int64 is a string. */
  readonly json: JsonValue;
  /** The one thing that scripts want of it. */
  readonly value: string;
  /** What it is called. */
  readonly name?: string;
  /** What people are shown, by heading, in order. */
  readonly cells: Readonly<Record<string, Cell>>;
  /** The same in a wide table; the same cells, unless it says so. */
  readonly wide?: Readonly<Record<string, Cell>>;
}

/** Numbers stand to the right. */
export type Cell = string | bigint;

/** Where a command prints: data to stdout, in the format that was asked for, and what is for people to stderr. */
export class Output {
  readonly format: Format;
  readonly quiet: boolean;

  /** @param quiet  say nothing about what was done */
  constructor(format: Format, quiet: boolean) {
    this.format = format;
    this.quiet = quiet;
  }

  /** Print one thing. */
  async record(view: View): Promise<void> {
    if (this.format === "table" || this.format === "wide") await write(rowsOf(view));
    else if (this.format === "json") await write(`${jsonOf(view.json)}\n`);
    else if (this.format === "yaml") await write(await yamlOf(view.json));
    else await write(`${this.format === "name" ? view.name : view.value}\n`);
  }

  /** Print the outcome of a change: as a record, unless nobody wants to hear of it. */
  async change(view: View): Promise<void> {
    if (!this.quiet) await this.record(view);
  }

  /** Print a line for people, where `record` would print a table. */
  async line(text: string): Promise<void> {
    await write(`${visible(text)}\n`);
  }

  /** Print many things, as they come; in JSON and YAML they make one array. */
  list(): ListOutput {
    return new ListOutput(this.format);
  }

  /** Print the outcomes of changes of so many counters, one as a record and several as a list. */
  changes(count: number): Pick<ListOutput, "add" | "end"> {
    if (this.quiet) return { add: async () => {}, end: async () => {} };
    if (count > 1) return this.list();
    return {
      add: async ([view]) => (view === undefined ? undefined : this.record(view)),
      end: async () => {},
    };
  }

  /** Print text that is what it is in every format. */
  async text(text: string): Promise<void> {
    await write(text);
  }

  /** A sentence for people. */
  note(sentence: string): void {
    if (!this.quiet) process.stderr.write(`${visible(sentence)}\n`);
  }
}

/** A list that is printed while it is read: its size is no matter. */
export class ListOutput {
  readonly #format: Format;
  #widths: readonly number[] | undefined;
  #count = 0;

  constructor(format: Format) {
    this.#format = format;
  }

  /**
   * Print some more. Columns of a table may get wider from one call to the next.
   *
   * @param given  undefined where there is nothing: an empty line where only values are printed, so that line N is
   *               that of name N
   */
  async add(given: readonly (View | undefined)[]): Promise<void> {
    if (this.#format === "value") return write(given.map((view) => `${view?.value ?? ""}\n`).join(""));
    const views = given.filter((view) => view !== undefined);
    if (views.length === 0) return;
    const before = this.#count;
    this.#count += views.length;
    switch (this.#format) {
      case "table":
        return write(this.#tableOf(views.map(({ cells }) => cells)));
      case "wide":
        return write(this.#tableOf(views.map(({ cells, wide = cells }) => wide)));
      case "json":
        return write(
          views.map(({ json }, i) => `${before + i === 0 ? "[" : ","}\n${indented(json)}`).join(""),
        );
      case "yaml":
        return write(await yamlOf(views.map(({ json }) => json)));
      case "name":
        return write(views.map(({ name }) => `${name}\n`).join(""));
    }
  }

  /** Without it a list in JSON is not complete, and no parser takes it for one. */
  async end(): Promise<void> {
    if (this.#format === "json") await write(this.#count === 0 ? "[]\n" : "\n]\n");
    if (this.#format === "yaml" && this.#count === 0) await write("[]\n");
  }

  #tableOf(views: readonly View["cells"][]): string {
    const headings = Object.keys(views[0]!);
    const first = this.#widths === undefined;
    const isNumber = headings.map((heading) => typeof views[0]![heading] === "bigint");
    const rows = views.map((cells) => headings.map((heading) => textOf(cells[heading]!)));
    const wanted = headings.map((heading, i) =>
      Math.max(this.#widths?.[i] ?? heading.length, ...rows.map((row) => row[i]!.length)),
    );
    const { isTTY, columns } = process.stdout; // A terminal that nobody has measured says 0.
    const fixed = headings.map((heading) => !FREE_TEXT.has(heading));
    const widths = isTTY && columns ? fitted(wanted, fixed, columns) : wanted;
    this.#widths = widths;
    const lineOf = (row: readonly string[]) =>
      row
        .map((text, i) => {
          const cell = isTTY ? shortened(text, widths[i]!) : text;
          return isNumber[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!);
        })
        .join(" ".repeat(GAP))
        .trimEnd();
    const lines = rows.map(lineOf);
    if (first) lines.unshift(styleText("bold", lineOf(headings), { stream: process.stdout }));
    return `${lines.join("\n")}\n`;
  }
}

/** What may be cut at a terminal: half a number is another number, and half a time is none. */
const FREE_TEXT: ReadonlySet<string> = new Set(["NAME", "LABELS", "GRANTS", "DESCRIPTION"]);

/** One thing as lines of "heading  text". */
function rowsOf({ cells }: View): string {
  const width = Math.max(...Object.keys(cells).map((heading) => heading.length));
  return Object.entries(cells)
    .map(([heading, cell]) => {
      const label = styleText("bold", heading.toLowerCase().padEnd(width), { stream: process.stdout });
      return `${label}  ${textOf(cell)}`.trimEnd();
    })
    .map((line) => `${line}\n`)
    .join("");
}

function textOf(cell: Cell): string {
  return typeof cell === "bigint" ? `${cell}` : visible(cell);
}

function jsonOf(json: JsonValue): string {
  return visibleJson(JSON.stringify(json, null, 2));
}

function indented(json: JsonValue): string {
  return jsonOf(json).replace(/^/gm, "  ");
}

/** Escapes are for double quotes alone, so that all texts stand in them when one needs an escape. */
async function yamlOf(json: JsonValue): Promise<string> {
  const { stringify } = await import("yaml");
  if (!hasUnseen(JSON.stringify(json))) return stringify(json);
  return visibleJson(stringify(json, { defaultStringType: "QUOTE_DOUBLE", lineWidth: 0 }));
}

/** Resolves when it is written. When it cannot be, the process ends: see main.ts. */
function write(text: string): Promise<void> {
  return new Promise((resolve) =>
    process.stdout.write(text, (error) => {
      if (!error) resolve();
    }),
  );
}

/** Records of a file, by the lines that they begin on, so that whoever wrote it can be told. */
import { isUtf8 } from "node:buffer";
import { FILE_END } from "../count/input.ts";
import { LINE_BYTES_MAX, LineReader } from "../count/lines.ts";
import { wholeLine } from "../count/picks.ts";
import { type FileFormat, formatOf, parserOf } from "./formats.ts";
import { type Parser, UnreadableFile } from "./parser.ts";
import { BadRecord, type Wanted, wantedIn } from "./record.ts";

/** What stands on a line: a counter, or why it is none. */
export type Row =
  | { readonly line: number; readonly wanted: Wanted }
  | { readonly line: number; readonly fault: string };

/**
 * Reads a file of counters, in chunks of bytes. A byte order mark and carriage returns before line ends are passed over,
 * and empty lines.
 */
export class RowReader {
  /** Lines and bytes read. */
  bytes = 0;
  readonly #lines: LineReader;
  #parser: Parser | undefined;
  #rows: Row[] = [];
  readonly #prefix: string;

  /**
   * @param format  undefined: what the first line says
   * @param prefix  what is put before each name
   */
  constructor(format: FileFormat | undefined, prefix: string) {
    this.#prefix = prefix;
    if (format !== undefined) this.#parser = parserOf(format);
    this.#lines = new LineReader(wholeLine, {
      name: (bytes) => this.#take(bytes),
      empty: () => this.#take(""),
      unmatched: () => {},
      tooLong: () =>
        this.#row(() => {
          this.#parser?.lost();
          throw new BadRecord(`it is longer than ${LINE_BYTES_MAX} bytes`);
        }),
    });
  }

  get lines(): number {
    return this.#lines.lines;
  }

  /** The rows of each chunk. @throws UnreadableFile  when the first line says that nothing can be read of the others */
  async *rows(chunks: AsyncIterable<Buffer>): AsyncGenerator<readonly Row[]> {
    for await (const chunk of chunks) {
      this.bytes += chunk.length;
      if (chunk === FILE_END) this.#end();
      else this.#lines.feed(chunk);
      const rows = this.#rows;
      this.#rows = [];
      if (rows.length > 0) yield rows;
    }
  }

  #take(bytes: string): void {
    const own = this.lines === 1 ? bytes.replace(/^\xef\xbb\xbf/, "") : bytes;
    this.#row(() => {
      const text = textOf(own);
      if (text === undefined) {
        this.#parser?.lost();
        throw new BadRecord("it is not UTF-8");
      }
      if (this.#parser === undefined && text.trim() === "") return undefined; // It says nothing of the format.
      this.#parser ??= parserOf(formatOf(text));
      return this.#parser.take(text);
    });
  }

  #end(): void {
    this.#lines.end();
    this.#row(() => this.#parser?.end());
  }

  #row(record: () => unknown): void {
    try {
      const found = record();
      if (found === undefined) return;
      this.#rows.push({
        line: this.lines - this.#parser!.linesBefore,
        wanted: wantedIn(found, this.#prefix),
      });
    } catch (error) {
      if (!(error instanceof BadRecord)) throw error;
      if (error instanceof UnreadableFile) throw this.#withLine(error);
      this.#bad(error.message);
    }
  }

  #withLine({ message, linesBefore }: UnreadableFile): UnreadableFile {
    return new UnreadableFile(
      linesBefore === undefined ? message : `line ${this.lines - linesBefore}: ${message}`,
    );
  }

  #bad(fault: string): void {
    const before = this.#parser?.linesBefore ?? 0;
    const all = before === 0 ? "" : ` (lines ${this.lines - before} to ${this.lines})`;
    this.#rows.push({ line: this.lines - before, fault: `${fault}${all}` });
  }
}

/**
 * The text that is UTF-8 in some bytes; undefined when they are not.
 *
 * @param bytes  one character a byte; a slice of a chunk, of which nothing is kept
 */
function textOf(bytes: string): string | undefined {
  if (!NOT_ASCII.test(bytes)) return bytes;
  const own = Buffer.from(bytes, "latin1");
  return isUtf8(own) ? own.toString("utf8") : undefined;
}

const NOT_ASCII = /[^\0-\x7f]/;

/**
 * What part of a line is the name: the bytes `start` to `end` of `text`, in which each character stands for a byte.
 *
 * @returns  the name's bytes in the same form, "" if they are there and empty; undefined if the line has none
 */
export type Pick = (text: string, start: number, end: number) => string | undefined;

/** Takes what a reader finds. */
export interface LineSink {
  /** A name's bytes, one character a byte. May be a slice that keeps a whole chunk in memory: copy what you keep. */
  name(bytes: string): void;
  /** A line without any bytes, or whose name has none. */
  empty(): void;
  /** A line in which there is no name to pick. */
  unmatched(): void;
  /** A line longer than LINE_BYTES_MAX; the beginning of it. */
  tooLong(beginning: string): void;
}

/** Cuts the bytes of an input into lines, and tells a sink of each; those of a chunk before `feed` is done. */
export interface Reader {
  /** Lines read whole. */
  readonly lines: number;
  /** Read the next bytes. */
  feed(chunk: Buffer): void | Promise<void>;
  /** A file has ended: what stands after its last newline is a line too. */
  end(): void | Promise<void>;
  /** Read no more. */
  close?(): Promise<void>;
}

/** A longer line is not looked into. It bounds the memory that a file without line ends can take. */
export const LINE_BYTES_MAX = 2 ** 20;

/**
 * Cuts chunks of bytes into lines. A line ends with a newline and with nothing else: a carriage return before it
 * belongs to the line, as for sort and uniq.
 */
export class LineReader implements Reader {
  readonly #pick: Pick;
  readonly #sink: LineSink;
  /** The line that the last chunk broke off in; at most LINE_BYTES_MAX of it. */
  #rest = "";
  #lines = 0;

  constructor(pick: Pick, sink: LineSink) {
    this.#pick = pick;
    this.#sink = sink;
  }

  get lines(): number {
    return this.#lines;
  }

  feed(chunk: Buffer): void {
    const text = chunk.toString("latin1"); // One string a chunk; what is found in it are slices, which copy nothing.
    let start = 0;
    if (this.#rest !== "") {
      const end = text.indexOf("\n");
      this.#keep(end === -1 ? text : text.slice(0, end));
      if (end === -1) return;
      this.#line(this.#rest, 0, this.#rest.length);
      this.#rest = "";
      start = end + 1;
    }
    for (;;) {
      const end = text.indexOf("\n", start);
      if (end === -1) break;
      this.#line(text, start, end);
      start = end + 1;
    }
    if (start < text.length) this.#keep(text.slice(start));
  }

  end(): void {
    if (this.#rest !== "") this.#line(this.#rest, 0, this.#rest.length);
    this.#rest = "";
  }

  #keep(part: string): void {
    const room = LINE_BYTES_MAX + 1 - this.#rest.length;
    if (room > 0) this.#rest += part.length > room ? part.slice(0, room) : part;
  }

  #line(text: string, start: number, end: number): void {
    this.#lines++;
    if (start === end) this.#sink.empty();
    else if (end - start > LINE_BYTES_MAX) this.#sink.tooLong(text.slice(start, start + BEGINNING_BYTES));
    else {
      const name = this.#pick(text, start, end);
      if (name === undefined) this.#sink.unmatched();
      else if (name === "") this.#sink.empty();
      else this.#sink.name(name);
    }
  }
}

/** Of a line that is too long, as an example. */
const BEGINNING_BYTES = 60;

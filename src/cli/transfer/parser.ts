import { BadRecord } from "./record.ts";

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
  /** The next line cannot be given. @throws UnreadableFile  when it is one of a record that is begun */
  lost(): void;
  /** No line follows. @throws UnreadableFile when a record is begun */
  end(): void;
}

/** What stands on a line says that nothing can be read of the others. */
export class UnreadableFile extends BadRecord {
  /** On which line, as so many before the last that was taken; undefined: it is about the whole file. */
  readonly linesBefore: number | undefined;

  constructor(message: string, linesBefore?: number) {
    super(message);
    this.linesBefore = linesBefore;
  }
}

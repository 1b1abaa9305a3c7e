import type { WriteStream } from "node:tty";

/**
 * Lines at the bottom of a terminal that are drawn again and again in place, while messages pass above them.
 *
 * Nothing else may write to the terminal meanwhile.
 */
export class LiveLines {
  readonly #terminal: WriteStream;
  #drawn: readonly string[] = [];

  constructor(terminal: WriteStream) {
    this.#terminal = terminal;
  }

  /** Draw these instead of the last. A line is cut at the terminal's width; lines that do not fit are left out. */
  draw(lines: readonly string[]): void {
    const { columns, rows } = this.#terminal; // A terminal that nobody has measured says 0.
    const fitting = lines
      .slice(0, Math.max(1, (rows || 24) - 1))
      .map((line) => line.slice(0, (columns || 80) - 1));
    this.#terminal.write(
      this.#toFirst() + fitting.map((line) => `${line}${ERASE_TO_END}`).join("\n") + ERASE_BELOW,
    );
    this.#drawn = fitting;
  }

  /** Print a message above. It ends with a newline. */
  print(message: string): void {
    const drawn = this.#drawn;
    this.clear();
    this.#terminal.write(message);
    if (drawn.length > 0) this.draw(drawn);
  }

  /** Take the lines away. */
  clear(): void {
    if (this.#drawn.length > 0) this.#terminal.write(this.#toFirst() + ERASE_BELOW);
    this.#drawn = [];
  }

  /** Leave the lines where they are, and go on below. */
  end(): void {
    if (this.#drawn.length > 0) this.#terminal.write("\n");
    this.#drawn = [];
  }

  #toFirst(): string {
    const up = this.#drawn.length - 1;
    return up > 0 ? `\r\x1b[${up}A` : "\r";
  }
}

/** ECMA-48's EL and ED. */
const ERASE_TO_END = "\x1b[K";
const ERASE_BELOW = "\x1b[J";

import { Worker } from "node:worker_threads";
import type { LineSink, Reader } from "./lines.ts";

/** What a thread answers to a chunk: what its lines come to, in order. */
export interface Found {
  /** Each line's name; `null` for an empty one, and `undefined` for one without a match. */
  readonly names: readonly (string | null | undefined)[];
  /** The beginnings of those that were too long. */
  readonly tooLong: readonly string[];
}

/** What is asked of the thread: read these bytes, or end a file. */
export type Input = Uint8Array | "end";

/**
 * Reads lines in a thread of its own, because an expression may take for ever on one of them ("^(a+)+$" on a long
 * line): JavaScript cannot stop it, and a signal would wait behind it. So the process stays able to end.
 */
export class RegexReader implements Reader {
  lines = 0;
  readonly #thread: Worker;
  readonly #sink: LineSink;
  readonly #onSlow: (afterLine: number) => void;
  readonly #stop: AbortSignal;
  #told = false;

  /**
   * @param source  the expression
   * @param stop    aborted when somebody wants an end: then what it is busy with is given up if it takes some seconds more
   * @param onSlow  told once when a line takes longer than somebody would wait, with the lines that were read before
   */
  constructor(source: string, sink: LineSink, stop: AbortSignal, onSlow: (afterLine: number) => void) {
    this.#thread = new Worker(new URL(`./regex-worker${EXTENSION}`, import.meta.url), { workerData: source });
    this.#sink = sink;
    this.#stop = stop;
    this.#onSlow = onSlow;
  }

  feed(chunk: Buffer): Promise<void> {
    return this.#ask(new Uint8Array(chunk)); // A copy: the chunk may be a part of a buffer that others use.
  }

  end(): Promise<void> {
    return this.#ask("end");
  }

  async close(): Promise<void> {
    await this.#thread.terminate();
  }

  async #ask(asked: Input): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<Found>();
    this.#thread.once("message", resolve);
    this.#thread.once("error", reject);
    const slow = setTimeout(() => this.#tellSlow(), SLOW_MS);
    let late: NodeJS.Timeout | undefined;
    const hurry = () => {
      late = setTimeout(() => reject(new EndlessExpression(this.lines)), SLOW_MS);
    };
    if (this.#stop.aborted) hurry();
    else this.#stop.addEventListener("abort", hurry);
    this.#thread.postMessage(asked, typeof asked === "string" ? [] : [asked.buffer as ArrayBuffer]);
    try {
      this.#take(await promise);
    } finally {
      clearTimeout(slow);
      clearTimeout(late);
      this.#stop.removeEventListener("abort", hurry);
      this.#thread.off("error", reject);
    }
  }

  #take({ names, tooLong }: Found): void {
    this.lines += names.length + tooLong.length;
    for (const name of names) {
      if (name === undefined) this.#sink.unmatched();
      else if (name === null) this.#sink.empty();
      else this.#sink.name(name);
    }
    for (const beginning of tooLong) this.#sink.tooLong(beginning);
  }

  #tellSlow(): void {
    if (!this.#told) this.#onSlow(this.lines);
    this.#told = true;
  }
}

/** Somebody wanted an end, and the expression had none. */
export class EndlessExpression extends Error {
  override readonly name = "EndlessExpression";

  /** @param afterLine  so many lines were read before those that it was busy with */
  constructor(afterLine: number) {
    super(
      `The expression did not end with the lines after line ${afterLine.toLocaleString("en")}, which are not counted.`,
    );
  }
}

/** A chunk takes some milliseconds. */
const SLOW_MS = 5_000;

/** The sources are TypeScript, the package is JavaScript. */
const EXTENSION = import.meta.url.slice(import.meta.url.lastIndexOf("."));

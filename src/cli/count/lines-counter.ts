import type { IncrementSender } from "../../client/increment-sender.ts";
import { NAME_BYTES_MAX } from "../../core/name.ts";
import { Distinct } from "./distinct.ts";
import type { Faults } from "./faults.ts";
import { FILE_END } from "./input.ts";
import { LINE_BYTES_MAX, type LineSink, type Reader } from "./lines.ts";
import { nameOf } from "./name.ts";
import { Sums } from "./sums.ts";

/** What a counter of lines works with. */
export interface LinesCounterOptions {
  openReader(sink: LineSink): Reader;
  /** Stands before each name; legal as it is, at most 199 bytes. */
  readonly prefix: string;
  readonly sender: IncrementSender;
  /** Told of lines whose name is too long. */
  readonly faults: Faults;
  /** Milliseconds that only go up. */
  now(): number;
}

/**
 * Counts the lines of chunks of bytes: adds up equal names, and hands the sums to a sender.
 *
 * Sums are sent when the sender is idle and there are enough of them for a call, so that reading and counting go on
 * at once; when there are so many that memory says so; and when they get old, so that a log that grows slowly is
 * counted as it grows. Memory is bounded by SUMS_NAMES_MAX and SUMS_BYTES_MAX, whatever the input.
 */
export class LinesCounter implements LineSink {
  /** Lines without a name: empty, and those in which there was none to pick. */
  empties = 0;
  unmatcheds = 0;
  /** Bytes read. */
  bytes = 0;
  readonly distinct = new Distinct();
  readonly #options: LinesCounterOptions;
  readonly #sums = new Sums();
  readonly #reader: Reader;
  #oldestAt = 0;
  /** A name of more bytes is too long before it is encoded. */
  readonly #bytesMax: number;

  constructor(options: LinesCounterOptions) {
    this.#options = options;
    this.#bytesMax = NAME_BYTES_MAX - options.prefix.length;
    this.#reader = options.openReader(this);
  }

  /** Lines read whole. */
  get lines(): number {
    return this.#reader.lines;
  }

  /**
   * Read until the input ends, sending on the way; resolves when everything that was read is on its way.
   *
   * @throws what made the sender give up; or why the input cannot be read, and then what was read is sent first
   */
  async count(chunks: AsyncIterable<Buffer>): Promise<void> {
    const iterator = chunks[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = iterator.next();
        if (this.#sums.size > 0 && (await isLate(next, this.#ageLeftMs()))) await this.#send();
        const { value: chunk, done } = await next;
        if (done) break;
        this.bytes += chunk.length;
        // What stands after the last newline of a file is a line; when somebody stops, it may be half of one.
        if (chunk === FILE_END) await this.#reader.end();
        else await this.#reader.feed(chunk);
        if (this.#isTime()) await this.#send();
      }
    } finally {
      await this.#reader.close?.();
      await this.#send();
      await iterator.return?.();
    }
  }

  name(bytes: string): void {
    if (bytes.length > this.#bytesMax) this.#tooLong(bytes, 1);
    else {
      if (this.#sums.size === 0) this.#oldestAt = this.#options.now();
      this.#sums.add(bytes);
    }
  }

  empty(): void {
    this.empties++;
  }

  unmatched(): void {
    this.unmatcheds++;
  }

  tooLong(beginning: string): void {
    this.#options.faults.add(
      "LINE_TOO_LONG",
      1,
      () => `${shown(beginning)}: the line is longer than ${LINE_BYTES_MAX} bytes`,
    );
  }

  #isTime(): boolean {
    const { size, bytes } = this.#sums;
    if (size >= SUMS_NAMES_MAX || bytes >= SUMS_BYTES_MAX) return true;
    if (size >= SUMS_NAMES_MIN && this.#options.sender.busy === 0) return true;
    return size > 0 && this.#ageLeftMs() <= 0;
  }

  #ageLeftMs(): number {
    return this.#oldestAt + SUMS_AGE_MS_MAX - this.#options.now();
  }

  async #send(): Promise<void> {
    const { prefix, sender } = this.#options;
    const summed = this.#sums.take();
    const names: string[] = [];
    const amounts: number[] = [];
    for (const [i, bytes] of summed.names.entries()) {
      const name = prefix + nameOf(bytes);
      if (name.length > NAME_BYTES_MAX) this.#tooLong(bytes, summed.amounts[i]!);
      else {
        this.distinct.add(name);
        names.push(name);
        amounts.push(summed.amounts[i]!);
      }
    }
    await sender.add({ names, amounts });
  }

  #tooLong(bytes: string, lines: number): void {
    const { prefix, faults } = this.#options;
    faults.add("NAME_TOO_LONG", lines, () => {
      const name = prefix + nameOf(bytes);
      return `${shown(name)}: the name would take ${name.length} bytes, and ${NAME_BYTES_MAX} are the most`;
    });
  }
}

/** What one call takes. */
const SUMS_NAMES_MIN = 8_000;
/** 64,000 names of 16 bytes or of 200: at most some 30 MB of memory with the map that finds them. */
const SUMS_NAMES_MAX = 64_000;
const SUMS_BYTES_MAX = 8 * 2 ** 20;
const SUMS_AGE_MS_MAX = 1_000;

/** Whether something takes longer than this. */
async function isLate(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(resolve, Math.max(0, ms), true);
  const settled = promise.then(
    () => false,
    () => false, // Whoever waits for it hears why.
  );
  try {
    return await Promise.race([settled, late]);
  } finally {
    clearTimeout(timer);
  }
}

function shown(text: string): string {
  return text.length <= SHOWN_CHARACTERS ? text : `${text.slice(0, SHOWN_CHARACTERS)}...`;
}

const SHOWN_CHARACTERS = 60;

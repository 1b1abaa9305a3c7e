import { setTimeout as sleep } from "node:timers/promises";
import type { ChangeLogReads, LogPage } from "./store-log.ts";

/** How a LogReader reads. */
export interface LogReaderOptions {
  /** About how many changes a page has at most. */
  readonly pageChanges: number;
  /** The room for the latest pages, in bytes, beside the one that each follower has. */
  readonly keptBytesMax: number;
  /** How long, in milliseconds, after a page that was not nearly full: so that commits one by one do not make as many. */
  readonly restMs: number;
  /** How often to look for what other processes commit, in milliseconds; undefined where there are none. */
  readonly lookEveryMs?: number | undefined;
}

/**
 * Reads the change log for all who follow it in this process: what is at its end is read and unpacked once, however many
 * followers there are. It reads only while somebody follows, and one page at a time.
 *
 * Each follower is at a place of its own, and takes the next page when it is done with the last one. The latest pages are
 * kept for those who are near the end; who is further behind has pages read for itself, until it is near the end too. So a
 * slow follower costs one page of memory, and holds up nobody; who is so slow that the log has dropped what comes next is
 * told so, by a page that says `dropped`.
 */
export class LogReader {
  readonly #log: ChangeLogReads;
  readonly #options: LogReaderOptions;
  readonly #recent: RecentPages;
  readonly #closing = new AbortController();
  /** By cursor, what is being read, or waits for its turn. */
  readonly #reading = new Map<string, Promise<LogPage>>();
  /** Settles when the next page may be read. */
  #turn: Promise<unknown> = Promise.resolve();
  #woken = Promise.withResolvers<void>();
  #followers = 0;
  #looking: NodeJS.Timeout | undefined;

  constructor(log: ChangeLogReads, options: LogReaderOptions) {
    this.#log = log;
    this.#options = options;
    this.#recent = new RecentPages(options.keptBytesMax);
  }

  /** Say that something may have been committed: those who wait at the end of the log look again. */
  wake(): void {
    this.#woken.resolve();
    this.#woken = Promise.withResolvers();
  }

  /**
   * Follow the log from a cursor on: its pages, without an end, none of them empty. They are shared: nobody changes them.
   * It ends when the signal is aborted, or the reader closed, also in the middle of waiting.
   *
   * Rejects as ChangeLogReads.read does, in the place of the page that could not be read. Whoever followed may do so again,
   * from the cursor of the last page.
   *
   * @param cursor  of a page, or of `changesSince`; "" for the beginning
   * @param atEnd   told each time that all was given which there was when it was looked
   */
  async *follow(cursor: string, signal: AbortSignal, atEnd = () => {}): AsyncGenerator<LogPage, void, void> {
    const end = AbortSignal.any([signal, this.#closing.signal]);
    let position: number | undefined;
    this.#enter();
    try {
      while (!end.aborted) {
        const woken = this.#woken.promise; // Before it is read, so that no commit falls between.
        const kept = position === undefined ? undefined : this.#recent.after(position);
        const page = kept ?? (await unlessAborted(this.#read(cursor), end));
        if (page === undefined) return;
        if (page.cursor === cursor) {
          atEnd();
          await unlessAborted(woken, end);
        } else if (page.commits.count > 0) {
          position = page.openings ? undefined : page.commits.positions.at(-1);
          yield page;
        }
        cursor = page.cursor;
      }
    } finally {
      this.#leave();
    }
  }

  /** End all that follow; resolves when nothing is read any more. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled([...this.#reading.values(), this.#turn]);
  }

  #enter(): void {
    const { lookEveryMs } = this.#options;
    if (this.#followers++ === 0 && lookEveryMs !== undefined)
      this.#looking = setInterval(() => this.wake(), lookEveryMs);
  }

  #leave(): void {
    if (--this.#followers > 0) return;
    clearInterval(this.#looking);
    this.#recent.clear();
  }

  /** The page at a cursor, once for all who ask for it at the same time. */
  #read(cursor: string): Promise<LogPage> {
    const reading = this.#reading.get(cursor);
    if (reading !== undefined) return reading;
    const page = this.#turn.then(() => {
      this.#closing.signal.throwIfAborted(); // Nobody waits for it any more.
      return this.#log.read(cursor, this.#options.pageChanges);
    });
    this.#reading.set(cursor, page);
    this.#turn = page.then(
      async (read) => {
        this.#reading.delete(cursor);
        if (this.#followers > 0) this.#recent.add(read);
        if (2 * read.commits.changes.count < this.#options.pageChanges) await this.#rest();
      },
      () => {
        this.#reading.delete(cursor);
        return this.#rest();
      },
    );
    return page;
  }

  async #rest(): Promise<void> {
    await sleep(this.#options.restMs, undefined, { signal: this.#closing.signal }).catch(() => {});
  }
}

/** The latest pages of commits, each ending later than the one before. */
class RecentPages {
  readonly #bytesMax: number;
  readonly #pages: LogPage[] = [];
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Those of what comes after a position that stand on one page; undefined where none is kept. */
  after(position: number): LogPage | undefined {
    let i = this.#pages.length; // Who follows is near the end.
    while (i > 0 && this.#pages[i - 1]!.commits.positions.at(-1)! > position) i--;
    const page = this.#pages[i];
    const first = page?.commits.positions[0];
    if (page === undefined || first! > position + 1) return undefined;
    return first === position + 1 ? page : { ...page, commits: page.commits.after(position) };
  }

  /** Keep a page, if it goes further than those that are kept. */
  add(page: LogPage): void {
    const last = page.commits.positions.at(-1);
    const end = this.#pages.at(-1)?.commits.positions.at(-1) ?? 0;
    if (page.openings || last === undefined || last <= end) return;
    this.#pages.push(page);
    this.#bytes += bytesOf(page);
    while (this.#bytes > this.#bytesMax) this.#bytes -= bytesOf(this.#pages.shift()!);
  }

  clear(): void {
    this.#pages.length = 0;
    this.#bytes = 0;
  }
}

/** About what a page takes. */
function bytesOf({ commits }: LogPage): number {
  const { changes, count, counterIds } = commits;
  let texts = 0;
  for (const { caller, note } of changes.remarks.values())
    texts += REMARK_BYTES + 2 * (caller.length + note.length);
  return PAGE_BYTES + changes.buffer.byteLength + 32 * count + counterIds.byteLength + texts;
}

/** Of a page without anything on it: its typed arrays, as V8 keeps them. */
const PAGE_BYTES = 3_000;
const REMARK_BYTES = 100;

/** What it comes to; undefined as soon as the signal is aborted. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const aborted = Promise.withResolvers<undefined>();
  const abort = () => aborted.resolve(undefined);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort);
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

import type { Clock } from "../core/clock.ts";
import type { Refusal } from "../core/errors.ts";

/** Who waits for an answer, and for how long. */
export interface Waiter {
  /** When the caller stops waiting: milliseconds since the Unix epoch, Infinity for never. */
  readonly deadline: number;
  /** Whether the caller has gone. */
  cancelled(): boolean;
}

/** Why nobody waits for the answer any more; undefined while somebody does. */
export function whyGone(waiter: Waiter, now: number): Refusal | undefined {
  if (waiter.cancelled()) return { code: "CALL_CANCELLED" };
  return waiter.deadline <= now ? { code: "DEADLINE_PASSED" } : undefined;
}

/** How much may wait. What comes when there is no room is refused at once. */
export interface QueueLimits {
  /** In what the entries' sizes are measured in. */
  readonly sizeMax: number;
  /** Any number of bytes, unless given. */
  readonly bytesMax?: number;
  /** When who is refused is to come again, in milliseconds. */
  readonly retryMs: number;
}

/** What a cut takes of a queue, and what it leaves. */
export interface CutRule<Item> {
  /** Whether the cut ends before this one. Asked of each that it comes to, also of those that nobody waits for. */
  ends(entry: Waiting<Item>, taken: Taken): boolean;
  /** Whether this one keeps its place, and those behind it are looked at. Otherwise it is taken. */
  stays?(entry: Waiting<Item>): boolean;
}

/** How much a cut has taken so far. */
export interface Taken {
  readonly count: number;
  readonly size: number;
  readonly bytes: number;
}

/** What waits in a queue. */
export interface Waiting<Item> {
  readonly item: Item;
  readonly waiter: Waiter;
  readonly size: number;
  readonly bytes: number;
  /** When it came, by the clock that never goes back, in milliseconds. */
  readonly since: number;
}

/** What was taken from a queue, and is yet to be answered. */
export interface Entry<Item, Result> extends Waiting<Item> {
  readonly resolve: (result: Result | Refusal) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * What waits to be done, in the order in which it came, within bounds.
 *
 * Whoever has gone, or whose deadline has passed, is answered when a cut comes to them, and not done. From then on what
 * was taken is done, whether or not anybody waits: who has cut it answers each of its entries, once.
 */
export class Queue<Item, Result> {
  readonly #clock: Clock;
  readonly #limits: QueueLimits;
  readonly #waiting: Entry<Item, Result>[] = [];
  #size = 0;
  #bytes = 0;
  #closed = false;

  constructor(clock: Clock, limits: QueueLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** How much waits, without what was taken. */
  get size(): number {
    return this.#size;
  }

  /** What all that waits occupies, without what was taken. */
  get bytes(): number {
    return this.#bytes;
  }

  /** For how long what came first has waited, in milliseconds; 0: nothing waits. */
  get oldestMs(): number {
    const [oldest] = this.#waiting;
    return oldest === undefined ? 0 : this.#clock.monotonic() - oldest.since;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /**
   * Have something done in its turn.
   *
   * @param waiter  who waits for it
   * @param size    what it counts for, 1 and up
   * @param bytes   what it occupies while it waits
   * @returns       what came of it; or why it was certainly not done: at once, when there is no room
   */
  enter(item: Item, waiter: Waiter, size = 1, bytes = 0): Promise<Result | Refusal> {
    const refusal = this.#refusal(size, bytes);
    if (refusal !== undefined) return Promise.resolve(refusal);
    const { promise, resolve, reject } = Promise.withResolvers<Result | Refusal>();
    const since = this.#clock.monotonic();
    this.#waiting.push({ item, waiter, size, bytes, since, resolve, reject });
    this.#size += size;
    this.#bytes += bytes;
    return promise;
  }

  /**
   * Take what is to be done next, and answer those on the way whom nobody waits for any more.
   *
   * @param from  so many at the head of the queue are passed over
   * @returns     what was taken, in order; and how many at the head were passed over or stay: what comes next begins
   *              behind them
   */
  cut(rule: CutRule<Item>, from = 0): { readonly taken: Entry<Item, Result>[]; readonly kept: number } {
    const now = this.#clock.now();
    const waiting = this.#waiting;
    const taken: Entry<Item, Result>[] = [];
    const sofar = { count: 0, size: 0, bytes: 0 };
    let kept = from;
    let at = from;
    for (; at < waiting.length; at++) {
      const entry = waiting[at]!;
      if (rule.ends(entry, sofar)) break;
      const refusal = whyGone(entry.waiter, now);
      if (refusal === undefined && rule.stays?.(entry)) {
        waiting[kept++] = entry;
        continue;
      }
      this.#size -= entry.size;
      this.#bytes -= entry.bytes;
      if (refusal !== undefined) {
        entry.resolve(refusal);
        continue;
      }
      taken.push(entry);
      sofar.count++;
      sofar.size += entry.size;
      sofar.bytes += entry.bytes;
    }
    waiting.splice(kept, at - kept);
    return { taken, kept };
  }

  /** From now on refuse what comes; what waits stays. */
  close(): void {
    this.#closed = true;
  }

  #refusal(size: number, bytes: number): Refusal | undefined {
    if (this.#closed) return { code: "DRAINING" };
    const { sizeMax, bytesMax = Number.POSITIVE_INFINITY, retryMs } = this.#limits;
    const full = this.#size + size > sizeMax || this.#bytes + bytes > bytesMax;
    return full ? { code: "QUEUE_FULL", retryAfterMs: retryMs } : undefined;
  }
}

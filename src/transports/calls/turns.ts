import type { Clock } from "../../core/clock.ts";
import { type Refusal, TallyError } from "../../core/errors.ts";
import type { CallContext } from "./call.ts";

/**
 * Reads that take their turns: one at a time, so that they wait here, where those whose callers have gone are
 * dropped, and not in front of a store's thread. One that runs is told when nobody waits for it any more.
 *
 * The queue is bounded; beyond it a call is refused at once.
 */
export class Turns {
  readonly #clock: Clock;
  readonly #waitingMax: number;
  readonly #waiting: (() => void)[] = [];
  #busy = false;

  /** @param waitingMax  how many calls may wait, beside the one whose turn it is */
  constructor(clock: Clock, waitingMax: number) {
    this.#clock = clock;
    this.#waitingMax = waitingMax;
  }

  /**
   * @param read  begins when its turn has come, and so sees all that was answered before this call. Its signal is
   *              aborted when the caller has gone or the deadline has passed; it may then reject with CALL_CANCELLED
   */
  async take<Result>(
    context: CallContext,
    read: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result | Refusal> {
    if (this.#busy) {
      if (this.#waiting.length >= this.#waitingMax) return { code: "QUEUE_FULL", retryAfterMs: RETRY_MS };
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#busy = true;
    try {
      return this.#whyNot(context) ?? (await this.#watched(context, read));
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#busy = false;
      else next();
    }
  }

  /** Why nobody waits for the answer; undefined while somebody does. */
  #whyNot(context: CallContext): Refusal | undefined {
    if (context.cancelled()) return { code: "CALL_CANCELLED" };
    return context.deadline <= this.#clock.now() ? { code: "DEADLINE_PASSED" } : undefined;
  }

  /** Read, and look now and then whether somebody still waits: for the one read whose turn it is, that costs little. */
  async #watched<Result>(
    context: CallContext,
    read: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result | Refusal> {
    const stop = new AbortController();
    let whyNot: Refusal | undefined;
    const looking = setInterval(() => {
      whyNot = this.#whyNot(context);
      if (whyNot !== undefined) stop.abort();
    }, LOOK_MS);
    try {
      return await read(stop.signal);
    } catch (error) {
      if (whyNot !== undefined && error instanceof TallyError && error.code === "CALL_CANCELLED")
        return whyNot;
      throw error;
    } finally {
      clearInterval(looking);
    }
  }
}

/** How long a read may go on that nobody waits for. */
const LOOK_MS = 20;

/** A turn over a million counters takes some tenths of a second. */
const RETRY_MS = 1_000;

import type { Clock } from "../../core/clock.ts";
import type { Refusal } from "../../core/errors.ts";
import type { CallContext } from "./call.ts";

/**
 * Reads that take their turns: one at a time, so that they wait here, where those whose callers have gone are
 * dropped, and not in front of a store's thread.
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

  /** @param read  begins when its turn has come, and so sees all that was answered before this call */
  async take<Result>(context: CallContext, read: () => Promise<Result>): Promise<Result | Refusal> {
    if (this.#busy) {
      if (this.#waiting.length >= this.#waitingMax) return { code: "QUEUE_FULL", retryAfterMs: RETRY_MS };
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#busy = true;
    try {
      if (context.cancelled()) return { code: "CALL_CANCELLED" };
      if (context.deadline <= this.#clock.now()) return { code: "DEADLINE_PASSED" };
      return await read();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#busy = false;
      else next();
    }
  }
}

/** A turn over a million counters takes some tenths of a second. */
const RETRY_MS = 1_000;

import type { Clock } from "../core/clock.ts";
import { type Refusal, TallyError } from "../core/errors.ts";
import { Queue, type Waiter, whyGone } from "./queue.ts";

/**
 * Reads of many counters, one at a time, so that they wait here, where those whose callers have gone are dropped, and
 * not in front of a store's thread. One that runs is told when nobody waits for it any more. What was read is made use of
 * one at a time too, and meanwhile the next is read.
 *
 * The next one is asked for in a later turn of the event loop than that in which the answer before it came: answers of a
 * thread that are there by then are all taken in one turn, so that with the next one always on its way, a thread that
 * reads faster than we make use of it would keep everybody else from their turn.
 */
export class SerialReads {
  readonly #clock: Clock;
  readonly #queue: Queue<Work, unknown>;
  readonly #tellWaiting: (waiting: number) => void;
  /** Whether one is read, or was and waits for the one before it. */
  #busy = false;
  /** When the one before has been made use of. */
  #used: Promise<void> = Promise.resolve();

  /**
   * @param waitingMax   how many may wait, beside the one that runs; beyond it a read is refused at once
   * @param tellWaiting  told how many do, each time that it is another number
   */
  constructor(clock: Clock, waitingMax: number, tellWaiting: (waiting: number) => void = () => {}) {
    this.#clock = clock;
    this.#tellWaiting = tellWaiting;
    this.#queue = new Queue(clock, { sizeMax: waitingMax, retryMs: RETRY_MS });
  }

  /**
   * @param read  begins when its turn has come, and so sees all that was answered before this call. Its signal is
   *              aborted when the caller has gone or the deadline has passed; it may then reject with CALL_CANCELLED
   * @param use   makes of it what is answered, where that takes long; in a later turn, when the next one is being read
   */
  run<Found, Result = Found>(
    waiter: Waiter,
    read: (signal: AbortSignal) => Promise<Found>,
    use?: (found: Found) => Result | Promise<Result>,
  ): Promise<Result | Refusal> {
    const result = this.#queue.enter({ read, use: use as Work["use"] }, waiter);
    if (!this.#busy) this.#next();
    else this.#tellWaiting(this.#queue.size);
    return result as Promise<Result | Refusal>;
  }

  #next(): void {
    const [next] = this.#queue.cut(ONE).taken;
    this.#tellWaiting(this.#queue.size);
    this.#busy = next !== undefined;
    if (next !== undefined) this.#serve(next.waiter, next.item).then(next.resolve, next.reject);
  }

  async #serve(waiter: Waiter, { read, use }: Work): Promise<unknown> {
    const before = this.#used;
    const used = Promise.withResolvers<void>();
    this.#used = used.promise;
    try {
      const done = watched(waiter, this.#clock, async (signal) => ({ found: await read(signal) }));
      await Promise.allSettled([done, before]);
      setImmediate(() => this.#next());
      const answer = await done;
      if (!("found" in answer)) return answer;
      if (use === undefined) return answer.found;
      await new Promise(setImmediate); // Behind the next one.
      return await use(answer.found);
    } finally {
      used.resolve();
    }
  }
}

/** What is read, and what is made of it. */
interface Work {
  readonly read: (signal: AbortSignal) => Promise<unknown>;
  readonly use: ((found: unknown) => unknown) | undefined;
}

/**
 * Read, and look now and then whether somebody still waits: for a read that takes long, that costs little.
 *
 * @param read  its signal is aborted when nobody waits any more; it may then reject with CALL_CANCELLED
 */
export async function watched<Result>(
  waiter: Waiter,
  clock: Clock,
  read: (signal: AbortSignal) => Promise<Result>,
): Promise<Result | Refusal> {
  const stop = new AbortController();
  let whyNot: Refusal | undefined;
  const looking = setInterval(() => {
    whyNot = whyGone(waiter, clock.now());
    if (whyNot !== undefined) stop.abort();
  }, LOOK_MS);
  try {
    return await read(stop.signal);
  } catch (error) {
    if (whyNot !== undefined && error instanceof TallyError && error.code === "CALL_CANCELLED") return whyNot;
    throw error;
  } finally {
    clearInterval(looking);
  }
}

const ONE = { ends: (_: unknown, { count }: { count: number }) => count === 1 };

/** How long a read may go on that nobody waits for. */
const LOOK_MS = 20;

/** One of a million counters takes some tenths of a second. */
const RETRY_MS = 1_000;

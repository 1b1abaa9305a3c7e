import type { Clock } from "../core/clock.ts";
import { type Refusal, TallyError } from "../core/errors.ts";
import { Queue, type Waiter, whyGone } from "./queue.ts";

/**
 * Reads of many counters, one at a time, so that they wait here, where those whose callers have gone are dropped, and
 * not in front of a store's thread. One that runs is told when nobody waits for it any more.
 *
 * The next one is asked for in a later turn of the event loop than that in which the answer before it was made use of:
 * answers of a thread that are there by then are all taken in one turn, so that with the next one always on its way, a
 * thread that reads faster than we encode would keep everybody else from their turn.
 */
export class SerialReads {
  readonly #clock: Clock;
  readonly #queue: Queue<Read, unknown>;
  readonly #tellWaiting: (waiting: number) => void;
  #busy = false;

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
   */
  run<Result>(waiter: Waiter, read: (signal: AbortSignal) => Promise<Result>): Promise<Result | Refusal> {
    const result = this.#queue.enter(read, waiter);
    if (!this.#busy) this.#next();
    else this.#tellWaiting(this.#queue.size);
    return result as Promise<Result | Refusal>;
  }

  #next(): void {
    const [next] = this.#queue.cut(ONE).taken;
    this.#tellWaiting(this.#queue.size);
    this.#busy = next !== undefined;
    if (next === undefined) return;
    watched(next.waiter, this.#clock, next.item).then(
      (result) => {
        setImmediate(() => this.#next());
        next.resolve(result);
      },
      (error: unknown) => {
        setImmediate(() => this.#next());
        next.reject(error);
      },
    );
  }
}

type Read = (signal: AbortSignal) => Promise<unknown>;

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

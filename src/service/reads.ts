import type { CORRUPT } from "../core/batch.ts";
import type { Clock } from "../core/clock.ts";
import type { FullCounter } from "../core/counter.ts";
import type { Refusal } from "../core/errors.ts";
import { Queue, type Waiter } from "./queue.ts";
import type { Store } from "./store.ts";

/** What a read of one counter finds; undefined when there is none of that name. */
export type Found = FullCounter | undefined | typeof CORRUPT;

/**
 * Reads of single counters, put together: what comes while a read is in flight shares the next one.
 *
 * A message to the store's thread costs more than the row it asks for. Every read still sees all that was
 * acknowledged before it came, because it goes out with a store read that starts later.
 */
export class Reads {
  readonly #store: Pick<Store, "get">;
  readonly #queue: Queue<string, Found>;
  #state: "idle" | "cutting" | "reading" = "idle";

  /** @param waitingMax  how many may wait; beyond it a read is refused at once */
  constructor(store: Pick<Store, "get">, clock: Clock, waitingMax = WAITING_MAX) {
    this.#store = store;
    this.#queue = new Queue(clock, { sizeMax: waitingMax, retryMs: RETRY_MS });
  }

  /** @returns  the counter; or a refusal when there is no room, or the caller has gone before it was read */
  get(name: string, waiter: Waiter): Promise<Found | Refusal> {
    const found = this.#queue.enter(name, waiter);
    if (this.#state === "idle") this.#cutSoon();
    return found;
  }

  /**
   * Have the store read on while what it has read is answered. Behind as many as one read takes, that is in a later turn of
   * the event loop: answers that are there are all taken in one turn, in which everybody else waits.
   */
  #goOn(taken: number): void {
    if (taken < COUNT_MAX) this.#next();
    else this.#cutSoon();
  }

  #cutSoon(): void {
    this.#state = "cutting";
    setImmediate(() => this.#next());
  }

  #next(): void {
    const { taken } = this.#queue.cut(ONE_READ);
    if (taken.length === 0) {
      this.#state = "idle";
      return;
    }
    this.#state = "reading";
    this.#store.get(taken.map(({ item }) => item)).then(
      (found) => {
        this.#goOn(taken.length);
        for (const [i, { resolve }] of taken.entries()) resolve(found[i]);
      },
      (error: unknown) => {
        this.#goOn(taken.length);
        for (const { reject } of taken) reject(error);
      },
    );
  }
}

/** How many one `Store.get` takes. */
const COUNT_MAX = 1_000;
const ONE_READ = { ends: (_: unknown, { count }: { count: number }) => count === COUNT_MAX };

/** As many as changes by default; some 300 bytes each. */
const WAITING_MAX = 64_000;

/** So many are read within some hundred milliseconds. */
const RETRY_MS = 100;

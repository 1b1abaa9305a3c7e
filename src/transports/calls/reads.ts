import type { CORRUPT } from "../../core/batch.ts";
import type { Clock } from "../../core/clock.ts";
import type { FullCounter } from "../../core/counter.ts";
import type { Refusal } from "../../core/errors.ts";
import type { Store } from "../../service/store.ts";
import type { CallContext } from "./call.ts";

/** What a read of one counter finds; undefined when there is none of that name. */
export type Found = FullCounter | undefined | typeof CORRUPT;

/**
 * Reads of single counters, put together: what comes while a read is in flight shares the next one.
 *
 * A message to the store's thread costs more than the row it asks for. Every read still sees all that was
 * acknowledged before it came, because it goes out with a store read that starts later.
 */
export class Reads {
  readonly #store: Store;
  readonly #clock: Clock;
  #waiting: Waiting[] = [];
  #state: "idle" | "cutting" | "reading" = "idle";

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** @returns  the counter; or a refusal when the caller has gone before it was read */
  get(name: string, context: CallContext): Promise<Found | Refusal> {
    const { promise, resolve, reject } = Promise.withResolvers<Found | Refusal>();
    this.#waiting.push({ name, context, resolve, reject });
    if (this.#state === "idle") {
      this.#state = "cutting";
      setImmediate(() => this.#next());
    }
    return promise;
  }

  #next(): void {
    const cut = this.#cut();
    if (cut.length === 0) {
      this.#state = "idle";
      return;
    }
    this.#state = "reading";
    this.#store.get(cut.map(({ name }) => name)).then(
      (found) => {
        this.#next();
        for (const [i, { resolve }] of cut.entries()) resolve(found[i]);
      },
      (error: unknown) => {
        for (const { reject } of cut) reject(error);
        this.#next();
      },
    );
  }

  /** Take the next names; answer those that nobody waits for any more. */
  #cut(): Waiting[] {
    const now = this.#clock.now();
    const cut: Waiting[] = [];
    let taken = 0;
    for (const waiting of this.#waiting) {
      if (cut.length === NAMES_MAX) break;
      taken++;
      const { context, resolve } = waiting;
      if (context.cancelled()) resolve({ code: "CALL_CANCELLED" });
      else if (context.deadline <= now) resolve({ code: "DEADLINE_PASSED" });
      else cut.push(waiting);
    }
    this.#waiting = this.#waiting.slice(taken);
    return cut;
  }
}

/** What one `Store.get` takes. */
const NAMES_MAX = 1_000;

interface Waiting {
  readonly name: string;
  readonly context: CallContext;
  readonly resolve: (found: Found | Refusal) => void;
  readonly reject: (error: unknown) => void;
}

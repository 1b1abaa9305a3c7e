import { setImmediate as nextTurn } from "node:timers/promises";
import type { Store } from "./store.ts";

/** The work that keeps a store within its sizes, done beside the traffic. */
export interface Maintenance {
  /** Start no further slice; resolves when the one in flight has ended. */
  close(): Promise<void>;
}

/**
 * Every so often, have the store do slices of maintenance until it says that nothing is left.
 *
 * Slices are short and others' turns come between them, so that a commit waits for one slice at most.
 *
 * @param options.everyMs   from the end of a round to the start of the next
 * @param options.onError   told when a slice rejects; the next round tries again
 */
export function startMaintenance(
  store: Pick<Store, "maintain">,
  options: { everyMs: number; onError: (error: unknown) => void },
): Maintenance {
  let closed = false;
  let round = Promise.resolve();
  let timer = setTimeout(start, options.everyMs);

  function start(): void {
    round = run().catch(options.onError).then(schedule);
  }

  async function run(): Promise<void> {
    while (!closed && (await store.maintain())) await nextTurn();
  }

  function schedule(): void {
    if (!closed) timer = setTimeout(start, options.everyMs);
  }

  return {
    close() {
      closed = true;
      clearTimeout(timer);
      return round;
    },
  };
}

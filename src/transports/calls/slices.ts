import type { Clock } from "../../core/clock.ts";

/**
 * Cuts what takes long into slices, between which other calls have their turn. One slice runs in a turn of the event
 * loop, however many calls are cut: otherwise everybody else would have their turn behind one slice of each.
 */
export class Slices {
  readonly #clock: Clock;
  #end: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#end = clock.monotonic() + SLICE_MS;
  }

  /** Whether this slice has taken as long as one may. */
  get over(): boolean {
    return this.#clock.monotonic() >= this.#end;
  }

  /** Resolves when others had their turn. */
  async next(): Promise<void> {
    await turn();
    this.#end = this.#clock.monotonic() + SLICE_MS;
  }
}

/** Calls whose slice is over, in the order in which they go on. */
const waiting: (() => void)[] = [];

function turn(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  waiting.push(resolve);
  if (waiting.length === 1) setImmediate(goOn);
  return promise;
}

function goOn(): void {
  waiting.shift()!();
  if (waiting.length > 0) setImmediate(goOn);
}

/** As long as a slice of maintenance. */
const SLICE_MS = 5;

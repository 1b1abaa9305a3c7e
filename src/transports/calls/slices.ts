import { setImmediate } from "node:timers/promises";
import type { Clock } from "../../core/clock.ts";

/** Cuts what takes long into slices, between which other calls have their turn. */
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
    await setImmediate();
    this.#end = this.#clock.monotonic() + SLICE_MS;
  }
}

/** As long as a slice of maintenance. */
const SLICE_MS = 5;

import type { Clock } from "../core/clock.ts";
import type { Metrics } from "../telemetry/metrics.ts";

/**
 * How far history is behind, as it is measured: how long ago the changes were made up to which it has all. It grows while
 * nothing can be taken in, whatever the reason.
 */
export class HistoryLag {
  readonly #clock: Clock;
  /** By the clock that never goes back, in milliseconds; undefined while another process takes in. */
  #upToMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#upToMs = clock.monotonic();
  }

  /** In seconds; undefined while another process takes in. */
  get seconds(): number | undefined {
    return this.#upToMs === undefined ? undefined : (this.#clock.monotonic() - this.#upToMs) / 1_000;
  }

  /**
   * What was committed until so long ago is in it.
   *
   * @param agoMs  in milliseconds, by the clock that the commits have their times from; below 0 where that was set back
   */
  reached(agoMs: number): void {
    const upToMs = this.#clock.monotonic() - Math.max(0, agoMs);
    this.#upToMs = Math.max(this.#upToMs ?? upToMs, upToMs);
  }

  /** All is in it. */
  reachedEnd(): void {
    this.#upToMs = this.#clock.monotonic();
  }

  /** Another process takes in, or none does any more. */
  elsewhere(): void {
    this.#upToMs = undefined;
  }

  /** This process takes in again, from what is known of no other: it is behind from now on. */
  here(): void {
    this.#upToMs ??= this.#clock.monotonic();
  }

  /** Have it told. @returns  what ends that */
  watch(metrics: Metrics): () => void {
    const place = metrics.placeOf("historyLagSeconds", {});
    return metrics.beforeRead(() => {
      metrics.numbers[place] = this.seconds ?? Number.NaN;
    });
  }
}

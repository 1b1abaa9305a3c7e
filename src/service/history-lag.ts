import type { Clock } from "../core/clock.ts";
import type { Metrics } from "../telemetry/metrics.ts";

/**
 * How far history is behind, as it is measured: how long ago the changes were made up to which it has all. It grows while
 * nothing can be taken in, whatever the reason.
 */
export class HistoryLag {
  readonly #clock: Clock;
  /** In milliseconds since the Unix epoch; undefined while another process takes in. */
  #upToMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#upToMs = clock.now();
  }

  /** In seconds; undefined while another process takes in. */
  get seconds(): number | undefined {
    return this.#upToMs === undefined ? undefined : Math.max(0, this.#clock.now() - this.#upToMs) / 1_000;
  }

  /** What was committed until then is in it. @param timeMs  in milliseconds since the Unix epoch */
  reached(timeMs: number): void {
    this.#upToMs = Math.max(this.#upToMs ?? 0, timeMs);
  }

  /** All is in it. */
  reachedEnd(): void {
    this.#upToMs = this.#clock.now();
  }

  /** Another process takes in, or none does any more. */
  elsewhere(): void {
    this.#upToMs = undefined;
  }

  /** This process takes in again, from what is known of no other: it is behind from now on. */
  here(): void {
    this.#upToMs ??= this.#clock.now();
  }

  /** Have it told. @returns  what ends that */
  watch(metrics: Metrics): () => void {
    const place = metrics.placeOf("historyLagSeconds", {});
    return metrics.beforeRead(() => {
      metrics.numbers[place] = this.seconds ?? Number.NaN;
    });
  }
}

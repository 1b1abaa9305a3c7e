import type { Metrics } from "./metrics.ts";
import { THREADS, type ThreadName } from "./series.ts";

/** What was done lately. */
export interface LastMinute {
  /** In how many seconds; fewer than sixty at the beginning. */
  readonly seconds: number;
  /** Calls that ended, and those of them that were refused. */
  readonly calls: number;
  readonly refusedCalls: number;
  /** Operations that were applied, and commits. */
  readonly operations: number;
  readonly commits: number;
}

/** A thread as it was lately. */
export interface RecentThread {
  readonly name: ThreadName;
  /** For how many percent of the time it did something: 0 to 100. */
  readonly busyPercent: number;
  readonly heapBytes: number;
}

/** What was done in the last minute, from what is measured: looked at now and then. */
export class Recent {
  readonly #metrics: Metrics;
  readonly #now: () => number;
  readonly #counted: readonly (readonly number[])[];
  readonly #active: readonly number[];
  readonly #heap: readonly number[];
  readonly #samples: Sample[] = [];

  /** @param now  a clock that never goes back, in milliseconds */
  constructor(metrics: Metrics, now: () => number) {
    this.#metrics = metrics;
    this.#now = now;
    this.#counted = [
      metrics.placesOf("calls"),
      metrics.placesOf("refusals"),
      metrics.placesOf("operations", { outcome: "applied" }),
      metrics.placesOf("commits", { outcome: "committed" }),
    ];
    this.#active = metrics.placesOf("eventLoopActiveSeconds");
    this.#heap = metrics.placesOf("heapBytes");
    this.look();
  }

  /** To be called every few seconds. */
  look(): void {
    const sample = this.#sample();
    this.#samples.push(sample);
    while (this.#samples.length > 1 && sample.atMs - this.#samples[1]!.atMs >= SPAN_MS) this.#samples.shift();
  }

  get lastMinute(): LastMinute {
    const { seconds, since, until } = this.#span();
    const [calls, refusedCalls, operations, commits] = until.counts.map(
      (count, i) => count - since.counts[i]!,
    );
    return {
      ...{ seconds: Math.round(seconds), calls: calls!, refusedCalls: refusedCalls! },
      ...{ operations: operations!, commits: commits! },
    };
  }

  /** Those that there are. */
  get threads(): RecentThread[] {
    const { seconds, since, until } = this.#span();
    return THREADS.flatMap((name, i) => {
      const heapBytes = this.#metrics.at(this.#heap[i]!);
      if (Number.isNaN(heapBytes)) return [];
      const active = until.active[i]! - (since.active[i] || 0); // It may not have been there yet.
      const busyPercent = Math.round(
        100 * Math.min(1, Math.max(0, active / Math.max(seconds, LEAST_SECONDS))),
      );
      return [{ name, busyPercent, heapBytes }];
    });
  }

  #span(): { readonly seconds: number; readonly since: Sample; readonly until: Sample } {
    const [since] = this.#samples;
    const until = this.#sample();
    return { seconds: (until.atMs - since!.atMs) / 1_000, since: since!, until };
  }

  #sample(): Sample {
    this.#metrics.look();
    const counts = this.#counted.map((places) =>
      places.reduce((sum, place) => sum + this.#metrics.at(place), 0),
    );
    return { atMs: this.#now(), counts, active: this.#active.map((place) => this.#metrics.at(place)) };
  }
}

/** What was counted until then. */
interface Sample {
  readonly atMs: number;
  readonly counts: readonly number[];
  readonly active: readonly number[];
}

const SPAN_MS = 60_000;
/** Right at the start nothing is a rate yet. */
const LEAST_SECONDS = 1;

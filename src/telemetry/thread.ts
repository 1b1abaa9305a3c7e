import { createHistogram, performance } from "node:perf_hooks";
import { getHeapStatistics } from "node:v8";
import type { Metrics } from "./metrics.ts";
import type { ThreadName } from "./series.ts";

/** What a thread is measured by, each by its thread. */
const SERIES_OF_THREADS = [
  "heapBytes",
  "eventLoopActiveSeconds",
  "eventLoopDelayP99Seconds",
  "eventLoopDelayMaxSeconds",
] as const;

/** Have it told what is measured of a thread, which the main thread does. */
export function knowThread(metrics: Metrics, thread: ThreadName): void {
  for (const key of SERIES_OF_THREADS) metrics.know(key, { thread });
}

/** Measures the thread that it is made in. */
export class ThreadMeter {
  readonly #metrics: Metrics;
  readonly #places: readonly number[];
  /** By how many microseconds timers were late: since the last look, and since it was read last. */
  readonly #fresh = createHistogram(LATE);
  readonly #late = createHistogram(LATE);
  readonly #timer: NodeJS.Timeout;
  #dueMs = performance.now() + RESOLUTION_MS;
  #reads = 0;

  constructor(metrics: Metrics, thread: ThreadName) {
    this.#metrics = metrics;
    this.#places = SERIES_OF_THREADS.map((key) => metrics.placeOf(key, { thread }));
    this.#timer = setInterval(() => this.#note(), RESOLUTION_MS).unref();
  }

  /**
   * Write it down. What was late since the last look belongs to one reading, whole: the first that comes after this look.
   */
  look(): void {
    const { numbers, reads } = this.#metrics;
    const [heap, active, p99, max] = this.#places;
    if (reads !== this.#reads) this.#late.reset();
    this.#reads = reads;
    if (this.#fresh.count > 0) this.#late.add(this.#fresh);
    this.#fresh.reset();
    numbers[heap!] = getHeapStatistics().used_heap_size;
    numbers[active!] = performance.eventLoopUtilization().active / 1_000;
    const known = this.#late.count > 0;
    numbers[p99!] = known ? this.#late.percentile(99) / 1e6 : 0;
    numbers[max!] = known ? this.#late.max / 1e6 : 0;
  }

  end(): void {
    clearInterval(this.#timer);
  }

  /** A timer of ours, for what Node.js measures itself by (monitorEventLoopDelay) can be put together with nothing. */
  #note(): void {
    const now = performance.now();
    this.#fresh.record(Math.max(1, Math.round((now - this.#dueMs) * 1_000)));
    this.#dueMs = now + RESOLUTION_MS;
  }
}

/** What is shorter hurts nobody. */
const RESOLUTION_MS = 20;

/** Up to an hour, to one part in a hundred. */
const LATE = { lowest: 1, highest: 3_600_000_000, figures: 2 };

/**
 * Measure a thread of a store, from within: once a second it writes down what was, for nobody else can without asking it.
 */
export function measureStoreThread(metrics: Metrics, thread: ThreadName): void {
  const meter = new ThreadMeter(metrics, thread);
  setInterval(() => meter.look(), LOOK_MS).unref();
}

const LOOK_MS = 1_000;

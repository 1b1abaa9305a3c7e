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
  #timer: NodeJS.Timeout;
  #delayMs = RESOLUTION_MS;
  #dueMs = performance.now() + RESOLUTION_MS;
  /** How long the thread had done something when the timer was set. */
  #activeMs = performance.eventLoopUtilization().active;
  #reads = 0;

  constructor(metrics: Metrics, thread: ThreadName) {
    this.#metrics = metrics;
    this.#places = SERIES_OF_THREADS.map((key) => metrics.placeOf(key, { thread }));
    this.#timer = setTimeout(() => this.#note(), this.#delayMs).unref();
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
    clearTimeout(this.#timer);
  }

  /**
   * A timer of ours, for what Node.js measures itself by (monitorEventLoopDelay) can be put together with nothing. A thread
   * that does nothing is woken seldomer, each time for twice as long: fifty times a second took a hundredth of a core, of
   * each thread of a server that nobody calls.
   */
  #note(): void {
    const now = performance.now();
    this.#fresh.record(Math.max(1, Math.round((now - this.#dueMs) * 1_000)));
    const { active } = performance.eventLoopUtilization();
    const isIdle = active - this.#activeMs < IDLE_SHARE * (now - this.#dueMs + this.#delayMs);
    this.#delayMs = isIdle ? Math.min(2 * this.#delayMs, RESOLUTION_IDLE_MS) : RESOLUTION_MS;
    this.#activeMs = active;
    this.#dueMs = now + this.#delayMs;
    this.#timer = setTimeout(() => this.#note(), this.#delayMs).unref();
  }
}

/** What is shorter hurts nobody. */
const RESOLUTION_MS = 20;

/** Of a thread that does nothing; what begins to keep it is seen by as much shorter at most. */
const RESOLUTION_IDLE_MS = 160;

/** Who is busy for less of the time does nothing: to be woken for this is some of it. */
const IDLE_SHARE = 0.05;

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

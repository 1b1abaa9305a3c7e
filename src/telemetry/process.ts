import { constants, type PerformanceEntry, PerformanceObserver } from "node:perf_hooks";
import type { Metrics } from "./metrics.ts";
import type { GC_KINDS } from "./series.ts";
import { knowThread, ThreadMeter } from "./thread.ts";

/**
 * Measure the process and its main thread.
 *
 * @param startedMs  when it began to start, in milliseconds since the Unix epoch
 * @returns          what ends it
 */
export function measureProcess(metrics: Metrics, startedMs: number): () => void {
  const { numbers } = metrics;
  const [cpu, resident] = [metrics.placeOf("cpuSeconds", {}), metrics.placeOf("residentBytes", {})];
  numbers[metrics.placeOf("startTime", {})] = startedMs / 1_000;
  knowThread(metrics, "main");
  const thread = new ThreadMeter(metrics, "main");
  const collections = observeCollections(metrics);
  const forget = metrics.beforeRead(() => {
    const { user, system } = process.cpuUsage();
    numbers[cpu] = (user + system) / 1e6;
    numbers[resident] = process.memoryUsage.rss();
    thread.look();
  });
  return () => {
    forget();
    thread.end();
    collections.disconnect();
  };
}

/** How long each took; told when the collection is over, and somebody has time. */
function observeCollections(metrics: Metrics): PerformanceObserver {
  const places = new Map(KINDS.map(([kind, name]) => [kind, metrics.placeOf("gcSeconds", { kind: name })]));
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries() as (PerformanceEntry & { detail: { kind: number } })[]) {
      const place = places.get(entry.detail.kind);
      if (place !== undefined) metrics.observe("gcSeconds", place, entry.duration / 1_000);
    }
  });
  observer.observe({ entryTypes: ["gc"] });
  return observer;
}

const { NODE_PERFORMANCE_GC_MINOR: MINOR, NODE_PERFORMANCE_GC_MINOR_MARK_SWEEP: MINOR_SWEEP } = constants;
const { NODE_PERFORMANCE_GC_MAJOR: MAJOR, NODE_PERFORMANCE_GC_INCREMENTAL: INCREMENTAL } = constants;
const KINDS: readonly (readonly [kind: number, name: (typeof GC_KINDS)[number]])[] = [
  [MINOR, "minor"],
  [MINOR_SWEEP, "minor"],
  [MAJOR, "major"],
  [INCREMENTAL, "incremental"],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, "weak_callbacks"],
];

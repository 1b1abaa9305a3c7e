import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import type { Metrics } from "./metrics.ts";

/**
 * Measure the process and its main thread.
 *
 * @param startedMs  when it began to start, in milliseconds since the Unix epoch
 * @returns          what ends it
 */
export function measureProcess(metrics: Metrics, startedMs: number): () => void {
  const { numbers } = metrics;
  const thread = { thread: "main" } as const;
  const at = {
    cpu: metrics.placeOf("cpuSeconds", {}),
    resident: metrics.placeOf("residentBytes", {}),
    heap: metrics.placeOf("heapBytes", thread),
    active: metrics.placeOf("eventLoopActiveSeconds", thread),
    p99: metrics.placeOf("eventLoopDelayP99Seconds", thread),
    max: metrics.placeOf("eventLoopDelayMaxSeconds", thread),
  };
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  numbers[metrics.placeOf("startTime", {})] = startedMs / 1_000;
  const forget = metrics.beforeRead(() => {
    const { user, system } = process.cpuUsage();
    const { rss, heapUsed } = process.memoryUsage();
    numbers[at.cpu] = (user + system) / 1e6;
    numbers[at.resident] = rss;
    numbers[at.heap] = heapUsed;
    numbers[at.active] = performance.eventLoopUtilization().active / 1_000;
    numbers[at.p99] = lateSeconds(delay.percentile(99));
    numbers[at.max] = lateSeconds(delay.max);
    delay.reset();
  });
  return () => {
    forget();
    delay.disable();
  };
}

/** Each costs a timer, and what is shorter hurts nobody. */
const RESOLUTION_MS = 20;

/** What Node.js tells is the whole time from one timer to the next; it tells nothing of use before the first. */
function lateSeconds(betweenNs: number): number {
  const lateMs = betweenNs / 1e6 - RESOLUTION_MS;
  return Number.isFinite(lateMs) && lateMs > 0 && betweenNs < NEVER_NS ? lateMs / 1_000 : 0;
}

/** Beyond it is what an empty histogram gives. */
const NEVER_NS = 2 ** 62;

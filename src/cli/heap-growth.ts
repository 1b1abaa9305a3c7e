import { PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

/**
 * Have V8 collect garbage, in every thread, once a heap is twice what was in use after the last time. By itself it lets a
 * small one grow fourfold: after a burst of calls those are hundreds of MiB that nobody uses, and that nobody gets back.
 */
export function keepHeapsClose(): void {
  setFlagsFromString("--heap-growing-percent=100");
  const flags = `${process.env.NODE_OPTIONS ?? ""} ${process.execArgv.join(" ")}`;
  if (!/semi[-_]space/.test(flags)) keepYoungClose(); // Who has said how large it may be has that.
}

/** How large the space for young objects may become, both halves of it: 16 MiB each. */
const YOUNG_BYTES_MAX = 32 * 2 ** 20;

/**
 * Have the space for young objects of this thread grow to so much, and no further. V8 doubles it when as much as it has room for has
 * survived, be that in a day, until it is 128 MiB large, and hardly ever makes it smaller.
 *
 * Its size is settled when the process starts, so that what is told here is by how much it grows, which holds for all
 * threads; those of the store are done with growing long before, at 8 MiB and less.
 *
 * It is collected four times as often then, and nothing is gained by several threads that each copy a part of the little which survives:
 * one alone needs half the time for it.
 */
function keepYoungClose(): void {
  setFlagsFromString("--no-parallel-scavenge");
  const observer = new PerformanceObserver(() => {
    const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === "new_space");
    if (young === undefined || young.space_size < YOUNG_BYTES_MAX) return;
    setFlagsFromString("--semi-space-growth-factor=1");
    observer.disconnect();
  });
  observer.observe({ entryTypes: ["gc"] });
}

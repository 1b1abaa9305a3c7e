import type { Usage } from "./meter.ts";

/** What one run of a load showed. */
export type Figure = {
  /** Operations acknowledged in the measured time: one a call, or as many as the batch has. */
  ops: number;
  calls: number;
  seconds: number;
  /** Of calls, not of operations. */
  p50Ms: number;
  p99Ms: number;
  /** What the server used for an operation. */
  diskBytesPerOp: number;
  mainCpuUsPerOp: number;
  otherCpuUsPerOp: number;
  /** What the generator's processes used for an operation; h2load and redis-benchmark are not measured. */
  generatorCpuUsPerOp?: number;
};

export function figureOf(
  run: { ops: number; calls: number; seconds: number },
  latency: { percentileMs(share: number): number },
  usage: Usage,
): Figure {
  return {
    ops: run.ops,
    calls: run.calls,
    seconds: run.seconds,
    p50Ms: latency.percentileMs(0.5),
    p99Ms: latency.percentileMs(0.99),
    diskBytesPerOp: usage.diskBytes / run.ops,
    mainCpuUsPerOp: (usage.mainCpuMs * 1000) / run.ops,
    otherCpuUsPerOp: (usage.otherCpuMs * 1000) / run.ops,
  };
}

/** @returns operations a second. */
export function rateOf(figure: Figure): number {
  return figure.ops / figure.seconds;
}

/** @returns the processor time that all threads of the server used for an operation, in microseconds. */
export function cpuUsOf({ mainCpuUsPerOp, otherCpuUsPerOp }: Figure): number {
  return mainCpuUsPerOp + otherCpuUsPerOp;
}

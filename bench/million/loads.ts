import type { Load } from "../load/processes.ts";
import type { NameRange } from "../names.ts";

/** The file under test, and the names of its counters. */
export const MILLION: NameRange = { count: 1_000_000, stride: 1 };

/**
 * Working sets: the same thousand names in a small file, which has no others, and in the large one. There they are
 * either neighbours, or a thousand names apart: then no two share a page, the dearest way to choose them.
 */
export const NEIGHBOURS: NameRange = { count: 1000, stride: 1 };
export const SCATTERED: NameRange = { count: 1000, stride: 1000 };

const WARMUP_MS = 2000;

/** 256 unary Increments in flight, a request id each, from two processes. */
export function unaryLoad(names: NameRange, seconds: number): Load {
  const options = { connections: 4, streams: 32, warmupMs: WARMUP_MS, seconds, names };
  return { program: "h2-unary", processes: 2, options };
}

/** 12 BatchApply calls of 1,000 increments in flight. */
export function batchLoad(names: NameRange, seconds: number): Load {
  const options = { connections: 4, streams: 3, operations: 1000, distribution: "uniform" as const };
  return { program: "batch", processes: 1, options: { ...options, warmupMs: WARMUP_MS, seconds, names } };
}

/** Both at once, over names from the whole file. */
export function fullLoad(seconds: number, names: NameRange = MILLION): Load[] {
  return [unaryLoad(names, seconds), batchLoad(names, seconds)];
}

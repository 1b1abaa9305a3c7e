import { runLoad } from "../load/processes.ts";
import { residentMiB } from "../meter.ts";
import type { NameRange } from "../names.ts";
import { openTally } from "../servers.ts";
import { median } from "../stats.ts";
import { fullLoad } from "./loads.ts";

/** Resident memory of a server, in MiB. */
export type Memory = {
  /** Ready, and not called yet. */
  idle: number;
  /** Medians of the last two thirds of the time at full load; between them memory should not grow. */
  middle: number;
  last: number;
  highest: number;
};

/**
 * What the README allows a server at full load beyond what an empty one takes: young objects of the thread that
 * serves, the writer's heap with 100,000 cached counters, page caches, the queue.
 */
export const BOUNDS_MIB = 96 + (176 + 100) + 80 + 64;

/** Until caches and heaps have the size they are going to have. */
const WARMUP_SECONDS = 30;

/** Load a new server on this database with both kinds of load at once, and watch its memory. */
export async function measureMemory(directory: string, names: NameRange, seconds: number): Promise<Memory> {
  const server = await openTally(directory);
  const idle = residentMiB(server.pid);
  const samples: number[] = [];
  await loaded(Math.min(seconds, WARMUP_SECONDS));
  const sampler = setInterval(() => samples.push(residentMiB(server.pid)), 250);
  await loaded(seconds);
  clearInterval(sampler);
  await server.close();
  const third = Math.floor(samples.length / 3);
  return {
    idle,
    middle: median(samples.slice(third, 2 * third)),
    last: median(samples.slice(2 * third)),
    highest: Math.max(...samples),
  };

  async function loaded(seconds: number): Promise<void> {
    await Promise.all(fullLoad(seconds, names).map((load) => runLoad(load, server)));
  }
}

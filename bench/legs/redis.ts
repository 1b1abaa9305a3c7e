import { type Figure, figureOf } from "../figure.ts";
import { runRedisBenchmark } from "../load/redis-benchmark.ts";
import { meterOf, usageBetween } from "../meter.ts";
import type { Server } from "../servers.ts";
import type { Leg } from "./leg.ts";

const CLIENTS = 128;
const TRIAL_SECONDS_MAX = 1;
/** For the trial, which only has to last about as long; by pipeline. */
const GUESSED_RATE = { 1: 40_000, 100: 500_000 };

/** The peer: Redis with an fsync before each answer, on as many keys, by its own generator. */
export const redisLegs: Leg[] = ([1, 100] as const).map((pipeline) => ({
  id: pipeline === 1 ? "d/plain" : "d/pipelined",
  what: `Redis INCR of 10,000 random keys${pipeline === 1 ? "" : ", pipelined by 100"}; redis-benchmark, 128 clients`,
  run: async (bench, seconds) => loadRedis(await bench.redis(), pipeline, seconds),
}));

/** INCR by so many clients. @param pipeline  commands that a client sends together */
export async function loadRedis(
  { port, pid }: Server,
  pipeline: 1 | 100,
  seconds: number,
  clients = CLIENTS,
): Promise<Figure> {
  const common = { port, pipeline, clients };
  const trial = await runRedisBenchmark({
    ...common,
    requests: GUESSED_RATE[pipeline] * Math.min(TRIAL_SECONDS_MAX, seconds),
  });
  const requests = Math.ceil((trial.opsPerSecond * seconds) / pipeline) * pipeline;
  const meter = meterOf(pid);
  const before = meter.read();
  const run = await runRedisBenchmark({ ...common, requests });
  const usage = usageBetween(before, meter.read());
  const counts = { ops: requests, calls: requests / pipeline, seconds: requests / run.opsPerSecond };
  return figureOf(counts, { percentileMs: (share) => (share === 0.5 ? run.p50Ms : run.p99Ms) }, usage);
}

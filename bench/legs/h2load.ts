import { type Figure, figureOf } from "../figure.ts";
import { runH2load } from "../load/h2load.ts";
import { INCREMENT_PATH, incrementOf } from "../messages.ts";
import { meterOf, usageBetween } from "../meter.ts";
import type { Server } from "../servers.ts";
import { counterValue, openCaller } from "../tally.ts";
import type { Bench, Leg } from "./leg.ts";

const CONNECTIONS = 8;
const STREAMS = 32;
/** Not measured: they warm the server up, and tell how many requests fill the time. */
const TRIAL_REQUESTS = 15_000;
const ONE_COUNTER = "bench.one";

/** The ceiling of the path: the same bytes by h2load to the bare server, then to Tally. */
export const h2loadLegs: Leg[] = [
  {
    id: "a/h2load",
    what: "bare node:http2, constant answer; h2load, 8 connections",
    run: async (bench, seconds) => (await load(bench, await bench.bareServer(), seconds)).figure,
  },
  {
    id: "b1",
    what: "Increment of one counter, no request id; h2load, 8 connections",
    async run(bench, seconds) {
      const tally = await bench.tally();
      const { figure, finished } = await load(bench, tally, seconds);
      bench.acknowledged.one += BigInt(finished);
      await verifyOneCounter(tally, bench.acknowledged.one);
      return figure;
    },
  },
];

type Loaded = { figure: Figure; finished: number };

async function load(bench: Bench, { port, pid }: Server, seconds: number): Promise<Loaded> {
  const target = { port, path: INCREMENT_PATH, body: incrementOf(ONE_COUNTER), directory: bench.directory };
  const common = { ...target, connections: CONNECTIONS, streams: STREAMS };
  const trial = await runH2load({ ...common, requests: TRIAL_REQUESTS });
  const requests = Math.ceil((trial.finished / trial.seconds) * seconds);
  const meter = meterOf(pid);
  const before = meter.read();
  const run = await runH2load({ ...common, requests });
  const usage = usageBetween(before, meter.read());
  const counts = { ops: run.finished, calls: run.finished, seconds: run.seconds };
  return { figure: figureOf(counts, run.latency, usage), finished: trial.finished + run.finished };
}

/** h2load saw HTTP 200, which a refusal has too. */
async function verifyOneCounter({ port }: Server, finished: bigint): Promise<void> {
  const caller = await openCaller(port);
  const value = await counterValue(caller, ONE_COUNTER);
  caller.close();
  if (value !== finished)
    throw new Error(`h2load finished ${finished} Increments, the counter shows ${value}`);
}

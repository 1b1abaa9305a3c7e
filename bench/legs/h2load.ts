import { type H2loadTarget, loadByH2load } from "../load/h2load.ts";
import { GRPC_HEADERS, INCREMENT_PATH, incrementOf } from "../messages.ts";
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
    run: async (bench, seconds) =>
      (await loadByH2load(await bench.bareServer(), target(bench), seconds)).figure,
  },
  {
    id: "b1",
    what: "Increment of one counter, no request id; h2load, 8 connections",
    async run(bench, seconds) {
      const tally = await bench.tally();
      const { figure, finished } = await loadByH2load(tally, target(bench), seconds);
      bench.acknowledged.one += BigInt(finished);
      await verifyOneCounter(tally, bench.acknowledged.one);
      return figure;
    },
  },
];

function target({ directory, quick }: Pick<Bench, "directory" | "quick">): H2loadTarget {
  const what = { path: INCREMENT_PATH, headers: GRPC_HEADERS, body: incrementOf(ONE_COUNTER) };
  return {
    ...what,
    directory,
    quick,
    connections: CONNECTIONS,
    streams: STREAMS,
    trialRequests: TRIAL_REQUESTS,
  };
}

/** h2load saw HTTP 200, which a refusal has too. */
async function verifyOneCounter({ port }: Server, finished: bigint): Promise<void> {
  const caller = await openCaller(port);
  const value = await counterValue(caller, ONE_COUNTER);
  caller.close();
  if (value !== finished)
    throw new Error(`h2load finished ${finished} Increments, the counter shows ${value}`);
}

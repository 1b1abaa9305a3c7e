import type { Figure } from "../figure.ts";
import { type Load, runLoad } from "../load/processes.ts";
import { TEN_THOUSAND } from "../names.ts";
import { sumOf } from "../tally.ts";
import type { Bench, Leg } from "./leg.ts";

const WARMUP_MS = 1000;
/** Longer, because a process that makes few calls is slow to get its code compiled. */
const BATCH_WARMUP_MS = 2000;

/** Unary calls in flight over all connections: as many as in the h2load legs. */
const UNARY_IN_FLIGHT = 256;

type Spread = { connections: number; processes: number };

/**
 * Few processes, many connections each: on two cores 64 processes with a connection each took 350 microseconds
 * of CPU a call instead of 60 (none is called often enough to be compiled), and would have measured themselves.
 */
const SPREADS: Spread[] = [
  { connections: 8, processes: 2 },
  { connections: 64, processes: 4 },
];

/** About 12,000 operations in flight, as redis-benchmark's 128 clients with pipelines of 100 have. */
const BATCH_LANES = {
  100: { connections: 8, streams: 16 },
  1000: { connections: 4, streams: 3 },
};

/** Unary calls to the bare server, then to Tally. */
export const unaryLegs: Leg[] = SPREADS.flatMap((spread): Leg[] => {
  const generator = `${spread.processes} Node processes, ${spread.connections} connections`;
  return [
    {
      id: `a/node-${spread.connections}`,
      what: `bare node:http2, constant answer; ${generator}`,
      run: async (bench, seconds) => runLoad(unary(spread, seconds), await bench.bareServer()),
    },
    {
      id: `b2/${spread.connections}`,
      what: `Increment of 10,000 random counters, a request id each; ${generator}`,
      longer: 3,
      requestIdsMin: 1_000_000,
      run: (bench, seconds) => loadTally(bench, unary(spread, seconds)),
    },
  ];
});

/** Batches under one request id a call, from one process. */
export const batchLegs: Leg[] = ([100, 1000] as const).flatMap((operations) =>
  (["uniform", "zipf"] as const).map((distribution): Leg => {
    const names = distribution === "zipf" ? "by Zipf (s = 1)" : "uniformly";
    const common = {
      operations,
      distribution,
      names: TEN_THOUSAND,
      ...BATCH_LANES[operations],
    };
    return {
      id: `c/${operations}-${distribution}`,
      what: `BatchApply of ${operations}, a request id a call, names ${names} from 10,000; one Node process`,
      run: (bench, seconds) => {
        const warmupMs = noLonger(BATCH_WARMUP_MS, seconds);
        return loadTally(bench, {
          program: "batch",
          processes: 1,
          options: { ...common, warmupMs, seconds },
        });
      },
    };
  }),
);

function unary({ connections, processes }: Spread, seconds: number): Load {
  const each = { connections: connections / processes, streams: UNARY_IN_FLIGHT / connections };
  const options = { ...each, warmupMs: noLonger(WARMUP_MS, seconds), seconds, names: TEN_THOUSAND };
  return { program: "h2-unary", processes, options };
}

/** A smoke test, which measures for a moment only, warms up until calls come back on a machine that is busy. */
function noLonger(warmupMs: number, seconds: number): number {
  return Math.min(warmupMs, Math.max(WARMUP_MS, seconds * 1_000));
}

/** Load, and then read all counters: their sum must be what was acknowledged so far, not one more or less. */
async function loadTally(bench: Bench, load: Load): Promise<Figure> {
  const tally = await bench.tally();
  const { acknowledged, ...figure } = await runLoad(load, tally);
  bench.acknowledged.tenThousand += BigInt(acknowledged);
  const sum = await sumOf(tally.port, TEN_THOUSAND);
  if (sum !== bench.acknowledged.tenThousand) {
    throw new Error(
      `${bench.acknowledged.tenThousand} increments were acknowledged, the counters add up to ${sum}`,
    );
  }
  return figure;
}

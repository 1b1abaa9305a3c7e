import { create, toBinary } from "@bufbuild/protobuf";
import { BatchApplyRequestSchema, CounterService } from "../../gen/tally/v1/counter_service_pb.ts";
import { AMOUNT, HTTP1, type Leg, legOf } from "../doors/legs.ts";
import type { H2loadTarget } from "../load/h2load.ts";
import { runLoad } from "../load/processes.ts";
import { BATCH_APPLY_PATH, framed, GRPC_HEADERS, INCREMENT_PATH, incrementOf } from "../messages.ts";
import { NAME_PREFIX, TEN_THOUSAND } from "../names.ts";
import type { Server } from "../servers.ts";
import { counterValue, type Headers, openCaller } from "../tally.ts";
import { type CallerName, GRANTS, prefixOfGrant } from "./callers.ts";

/** A kind of call, and what asking who calls may add to it. */
export type Cost = {
  id: string;
  what: string;
  /** Who calls where somebody is asked. */
  by: CallerName;
  /** The most that its processor time may be multiplied by; undefined: nothing is said of it. */
  max?: number;
  leg(side: Side): Leg;
};

/** A server, what its callers say who they are, and where the generators write. */
export type Side = {
  server: Server;
  /** Of who makes the calls; none where nobody is asked. */
  headers: Headers;
  /** Of who may read all counters. */
  reader: Headers;
  directory: string;
  quick: boolean;
};

const UNARY_MAX = 1.03;
const BATCH_MAX = 1.01;
const OPERATIONS = 1_000;

export const COSTS: readonly Cost[] = [
  increment("key", "Increment over gRPC, an API key", "key", "bench.key"),
  increment("grants", `the same, the last of ${GRANTS} grants`, "grants", `${prefixOfGrant(GRANTS - 1)}one`),
  increment("token", "the same, a capability token", "token", "bench.token"),
  increment("rate", "the same, an API key whose calls are counted", "rate", "bench.rate"),
  {
    id: "ids",
    what: "the same, a request id each, also looked for under nobody",
    by: "key",
    max: UNARY_MAX,
    leg: withIds,
  },
  {
    id: "rest",
    what: "Increment over REST, an API key",
    by: "key",
    max: UNARY_MAX,
    leg: (side) =>
      leg(side, "bench.rest", {
        ...HTTP1,
        headers: { ...HTTP1.headers, ...side.headers },
        path: "/v1/counters/bench.rest:increment",
        body: AMOUNT,
        trialRequests: 5_000,
      }),
  },
  batch("batch", `BatchApply of ${OPERATIONS}, one grant`, "key", () => "bench.batch."),
  // As they come together of one who sorts them, and as they come of one who does not.
  batch("batch-runs", `the same, ${GRANTS} grants, one after another`, "grants", (index) =>
    prefixOfGrant(Math.floor((index * GRANTS) / OPERATIONS)),
  ),
  batch("batch-turns", `the same, ${GRANTS} grants, in turn`, "grants", (index) =>
    prefixOfGrant(index % GRANTS),
  ),
];

function increment(id: string, what: string, by: CallerName, name: string): Cost {
  return {
    ...{ id, what, by, max: UNARY_MAX },
    leg: (side) =>
      leg(side, name, {
        ...{ path: INCREMENT_PATH, headers: { ...GRPC_HEADERS, ...side.headers }, body: incrementOf(name) },
        ...{ connections: 8, streams: 32, trialRequests: 8_000 },
      }),
  };
}

/** @param prefixOf  what the name of an operation begins with, by its index */
function batch(id: string, what: string, by: CallerName, prefixOf: (index: number) => string): Cost {
  const names = Array.from({ length: OPERATIONS }, (_, index) => `${prefixOf(index)}${id}.${index}`);
  const operations = names.map((name) => ({ name, action: { case: "increment" as const, value: 1n } }));
  const body = framed(toBinary(BatchApplyRequestSchema, create(BatchApplyRequestSchema, { operations })));
  return {
    ...{ id, what, by, max: BATCH_MAX },
    leg: (side) =>
      leg(side, names.at(-1)!, {
        ...{ path: BATCH_APPLY_PATH, headers: { ...GRPC_HEADERS, ...side.headers }, body },
        ...{ connections: 4, streams: 3, trialRequests: 300 },
      }),
  };
}

/** By h2load, of which each request has the same bytes, so that no request has an id. */
function leg(
  { server, reader, directory, quick }: Side,
  name: string,
  target: Omit<H2loadTarget, "directory" | "quick">,
): Leg {
  const shown = async () => {
    const caller = await openCaller(server.port, reader);
    const value = await counterValue(caller, name);
    caller.close();
    return value;
  };
  return legOf(name, name, server, { ...target, directory, quick }, shown);
}

/** By a generator of ours, for h2load cannot make ids. While they may be left from before, each is looked for twice. */
function withIds({ server, headers, reader, quick }: Side): Leg {
  let answered = 0n;
  const each = { connections: 4, streams: 32, warmupMs: quick ? 100 : 500, names: TEN_THOUSAND, headers };
  return {
    id: "ids",
    what: "ids",
    async run(seconds) {
      const load = { program: "h2-unary", processes: 1, options: { ...each, seconds } } as const;
      const { acknowledged, ...figure } = await runLoad(load, server);
      answered += BigInt(acknowledged);
      const caller = await openCaller(server.port, reader);
      const { sum } = await caller.call(CounterService.method.sumCounters, { prefix: NAME_PREFIX });
      caller.close();
      if (BigInt(sum) !== answered)
        throw new Error(`ids: ${answered} increments were answered, the counters add up to ${sum}`);
      return figure;
    },
  };
}

import type { Figure } from "../figure.ts";
import { type H2loadTarget, loadByH2load } from "../load/h2load.ts";
import { GRPC_HEADERS, INCREMENT_PATH, incrementOf } from "../messages.ts";
import { askRedis } from "../redis.ts";
import type { Server } from "../servers.ts";
import { counterValue, openCaller } from "../tally.ts";

/** A server under one kind of load, which is told apart from all others by its counter. */
export type Leg = {
  id: string;
  what: string;
  /** Load it for so many seconds, and see that it counted what it answered. */
  run(seconds: number): Promise<Figure>;
};

/** Where the generator writes, and whether it is a smoke test. */
type Place = Pick<H2loadTarget, "directory" | "quick">;

/** Increments over gRPC. @param shape  connections, and calls at a time on each; few connections unless it is given */
export function grpcLeg(
  id: string,
  what: string,
  server: Server,
  place: Place,
  shape = { connections: 8, streams: 32 },
): Leg {
  const run = { ...shape, ...place, trialRequests: 30_000 };
  const target = { path: INCREMENT_PATH, headers: GRPC_HEADERS, body: incrementOf(nameOf(id)), ...run };
  return legOf(id, what, server, target, valueIn);
}

/** Over HTTP/1.1, where a connection has one request at a time. */
export const HTTP1 = {
  http1: true,
  connections: 64,
  streams: 1,
  headers: { "content-type": "application/json" },
};

export function restLegs(tally: Server, echo: Server, place: Place): Leg[] {
  const common = { ...HTTP1, ...place, trialRequests: 30_000 };
  const rest = { ...common, path: `/v1/counters/${nameOf("rest")}:increment`, body: AMOUNT };
  return [
    legOf("echo", "bare node:http that parses JSON and answers it", echo, {
      ...common,
      path: "/",
      body: AMOUNT,
    }),
    legOf("rest", "POST /v1/counters/NAME:increment", tally, rest, valueIn),
    shortPathLeg("short", "POST /counters/NAME/increment", tally, { ...common, shownBy: valueIn }),
  ];
}

export function flaskLeg(id: string, what: string, flask: Server, redis: Server, place: Place): Leg {
  const shownBy = async (_: Server, name: string) => {
    const [, value] = (await askRedis(redis.port, `GET ${name}`)).split("\r\n");
    return BigInt(value!);
  };
  return shortPathLeg(id, what, flask, { ...HTTP1, ...place, trialRequests: 1_000, shownBy });
}

/** The same request to Tally and to those that it is set beside. */
function shortPathLeg(
  id: string,
  what: string,
  server: Server,
  { shownBy, ...common }: Omit<H2loadTarget, "path" | "body"> & { shownBy: ValueOf },
): Leg {
  const target = { ...common, path: `/counters/${nameOf(id)}/increment`, body: Buffer.from("{}") };
  return legOf(id, what, server, target, shownBy);
}

export const AMOUNT = Buffer.from('{"amount":"1"}');

function nameOf(id: string): string {
  return `bench.${id}`;
}

/** @param shownBy  what its counter shows; undefined: it has none */
export function legOf(
  id: string,
  what: string,
  server: Server,
  target: H2loadTarget,
  shownBy?: ValueOf,
): Leg {
  let answered = 0n;
  return {
    id,
    what,
    async run(seconds) {
      const { figure, finished } = await loadByH2load(server, target, seconds);
      answered += BigInt(finished);
      const value = await shownBy?.(server, nameOf(id));
      if (value !== undefined && value !== answered)
        throw new Error(`${id}: ${answered} increments were answered, the counter shows ${value}`);
      return figure;
    },
  };
}

/** What the counter of a leg shows. */
type ValueOf = (server: Server, name: string) => Promise<bigint>;

async function valueIn({ port }: Server, name: string): Promise<bigint> {
  const caller = await openCaller(port);
  const value = await counterValue(caller, name);
  caller.close();
  return value;
}

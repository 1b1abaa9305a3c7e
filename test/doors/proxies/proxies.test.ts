/**
 * Proxies as people have them stand in front, and nothing changes: the script of parity, through each. With our own HTTP/2
 * behind them all doors are called over it, where a proxy can.
 */
import type { JsonObject } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { describeWith } from "../../support/needs.ts";
import { type Opened, open } from "../../transports/door.ts";
import { byEngine, ENGINE } from "../../transports/engine.ts";
import { send } from "../../transports/http.ts";
import { CONNECT } from "../parity/connect.ts";
import type { ParityDoor } from "../parity/door.ts";
import { failingStore, failingWriter } from "../parity/failing.ts";
import { grpc } from "../parity/grpc.ts";
import { rest } from "../parity/rest.ts";
import { script } from "../parity/script.ts";
import { PROXIES, startProxy } from "./proxy.ts";

/** One of each protocol. */
const [connect, web] = ["Connect, JSON, gzip", "gRPC-Web"].map(
  (wanted) => CONNECT.find(({ name }) => name === wanted)!,
) as [ParityDoor, ParityDoor];

/** What is called through a proxy: each door over HTTP/1.1 through two; over HTTP/2 through one that goes on with it. */
const DOORS: Readonly<Record<string, readonly ParityDoor[]>> = byEngine({
  "grpc-js": { nginx: [grpc, connect, web, rest], haproxy: [grpc, connect, web, rest], envoy: [grpc] },
  own: { nginx: [grpc], haproxy: [grpc, rest], envoy: [grpc, web] },
});

for (const proxy of PROXIES) {
  // What a proxy makes HTTP/1.1 of is the same with either engine, and the other run of the tests has it.
  const toEngine = ENGINE === "grpc-js" || proxy.onOverHttp2;
  describeWith([proxy.need], proxy.name, () => {
    it.for(DOORS[proxy.name]!)("passes $name on as it is", async (door) => {
      await using opened = await open({ store: failingStore, writer: failingWriter });
      await using ports = await startProxy(proxy, opened.door.port);
      const proxied = { ...opened, door: { ...opened.door, port: ports.http, grpcPort: ports.grpc } };
      const through = door.open(proxied as Opened);
      const straight = await answersStraight(door);
      const asked = script().flatMap(({ name, calls }) => calls.map((call) => ({ name, ...call })));
      for (const [i, { name, method, request }] of asked.entries()) {
        const answer = await through.call(method, request as JsonObject);
        expect(alike(answer), `${name}: ${method} ${JSON.stringify(request).slice(0, 100)}`).toEqual(
          straight[i],
        );
      }
      through.close?.();
    });

    if (!toEngine) return;
    it("in front of a server on loopback, passes on a name that it was told", async () => {
      const get = async (hostNames: readonly string[], host: string) => {
        await using opened = await open({ hostNames });
        await using ports = await startProxy(proxy, opened.door.port);
        return (await send(ports.http, { path: "/v1/counters", headers: { host } })).status;
      };
      expect(await get(["counters.example"], "counters.example")).toBe(200);
      expect(await get([], "localhost:8080")).toBe(200);
      // nginx puts the address that it goes to in the place of the name.
      expect(await get([], "counters.example")).toBe(proxy.name === "nginx" ? 200 : 403);
    });
  });
}

const straightOf = new Map<ParityDoor, Promise<unknown[]>>();

/** What is answered where nothing is in front, in the order of the script. */
function answersStraight(door: ParityDoor): Promise<unknown[]> {
  const known = straightOf.get(door) ?? ask(door);
  straightOf.set(door, known);
  return known;
}

async function ask(door: ParityDoor): Promise<unknown[]> {
  await using opened = await open({ store: failingStore, writer: failingWriter });
  const straight = door.open(opened);
  const answers = [];
  for (const { calls } of script()) {
    for (const { method, request } of calls) {
      answers.push(alike(await straight.call(method, request as JsonObject)));
    }
  }
  straight.close?.();
  return answers;
}

/** Two servers differ in the uids that they give. */
function alike(answer: unknown): unknown {
  return JSON.parse(JSON.stringify(answer).replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "uid"));
}

/** Proxies as Debian has them stand in front, and nothing changes: the script of parity, through each. */
import type { JsonObject } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { describeWith, program } from "../../support/needs.ts";
import { type Opened, open } from "../../transports/door.ts";
import { send } from "../../transports/http.ts";
import { CONNECT } from "../parity/connect.ts";
import type { ParityDoor } from "../parity/door.ts";
import { failingStore, failingWriter } from "../parity/failing.ts";
import { grpc } from "../parity/grpc.ts";
import { rest } from "../parity/rest.ts";
import { script } from "../parity/script.ts";
import { PROXIES, startProxy } from "./proxy.ts";

/** One of each protocol. */
const DOORS: readonly ParityDoor[] = [
  grpc,
  ...CONNECT.filter(({ name }) => name === "Connect, JSON, gzip" || name === "gRPC-Web"),
  rest,
];

for (const proxy of PROXIES) {
  describeWith([program(proxy.name, { args: ["-v"] })], proxy.name, () => {
    it.for(DOORS)("passes $name on as it is", async (door) => {
      await using opened = await open({ store: failingStore, writer: failingWriter });
      await using ports = await startProxy(proxy, opened.door.port);
      const proxied = { ...opened, door: { ...opened.door, port: ports.http, grpcPort: ports.grpc } };
      await using straight = await open({ store: failingStore, writer: failingWriter });
      const [through, direct] = [door.open(proxied as Opened), door.open(straight)];
      for (const { name, calls } of script()) {
        for (const { method, request } of calls) {
          const there = await through.call(method, request as JsonObject);
          const here = await direct.call(method, request as JsonObject);
          const where = `${name}: ${method} ${JSON.stringify(request).slice(0, 100)}`;
          expect(alike(there), where).toEqual(alike(here));
        }
      }
      through.close?.();
      direct.close?.();
    });

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

/** Two servers differ in the uids that they give. */
function alike(answer: unknown): unknown {
  return JSON.parse(JSON.stringify(answer).replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "uid"));
}

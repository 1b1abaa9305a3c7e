/** Proxies as Debian has them stand in front, and nothing changes: the script of parity, through each. */
import type { JsonObject } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { describeWith, program } from "../../support/needs.ts";
import { type Opened, open } from "../../transports/door.ts";
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
  });
}

/** Two servers differ in the uids that they give. */
function alike(answer: unknown): unknown {
  return JSON.parse(JSON.stringify(answer).replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "uid"));
}

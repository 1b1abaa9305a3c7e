/**
 * Independent clients do every RPC: 64-bit numbers come back exact, and each refusal that a caller can cause
 * carries its reason and its numbers. The clients learn the API from the server alone: by reflection, or by stubs that
 * are generated from its descriptors.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CounterService } from "../../gen/tally/v1/counter_service_pb.ts";
import { loadConfig } from "../../src/config.ts";
import { type RunningServer, startServer } from "../../src/server.ts";
import { NO_TELEMETRY } from "../../src/telemetry.ts";
import { describeWith } from "../support/needs.ts";
import { byEngine, ENGINE } from "../transports/engine.ts";
import { CASES } from "./cases.ts";
import { bufCurl } from "./clients/buf-curl.ts";
import { COMPILE_MS, type OpenClient } from "./clients/client.ts";
import { go } from "./clients/go.ts";
import { grpcurl } from "./clients/grpcurl.ts";
import { python } from "./clients/python.ts";
import { ruby } from "./clients/ruby.ts";

const OPEN_MS = 2 * COMPILE_MS; // What generates the stubs, and then the client.

/** A process for each call is dear: of those two each is with one engine. grpcurl is grpc-go, which is with both. */
const CLIENTS = [byEngine({ "grpc-js": grpcurl, own: bufCurl }), python, go, ruby];

for (const client of CLIENTS) {
  describeWith(client.needs, client.name, () => {
    let folder: string;
    let server: RunningServer;
    let open: OpenClient;

    beforeAll(async () => {
      folder = await mkdtemp(path.join(tmpdir(), "tally-doors-"));
      const store = `sqlite:${path.join(folder, "tally.db")}`;
      const flags = { listen: "127.0.0.1:0", "http2-engine": ENGINE, store };
      server = await startServer(loadConfig({ flags, env: {} }).config, { telemetry: NO_TELEMETRY });
      const [address, generated] = [`127.0.0.1:${server.address.port}`, path.join(folder, "generated")];
      await mkdir(generated);
      await client.prepare?.(address, generated);
      open = await client.open(address, generated);
    }, OPEN_MS);

    afterAll(async () => {
      await open?.close();
      await server?.close();
      await rm(folder, { recursive: true });
    });

    for (const { name, calls } of CASES) {
      it(name, async () => {
        for (const { method, request, ok, error } of calls) {
          const answer = await open.call(method, request);
          if (error === undefined) expect(answer).toMatchObject({ ok });
          else expect(answer).toEqual({ error });
        }
      });
    }
  });
}

describe("the cases", () => {
  it("call every RPC", () => {
    const called = new Set(CASES.flatMap(({ calls }) => calls.map(({ method }) => method)));
    expect([...called].sort()).toEqual(CounterService.methods.map(({ name }) => name).sort());
  });
});

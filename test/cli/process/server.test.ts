/** A server as tests and tools embed it: no process, no command line. */
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Config, loadConfig } from "../../../src/config.ts";
import { startServer } from "../../../src/server.ts";
import type { LogEvent } from "../../../src/telemetry/log-events.ts";
import { NO_TELEMETRY } from "../../../src/telemetry.ts";
import { authority } from "../../support/certificates.ts";
import { send } from "../../transports/http.ts";
import { holdCall } from "./call.ts";
import { folder } from "./tally.ts";

describe("a server", () => {
  it("listens on a free port, answers, and closes when its calls are answered", async () => {
    const server = await startServer(configOf({}), { telemetry: NO_TELEMETRY });
    expect(server.address).toEqual({ host: "127.0.0.1", port: expect.any(Number) });
    const call = await holdCall(server.address.port);
    const closed = server.close();
    expect(await call.finish()).toBe(1n);
    await closed;
    await server.close(); // A second time changes nothing.
    await expect(holdCall(server.address.port)).rejects.toThrow("ECONNREFUSED");
  });

  it("that cannot listen gives its store back", async () => {
    const store = `sqlite:${join(folder(), "tally.db")}`;
    const first = await startServer(configOf({}), { telemetry: NO_TELEMETRY });
    onTestFinished(() => first.close());
    const listen = `127.0.0.1:${first.address.port}`;
    await expect(startServer(configOf({ listen, store }), { telemetry: NO_TELEMETRY })).rejects.toMatchObject(
      {
        reason: "ADDRESS_IN_USE",
      },
    );
    await (await startServer(configOf({ store }), { telemetry: NO_TELEMETRY })).close();
  });

  it("keeps what it counted for the next one", async () => {
    const store = `sqlite:${join(folder(), "tally.db")}`;
    for (const expected of [1n, 2n]) {
      const server = await startServer(configOf({ store }), { telemetry: NO_TELEMETRY });
      const call = await holdCall(server.address.port);
      expect(await call.finish()).toBe(expected);
      await server.close();
    }
  });

  it.each([
    ["in plaintext on a loopback address", {}, 403],
    ["on localhost", { listen: "localhost:0" }, 403],
    ["there, with its name listed", { "host-names": "evil.example" }, 200],
    ["there, with every name listed", { "host-names": "*" }, 200],
    ["on an address for others", { listen: "0.0.0.0:0", insecure: "true" }, 200],
    [
      "on such, with another name listed",
      { listen: "0.0.0.0:0", insecure: "true", "host-names": "a.example" },
      403,
    ],
    ["over TLS", { tls: "yes" }, 200],
    ["over TLS, with another name listed", { tls: "yes", "host-names": "a.example" }, 403],
  ] as const)(
    "looks at the name that it is asked by: %s",
    async (_, { tls, ...flags }: Record<string, string | undefined>, status) => {
      using certificates = authority();
      const { certFile, keyFile } = certificates.issue();
      const files = tls === undefined ? {} : { "tls-cert-file": certFile, "tls-key-file": keyFile };
      const server = await startServer(configOf({ ...flags, ...files }), { telemetry: NO_TELEMETRY });
      onTestFinished(() => server.close());
      const ca = tls === undefined ? undefined : certificates.ca;
      const ask = (host: string) =>
        send(server.address.port, { path: "/v1/counters", headers: { host }, ca }).then((got) => got.status);
      expect([await ask("evil.example"), await ask("localhost")]).toEqual([status, 200]);
    },
  );

  it("logs nothing in the ordinary course of things", async () => {
    const events: LogEvent[] = [];
    const server = await startServer(configOf({}), {
      telemetry: { ...NO_TELEMETRY, log: (event) => events.push(event) },
    });
    await server.close();
    expect(events).toEqual([]);
  });
});

function configOf(flags: Record<string, string | undefined>): Config {
  return loadConfig({ flags: { listen: "127.0.0.1:0", store: "memory:", ...flags }, env: {} }).config;
}

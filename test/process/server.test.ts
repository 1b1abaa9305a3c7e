/** A server as tests and tools embed it: no process, no command line. */
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Config, loadConfig } from "../../src/config.ts";
import { startServer } from "../../src/server.ts";
import { type LogEvent, NO_LOG } from "../../src/telemetry.ts";
import { holdCall } from "./call.ts";
import { folder } from "./tally.ts";

describe("a server", () => {
  it("listens on a free port, answers, and closes when its calls are answered", async () => {
    const server = await startServer(configOf({}), { log: NO_LOG });
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
    const first = await startServer(configOf({}), { log: NO_LOG });
    onTestFinished(() => first.close());
    const listen = `127.0.0.1:${first.address.port}`;
    await expect(startServer(configOf({ listen, store }), { log: NO_LOG })).rejects.toMatchObject({
      reason: "ADDRESS_IN_USE",
    });
    await (await startServer(configOf({ store }), { log: NO_LOG })).close();
  });

  it("keeps what it counted for the next one", async () => {
    const store = `sqlite:${join(folder(), "tally.db")}`;
    for (const expected of [1n, 2n]) {
      const server = await startServer(configOf({ store }), { log: NO_LOG });
      const call = await holdCall(server.address.port);
      expect(await call.finish()).toBe(expected);
      await server.close();
    }
  });

  it("logs nothing in the ordinary course of things", async () => {
    const events: LogEvent[] = [];
    const server = await startServer(configOf({}), { log: (event) => events.push(event) });
    await server.close();
    expect(events).toEqual([]);
  });
});

function configOf(flags: Record<string, string>): Config {
  return loadConfig({ flags: { listen: "127.0.0.1:0", store: "memory:", ...flags }, env: {} }).config;
}

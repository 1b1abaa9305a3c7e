/** Servers in the process of the tests: to start one as a process takes half a second of the processor. */
import { loadConfig } from "../../src/config.ts";
import type { Clock } from "../../src/core/clock.ts";
import { startServer } from "../../src/server.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { NO_TELEMETRY } from "../../src/telemetry.ts";

/** A server with its counters in memory, on a free port. */
export function inMemory(clock?: Clock): ReturnType<typeof startServer> {
  const flags = { listen: "127.0.0.1:0", store: "memory:" };
  return startServer(loadConfig({ flags, env: {} }).config, {
    telemetry: { ...NO_TELEMETRY, metrics: new Metrics() }, // Not those of another test's server.
    ...(clock && { clock }),
  });
}

/** Serve a store for the time of some commands. */
export async function serving(store: string, work: (at: string) => Promise<void>): Promise<void> {
  const { config } = loadConfig({ flags: { listen: "127.0.0.1:0", store }, env: {} });
  const server = await startServer(config, { telemetry: NO_TELEMETRY });
  try {
    await work(`127.0.0.1:${server.address.port}`);
  } finally {
    await server.close();
  }
}

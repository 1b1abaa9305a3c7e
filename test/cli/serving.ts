import { loadConfig } from "../../src/config.ts";
import { startServer } from "../../src/server.ts";
import { NO_TELEMETRY } from "../../src/telemetry.ts";

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

import type { Log } from "../telemetry.ts";
import type { Health } from "./health.ts";
import type { HttpRoute } from "./http/engine.ts";
import { expectationRoute } from "./http/expectation.ts";
import { healthRoute } from "./http/health.ts";
import { wellFormedRoute } from "./http/host.ts";
import { metricsRoute } from "./http/metrics.ts";
import { type Address, openListener } from "./listener.ts";
import { type HttpLimits, openHttpServer } from "./node-http/server.ts";

/** A port for scrapers and probes alone. */
export interface ObservingPort {
  readonly port: number;
  /** Cut every connection, and listen no more. */
  close(): Promise<void>;
}

/**
 * Serve /metrics, /livez and /readyz, and nothing else: in plaintext and to whoever asks, for inside a network of trust
 * probes and scrapers need neither certificates nor credentials.
 *
 * @param exposition  what is measured, as text
 * @throws ListenError
 */
export async function openObservingPort(
  address: Address,
  options: {
    readonly health: Health;
    readonly exposition: () => string;
    readonly log: Log;
    readonly limits: HttpLimits & { readonly firstBytesMs: number };
  },
): Promise<ObservingPort> {
  const { health, exposition, log, limits } = options;
  const routes = [
    expectationRoute(),
    wellFormedRoute(),
    healthRoute(health),
    metricsRoute(exposition),
    nothingElse,
  ];
  const http = openHttpServer(routes, { log, limits, tls: undefined });
  const { firstBytesMs } = limits;
  const listener = await openListener(http.server, undefined, address, {
    connectionsMax: CONNECTIONS_MAX,
    firstBytesMs,
  });
  return {
    port: listener.port,
    async close() {
      await listener.stopAccepting(0);
      http.drain(0);
      await listener.close(0, () => {});
    },
  };
}

/** More probes and scrapers than anybody has; they have room of their own, so that callers cannot take it. */
const CONNECTIONS_MAX = 100;

const nothingElse: HttpRoute = (_, response) => {
  const headers = { "content-type": "text/plain; charset=utf-8" };
  response.send(404, headers, "here are /metrics, /livez and /readyz, and nothing else\n");
  return true;
};

import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { TlsOptions } from "node:tls";
import type { Log } from "../telemetry.ts";
import type { Health } from "./health.ts";
import { wellFormedRoute } from "./host.ts";

/**
 * Answers a request if it is one of its own, and says whether it was: at once where it is not, because a promise for
 * every route that a request passes by costs more than to look at its path. What it throws or rejects with is a defect.
 */
export type HttpRoute = (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;

export interface HttpLimits {
  /** How long the headers of a request may take to arrive, in milliseconds. */
  readonly headersMs: number;
  /** How long a request may take to arrive, headers and body, in milliseconds. */
  readonly requestMs: number;
  /** How long a connection may be idle between requests, in milliseconds. */
  readonly idleMs: number;
  /** The largest headers of a request, in bytes. */
  readonly headerBytesMax: number;
}

/** HTTP/1.1 without a port of its own: openListener gives it one. */
export interface HttpServer {
  readonly server: Server | TlsServer;
  /** Requests that were taken and not yet answered. */
  readonly inFlight: number;
  /** Keep no connection open beyond the answers in flight. */
  drain(): void;
}

/**
 * Serve HTTP/1.1: health for load balancers, and whatever the routes answer, the first that does; the last of them
 * answers everything.
 *
 * @param options.tls  how to speak it over TLS; undefined: in plaintext
 */
export function openHttpServer(
  routes: readonly HttpRoute[],
  { health, log, limits, tls }: { health: Health; log: Log; limits: HttpLimits; tls: TlsOptions | undefined },
): HttpServer {
  let inFlight = 0;
  let draining = false;
  const all = [wellFormedRoute(), healthRoute(health), ...routes];
  const options: ServerOptions = {
    noDelay: true,
    headersTimeout: limits.headersMs,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.idleMs,
    maxHeaderSize: limits.headerBytesMax,
    requireHostHeader: false, // Which is refused by us, with a reason.
    connectionsCheckingInterval: CHECK_EVERY_MS,
  };
  const listener: RequestListener = (request, response) => {
    inFlight++;
    response.on("close", () => inFlight--);
    if (draining) response.setHeader("connection", "close");
    answer(all, request, response).catch((err: unknown) => {
      log("http.handler_failed", { method: request.method, err });
      if (response.headersSent) response.destroy();
      else response.writeHead(500).end();
    });
  };
  const server =
    tls === undefined ? createServer(options, listener) : createTlsServer({ ...options, ...tls }, listener);
  server.maxHeadersCount = 0; // Their bytes are the limit: beyond 2,000 some versions of Node.js drop them silently.
  return {
    server,
    get inFlight() {
      return inFlight;
    },
    drain() {
      draining = true;
    },
  };
}

/** How often Node.js looks for requests that take too long. */
const CHECK_EVERY_MS = 1_000;

async function answer(
  routes: readonly HttpRoute[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  for (const route of routes) {
    const known = route(request, response);
    if (typeof known === "boolean" ? known : await known) return;
  }
}

/** Whether the process is alive, and whether it takes calls: for probes that speak HTTP only. */
function healthRoute(health: Health): HttpRoute {
  return ({ url, method }, response) => {
    if (url !== "/livez" && url !== "/readyz") return false;
    if (method !== "GET" && method !== "HEAD") return text(response, 405, "use GET", { allow: "GET, HEAD" });
    if (url === "/readyz" && !health.serving) return text(response, 503, "not serving");
    return text(response, 200, "ok");
  };
}

function text(
  response: ServerResponse,
  status: number,
  body: string,
  headers: Record<string, string> = {},
): true {
  response.writeHead(status, { ...headers, "content-type": "text/plain; charset=utf-8" }).end(`${body}\n`);
  return true;
}

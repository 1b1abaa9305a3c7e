import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { Socket } from "node:net";
import type { TlsOptions } from "node:tls";
import type { Log } from "../../telemetry.ts";
import type { Drainable, HttpRoute } from "../http/engine.ts";
import { route } from "../http/routing.ts";
import { HttpConnection, type SharedByConnections, statusOnly } from "./connection.ts";
import { announcesBody, NodeRequest, NodeResponse } from "./exchange.ts";

/** How long requests over HTTP/1.1 may take to arrive. */
export interface HttpLimits {
  /** How long the headers of a request may take to arrive, in milliseconds. */
  readonly headersMs: number;
  /** How long a request may take to arrive, headers and body, in milliseconds. */
  readonly requestMs: number;
  /** How long a connection may be idle between requests, or take nothing of an answer, in milliseconds. */
  readonly idleMs: number;
  /** The largest headers of a request, in bytes. */
  readonly headerBytesMax: number;
}

/** HTTP/1.1 without a port of its own: openListener gives it one. */
export interface HttpServer extends Drainable {
  readonly server: Server | TlsServer;
}

/**
 * Serve HTTP/1.1 with node:http: what the routes answer, the first that does; the last of them answers everything.
 *
 * @param options.tls  how to speak it over TLS; undefined: in plaintext
 */
export function openHttpServer(
  routes: readonly HttpRoute[],
  { log, limits, tls }: { log: Log; limits: HttpLimits; tls: TlsOptions | undefined },
): HttpServer {
  let inFlight = 0;
  const connections = new Map<Socket, HttpConnection>();
  const shared: SharedByConnections = { ...limits, state: "open" };
  const options: ServerOptions = {
    noDelay: true,
    headersTimeout: limits.headersMs,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.idleMs,
    maxHeaderSize: limits.headerBytesMax,
    requireHostHeader: false, // Which is refused by us, in turn and with a reason.
    connectionsCheckingInterval: CHECK_EVERY_MS,
  };
  const routed = async (request: IncomingMessage, response: ServerResponse, onRead?: () => void) => {
    if (announcesBody(request)) await undefined; // Then what came in one piece with the headers is parsed, too.
    const asked = new NodeRequest(request, onRead);
    return route(routes, asked, new NodeResponse(asked, response));
  };
  const answer = (request: IncomingMessage, response: ServerResponse, onRead?: () => void) => {
    const serve = () => {
      inFlight++;
      response.on("close", () => inFlight--);
      if (losesWhatFollows(request)) response.setHeader("connection", "close");
      routed(request, response, onRead).catch((err: unknown) => {
        log("http.handler_failed", { method: request.method, err });
        if (response.headersSent) response.destroy();
        else response.writeHead(500).end();
      });
    };
    connections.get(request.socket)!.take({ request, response, serve });
  };
  const listener: RequestListener = (request, response) => answer(request, response);
  const server =
    tls === undefined
      ? createServer(options, listener)
      : createTlsServer({ ...options, ...tls, allowHalfOpen: true }, listener);
  // A client that has sent all it wants to still waits for the answer. (Node.js documents this in its source only.)
  Object.assign(server, { httpAllowHalfOpen: true });
  // Only who is to send a body is told to: Node.js by itself would tell whoever asks.
  server.on("checkContinue", (request: IncomingMessage, response: ServerResponse) => {
    const endsAnyway = losesWhatFollows(request);
    response.setHeader("connection", "close"); // What follows might be that body, or the next request.
    answer(request, response, () => {
      // There is none to send; or the answer has begun, as a stream's, and says as well that it is read.
      if (!announcesBody(request) || response.headersSent) return;
      if (!endsAnyway) response.removeHeader("connection");
      response.writeContinue();
    });
  });
  server.on("checkExpectation", listener); // A route refuses it, the same with every engine.
  server.on("connect", (_, socket: Socket) => connections.get(socket)?.refuse(NO_TUNNEL));
  server.on("clientError", (error, socket: Socket) => {
    const connection = connections.get(socket);
    if (connection === undefined)
      socket.destroy(); // It did not get through the handshake.
    else connection.fail(error);
  });
  server.on(tls === undefined ? "connection" : "secureConnection", (socket: Socket) => {
    connections.set(socket, new HttpConnection(socket, shared));
    socket.once("close", () => connections.delete(socket));
  });
  const watching = setInterval(() => {
    for (const connection of connections.values()) connection.watch();
  }, CHECK_EVERY_MS).unref();
  server.once("close", () => clearInterval(watching));
  server.maxHeadersCount = 0; // Their bytes are the limit: beyond 2,000 some versions of Node.js drop them silently.
  return {
    server,
    get inFlight() {
      return inFlight;
    },
    // From now on an answer ends its connection. One that is idle stays, for what may be on its way.
    announceDrain() {
      shared.state = "closing";
      for (const connection of connections.values()) connection.closing();
    },
    // Who is in the middle of something is cut by who accepts connections, once the grace is over.
    drain() {
      shared.state = "leaving";
      for (const connection of connections.values()) connection.leaving();
    },
  };
}

/** How often Node.js looks for requests that take too long, and we for answers that do. */
const CHECK_EVERY_MS = 1_000;

/**
 * Whether Node.js forgets what it has read behind a request: it does behind one that asks for another protocol and is
 * answered in this one. The answers to what comes later would then seem to be those to what was forgotten.
 */
function losesWhatFollows({ headers: { upgrade } }: IncomingMessage): boolean {
  return upgrade !== undefined;
}

const NO_TUNNEL = statusOnly("405 Method Not Allowed", "Allow: GET, HEAD, POST, PUT, PATCH, DELETE\r\n");

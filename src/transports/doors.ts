import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions, Server as TlsServer } from "node:tls";
import type { Clock } from "../core/clock.ts";
import type { Store } from "../service/store.ts";
import type { Writer } from "../service/writer.ts";
import type { Log } from "../telemetry.ts";
import { DEFAULT_MESSAGE_LIMITS, openCalls } from "./calls/unary.ts";
import { connectRoute } from "./connect.ts";
import { consoleRoute } from "./console.ts";
import { type GrpcLimits, openGrpcServer, SERVICES } from "./grpc.ts";
import { Health } from "./health.ts";
import { hostNameRoute } from "./host.ts";
import { type HttpLimits, openHttpServer } from "./http.ts";
import { type Address, type Listener, type ListenerLimits, openListener } from "./listener.ts";
import { originRoute } from "./origin.ts";
import { referenceRoute } from "./reference.ts";
import { articleRoute } from "./rest/article.ts";
import { restRoute } from "./rest/rest.ts";
import type { Certificate } from "./tls/certificate.ts";
import { unknownPathRoute } from "./unknown-path.ts";

export interface DoorsOptions {
  /** Where to listen; port 0 takes a free one. */
  readonly listen: Address;
  /** Where to listen for gRPC instead; the other port then refuses it. */
  readonly grpcListen?: Address | undefined;
  /** What is shown to those who connect, over TLS; undefined: all is in plaintext. */
  readonly certificate?: Certificate | undefined;
  /** Origins whose pages may call, beside this server's own; "*" for every one. */
  readonly allowOrigins?: readonly string[];
  /**
   * Names that it answers to over HTTP, beside IP addresses and localhost; "*" for every one. Undefined: whatever it is
   * asked for by.
   */
  readonly hostNames?: readonly string[] | undefined;
  readonly store: Store;
  readonly writer: Writer;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits?: Partial<DoorLimits>;
}

export interface DoorLimits extends GrpcLimits, HttpLimits, ListenerLimits {}

export const DEFAULT_DOOR_LIMITS: DoorLimits = {
  ...DEFAULT_MESSAGE_LIMITS,
  streamsMax: 256,
  grpcIdleMs: 1_800_000,
  connectionsMax: 10_000,
  firstBytesMs: 10_000,
  headersMs: 10_000,
  requestMs: 10_000,
  idleMs: 60_000,
  headerBytesMax: 16 * 1024,
};

/** Every way in, open. */
export interface Doors {
  readonly port: number;
  /** Where gRPC is served: the same port unless it has its own. */
  readonly grpcPort: number;
  /** What health checks are told, on every door; false at first. */
  setServing(serving: boolean): void;
  /**
   * Close: health says NOT_SERVING, connections are told to go away, calls in flight are answered.
   *
   * @param graceMs  when to cut what is still there, in milliseconds
   * @returns        once every connection is closed
   */
  drain(graceMs: number): Promise<void>;
}

/**
 * Open the doors: gRPC and HTTP/1.1 on one port, or on one each, over the same calls and the same health.
 *
 * @throws ListenError
 */
export async function openDoors(options: DoorsOptions): Promise<Doors> {
  const { listen, grpcListen, certificate, store, writer, clock, log } = options;
  const limits = { ...DEFAULT_DOOR_LIMITS, ...options.limits };
  const health = new Health(SERVICES.map(({ typeName }) => typeName));
  const calls = openCalls(store, writer, clock, limits);
  const grpc = openGrpcServer(calls, { clock, health, log, limits });
  const hostNames = options.hostNames && new Set(options.hostNames);
  const routes = [
    ...(hostNames === undefined ? [] : [hostNameRoute(hostNames)]),
    originRoute(new Set(options.allowOrigins), hostNames),
    connectRoute(calls, { clock, log, limits }),
    restRoute(calls, { clock, log, limits }),
    articleRoute(calls, { clock, log, limits }),
    referenceRoute(),
    consoleRoute(),
    unknownPathRoute(calls),
  ];
  const shared = grpcListen === undefined;
  const tlsFor = (protocols: readonly string[]): TlsOptions | undefined =>
    certificate && {
      ...certificate.options,
      ALPNProtocols: protocols,
      handshakeTimeout: limits.firstBytesMs,
    };
  // The first that the client offers too: what offers both is a browser or curl, for gRPC's clients offer h2 alone.
  const http = openHttpServer(routes, {
    health,
    log,
    limits,
    tls: tlsFor(shared ? ["http/1.1", "h2"] : ["http/1.1"]),
  });
  const serveGrpc = grpc.serve.bind(grpc);
  const listeners: Listener[] = [];
  const listenOn = (server: Server, http2: ((socket: Socket) => void) | undefined, address: Address) => {
    if (server instanceof TlsServer) {
      certificate?.renewOn(server);
      server.on("tlsClientError", ({ code }: NodeJS.ErrnoException, socket) => {
        log("tls.handshake_failed", { code });
        socket.destroy();
      });
    }
    return openListener(server, http2, address, limits);
  };
  const closeAll = async (graceMs: number): Promise<void> => {
    health.setServing(false);
    http.drain();
    const closed = listeners.map((listener) =>
      listener.close(graceMs, () => {
        const calls = grpc.inFlight + http.inFlight;
        if (calls > 0) log("doors.drain_forced", { calls });
      }),
    );
    grpc.drain(graceMs);
    await Promise.all(closed);
  };
  try {
    listeners.push(await listenOn(http.server, shared ? serveGrpc : undefined, listen));
    if (!shared) {
      const tls = tlsFor(["h2"]);
      const server =
        tls === undefined ? createServer({ noDelay: true }) : createTlsServer({ noDelay: true, ...tls });
      listeners.push(await listenOn(server, serveGrpc, grpcListen));
    }
  } catch (error) {
    await closeAll(0);
    throw error;
  }
  let drained: Promise<void> | undefined;
  return {
    port: listeners[0]!.port,
    grpcPort: listeners.at(-1)!.port,
    setServing: (serving) => health.setServing(serving),
    drain(graceMs) {
      drained ??= closeAll(graceMs);
      return drained;
    },
  };
}

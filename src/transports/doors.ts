import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions, Server as TlsServer } from "node:tls";
import type { DescService } from "@bufbuild/protobuf";
import type { Clock } from "../core/clock.ts";
import type { Calendar } from "../core/window.ts";
import type { Administration } from "../guard/administration.ts";
import { Bulk } from "../service/bulk.ts";
import type { Readiness } from "../service/readiness.ts";
import type { Store } from "../service/store.ts";
import type { Writer } from "../service/writer.ts";
import type { Tracing } from "../telemetry/tracing.ts";
import type { Telemetry } from "../telemetry.ts";
import { type BackupCalls, backup } from "./calls/admin/backup.ts";
import type { ServerInfo } from "./calls/admin/server-info.ts";
import { type VerifyCalls, verify } from "./calls/admin/verify.ts";
import { type Authorise, allowAll } from "./calls/authorise.ts";
import { bulkCalls } from "./calls/bulk.ts";
import type { UnaryCall } from "./calls/call.ts";
import type { CallLog } from "./calls/call-log.ts";
import { knownOnly } from "./calls/known-only.ts";
import { CallMeter } from "./calls/meter.ts";
import { API } from "./calls/services.ts";
import { type StreamCall, Streams } from "./calls/stream.ts";
import { nothingKnown, openCalls } from "./calls/unary.ts";
import { connectRoute } from "./connect/route.ts";
import { streamRoute } from "./connect/stream.ts";
import { DEFAULT_DOOR_LIMITS, type DoorLimits } from "./door-limits.ts";
import { drain } from "./drain.ts";
import { extraCalls } from "./grpc/extras.ts";
import { SERVICES } from "./grpc/services.ts";
import { Health } from "./health.ts";
import { counterMetricsRoute } from "./http/counter-metrics.ts";
import type { Drainable, SocketServer } from "./http/engine.ts";
import { entryFor, observerEntry } from "./http/entry.ts";
import { expectationRoute } from "./http/expectation.ts";
import { grpcOnlyRoute } from "./http/grpc-only.ts";
import { healthRoute } from "./http/health.ts";
import { hostNameRoute, wellFormedRoute } from "./http/host.ts";
import { metricsRoute, sharedExposition } from "./http/metrics.ts";
import { noStoreRoute } from "./http/no-store.ts";
import { originRoute } from "./http/origin.ts";
import { refusalsLogged } from "./http/refusals-logged.ts";
import { unknownPathRoute } from "./http/unknown-path.ts";
import { openHttp2Server } from "./http2/server.ts";
import { type Address, type Listener, openListener } from "./listener.ts";
import { openHttpServer } from "./node-http/server.ts";
import { type ObservingPort, openObservingPort } from "./observing.ts";
import { consoleRoute } from "./pages/console.ts";
import { referenceRoute } from "./pages/reference.ts";
import { articleRoute } from "./rest/article.ts";
import { restRoute } from "./rest/rest.ts";
import { restStreamRoute } from "./rest/stream.ts";
import { Room } from "./room.ts";
import type { Certificate } from "./tls/certificate.ts";
import { type ClientAuth, ClientConnections } from "./tls/clients.ts";
import { Traffic } from "./traffic.ts";

/** What the doors lead to, and where they are. */
export interface DoorsOptions {
  /** Where to listen; port 0 takes a free one. */
  readonly listen: Address;
  /** Where to listen for gRPC instead; the other port then refuses it. */
  readonly grpcListen?: Address | undefined;
  /** Where to serve what is measured, and health, to whoever asks; undefined: nowhere. */
  readonly metricsListen?: Address | undefined;
  /** What carries HTTP/2: our own, the default, and with it all that HTTP/1.1 has; or grpc-js, and gRPC alone. */
  readonly http2Engine?: Http2EngineName;
  /** What is shown to those who connect, over TLS; undefined: all is in plaintext. */
  readonly certificate?: Certificate | undefined;
  /**
   * Whether clients are asked for a certificate over TLS, and have to have one: where gRPC is served. By default they are
   * not. Otherwise the certificate has authorities.
   */
  readonly clientAuth?: ClientAuth;
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
  /** Whose days and clocks histories go by. */
  readonly calendar: Calendar;
  readonly telemetry: Telemetry;
  /** Methods beside those of the API, over gRPC, gRPC-Web and Connect: that stream, and that do not. */
  readonly streamCalls?: readonly StreamCall[];
  readonly unaryCalls?: readonly UnaryCall[];
  /** Who may call, and do what; by default everybody may do everything. */
  readonly authorise?: Authorise;
  /** Whether callers show credentials: then nobody between may keep what is answered. */
  readonly authenticates?: boolean;
  /** What may be had without a credential, beside health; undefined: all of it. */
  readonly open?: ReadonlySet<OpenPart> | undefined;
  /** Principals and keys, for those who may manage them; undefined: there are none. */
  readonly administration?: Administration;
  /** Backups of the store, for who administrates; undefined: it has none of Tally's. */
  readonly backups?: BackupCalls["backups"];
  /** The store looked at, for who administrates; undefined: Tally has nothing to look at. */
  readonly verifications?: VerifyCalls["verifications"];
  /** The process as it is now, for who may observe; undefined: nothing is known of it. */
  readonly serverInfo?: () => Promise<ServerInfo>;
  /** Where calls are logged that have ended; undefined: nowhere. */
  readonly callLog?: CallLog;
  /** Where they are traced; undefined: nowhere. */
  readonly tracing?: Tracing | undefined;
  /** Whether each refusal over HTTP is logged now; undefined: never. */
  readonly eachLogged?: { readonly isOn: boolean };
  readonly limits?: Partial<DoorLimits>;
}

/** What holds no counts: the page, what Tally says of its API, reflection, and what is measured. */
export type OpenPart = "page" | "docs" | "reflection" | "metrics";

/** Whose implementation of HTTP/2 it is. */
export type Http2EngineName = "own" | "grpc-js";

/** Every way in, open. */
export interface Doors {
  readonly port: number;
  /** Where gRPC is served: the same port unless it has its own. */
  readonly grpcPort: number;
  /** Where what is measured is served to whoever asks; undefined: nowhere. */
  readonly metricsPort: number | undefined;
  /** What health checks are told, on every door; false at first. */
  setServing(serving: boolean): void;
  /** Likewise: what is known of the store. */
  setReadiness(store: Readiness): void;
  /**
   * Close: health says NOT_SERVING, no connection is accepted, those that are there are told to go away, and what comes
   * on them meanwhile is answered.
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
  const {
    listen,
    grpcListen,
    metricsListen,
    certificate,
    store,
    writer,
    clock,
    authorise = allowAll,
    serverInfo = async () => nothingKnown(store),
    streamCalls: moreStreamCalls = [],
    unaryCalls = [],
    calendar,
  } = options;
  const { log, metrics } = options.telemetry;
  const limits = { ...DEFAULT_DOOR_LIMITS, ...options.limits };
  const health = new Health(SERVICES.map(({ typeName }) => typeName));
  const calls = openCalls(
    store,
    writer,
    clock,
    calendar,
    limits,
    (calls) => log("calls.overload", { calls }),
    authorise,
    { administration: options.administration, log, serverInfo },
    metrics,
  );
  const api = calls.filter(({ method }) => (API as readonly DescService[]).includes(method.parent)); // The others have gRPC alone.
  const bulk = new Bulk(store, writer, clock, calendar);
  const administrating = {
    ...{ authorise, log, requestBytesMax: limits.unaryBytesMax },
    authenticates: options.authenticates ?? false,
  };
  const apiStreams = [
    ...bulkCalls(bulk, authorise, limits.unaryBytesMax),
    verify({ ...administrating, verifications: options.verifications }),
  ];
  const streamCalls = [
    ...apiStreams,
    backup({ ...administrating, backups: options.backups }),
    ...moreStreamCalls,
  ];
  const arriving = new Room(limits.arrivingBytesMax);
  const meter = new CallMeter(metrics, clock, options.callLog, options.tracing);
  const streams = new Streams(clock, log, meter, limits);
  const traffic = new Traffic(metrics, () => streams.open);
  const isOwn = options.http2Engine !== "grpc-js";
  const isOpen = (part: OpenPart) => options.open?.has(part) ?? true;
  const entry = entryFor(authorise, log);
  const forReflection = isOpen("reflection") ? allowAll : knownOnly(authorise);
  const extras = extraCalls(health, limits.unaryBytesMax, forReflection);
  const hostNames = options.hostNames && new Set(options.hostNames);
  const doing = { clock, log, meter, limits: { bytesMax: limits.batchBytesMax, arriving } };
  const exposition = sharedExposition(metrics, clock);
  const routes = [
    ...(options.authenticates ? [noStoreRoute()] : []),
    expectationRoute(),
    wellFormedRoute(),
    healthRoute(health),
    ...(options.eachLogged ? [refusalsLogged(log, options.eachLogged)] : []),
    ...(hostNames === undefined ? [] : [hostNameRoute(hostNames)]),
    originRoute(new Set(options.allowOrigins), hostNames),
    connectRoute([...api, ...unaryCalls], doing),
    // By Connect's clients reflection is asked for over Connect, on the connection that carries the call.
    streamRoute(isOwn ? [...streamCalls, ...extras.reflection] : streamCalls, streams, {
      ...doing,
      requestMs: limits.requestMs,
    }),
    restStreamRoute(apiStreams, streams, doing),
    restRoute(api, doing),
    articleRoute(api, doing),
    referenceRoute(isOpen("docs") ? undefined : entry),
    counterMetricsRoute(api, { ...doing, countersMax: limits.metricsCountersMax }),
    metricsRoute(exposition, isOpen("metrics") ? undefined : observerEntry(authorise, log)),
    consoleRoute(isOpen("page") ? undefined : entry, options.authenticates ?? false),
    unknownPathRoute([...api, ...apiStreams]),
  ];
  const shared = grpcListen === undefined;
  const served = {
    calls: [...calls, ...unaryCalls, ...extras.unary],
    streamCalls: [...streamCalls, ...extras.streams],
  };
  const carrying = {
    clock,
    log,
    meter,
    limits,
    arriving,
    leaving: new Room(limits.leavingBytesMax),
    streams,
  };
  const grpc = isOwn
    ? openHttp2Server({ ...served, routes: shared ? routes : [grpcOnlyRoute()] }, carrying)
    : (await import("./grpc-js/server.ts")).openGrpcServer(served.calls, {
        ...carrying,
        streamCalls: served.streamCalls,
      }); // All of grpc-js is loaded by who wants it.
  // What is beside gRPC, where that has a port of its own.
  const beside =
    isOwn && !shared ? openHttp2Server({ calls: [], streamCalls: [], routes }, carrying) : undefined;
  const { clientAuth = "off" } = options;
  const clients =
    certificate === undefined || clientAuth === "off"
      ? undefined
      : new ClientConnections(certificate, { isRequired: clientAuth === "required", log });
  const tlsFor = (protocols: readonly string[], hasGrpc: boolean): TlsOptions | undefined =>
    certificate && {
      ...certificate.options,
      // One that does not verify we hang up on ourselves, and say why: see ClientConnections.
      ...(hasGrpc && clients !== undefined && { requestCert: true, rejectUnauthorized: false }),
      ALPNProtocols: protocols,
      handshakeTimeout: limits.firstBytesMs,
    };
  // The first that the client offers too. What offers both is a browser or curl, for gRPC's clients offer h2 alone: where
  // HTTP/2 is gRPC's alone, they want the other.
  const protocols = isOwn ? ["h2", "http/1.1"] : shared ? ["http/1.1", "h2"] : ["http/1.1"];
  const http = openHttpServer(routes, { log, limits, tls: tlsFor(protocols, shared) });
  const engines: readonly Drainable[] = [http, grpc, ...(beside === undefined ? [] : [beside])];
  const listeners: Listener[] = [];
  let observing: ObservingPort | undefined;
  const listenOn = (server: Server, http2: SocketServer | undefined, address: Address, hasGrpc: boolean) => {
    if (server instanceof TlsServer) {
      certificate?.renewOn(server);
      server.on("tlsClientError", ({ code }: NodeJS.ErrnoException, socket) => {
        log("tls.handshake_failed", { code });
        socket.destroy();
      });
    }
    const makeRoom = http2 && (() => http2.endUnused());
    const admits = hasGrpc && clients ? (socket: Socket) => clients.admits(socket) : undefined;
    const ruled = { ...limits, makeRoom, admits, traffic };
    return openListener(server, http2 && ((socket) => http2.serve(socket)), address, ruled);
  };
  const closeAll = async (graceMs: number): Promise<void> => {
    await drain({ health, listeners, streams, engines, log }, graceMs);
    clients?.close();
    await observing?.close(); // Until then probes are told that it stops.
    traffic.close();
  };
  try {
    listeners.push(await listenOn(http.server, shared ? grpc : beside, listen, shared));
    if (!shared) {
      const tls = tlsFor(["h2"], true);
      const options = { noDelay: true, allowHalfOpen: true };
      const server = tls === undefined ? createServer(options) : createTlsServer({ ...options, ...tls });
      listeners.push(await listenOn(server, grpc, grpcListen, true));
    }
    if (metricsListen !== undefined)
      observing = await openObservingPort(metricsListen, { health, exposition, log, limits });
  } catch (error) {
    await closeAll(0);
    throw error;
  }
  let drained: Promise<void> | undefined;
  return {
    port: listeners[0]!.port,
    grpcPort: listeners.at(-1)!.port,
    metricsPort: observing?.port,
    setServing: (serving) => health.setServing(serving),
    setReadiness: (store) => health.setStore(store),
    drain(graceMs) {
      drained ??= closeAll(graceMs);
      return drained;
    },
  };
}

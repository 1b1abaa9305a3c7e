import { setImmediate, setTimeout } from "node:timers/promises";
import type { DescService } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../telemetry.ts";
import type { UnaryCall } from "../calls/call.ts";
import type { CallMeter } from "../calls/meter.ts";
import type { StreamCall, Streams } from "../calls/stream.ts";
import { type GrpcDoor, pathOf } from "../grpc/call.ts";
import type { GrpcLimits } from "../grpc/limits.ts";
import type { SocketServer } from "../http/engine.ts";
import type { Room } from "../room.ts";
import { GrpcConnections } from "./connections.ts";
import { refusingAhead } from "./headers.ts";
import { insideOfCall, insideOfServer } from "./inside.ts";
import { silenceGrpcJs } from "./silence.ts";
import { StreamExchange } from "./stream.ts";
import { AnsweredCall } from "./unary.ts";

/** Serve calls over gRPC. */
export function openGrpcServer(
  calls: readonly UnaryCall[],
  {
    clock,
    log,
    meter,
    limits,
    arriving,
    streamCalls,
    streams,
  }: {
    clock: Clock;
    log: Log;
    meter: CallMeter;
    limits: GrpcLimits;
    arriving: Room;
    streamCalls: readonly StreamCall[];
    streams: Streams;
  },
): SocketServer {
  silenceGrpcJs(clock, log);
  const door: GrpcDoor = { clock, log, meter, inFlight: 0, held: undefined };
  const connections = new GrpcConnections(clock, limits, arriving);
  const server = new grpc.Server({
    ...serverOptions(limits),
    interceptors: [
      takingIn([...calls, ...streamCalls], connections, limits),
      answering(calls, streamCalls, streams, connections, door),
    ],
  });
  // Every method of these is answered before it gets to a handler.
  for (const service of new Set([...calls, ...streamCalls].map(({ method }) => method.parent)))
    server.addService(toDefinition(service), {});
  const inside = insideOfServer(server);
  Object.assign(inside.commonServerOptions, http2Options(limits));
  const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
  for (const http2 of inside.http2Servers.keys()) connections.guard(http2, refusingAhead(calls, meter));
  return {
    serve: (socket) => connections.add(socket, () => injector.injectConnection(socket)),
    endUnused: () => connections.endUnused(),
    get inFlight() {
      return door.inFlight;
    },
    announceDrain: () => connections.announceEnd(),
    drain: (graceMs) =>
      void holdAnswers(door, Math.min(HOLD_MS, graceMs / 10), () => injector.drain(graceMs)),
  };
}

/** The first interceptor, for it is given what grpc-js has inside: what a call sends is read by us. */
function takingIn(
  calls: readonly (UnaryCall | StreamCall)[],
  connections: GrpcConnections,
  { unaryBytesMax }: GrpcLimits,
): grpc.ServerInterceptor {
  const bytesMaxByPath = new Map(calls.map((call) => [pathOf(call), call.requestBytesMax]));
  return ({ path, requestStream: many, responseStream: streamsAnswers }, call) => {
    const inside = insideOfCall(call);
    const ownBytesMax = bytesMaxByPath.get(path);
    // At the deadline it would send a status without details, whether or not anything was applied. Ours say which.
    if (ownBytesMax !== undefined && inside.deadlineTimer !== null) clearTimeout(inside.deadlineTimer);
    connections.takeIn(inside, { bytesMax: ownBytesMax ?? unaryBytesMax, many, streamsAnswers });
    return call as grpc.ServerInterceptingCall; // Nothing of it is changed, so that it needs no other around it.
  };
}

/** Answers methods before grpc-js handles them. */
function answering(
  calls: readonly UnaryCall[],
  streamCalls: readonly StreamCall[],
  streams: Streams,
  connections: GrpcConnections,
  door: GrpcDoor,
): grpc.ServerInterceptor {
  const byPath = new Map(calls.map((unary) => [pathOf(unary), unary]));
  const streamsByPath = new Map(streamCalls.map((stream) => [pathOf(stream), stream]));
  return ({ path }, call) => {
    const unary = byPath.get(path);
    if (unary !== undefined)
      return new AnsweredCall(call, unary, connections.beside(insideOfCall(call)), door);
    const stream = streamsByPath.get(path);
    if (stream !== undefined) {
      const beside = connections.beside(insideOfCall(call));
      return new StreamExchange(call, stream, streams, beside, door);
    }
    return new grpc.ServerInterceptingCall(call);
  };
}

/**
 * A service as grpc-js wants it, its requests and responses left as bytes: what is in them is judged by us, and
 * what is wrong with them is said with our reasons.
 */
function toDefinition(service: DescService): grpc.ServiceDefinition {
  return Object.fromEntries(
    service.methods.map((method) => [
      method.localName,
      {
        path: `/${service.typeName}/${method.name}`,
        requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
        responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
        requestSerialize: asBuffer,
        requestDeserialize: asIs,
        responseSerialize: asBuffer,
        responseDeserialize: asIs,
        originalName: method.localName,
      },
    ]),
  );
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function serverOptions({ streamsMax, grpcIdleMs }: GrpcLimits): grpc.ServerOptions {
  return {
    "grpc.max_receive_message_length": -1, // Our own check says no, with a reason and the numbers.
    "grpc.max_send_message_length": -1,
    "grpc.max_concurrent_streams": streamsMax,
    "grpc.max_connection_idle_ms": grpcIdleMs,
    // Beyond this much that a client does not take, or has sent in headers, its new calls are reset.
    "grpc-node.max_session_memory": SESSION_MEMORY_MB,
    // A peer that vanished without a word is noticed within two minutes and a half.
    "grpc.keepalive_time_ms": 120_000,
    "grpc.keepalive_timeout_ms": 20_000,
    // Statistics of every call that nobody reads.
    "grpc.enable_channelz": 0,
  };
}

/** Sixteen answers of the largest; one is sent in any case. */
const SESSION_MEMORY_MB = 64;

/** What node:http2 can be told and grpc-js does not pass on. */
function http2Options({ streamsMax, headerBytesMax, streamResetsBurst, streamResetsRate }: GrpcLimits) {
  return {
    // A field with a blank at an end is shown to us, who refuse its call: node:http2 would drop it without a word.
    strictFieldWhitespaceValidation: false,
    settings: { maxConcurrentStreams: streamsMax, maxHeaderListSize: headerBytesMax },
    // Our own count ends a connection first, and lets its calls in flight finish; this one does not.
    streamResetBurst: 2 * streamResetsBurst,
    streamResetRate: 2 * streamResetsRate,
    // Node.js counts a call that was reset among those open until its next turn, and refuses new ones for it; a hundred
    // in the whole life of a connection end it, with all its calls. Each costs less than a call.
    maxSessionRejectedStreams: 2 ** 32 - 1,
  };
}

/**
 * Do something before the answers that are due, when no more come: who waits for an answer sends nothing, so then every
 * call that was sent has been read, and a GOAWAY refuses none.
 */
async function holdAnswers(door: GrpcDoor, eachMs: number, before: () => void): Promise<void> {
  const held: (() => void)[] = [];
  door.held = held;
  for (let look = 0, seen = -1; held.length > seen && look < LOOKS_MAX; look++) {
    seen = held.length;
    await setTimeout(eachMs);
    await setImmediate(); // When what has come by then was read.
  }
  before();
  door.held = undefined;
  for (const respond of held) respond();
}

/** Longer than a client of the same network takes to send what it had begun to. */
const HOLD_MS = 50;
/** Somebody may send without waiting for answers. */
const LOOKS_MAX = 6;

import type { Clock } from "../../core/clock.ts";
import { headBlock } from "../../http2/block.ts";
import { ErrorCode } from "../../http2/codes.ts";
import { Http2Engine } from "../../http2/engine.ts";
import { FRAME_BYTES_MAX } from "../../http2/frames.ts";
import type { Http2Limits, LimitNames } from "../../http2/limits.ts";
import type { ServerStream, StreamListener } from "../../http2/stream.ts";
import { systemTime } from "../../http2/time.ts";
import type { Log } from "../../telemetry.ts";
import type { CallMeter } from "../calls/meter.ts";
import type { Streams } from "../calls/stream.ts";
import { madeOnce } from "../grpc/call.ts";
import type { GrpcLimits } from "../grpc/limits.ts";
import { isGrpcType } from "../grpc/protocol.ts";
import type { HttpRoute, SocketServer } from "../http/engine.ts";
import { route } from "../http/routing.ts";
import type { Room } from "../room.ts";
import { trailersOnly } from "./grpc-answer.ts";
import { type CallHead, callHeads, type GrpcServed } from "./grpc-head.ts";
import { Http2StreamCall, type StreamDoor } from "./grpc-stream.ts";
import { Http2UnaryCall } from "./grpc-unary.ts";
import { HttpExchange } from "./http-exchange.ts";

/** What a server over HTTP/2 of our own answers. */
export interface Http2Served extends GrpcServed {
  /** All that is no call of gRPC: the first that knows a request, the last of them everything. */
  readonly routes: readonly HttpRoute[];
}

/** What such a server needs. */
export interface Http2Options {
  readonly clock: Clock;
  readonly log: Log;
  readonly meter: CallMeter;
  readonly limits: GrpcLimits;
  /** Room for requests that are still arriving, of all connections together. */
  readonly arriving: Room;
  /** The same for answers that cannot leave yet. */
  readonly leaving: Room;
  readonly streams: Streams;
}

/** Serve HTTP/2 with an engine of our own: gRPC, and what the routes answer, on one connection. */
export function openHttp2Server(served: Http2Served, options: Http2Options): SocketServer {
  const { clock, log, meter, limits, arriving, leaving, streams } = options;
  const { requestMs } = limits;
  const door: StreamDoor = { clock, log, meter, inFlight: 0, held: undefined, requestMs, streams, arriving };
  const callHeadOf = callHeads(served);
  const refusedAhead = madeOnce(trailersOnly);
  const date = dates(clock);

  const takeCall = (stream: ServerStream, head: CallHead): StreamListener | undefined => {
    const { called, refused } = head;
    stream.invites = false; // Its clients do not ask.
    if (refused !== undefined || called === undefined) {
      stream.answer(refused!);
      return undefined;
    }
    if (called.kind === "stream") return new Http2StreamCall(stream, called.call, head, door);
    const ahead = called.call.refusalAhead();
    if (ahead !== undefined) {
      meter.refusedAhead(called.call.method, "grpc", ahead, head);
      stream.answer(refusedAhead(ahead)); // It costs a block that is there already.
      return undefined;
    }
    const call = new Http2UnaryCall(stream, called.call, head, door);
    call.begin();
    return call;
  };
  const takeRequest = (stream: ServerStream): StreamListener => {
    const exchange = new HttpExchange(stream, requestMs, date);
    const { request, response } = exchange;
    stream.begin();
    door.inFlight++;
    route(served.routes, request, response)
      .catch((err: unknown) => {
        log("http.handler_failed", { method: request.method, err });
        if (response.begun) stream.reset(ErrorCode.INTERNAL_ERROR);
        else response.send(500);
      })
      .finally(() => {
        stream.finish();
        door.inFlight--;
      });
    return exchange;
  };
  const engine = new Http2Engine({
    time: systemTime(() => clock.monotonic()),
    arriving,
    leaving,
    limits: {
      streamsMax: limits.streamsMax,
      workMax: 2 * limits.streamsMax,
      headerListBytesMax: limits.headerBytesMax,
      ...blockLimits(limits.headerBytesMax),
      connectionBytesMax: limits.connectionBytesMax,
      leavingBytesMax: LEAVING_BYTES_MAX,
      firstBytesMs: limits.firstBytesMs,
      requestMs,
      idleMs: limits.idleMs,
      connectionIdleMs: limits.grpcIdleMs,
      connectionAgeMs: limits.grpcAgeMs ?? Number.POSITIVE_INFINITY,
      connectionAgeGraceMs: limits.grpcAgeGraceMs,
      streamResetsBurst: limits.streamResetsBurst,
      streamResetsRate: limits.streamResetsRate,
    },
    limitNames: SETTINGS,
    accept: (stream) => {
      const { head } = stream;
      head.memo ??= callHeadOf(head) ?? NO_CALL;
      return head.memo === NO_CALL ? takeRequest(stream) : takeCall(stream, head.memo as CallHead);
    },
    acceptOversized: (stream) => {
      // Clients of gRPC know what to make of the one, others of the other.
      if (isGrpcType(stream.head.field("content-type") ?? "")) stream.reset(ErrorCode.ENHANCE_YOUR_CALM);
      else stream.answer(headBlock(431, ["date", date()]));
    },
    onDefect: (err) => log("http2.failed", { err }),
    onConnectionError: (code, reason) => log("http2.connection_ended", { code, reason }),
  });
  return {
    serve: (socket) => engine.serve(socket),
    endUnused: () => engine.endUnused(),
    // With those whose caller has gone, as with the other engines.
    get inFlight() {
      return door.inFlight;
    },
    announceDrain: () => engine.announceDrain(),
    drain: (graceMs) => engine.drain(graceMs),
  };
}

/** By which settings its limits are what they are, as configuration.md names them; or that they are fixed. */
const SETTINGS: Required<Pick<LimitNames, Told>> = {
  blockBytesMax: (bytes) => `${bytes} bytes at most, four times header-bytes-max`,
  continuationsMax: (frames) => `${frames} at most, by header-bytes-max`,
  connectionBytesMax: "connection-bytes-max",
  connections: "connections-max",
  arriving: "arriving-bytes-max of all connections",
  requestMs: (ms) => `request-timeout ${ms} ms`,
  connectionIdleMs: (ms) => `grpc-idle-timeout ${ms} ms`,
  connectionAgeMs: (ms) => `grpc-connection-age ${ms} ms`,
  settingsAckMs: (ms) => `${ms} ms, which is fixed`,
  controlBurst: (frames) => `${frames} at once`,
  controlRate: (frames) => `${frames} a second, which is fixed`,
  streamResetsBurst: "stream-resets-burst",
  streamResetsRate: "stream-resets-rate",
};

/** The limits that are told. */
type Told =
  | ("blockBytesMax" | "continuationsMax" | "connectionBytesMax" | "connections" | "arriving" | "requestMs")
  | ("connectionIdleMs" | "connectionAgeMs" | "settingsAckMs" | "controlBurst" | "controlRate")
  | ("streamResetsBurst" | "streamResetsRate");

/** Sixteen answers of the largest, of one connection. */
const LEAVING_BYTES_MAX = 64 * 2 ** 20;

/** How large a header block may be as it is sent, to be refused and not end its connection; in frames that are full but for a few. */
function blockLimits(headerBytesMax: number): Pick<Http2Limits, "blockBytesMax" | "continuationsMax"> {
  const blockBytesMax = 4 * headerBytesMax;
  return { blockBytesMax, continuationsMax: Math.ceil(blockBytesMax / FRAME_BYTES_MAX) + 4 };
}

/** That a request is none of gRPC, where what is known of its headers is kept. */
const NO_CALL = Symbol("no call of gRPC");

/** The header Date, made anew each second. */
function dates(clock: Clock): () => string {
  let second = -1;
  let text = "";
  return () => {
    const now = Math.floor(clock.now() / 1_000);
    if (now !== second) text = new Date(now * 1_000).toUTCString();
    second = now;
    return text;
  };
}

import {
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import type * as grpc from "@grpc/grpc-js";
import type { UnaryCall } from "./calls/call.ts";
import { pathOf, toStatus } from "./grpc-unary.ts";

/** How grpc-js takes a call, before anything is made for it. */
interface StreamTaker {
  _streamHandler(interceptors: unknown, stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void;
}

/**
 * Have a server refuse calls that cannot be answered in time when it has only their headers.
 *
 * Where grpc-js lets others stand, it has made as much for a call as for one that it answers: a refusal there costs two
 * thirds of an answer, here less than half of that. The method is not in its documented API. Its version is exact in
 * package.json; without the method nothing starts, and should it not be asked any more, calls are still refused, dearer.
 */
export function refuseAhead(server: grpc.Server, calls: readonly UnaryCall[]): void {
  const byPath = new Map(calls.map((unary) => [pathOf(unary), unary]));
  const answers = new Map<number, OutgoingHttpHeaders>();
  const taker = server as unknown as StreamTaker;
  if (typeof taker._streamHandler !== "function") {
    throw new TypeError("expected grpc-js to take calls by Server._streamHandler; this version does not");
  }
  const take = taker._streamHandler;
  taker._streamHandler = function (this: StreamTaker, interceptors, stream, headers) {
    const isGrpc = GRPC.test(headers["content-type"] ?? ""); // What is not, is told so by grpc-js.
    const refusal = isGrpc ? byPath.get(headers[":path"]!)?.refusalAhead() : undefined;
    if (refusal === undefined) {
      take.call(this, interceptors, stream, headers);
      return;
    }
    const { retryAfterMs = 0 } = refusal;
    let answer = answers.get(retryAfterMs);
    if (answer === undefined) {
      answer = trailersOnly(toStatus(refusal));
      answers.set(retryAfterMs, answer); // Of some hundred delays each.
    }
    refuse(stream, answer);
  };
}

const GRPC = /^application\/grpc(\+proto)?$/;

function refuse(stream: ServerHttp2Stream, answer: OutgoingHttpHeaders): void {
  stream.on("error", ignore); // That it was reset; nothing is owed to it.
  if (stream.destroyed || stream.closed) return;
  stream.respond(answer, { endStream: true });
  if (stream.state.state === constants.NGHTTP2_STREAM_STATE_OPEN) {
    stream.close(constants.NGHTTP2_NO_ERROR); // It need not go on sending (RFC 9113 section 8.1).
  } else {
    stream.resume(); // What has come is dropped.
  }
}

function ignore(): void {}

function trailersOnly({ code, details, metadata }: grpc.StatusObject): OutgoingHttpHeaders {
  return {
    ":status": 200,
    "content-type": "application/grpc+proto",
    "grpc-status": `${code}`,
    "grpc-message": encodeURI(details),
    ...metadata.toHttp2Headers(),
  };
}

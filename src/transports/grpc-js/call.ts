/** What every call over grpc-js needs. */
import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import * as grpc from "@grpc/grpc-js";
import { LINGER_BYTES, LINGER_MS } from "../../http2/lingering.ts";
import type { MetadataField, Refused } from "../calls/call.ts";
import { type GrpcDoor, statusOf, unpadded } from "../grpc/call.ts";
import { ACCEPTED_ENCODINGS } from "../grpc/protocol.ts";
import type { CallInside } from "./inside.ts";

/** No headers and no trailers. */
export const NO_METADATA = new grpc.Metadata();
const OK: grpc.StatusObject = { code: grpc.status.OK, details: "", metadata: NO_METADATA };

/** Metadata whose bytes leave without padding, as gRPC asks of servers; grpc-js pads them. */
class UnpaddedMetadata extends grpc.Metadata {
  override toHttp2Headers(): OutgoingHttpHeaders {
    const headers = super.toHttp2Headers();
    for (const name of Object.keys(headers))
      if (name.endsWith("-bin")) headers[name] = [headers[name]].flat().map((value) => unpadded(`${value}`));
    return headers;
  }

  /** What grpc-js sends of a status. */
  override clone(): UnpaddedMetadata {
    const copy = new UnpaddedMetadata();
    copy.merge(this);
    return copy;
  }
}

/** Headers or trailers as grpc-js has them. @param fields  undefined: none */
export function toMetadata(fields: readonly MetadataField[] | undefined): grpc.Metadata {
  if (fields === undefined) return NO_METADATA;
  const metadata = new UnpaddedMetadata();
  for (const [name, value] of fields)
    metadata.add(name, name.endsWith("-bin") ? Buffer.from(value, "base64") : value);
  return metadata;
}

/** How a call ends, with trailers of its own. @param refused  undefined: it was answered */
export function endingOf(
  refused: Refused | undefined,
  trailers: readonly MetadataField[] | undefined,
): grpc.StatusObject {
  const status = refused === undefined ? OK : toStatus(refused);
  if (trailers === undefined) return status;
  const metadata = toMetadata(trailers);
  metadata.merge(status.metadata);
  return { ...status, metadata };
}

/** By the service's clock; grpc-js reckons by Date.now(). */
export function deadlineOf(call: grpc.ServerInterceptingCallInterface, { clock }: GrpcDoor): number {
  const deadline = Number(call.getDeadline());
  return deadline === Number.POSITIVE_INFINITY ? deadline : deadline - Date.now() + clock.now();
}

/** Send the status of a call, and nothing else; what is still coming is not wanted. */
export function endCall(call: CallInside, status: grpc.StatusObject): void {
  const { stream } = call;
  const midway = stream.headersSent; // Of a stream that was answered: its status is behind its messages.
  call.sendStatus(status);
  if (stream.readableEnded) return;
  if (midway) stream.once("wantTrailers", () => lingerAfterAnswer(stream));
  else lingerAfterAnswer(stream);
}

/** With the time after which gRPC's own retries try again, where there is one. */
export function toStatus(refused: Refused): grpc.StatusObject {
  const { code, message, details, pushbackMs } = statusOf(refused);
  const metadata = new UnpaddedMetadata();
  if (refused.code === "ENCODING_NOT_SUPPORTED") metadata.set("grpc-accept-encoding", ACCEPTED_ENCODINGS);
  metadata.set("grpc-status-details-bin", Buffer.from(details));
  if (pushbackMs !== undefined) metadata.set("grpc-retry-pushback-ms", `${pushbackMs}`);
  return { code, details: message, metadata };
}

/** The answer to a call that has nothing but its status, for one that grpc-js is not told of. */
export function trailersOnly(refused: Refused): OutgoingHttpHeaders {
  const { code, details, metadata } = toStatus(refused);
  return {
    ":status": 200,
    "content-type": "application/grpc+proto",
    "grpc-status": `${code}`,
    "grpc-message": encodeURI(details),
    ...metadata.toHttp2Headers(),
  };
}

/** Answer a call with such a status; nothing of it is read. */
export function respondWith(stream: ServerHttp2Stream, answer: OutgoingHttpHeaders): void {
  stream.on("error", ignore); // That it was reset; nothing is owed to it.
  if (stream.destroyed || stream.closed) return;
  stream.respond(answer, { endStream: true });
  leaveUnread(stream);
}

/** Of a call that was answered by its headers: what may come of it is not waited for, which grpc-js and Node.js would. */
export function leaveUnread(stream: ServerHttp2Stream): void {
  if (stream.state.state === constants.NGHTTP2_STREAM_STATE_OPEN) lingerAfterAnswer(stream);
  else stream.resume(); // What has come is dropped.
}

/**
 * Drop what still comes of a request that is answered, and end it soon, as over HTTP/2 of our own (`Lingering`, which says
 * why not at once).
 */
export function lingerAfterAnswer(stream: ServerHttp2Stream): void {
  let bytesLeft = LINGER_BYTES;
  const drop = ({ length }: Buffer) => {
    bytesLeft -= length;
    if (bytesLeft <= 0) stream.pause(); // Its window is not given back any more.
  };
  const timer = setTimeout(() => {
    stream.close(constants.NGHTTP2_NO_ERROR);
    stream.off("data", drop).resume(); // For what is not taken Node.js has a stream wait that is closed, and its connection with it.
  }, LINGER_MS).unref();
  stream.once("close", () => clearTimeout(timer));
  stream.on("data", drop).resume();
}

function ignore(): void {}

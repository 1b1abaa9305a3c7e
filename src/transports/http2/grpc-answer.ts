/** What answers of gRPC consist of: blocks that are made once, and the frame around a message. */
import { type HeaderBlock, headBlock, trailerBlock } from "../../http2/block.ts";
import type { Refused } from "../calls/call.ts";
import { statusOf } from "../grpc/call.ts";
import { ACCEPTED_ENCODINGS, HEAD_BYTES } from "../grpc/messages.ts";

export const CONTENT_TYPE = ["content-type", "application/grpc+proto"] as const;

/** The head of an answer that has messages. */
export const ANSWER_HEAD = headBlock(200, [
  ...CONTENT_TYPE,
  ...["grpc-accept-encoding", ACCEPTED_ENCODINGS],
  ...["grpc-encoding", "identity"],
]);

/** What stands behind the messages where all is well. */
export const OK_TRAILERS = trailerBlock(["grpc-status", "0"]);

/** What stands behind the messages of an answer that ends in a refusal. */
export function refusedTrailers(refused: Refused): HeaderBlock {
  return trailerBlock(statusFields(refused));
}

/** An answer that has a refusal and nothing else. */
export function trailersOnly(refused: Refused): HeaderBlock {
  const accepted =
    refused.code === "ENCODING_NOT_SUPPORTED" ? ["grpc-accept-encoding", ACCEPTED_ENCODINGS] : [];
  return headBlock(200, [...CONTENT_TYPE, ...accepted, ...statusFields(refused)]);
}

/** A message in its frame, in two pieces. */
export function framed(message: Uint8Array): [Uint8Array, Uint8Array] {
  const head = Buffer.allocUnsafe(HEAD_BYTES);
  head[0] = 0;
  head.writeUInt32BE(message.length, 1);
  return [head, message];
}

function statusFields(refused: Refused): string[] {
  const { code, message, details, pushbackMs } = statusOf(refused);
  return [
    ...["grpc-status", `${code}`],
    ...["grpc-message", encodeURI(message)],
    ...["grpc-status-details-bin", Buffer.from(details).toString("base64")],
    ...(pushbackMs === undefined ? [] : ["grpc-retry-pushback-ms", `${pushbackMs}`]),
  ];
}

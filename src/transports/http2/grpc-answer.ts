/** What answers of gRPC consist of: blocks that are made once, and the frame around a message. */
import { type HeaderBlock, headBlock, trailerBlock } from "../../http2/block.ts";
import type { AnswerMetadata, Refused } from "../calls/call.ts";
import { statusOf, unpadded } from "../grpc/call.ts";
import { ACCEPTED_ENCODINGS, HEAD_BYTES } from "../grpc/protocol.ts";

export const CONTENT_TYPE = ["content-type", "application/grpc+proto"] as const;

const HEAD_FIELDS = [
  ...CONTENT_TYPE,
  ...["grpc-accept-encoding", ACCEPTED_ENCODINGS],
  ...["grpc-encoding", "identity"],
];
const ANSWER_HEAD = headBlock(200, HEAD_FIELDS);

/** The head of an answer that has messages, or metadata. */
export function answerHead(attached: AnswerMetadata | undefined): HeaderBlock {
  return attached === undefined ? ANSWER_HEAD : headBlock(200, [...HEAD_FIELDS, ...attached.headers.flat()]);
}

const OK_FIELDS = ["grpc-status", "0"];
const OK_TRAILERS = trailerBlock(OK_FIELDS);

/** What stands behind the messages. @param refused  why they end; undefined: all is well */
export function answerTrailers(
  refused: Refused | undefined,
  attached: AnswerMetadata | undefined,
): HeaderBlock {
  if (refused === undefined && attached === undefined) return OK_TRAILERS;
  return trailerBlock([
    ...(refused === undefined ? OK_FIELDS : statusFields(refused)),
    ...(attached?.trailers.flat() ?? []),
  ]);
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
    ...["grpc-status-details-bin", unpadded(Buffer.from(details).toString("base64"))],
    ...(pushbackMs === undefined ? [] : ["grpc-retry-pushback-ms", `${pushbackMs}`]),
  ];
}

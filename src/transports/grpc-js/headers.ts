import {
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import type { Refusal } from "../../core/errors.ts";
import { isGrpcType, otherThanPost, termsOf } from "../grpc/headers.ts";
import { otherMethod } from "../http/host.ts";
import { errorOf } from "../http/message.ts";
import { shortened } from "../json/parse.ts";
import { closeAfterAnswer, respondWith, trailersOnly } from "./call.ts";

/**
 * Judge a call by its headers, before grpc-js sees it, which takes all that begins with application/grpc for gRPC and
 * cannot wait longer than 24 days.
 *
 * @param headers     a deadline beyond that is taken out of them, for nobody will be there to see it pass; so is what
 *                    grpc-js would refuse before it is known who calls; and the type is put as grpc-js knows it
 * @param rawHeaders  names and values in turn
 * @returns           "answered" where it was refused; or why it is to be, once it is known who calls
 */
export function judgeHeaders(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  rawHeaders: readonly string[],
  headerBytesMax: number,
): "answered" | Refusal | undefined {
  let bytes = 0;
  let types = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    bytes += name.length + rawHeaders[i + 1]!.length + FIELD_BYTES;
    if (name === "content-type") types++;
  }
  if (bytes > headerBytesMax) {
    stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM); // As node:http2 does once the client has taken our settings.
    return "answered";
  }
  const type = headers["content-type"];
  if (types !== 1 || !isGrpcType(type!)) {
    refuseType(stream, types > 1 ? `${types} of them` : type === undefined ? "none" : shortened(type));
    return "answered";
  }
  const method = `${headers[":method"]}`;
  if (method !== "POST") {
    refuseInJson(stream, otherThanPost(method), { allow: "POST" });
    return "answered";
  }
  const headerOf = (name: string) => headers[name]?.toString();
  const refusal = otherMethod("POST", headerOf);
  if (refusal !== undefined) {
    respondWith(stream, trailersOnly(refusal));
    return "answered";
  }
  if (type !== "application/grpc") headers["content-type"] = "application/grpc"; // grpc-js knows no capitals.
  const { timeoutMs, unfit } = termsOf(headerOf);
  if (unfit !== undefined || timeoutMs > TIMER_MS_MAX) delete headers["grpc-timeout"];
  if (unfit !== undefined) delete headers["grpc-encoding"];
  return unfit;
}

/** What a field counts beside its name and value (RFC 9113 section 6.5.2). */
const FIELD_BYTES = 32;

/** The longest time of Node's timers. */
const TIMER_MS_MAX = 2 ** 31 - 1;

function refuseType(stream: ServerHttp2Stream, got: string): void {
  const expected = "over HTTP/2 must be application/grpc; REST, Connect and gRPC-Web are over HTTP/1.1";
  refuseInJson(stream, { code: "MEDIA_TYPE_NOT_SUPPORTED", expected, got });
}

/** As a client that speaks no gRPC can read it. */
function refuseInJson(stream: ServerHttp2Stream, refusal: Refusal, headers: OutgoingHttpHeaders = {}): void {
  const error = errorOf(refusal);
  stream.respond({ ":status": error.code, "content-type": "application/json", ...headers });
  stream.end(`${JSON.stringify({ error })}\n`);
  closeAfterAnswer(stream);
}

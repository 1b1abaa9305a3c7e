/** What becomes of a call by its headers alone, before grpc-js is told of it. */
import {
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import type { Refusal } from "../../core/errors.ts";
import { countIn, fieldIn } from "../../http2/fields.ts";
import type { HeaderOf } from "../calls/authorise.ts";
import type { UnaryCall } from "../calls/call.ts";
import type { CallMeter } from "../calls/meter.ts";
import { madeOnce, pathOf } from "../grpc/call.ts";
import { isGrpcType, otherThanPost, termsOf } from "../grpc/protocol.ts";
import { otherMethod } from "../http/header-fields.ts";
import { errorOf } from "../http/message.ts";
import { shortened } from "../json/parse.ts";
import { lingerAfterAnswer, respondWith, trailersOnly } from "./call.ts";

/** A call that grpc-js is to be told of. */
export interface Judged {
  /**
   * The headers that grpc-js itself goes by, and no others: it drops a value that has more than printable ASCII and prints
   * it, which may be a credential. What a call means by the others is read from what was sent.
   */
  readonly shown: IncomingHttpHeaders;
  /** Why it is to be refused, once it is known who calls. */
  readonly unfit: Refusal | undefined;
  /** Of all that was sent. */
  readonly headerOf: HeaderOf;
}

/**
 * Judge a call by its headers, before grpc-js sees it, which takes all that begins with application/grpc for gRPC and
 * cannot wait longer than 24 days.
 *
 * @param fields  names in lower case and values in turn, as they were sent
 * @returns       "answered" where it was refused. Else a deadline beyond that is not shown, for nobody will be there to
 *                see it pass; nor is what grpc-js would refuse before it is known who calls
 */
export function judgeHeaders(
  stream: ServerHttp2Stream,
  fields: readonly string[],
  headerBytesMax: number,
): "answered" | Judged {
  let bytes = 0;
  let isMalformed = false;
  for (let i = 0; i < fields.length; i += 2) {
    const value = fields[i + 1]!;
    bytes += fields[i]!.length + value.length + FIELD_BYTES;
    isMalformed ||= hasOuterBlank(value);
  }
  if (bytes > headerBytesMax) {
    stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM); // As node:http2 does once the client has taken our settings.
    return "answered";
  }
  if (isMalformed) {
    stream.close(constants.NGHTTP2_PROTOCOL_ERROR); // RFC 9113, sections 8.2.1 and 8.1.1.
    return "answered";
  }
  const headerOf: HeaderOf = (name) => fieldIn(fields, name);
  const type = headerOf("content-type");
  const types = countIn(fields, "content-type");
  if (types !== 1 || !isGrpcType(type!)) {
    refuseType(stream, types > 1 ? `${types} of them` : type === undefined ? "none" : shortened(type));
    return "answered";
  }
  const method = `${headerOf(":method")}`;
  if (method !== "POST") {
    refuseInJson(stream, otherThanPost(method), { allow: "POST" });
    return "answered";
  }
  const refusal = otherMethod("POST", headerOf);
  if (refusal !== undefined) {
    respondWith(stream, trailersOnly(refusal));
    return "answered";
  }
  const shown: IncomingHttpHeaders = {
    ":path": headerOf(":path")!,
    "content-type": "application/grpc", // It knows no capitals.
  };
  const { timeoutMs, unfit } = termsOf(headerOf);
  if (unfit === undefined) {
    const encoding = headerOf("grpc-encoding");
    if (encoding !== undefined) shown["grpc-encoding"] = encoding;
    if (timeoutMs <= TIMER_MS_MAX) shown["grpc-timeout"] = headerOf("grpc-timeout");
  }
  return { shown, unfit, headerOf };
}

/** Refuses a call that has only its headers, or says that it does not. */
export type RefuseAhead = (stream: ServerHttp2Stream, judged: Judged) => boolean;

/**
 * Refuses calls that cannot be answered in time before grpc-js makes anything for them. Where it lets others stand, it
 * has made as much for a call as for one that it answers: a refusal there costs two thirds of an answer, here less than
 * half of that.
 */
export function refusingAhead(calls: readonly UnaryCall[], meter: CallMeter): RefuseAhead {
  const byPath = new Map(calls.map((unary) => [pathOf(unary), unary]));
  const answer = madeOnce(trailersOnly);
  return (stream, judged) => {
    const unary = byPath.get(judged.shown[":path"]!);
    const refusal = unary?.refusalAhead();
    if (unary === undefined || refusal === undefined) return false;
    meter.refusedAhead(unary.method, "grpc", refusal, judged);
    respondWith(stream, answer(refusal));
    return true;
  };
}

/** Which no value may have (RFC 9113, section 8.2.1): others on its way may have read it without. */
function hasOuterBlank(value: string): boolean {
  return isBlank(value.charCodeAt(0)) || isBlank(value.charCodeAt(value.length - 1));
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
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
  lingerAfterAnswer(stream);
}

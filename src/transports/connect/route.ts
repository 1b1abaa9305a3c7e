import { type DescMessage, fromBinary } from "@bufbuild/protobuf";
import { GetCounterResponseSchema } from "../../../gen/tally/v1/counter_service_pb.ts";
import type { Refusal } from "../../core/errors.ts";
import type { CallParts } from "../../telemetry/call-parts.ts";
import type { AnswerMetadata, MetadataField, Refused, UnaryCall } from "../calls/call.ts";
import type { Ended } from "../calls/meter.ts";
import { type Admitted, admitOverHttp, answerOverHttp, type HttpCallOptions } from "../http/call.ts";
import { isGet, judgeConditions } from "../http/conditions.ts";
import type { BodyLimits, HttpRequest, HttpResponse, HttpRoute } from "../http/engine.ts";
import { namedIn } from "../http/etags.ts";
import { isMethodRefused, readBody, sendRefusal } from "../http/message.ts";
import { targetOf } from "../http/target.ts";
import { shortened } from "../json/parse.ts";
import { sendAnswer } from "./answer.ts";
import { sendError } from "./error.ts";
import { bodyTerms, expectedInsteadOf, FORMATS, type Format, readMessage } from "./formats.ts";
import { unfitHeaders } from "./headers.ts";
import { formatOfQuery, messageOfQuery } from "./query.ts";

/** What the door of Connect and gRPC-Web needs. */
export interface ConnectOptions extends HttpCallOptions {
  readonly limits: BodyLimits;
}

/**
 * The Connect protocol (POST, and GET for what changes nothing) and gRPC-Web, for browsers and for curl.
 *
 * What is in a request is read here, and what is answered is written here, so that every door judges the same bytes in
 * the same way and says the same of them. Of connect it has how errors are written.
 */
export function connectRoute(calls: readonly UnaryCall[], options: ConnectOptions): HttpRoute {
  const byPath = new Map(calls.map((call) => [`/${call.method.parent.typeName}/${call.method.name}`, call]));
  return (request, response) => {
    const call = byPath.get(targetOf(request).path);
    if (call === undefined) return false;
    if (isMethodRefused(request, response, call.changes ? ["POST"] : ["POST", "GET"])) return true;
    return serve(call, request, response, options).then(() => true);
  };
}

async function serve(
  call: UnaryCall,
  request: HttpRequest,
  response: HttpResponse,
  options: ConnectOptions,
): Promise<void> {
  const type = request.header("content-type") ?? "";
  const format = isGet(request)
    ? formatOfQuery(targetOf(request).query)
    : FORMATS.find(({ takes }) => takes(type));
  if (format === undefined) {
    const expected = expectedInsteadOf(type);
    sendRefusal(response, { code: "MEDIA_TYPE_NOT_SUPPORTED", expected, got: shortened(type) || "none" });
    return;
  }
  const headerOf = (name: string) => request.header(name);
  await options.meter.measured(call.method, format.isWeb ? "grpc_web" : "connect", headerOf, (parts) =>
    serveIn(format, call, request, response, options, parts),
  );
}

/** @returns  with what the caller was told, if it is no answer */
async function serveIn(
  format: Format,
  call: UnaryCall,
  request: HttpRequest,
  response: HttpResponse,
  options: ConnectOptions,
  parts: CallParts | undefined,
): Promise<Ended> {
  const trailers: MetadataField[] = []; // Of gRPC-Web.
  const attach = (attached: AnswerMetadata) => {
    for (const field of attached.headers) response.appendHeader(...field);
    if (format.isWeb) trailers.push(...attached.trailers);
    // As Connect has them for what answers in one piece.
    else for (const [name, value] of attached.trailers) response.appendHeader(`trailer-${name}`, value);
  };
  const admitted = await admitOverHttp(call, request, options, parts);
  const result =
    "code" in admitted ? admitted : await answer(call, admitted, format, request, response, attach, options);
  const refused = await (result instanceof Uint8Array
    ? sendOrRefuse(call, format, request, response, result, trailers)
    : result);
  if (refused !== undefined) sendError(format, refused, response, trailers);
  const access = "code" in admitted ? undefined : admitted.permit.access;
  return { method: call.method, refused, access };
}

async function answer(
  call: UnaryCall,
  admitted: Admitted,
  format: Format,
  request: HttpRequest,
  response: HttpResponse,
  attach: (metadata: AnswerMetadata) => void,
  options: ConnectOptions,
): Promise<Uint8Array | Refused> {
  const unfit = "code" in admitted.headers ? admitted.headers : unfitHeaders(request, format);
  const message =
    unfit ??
    (isGet(request)
      ? await messageOfQuery(call, targetOf(request).query, options.limits.bytesMax)
      : await messageOfBody(call, format, request, options.limits));
  return answerOverHttp(call, admitted, message, request, response, options.log, attach);
}

/** Send an answer; or nothing, because the conditions of a GET are not met, and the reason. */
async function sendOrRefuse(
  { method: { output } }: UnaryCall,
  format: Format,
  request: HttpRequest,
  response: HttpResponse,
  result: Uint8Array,
  trailers: readonly MetadataField[],
): Promise<Refusal | undefined> {
  if (!isGet(request)) {
    await sendAnswer(format, output, result, request, response, trailers);
    return undefined;
  }
  const ofOne = (output as DescMessage) === GetCounterResponseSchema;
  const named = ofOne ? namedIn(fromBinary(GetCounterResponseSchema, result)) : { etag: undefined };
  const verdict = judgeConditions(request, named);
  if (typeof verdict !== "string") return verdict;
  await sendAnswer(format, output, result, request, response, trailers, {
    etag: named.etag,
    isSent: verdict === "send",
  });
  return undefined;
}

async function messageOfBody(
  call: UnaryCall,
  format: Format,
  request: HttpRequest,
  limits: BodyLimits,
): Promise<Buffer | Refusal> {
  const body = await readBody(request, bodyTerms(call, format, request, limits));
  if ("code" in body) return body;
  return readMessage(call, format, body, request.header(format.encodingHeader), limits.bytesMax);
}

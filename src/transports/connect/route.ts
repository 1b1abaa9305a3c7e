import { type DescMessage, fromBinary } from "@bufbuild/protobuf";
import { createConnectRouter, createContextKey, createContextValues } from "@connectrpc/connect";
import {
  createAsyncIterable,
  readAllBytes,
  type UniversalHandler,
  type UniversalServerResponse,
} from "@connectrpc/connect/protocol";
import { GetCounterResponseSchema } from "../../../gen/tally/v1/counter_service_pb.ts";
import type { Refusal } from "../../core/errors.ts";
import type { Refused, UnaryCall } from "../calls/call.ts";
import { invalidField } from "../calls/shape.ts";
import { admitOverHttp, answerOverHttp, type HttpCallOptions } from "../http/call.ts";
import { isGet, judgeConditions } from "../http/conditions.ts";
import type { BodyLimits, HttpRequest, HttpResponse, HttpRoute } from "../http/engine.ts";
import { namedIn } from "../http/etags.ts";
import { allowOf, readBody, sendRefusal } from "../http/message.ts";
import { targetOf } from "../http/target.ts";
import { shortened } from "../json/parse.ts";
import { STATUS } from "../status.ts";
import { sendAnswer } from "./answer.ts";
import { COMPRESSIONS, isKnown, unknownEncoding } from "./compression.ts";
import { toConnectError } from "./error.ts";
import { expectedInsteadOf, FORMATS, type Format } from "./formats.ts";
import { formatOfQuery, messageOfQuery } from "./query.ts";

/** What the door of Connect and gRPC-Web needs. */
export interface ConnectOptions extends HttpCallOptions {
  readonly limits: BodyLimits;
}

/** A method as connect-node has it, which tells what went wrong, and as the other doors have it. */
interface Method {
  readonly handler: UniversalHandler;
  readonly call: UnaryCall;
}

/**
 * The Connect protocol (POST, and GET for what changes nothing) and gRPC-Web, for browsers and for curl.
 *
 * What is in a request is read here, and what is answered is written here, so that every door judges the same bytes in
 * the same way and says the same of them. connect-node speaks of errors: its handlers are given an empty message, and
 * find beside it why there is no answer.
 */
export function connectRoute(calls: readonly UnaryCall[], options: ConnectOptions): HttpRoute {
  const router = createConnectRouter({ grpc: false, acceptCompression: [...COMPRESSIONS.values()] });
  for (const { method } of calls) {
    router.rpc(method, (_, { values }) => {
      throw toConnectError(values.get(REFUSED)!);
    });
  }
  const methods = new Map<string, Method>(
    router.handlers.map((handler) => {
      const call = calls.find(({ method }) => method === handler.method)!;
      return [handler.requestPath, { handler, call }];
    }),
  );
  return (request, response) => {
    const method = methods.get(targetOf(request).path);
    if (method === undefined) return false;
    const { allowedMethods } = method.handler;
    if (!allowedMethods.includes(request.method === "HEAD" ? "GET" : request.method)) {
      const allow = allowOf(allowedMethods);
      sendRefusal(
        response,
        { code: "METHOD_NOT_ALLOWED", expected: `use ${allow}`, got: request.method },
        { allow },
      );
      return true;
    }
    return serve(method, request, response, options).then(() => true);
  };
}

const REFUSED = createContextKey<Refused | undefined>(undefined);

async function serve(
  { handler, call }: Method,
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
  const result = await answer(call, format, request, response, options);
  const refused = await (result instanceof Uint8Array
    ? sendOrRefuse(call, format, request, response, result)
    : result);
  if (refused !== undefined) await sendError(handler, format, refused, request, response);
}

async function answer(
  call: UnaryCall,
  format: Format,
  request: HttpRequest,
  response: HttpResponse,
  options: ConnectOptions,
): Promise<Uint8Array | Refused> {
  const admitted = await admitOverHttp(call, request, options);
  if ("code" in admitted) return admitted;
  const message =
    versionRefusal(request, format) ??
    (isGet(request)
      ? await messageOfQuery(call.method.input, targetOf(request).query, options.limits.bytesMax)
      : await messageOfBody(call, format, request, options.limits));
  return answerOverHttp(call, admitted, message, request, response, options.log);
}

/** Another version of Connect would have another meaning. Clients need not tell one. */
function versionRefusal(request: HttpRequest, { isWeb }: Format): Refusal | undefined {
  const version = request.header("connect-protocol-version");
  return version === undefined || version === "1" || isWeb
    ? undefined
    : invalidField("Connect-Protocol-Version", "must be 1", version);
}

/** Send an answer; or nothing, because the conditions of a GET are not met, and the reason. */
async function sendOrRefuse(
  { method: { output } }: UnaryCall,
  format: Format,
  request: HttpRequest,
  response: HttpResponse,
  result: Uint8Array,
): Promise<Refusal | undefined> {
  if (!isGet(request)) {
    await sendAnswer(format, output, result, request, response);
    return undefined;
  }
  const ofOne = (output as DescMessage) === GetCounterResponseSchema;
  const named = ofOne ? namedIn(fromBinary(GetCounterResponseSchema, result)) : { etag: undefined };
  const verdict = judgeConditions(request, named);
  if (typeof verdict !== "string") return verdict;
  await sendAnswer(format, output, result, request, response, {
    etag: named.etag,
    isSent: verdict === "send",
  });
  return undefined;
}

async function messageOfBody(
  { method }: UnaryCall,
  format: Format,
  request: HttpRequest,
  { bytesMax, arriving }: BodyLimits,
): Promise<Buffer | Refusal> {
  const body = await readBody(request, { bytesMax: bytesMax + format.frameBytes, arriving });
  if ("code" in body) return body;
  const ofBody = request.header("content-encoding") ?? "identity";
  if (format.isWeb && ofBody !== "identity") return unknownEncoding(ofBody, false);
  const encoding = request.header(format.encodingHeader);
  // Also where the one frame of gRPC-Web says that it is not compressed: who names an encoding may mean it.
  if (encoding !== undefined && !isKnown(encoding)) return unknownEncoding(encoding);
  return format.read(method.input, body, encoding, bytesMax);
}

/** Have connect-node answer that there is no answer. */
async function sendError(
  handler: UniversalHandler,
  format: Format,
  refused: Refused,
  request: HttpRequest,
  response: HttpResponse,
): Promise<void> {
  const gets = isGet(request);
  const answered = await handler({
    httpVersion: request.version,
    method: gets ? "GET" : "POST",
    url: `http://tally${handler.requestPath}${gets ? format.emptyQuery : ""}`, // The host is nothing to us.
    header: headersFor(request, format),
    body: createAsyncIterable(gets ? [] : [format.empty]),
    signal: new AbortController().signal,
    contextValues: createContextValues().set(REFUSED, refused),
  });
  const { code, etag } = refused;
  if (code === "PRECONDITION_FAILED") {
    // Connect has 400 for its status; who sends If-Match speaks of HTTP's.
    Object.assign(answered, { status: STATUS[code].http });
    if (etag !== undefined) response.setHeader("etag", `"${etag}"`);
  }
  await sendUniversal(answered, response);
}

/** Send what connect-node answers, which is an error and so not long. */
async function sendUniversal(
  { status, header, body }: UniversalServerResponse,
  response: HttpResponse,
): Promise<void> {
  const bytes = await readAllBytes(body ?? createAsyncIterable([]), Number.MAX_SAFE_INTEGER);
  const headers = Object.fromEntries(header ?? []);
  response.send(status, { ...headers, "content-length": bytes.length }, bytes);
}

/** Only what the handler needs to know: how to answer. */
function headersFor(request: HttpRequest, format: Format): Headers {
  const all = new Headers({ "content-type": format.contentType });
  for (const name of ["accept-encoding", "grpc-accept-encoding"]) {
    const value = request.header(name);
    if (value !== undefined) all.set(name, value);
  }
  return all;
}

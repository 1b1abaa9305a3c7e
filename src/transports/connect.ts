import type { IncomingMessage, ServerResponse } from "node:http";
import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import {
  type Code as ConnectCode,
  ConnectError,
  createConnectRouter,
  createContextKey,
  createContextValues,
  type HandlerContext,
} from "@connectrpc/connect";
import { createAsyncIterable, type UniversalHandler } from "@connectrpc/connect/protocol";
import { universalResponseToNodeResponse } from "@connectrpc/connect-node";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import type { Clock } from "../core/clock.ts";
import { type Refusal, TallyError } from "../core/errors.ts";
import type { Log } from "../telemetry.ts";
import type { CallContext, Refused, UnaryCall } from "./calls/call.ts";
import { COMPRESSIONS, isUnknown } from "./connect/compression.ts";
import { FORMATS, type Format } from "./connect/formats.ts";
import { messageOfQuery, wantsJson } from "./connect/query.ts";
import { timeoutOf } from "./connect/timeout.ts";
import type { HttpRoute } from "./http.ts";
import { allowOf, type BodyLimits, DETAILS, headersOf, readBody, sendRefusal } from "./http-message.ts";
import { targetOf } from "./http-target.ts";
import { shortened } from "./json/parse.ts";
import { refusalOf, statusBytes } from "./status.ts";

export interface ConnectOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: BodyLimits;
}

/**
 * The Connect protocol (POST, and GET for what changes nothing) and gRPC-Web, for browsers and for curl.
 *
 * connect-node speaks the protocols; what is in a request is read here, so that every door judges the same bytes in
 * the same way: the handler is given an empty message, and finds the real one beside it.
 */
export function connectRoute(calls: readonly UnaryCall[], options: ConnectOptions): HttpRoute {
  const router = createConnectRouter({
    grpc: false,
    acceptCompression: [...COMPRESSIONS.values()],
    jsonOptions: { alwaysEmitImplicit: true }, // As REST answers: a zero is there to be read.
  });
  for (const call of calls) {
    router.rpc(call.method, (_, context) => answer(call, context, options.log));
  }
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  const byMethod = new Map(calls.map((call) => [call.method, call]));
  return (request, response) => {
    const handler = handlers.get(targetOf(request).path);
    if (handler === undefined) return false;
    if (!handler.allowedMethods.includes(request.method!)) {
      const allow = allowOf(handler.allowedMethods).replace(", HEAD", "");
      sendRefusal(
        response,
        { code: "METHOD_NOT_ALLOWED", expected: `use ${allow}`, got: request.method! },
        { allow },
      );
      return true;
    }
    const ahead = byMethod.get(handler.method as UnaryCall["method"])!.refusalAhead();
    return serve(handler, ahead, request, response, options).then(() => true);
  };
}

/** What a handler finds beside its empty message. */
interface Asked {
  readonly request: Buffer | Refusal;
  readonly context: CallContext;
}

const ASKED = createContextKey<Asked | undefined>(undefined);

async function answer(
  call: UnaryCall,
  { values }: HandlerContext,
  log: Log,
): Promise<MessageShape<DescMessage>> {
  const { request, context } = values.get(ASKED)!;
  if ("code" in request) throw toConnectError(request);
  const result = await call.answer(request, context).catch((err: unknown) => {
    if (!(err instanceof TallyError)) log("http.handler_failed", { method: call.method.name, err });
    return refusalOf(err, call.changes);
  });
  if (!(result instanceof Uint8Array)) throw toConnectError(result);
  return fromBinary(call.method.output, result);
}

function toConnectError(refused: Refused): ConnectError {
  const { code, message, details } = fromBinary(StatusSchema, statusBytes(refused));
  const outgoing = details.map(({ typeUrl, value }) => {
    const desc = DETAILS.getMessage(typeUrl.slice(typeUrl.lastIndexOf("/") + 1))!;
    return { desc, value: fromBinary(desc, value) }; // With the descriptor, they are shown as JSON beside their bytes.
  });
  return new ConnectError(message, code as number as ConnectCode, headersOf(refused), outgoing);
}

/** @param ahead  why the call is refused, whatever is in it: then that is not read */
async function serve(
  handler: UniversalHandler,
  ahead: Refusal | undefined,
  request: IncomingMessage,
  response: ServerResponse,
  { clock, limits }: ConnectOptions,
): Promise<void> {
  const arrived = clock.now();
  const { query } = targetOf(request);
  const isGet = request.method === "GET";
  const type = request.headers["content-type"] ?? "";
  const format = FORMATS.find(({ takes }) => takes(type));
  if (!isGet && format === undefined) {
    const expected = "must be application/proto, application/json or application/grpc-web+proto";
    sendRefusal(response, { code: "MEDIA_TYPE_NOT_SUPPORTED", expected, got: shortened(type) || "none" });
    return;
  }
  const message =
    ahead ??
    (isGet
      ? await messageOfQuery(handler.method.input, query, limits.bytesMax)
      : await messageOfBody(handler, format!, request, limits));
  const timeoutMs = timeoutOf(request.headers);
  const deadline = typeof timeoutMs === "number" ? arrived + timeoutMs : Number.POSITIVE_INFINITY;
  const asked: Asked = {
    request: typeof timeoutMs === "number" ? message : timeoutMs,
    context: { caller: "", deadline, cancelled: () => response.destroyed },
  };
  const universal = {
    httpVersion: request.httpVersion,
    method: request.method!,
    url: `http://tally${handler.requestPath}${isGet ? emptyQuery(query) : ""}`, // The host is nothing to us.
    header: headersFor(request, format),
    body: createAsyncIterable(isGet ? [] : [format!.empty]),
    signal: new AbortController().signal,
    contextValues: createContextValues().set(ASKED, asked),
  };
  const answered = await handler(universal);
  try {
    await universalResponseToNodeResponse(answered, response);
  } catch (error) {
    if (!response.destroyed) throw error; // Else the caller has gone, and is owed nothing.
  }
}

async function messageOfBody(
  { method }: UniversalHandler,
  format: Format,
  request: IncomingMessage,
  { bytesMax, arriving }: BodyLimits,
): Promise<Buffer | Refusal> {
  const body = await readBody(request, { bytesMax: bytesMax + format.frameBytes, arriving });
  if ("code" in body) return body;
  return format.read(method.input, body, request.headers[format.encodingHeader]?.toString(), bytesMax);
}

/** For the empty message; a compression that is not known stays, for the handler to say so. */
function emptyQuery(query: string): string {
  const empty = wantsJson(query) ? "?encoding=json&message={}" : "?encoding=proto&message=";
  const compression = new URLSearchParams(query).get("compression");
  return isUnknown(compression) ? `${empty}&compression=${encodeURIComponent(compression)}` : empty;
}

/** Only what the handler needs to know: how to answer, and that it was asked in a compression that is not known. */
function headersFor({ headers }: IncomingMessage, format: Format | undefined): Headers {
  const all = new Headers(format === undefined ? {} : { "content-type": format.contentType });
  const encoding = format && headers[format.encodingHeader]?.toString();
  if (isUnknown(encoding)) all.set(format!.encodingHeader, shortened(encoding));
  for (const name of ["accept-encoding", "grpc-accept-encoding"]) {
    const value = headers[name];
    if (value !== undefined) all.set(name, `${value}`);
  }
  return all;
}

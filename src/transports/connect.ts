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
import {
  compressionBrotli,
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import type { Clock } from "../core/clock.ts";
import { type Refusal, TallyError } from "../core/errors.ts";
import type { Log } from "../telemetry.ts";
import { type Refused, tooLarge, type UnaryCall } from "./calls/call.ts";
import type { HttpRoute } from "./http.ts";
import { readBody, sendRefusal, targetOf } from "./http-message.ts";
import { encodeJsonText } from "./json/request.ts";
import { refusalOf, statusBytes } from "./status.ts";

export interface ConnectOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: { readonly batchBytesMax: number };
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
    router.rpc(call.method, (_, context) => answer(call, context, options));
  }
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  return async (request, response) => {
    const { path } = targetOf(request);
    const handler = handlers.get(path);
    if (handler === undefined) return false;
    await serve(handler, request, response, options.limits.batchBytesMax);
    return true;
  };
}

const COMPRESSIONS = new Map([compressionGzip, compressionBrotli].map((each) => [each.name, each]));

/** The request message of a call, or why there is none. */
const REQUEST = createContextKey<Buffer | Refusal>({ code: "MALFORMED_MESSAGE" });

async function answer(
  call: UnaryCall,
  context: HandlerContext,
  { clock, log }: ConnectOptions,
): Promise<MessageShape<DescMessage>> {
  const request = context.values.get(REQUEST);
  if ("code" in request) throw toConnectError(request);
  const left = context.timeoutMs();
  const result = await call
    .answer(request, {
      caller: "",
      deadline: left === undefined ? Number.POSITIVE_INFINITY : clock.now() + left,
      cancelled: () => context.signal.aborted,
    })
    .catch((err: unknown) => {
      if (!(err instanceof TallyError)) log("http.handler_failed", { method: call.method.name, err });
      return refusalOf(err, call.changes);
    });
  if (!(result instanceof Uint8Array)) throw toConnectError(result);
  return fromBinary(call.method.output, result);
}

function toConnectError(refused: Refused): ConnectError {
  const { code, message, details } = fromBinary(StatusSchema, statusBytes(refused));
  const error = new ConnectError(message, code as number as ConnectCode);
  error.details = details.map(({ typeUrl, value }) => ({
    type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
    value,
  }));
  return error;
}

async function serve(
  handler: UniversalHandler,
  request: IncomingMessage,
  response: ServerResponse,
  bytesMax: number,
): Promise<void> {
  const type = request.headers["content-type"] ?? "";
  const values = createContextValues();
  const universal = universalRequestFromNodeRequest(request, response, undefined, values);
  if (request.method === "GET" && handler.allowedMethods.includes("GET")) {
    const url = new URL(universal.url);
    values.set(REQUEST, await messageOfQuery(handler, url.searchParams, bytesMax));
    for (const name of ["message", "compression", "base64"]) url.searchParams.delete(name);
    url.searchParams.set("message", url.searchParams.get("encoding") === "json" ? "{}" : "");
    universal.url = url.toString();
  } else if (request.method === "POST") {
    const format = FORMATS.find(({ contentType }) => contentType.test(type));
    if (format === undefined) {
      const expected = "must be application/proto, application/json or application/grpc-web+proto";
      sendRefusal(response, { code: "MEDIA_TYPE_NOT_SUPPORTED", expected, got: type.slice(0, 60) || "none" });
      return;
    }
    const body = await readBody(request, bytesMax + FRAME_BYTES);
    const encoding = request.headers[format.encodingHeader];
    values.set(REQUEST, "code" in body ? body : await format.read(handler, body, encoding, bytesMax));
    universal.header.delete(format.encodingHeader);
    universal.header.delete("content-length");
    universal.body = createAsyncIterable([format.empty]);
  }
  await universalResponseToNodeResponse(await handler(universal), response);
}

/** A protocol's way to carry one message in the body of a POST. */
interface Format {
  readonly contentType: RegExp;
  readonly encodingHeader: string;
  /** An empty message. */
  readonly empty: Uint8Array;
  read(
    handler: UniversalHandler,
    body: Buffer,
    encoding: string | string[] | undefined,
    bytesMax: number,
  ): Promise<Buffer | Refusal>;
}

/** Of gRPC-Web: a byte of flags, four of length. */
const FRAME_BYTES = 5;
const COMPRESSED = 1;

const FORMATS: readonly Format[] = [
  {
    contentType: /^application\/proto *(;|$)/i,
    encodingHeader: "content-encoding",
    empty: new Uint8Array(0),
    read: (_, body, encoding, bytesMax) => decompressed(body, encoding, bytesMax),
  },
  {
    contentType: /^application\/json *(;|$)/i,
    encodingHeader: "content-encoding",
    empty: Buffer.from("{}"),
    async read({ method }, body, encoding, bytesMax) {
      const bytes = await decompressed(body, encoding, bytesMax);
      return "code" in bytes ? bytes : encodeJsonText(method.input, bytes);
    },
  },
  {
    contentType: /^application\/grpc-web(\+proto)? *(;|$)/i,
    encodingHeader: "grpc-encoding",
    empty: new Uint8Array(FRAME_BYTES),
    async read(_, body, encoding, bytesMax) {
      if (
        body.length < FRAME_BYTES ||
        body.readUInt32BE(1) !== body.length - FRAME_BYTES ||
        body[0]! > COMPRESSED
      ) {
        return { code: "MALFORMED_MESSAGE", expected: "must be one message in a frame of gRPC-Web" };
      }
      return decompressed(
        body.subarray(FRAME_BYTES),
        body[0] === COMPRESSED ? encoding : undefined,
        bytesMax,
      );
    },
  },
];

async function decompressed(
  bytes: Buffer,
  encoding: string | string[] | undefined,
  bytesMax: number,
): Promise<Buffer | Refusal> {
  if (encoding === undefined || encoding === "identity") {
    return bytes.length > bytesMax ? tooLarge(bytes.length, bytesMax) : bytes;
  }
  const compression = COMPRESSIONS.get(`${encoding}`);
  if (compression === undefined) {
    const expected = `must be compressed with ${[...COMPRESSIONS.keys()].join(" or ")}, or not at all`;
    return { code: "MALFORMED_MESSAGE", expected };
  }
  try {
    return Buffer.from(await compression.decompress(bytes, bytesMax));
  } catch {
    return {
      code: "MALFORMED_MESSAGE",
      expected: `must be ${compression.name} of at most ${bytesMax} bytes`,
    };
  }
}

/** @see https://connectrpc.com/docs/protocol/#unary-get-request */
async function messageOfQuery(
  { method }: UniversalHandler,
  query: URLSearchParams,
  bytesMax: number,
): Promise<Buffer | Refusal> {
  const message = query.get("message") ?? "";
  const sent = Buffer.from(message, query.get("base64") === "1" ? "base64url" : "utf8");
  const bytes = await decompressed(sent, query.get("compression") ?? undefined, bytesMax);
  return "code" in bytes || query.get("encoding") !== "json" ? bytes : encodeJsonText(method.input, bytes);
}

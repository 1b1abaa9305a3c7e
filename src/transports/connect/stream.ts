import { type DescMessage, fromBinary } from "@bufbuild/protobuf";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { endStreamFlag, endStreamToJson } from "@connectrpc/connect/protocol-connect";
import { trailerFlag } from "@connectrpc/connect/protocol-grpc-web";
import type { Refusal } from "../../core/errors.ts";
import { type AnswerMetadata, lateRequest, type MetadataField, type Refused } from "../calls/call.ts";
import type { RunningStream, StreamSink } from "../calls/open-stream.ts";
import type { StreamCall, Streams } from "../calls/stream.ts";
import { readFrames } from "../frames.ts";
import { callHeadOf } from "../http/call.ts";
import type { HttpRequest, HttpResponse, HttpRoute } from "../http/engine.ts";
import { isJson, meantAsHeader, sendRefusal } from "../http/message.ts";
import { targetOf } from "../http/target.ts";
import { answerJson } from "../json/answer.ts";
import { shortened } from "../json/parse.ts";
import { encodeJsonText } from "../json/request.ts";
import { timeoutOf } from "../timeout.ts";
import { decompressed, isUnsaid, unsaid } from "./compression.ts";
import { toConnectError, toHeaders, trailersOf } from "./error.ts";
import { type Protocol, unfitHeaders } from "./headers.ts";
import type { ConnectOptions } from "./route.ts";

/** What the door of Connect and gRPC-Web needs for streams. */
export interface StreamOptions extends ConnectOptions {
  /** How long a message may take to arrive, in milliseconds; of a method that takes one, the request. */
  readonly requestMs: number;
}

/** A protocol's way to carry any number of messages in a body. */
interface StreamFormat extends Protocol {
  readonly contentType: string;
  readonly isJson: boolean;
}

const CONNECT = { isWeb: false, encodingHeader: "connect-content-encoding" } as const;
const WEB = { isWeb: true, encodingHeader: "grpc-encoding" } as const;

/** By what a content type is without its parameters. */
const FORMATS: ReadonlyMap<string, StreamFormat> = new Map([
  ["application/connect+proto", { ...CONNECT, contentType: "application/connect+proto", isJson: false }],
  ["application/connect+json", { ...CONNECT, contentType: "application/connect+json", isJson: true }],
  ["application/grpc-web", { ...WEB, contentType: "application/grpc-web+proto", isJson: false }],
  ["application/grpc-web+proto", { ...WEB, contentType: "application/grpc-web+proto", isJson: false }],
  ["application/grpc-web+json", { ...WEB, contentType: "application/grpc-web+json", isJson: true }],
]);

/**
 * The streams of Connect and gRPC-Web. A caller may send and be answered by turns where its client and what stands
 * between can; gRPC-Web has no streams of requests.
 */
export function streamRoute(
  calls: readonly StreamCall[],
  streams: Streams,
  options: StreamOptions,
): HttpRoute {
  const byPath = new Map(calls.map((call) => [`/${call.method.parent.typeName}/${call.method.name}`, call]));
  return (request, response) => {
    const call = byPath.get(targetOf(request).path);
    if (call === undefined) return false;
    const refusal = unfit(call, request);
    if (refusal !== undefined) {
      sendRefusal(response, refusal, refusal.code === "METHOD_NOT_ALLOWED" ? { allow: "POST" } : {});
      return true;
    }
    return serve(call, formatOf(request)!, request, response, streams, options).then(() => true);
  };
}

function formatOf(request: HttpRequest): StreamFormat | undefined {
  const contentType = request.header("content-type") ?? "";
  const [type] = contentType.toLowerCase().split(/ *;/, 1);
  const format = FORMATS.get(type!);
  return format?.isJson && !isJson(contentType, type) ? undefined : format;
}

/** Why a request is none of a stream. */
function unfit({ method: { methodKind } }: StreamCall, request: HttpRequest): Refusal | undefined {
  if (request.method !== "POST")
    return { code: "METHOD_NOT_ALLOWED", expected: "use POST", got: request.method };
  const format = formatOf(request);
  const got = shortened(request.header("content-type") ?? "none");
  if (format?.isWeb && methodKind !== "server_streaming") {
    const expected =
      "must be application/connect+proto or application/connect+json (gRPC-Web sends no streams)";
    return { code: "MEDIA_TYPE_NOT_SUPPORTED", expected, got };
  }
  if (format !== undefined) return undefined;
  const expected = `must be ${[...FORMATS.keys()].join(", ")}, for the method streams`;
  return { code: "MEDIA_TYPE_NOT_SUPPORTED", expected, got };
}

async function serve(
  call: StreamCall,
  format: StreamFormat,
  request: HttpRequest,
  response: HttpResponse,
  streams: Streams,
  options: StreamOptions,
): Promise<void> {
  const sink = new Sink(call, format, response);
  // Before anything is waited for: from now on it is noticed when the caller goes.
  if (!call.attaches) sink.begin();
  const head = callHeadOf(call.method, request);
  const timeoutMs = timeoutOf(head.headerOf);
  const isTime = typeof timeoutMs === "number";
  const running = streams.run(
    call,
    {
      head,
      door: format.isWeb ? "grpc_web" : "connect",
      deadline: isTime ? options.clock.now() + timeoutMs : Number.POSITIVE_INFINITY,
      unfit: unfitHeaders(request, format) ?? (isTime ? undefined : timeoutMs),
    },
    (running) => messagesOf(call, format, request, options, running),
    sink,
  );
  response.onOver(() => running.end({ code: "CALL_CANCELLED" }));
  await running.done;
}

/** The messages of a request; one that is none ends the stream. */
async function* messagesOf(
  { method: { input, methodKind }, requestBytesMax: bytesMax }: StreamCall,
  { isWeb, isJson, encodingHeader }: StreamFormat,
  request: HttpRequest,
  { limits: { arriving }, requestMs }: StreamOptions,
  running: RunningStream,
): AsyncGenerator<Buffer, void> {
  const encoding = request.header(encodingHeader);
  const single = methodKind === "server_streaming";
  let late: NodeJS.Timeout | undefined;
  const frames = readFrames(request.pieces(), { bytesMax, arriving, single }, (owing) => {
    clearTimeout(late);
    if (owing) late = setTimeout(() => running.end(lateRequest(requestMs)), requestMs).unref();
  });
  for (;;) {
    const next = await frames.next();
    if (next.done) {
      const refusal = next.value ?? meantAsHeader((name) => request.trailer(name) !== undefined);
      if (refusal !== undefined) running.end(refusal);
      return;
    }
    const { flags, data } = next.value;
    if (!isWeb && flags === endStreamFlag) continue; // Clients need not send one, and it says nothing.
    if (flags === COMPRESSED && isUnsaid(encoding)) {
      running.end(unsaid(encodingHeader));
      return;
    }
    if (flags > COMPRESSED) {
      running.end({
        code: "MALFORMED_MESSAGE",
        expected: "must be messages in frames with flags of their protocol",
      });
      return;
    }
    const bytes = await decompressed(data, flags === COMPRESSED ? encoding : undefined, bytesMax);
    const message = "code" in bytes || !isJson ? bytes : encodeJsonText(input, bytes);
    if ("code" in message) {
      running.end(message);
      return;
    }
    yield message;
  }
}

const COMPRESSED = 1;

/** Every answer of a stream has status 200; what it comes to stands in its last frame. */
class Sink implements StreamSink {
  readonly #output: DescMessage;
  readonly #format: StreamFormat;
  readonly #response: HttpResponse;
  #trailers: readonly MetadataField[] = [];
  #begun = false;
  #taken = () => {};

  constructor({ method: { output } }: StreamCall, format: StreamFormat, response: HttpResponse) {
    this.#output = output;
    this.#format = format;
    this.#response = response;
  }

  /** Send the head, if that has not been done. */
  begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#response.begin(200, { "content-type": this.#format.contentType, "cache-control": "no-store" });
  }

  attach({ headers, trailers }: AnswerMetadata): void {
    for (const field of headers) this.#response.appendHeader(...field);
    this.#trailers = trailers;
    this.begin();
  }

  send(message: Uint8Array): Promise<void> {
    const json = () =>
      Buffer.from(JSON.stringify(answerJson(this.#output, fromBinary(this.#output, message))));
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#taken = resolve;
    void this.#write(0, this.#format.isJson ? json() : message).then(resolve);
    return promise;
  }

  end(refused: Refused | undefined): void {
    this.#taken(); // The call need not wait for a caller who takes nothing.
    if (this.#response.over) return;
    const trailers = this.#trailers;
    if (this.#format.isWeb) void this.#write(trailerFlag, trailersOf(refused, trailers));
    else void this.#write(endStreamFlag, endOf(refused, trailers));
    this.#response.end();
  }

  #write(flags: number, data: Uint8Array): Promise<void> {
    this.begin();
    return this.#response.write(encodeEnvelope(flags, data));
  }
}

function endOf(refused: Refused | undefined, trailers: readonly MetadataField[]): Uint8Array {
  const error = refused && toConnectError(refused);
  return Buffer.from(JSON.stringify(endStreamToJson(toHeaders(trailers), error, undefined)));
}

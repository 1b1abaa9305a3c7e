/** Reading and answering HTTP/1.1: what its doors share. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { createRegistry, fromBinary, toJson } from "@bufbuild/protobuf";
import { CodeSchema } from "../../../gen/google/rpc/code_pb.ts";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../../gen/google/rpc/status_pb.ts";
import type { Refusal } from "../../core/errors.ts";
import { type Refused, tooLarge } from "../calls/call.ts";
import { Arriving, NO_ROOM, type Room } from "../room.ts";
import { STATUS, statusBytes } from "../status.ts";

/** What bodies may take. */
export interface BodyLimits {
  /** The largest body, in bytes. */
  readonly bytesMax: number;
  /** Room for what is still arriving, of all connections together. */
  readonly arriving: Room;
}

/**
 * The body of a request.
 *
 * @returns  a refusal when it is larger than `bytesMax`, or finds no room: the rest of it is then dropped as it comes
 *           (within the time that a request may take), because a caller that is still sending would not see the answer
 *           on a connection that is closed. Also when the caller goes away before its end
 */
export function readBody(
  request: IncomingMessage,
  { bytesMax, arriving }: BodyLimits,
): Promise<Buffer | Refusal> {
  const { promise, resolve } = Promise.withResolvers<Buffer | Refusal>();
  const declared = Number(request.headers["content-length"] ?? Number.NaN);
  const body = new Arriving([arriving], Math.min(declared || bytesMax, bytesMax));
  let whole: Buffer | undefined;
  let dropped = false;
  const drop = (refusal: Refusal) => {
    dropped = true;
    body.free();
    resolve(refusal);
  };
  if (declared > bytesMax) drop(tooLarge(declared, bytesMax));
  request.on("data", (chunk: Buffer) => {
    if (dropped) return;
    if (chunk.length === declared)
      whole = chunk; // As most come: in one piece.
    else if (body.length + chunk.length > bytesMax) drop(tooLarge(undefined, bytesMax));
    else if (!body.add(chunk)) drop(NO_ROOM);
  });
  request.on("end", () => {
    resolve(meantAsHeader(request.trailers) ?? whole ?? body.bytes);
    body.free();
  });
  request.on("error", () => {}); // That it was aborted; "close" follows.
  request.on("close", () => drop({ code: "CALL_CANCELLED" }));
  return promise;
}

/** What would mean something before the body, and comes behind it: it is not to be dropped without a word. */
function meantAsHeader(trailers: NodeJS.Dict<string>): Refusal | undefined {
  const name = MEANT.find((each) => trailers[each] !== undefined);
  return name === undefined
    ? undefined
    : {
        code: "INVALID_FIELD",
        field: name,
        expected: "must be a header, before the body; it came behind it",
      };
}

const MEANT = ["idempotency-key", "if-match", "if-none-match", "if-unmodified-since"];

/** Whether a content type is JSON in UTF-8. */
export function isJson(contentType: string): boolean {
  const [type, ...parameters] = contentType.toLowerCase().split(/ *; */);
  return type === "application/json" && parameters.every((each) => PARAMETER.test(each));
}

/** A parameter of a content type, or none between two semicolons; of charset, UTF-8 only. */
const PARAMETER =
  /^(?:charset="?utf-8"?|(?!charset=)[!#$%&'*+.^_`|~0-9a-z-]+=(?:[!#$%&'*+.^_`|~0-9a-z-]+|"[^"]*"))?$/;

/** Whether a content type is of a protocol of gRPC, gRPC-Web among them. */
export function isGrpc(contentType: string): boolean {
  return /^application\/grpc/i.test(contentType);
}

/** Completes what a content type must be, for who sent one of gRPC's here. */
export const GRPC_GOES_ELSEWHERE = " (gRPC goes over HTTP/2, gRPC-Web to /tally.v1.CounterService/)";

/** The `allow` of a path, by what it takes. */
export function allowOf(methods: Iterable<string>): string {
  return [...new Set(methods)]
    .flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method]))
    .join(", ");
}

export function sendJson(
  response: ServerResponse,
  status: number,
  json: unknown,
  headers: Record<string, string> = {},
): void {
  const body = `${JSON.stringify(json)}\n`; // As text it leaves in one piece with the headers; bytes do not.
  response
    .writeHead(status, {
      ...headers,
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
    })
    .end(body);
}

/** Answer that the caller has already what it would be sent (RFC 9110, section 15.4.5). */
export function sendNotModified(response: ServerResponse, headers: Record<string, string>): void {
  response.writeHead(304, { ...headers, "cache-control": "no-store" }).end();
}

/** Answer with an error. */
export function sendRefusal(
  response: ServerResponse,
  refused: Refused,
  headers: Record<string, string> = {},
): void {
  const error = errorOf(refused);
  sendJson(response, error.code, { error }, { ...headers, ...headersOf(refused) });
}

/** An error as AIP-193 has it: `{"code": 404, "status": "NOT_FOUND", "message", "details"}`. */
export function errorOf(refused: Refused): {
  code: number;
  status: string;
  message: string;
  details: unknown[];
} {
  const { grpc, http } = STATUS[refused.code];
  const { message, details } = toJson(StatusSchema, fromBinary(StatusSchema, statusBytes(refused)), {
    registry: DETAILS,
  }) as { message: string; details: unknown[] };
  return { code: http, status: CodeSchema.value[grpc]!.name, message, details };
}

/** What errors carry. */
export const DETAILS = createRegistry(ErrorInfoSchema, BadRequestSchema, RetryInfoSchema);

/** What a refusal says in headers too. */
export function headersOf({ code, etag, retryAfterMs }: Refused): Record<string, string> {
  return {
    ...(retryAfterMs !== undefined && { "retry-after": `${Math.ceil(retryAfterMs / 1000)}` }),
    ...(code === "PRECONDITION_FAILED" && etag !== undefined && { etag: `"${etag}"` }),
  };
}

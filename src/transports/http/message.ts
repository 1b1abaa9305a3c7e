/** Reading and answering HTTP: what its doors share. */
import { createRegistry, toJson } from "@bufbuild/protobuf";
import { Code, CodeSchema } from "../../../gen/google/rpc/code_pb.ts";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../../gen/google/rpc/status_pb.ts";
import type { Refusal } from "../../core/errors.ts";
import type { Refused } from "../calls/call.ts";
import { STATUS, toStatus } from "../status.ts";
import type { BodyTerms, HttpRequest, HttpResponse } from "./engine.ts";

/** The body of a request, up to a limit; a refusal where it is larger, or says behind it what belongs before. */
export async function readBody(request: HttpRequest, terms: BodyTerms): Promise<Buffer | Refusal> {
  const body = await request.body(terms);
  return "code" in body ? body : (meantAsHeader((name) => request.trailer(name) !== undefined) ?? body);
}

/** What would mean something before the body, and comes behind it: it is not to be dropped without a word. Once it is read. */
export function meantAsHeader(hasTrailer: (name: string) => boolean): Refusal | undefined {
  const name = MEANT.find(hasTrailer);
  return name === undefined
    ? undefined
    : {
        code: "INVALID_FIELD",
        field: name,
        expected: "must be a header, before the body; it came behind it",
      };
}

const MEANT = ["idempotency-key", "if-match", "if-none-match", "if-unmodified-since"];

/** Whether a content type is JSON in UTF-8; of a protocol, if that has a type of its own for it. */
export function isJson(contentType: string, jsonType = "application/json"): boolean {
  const [type, ...parameters] = contentType.toLowerCase().split(/ *; */);
  return type === jsonType && parameters.every((each) => PARAMETER.test(each));
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

/** Send an answer in JSON. */
export function sendJson(
  response: HttpResponse,
  status: number,
  json: unknown,
  headers: Record<string, string> = {},
): void {
  const body = `${JSON.stringify(json)}\n`; // As text it leaves in one piece with the headers; bytes do not.
  const own = {
    ...headers,
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  };
  response.send(status, own, body);
}

/** Answer that the caller has already what it would be sent (RFC 9110, section 15.4.5). */
export function sendNotModified(response: HttpResponse, headers: Record<string, string>): void {
  response.send(304, { ...headers, "cache-control": "no-store" });
}

/** Answer with an error. */
export function sendRefusal(
  response: HttpResponse,
  refused: Refused,
  headers: Record<string, string> = {},
): void {
  const error = errorOf(refused);
  sendJson(response, error.code, { error }, { ...headers, ...headersOf(refused) });
}

/**
 * Refuse a call by another method than a path has; HEAD is a GET.
 *
 * @returns  whether it was refused
 */
export function isMethodRefused(
  request: HttpRequest,
  response: HttpResponse,
  methods: readonly string[],
): boolean {
  const { method: got } = request;
  if (methods.includes(got === "HEAD" ? "GET" : got)) return false;
  const allow = allowOf(methods);
  sendRefusal(response, { code: "METHOD_NOT_ALLOWED", expected: `use ${allow}`, got }, { allow });
  return true;
}

/** An error as AIP-193 has it: `{"code": 404, "status": "NOT_FOUND", "message", "details"}`. */
export function errorOf(refused: Refused): {
  code: number;
  status: string;
  message: string;
  details: unknown[];
} {
  const { grpc, http } = STATUS[refused.code];
  const { message, details } = toJson(StatusSchema, toStatus(refused), { registry: DETAILS }) as {
    message: string;
    details: unknown[];
  };
  return { code: http, status: CodeSchema.value[grpc]!.name, message, details };
}

/** What errors carry. */
export const DETAILS = createRegistry(ErrorInfoSchema, BadRequestSchema, RetryInfoSchema);

/** What a refusal says in headers too. */
export function headersOf({ code, etag, retryAfterMs }: Refused): Record<string, string> {
  return {
    ...(retryAfterMs !== undefined && { "retry-after": `${Math.ceil(retryAfterMs / 1000)}` }),
    ...(STATUS[code].grpc === Code.UNAUTHENTICATED && { "www-authenticate": "Bearer" }),
    ...(code === "PRECONDITION_FAILED" && etag !== undefined && { etag: `"${etag}"` }),
  };
}

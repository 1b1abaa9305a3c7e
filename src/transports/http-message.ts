/** Reading and answering HTTP/1.1: what its doors share. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { createRegistry, fromBinary, toJson } from "@bufbuild/protobuf";
import { CodeSchema } from "../../gen/google/rpc/code_pb.ts";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import type { Refusal } from "../core/errors.ts";
import { type Refused, tooLarge } from "./calls/call.ts";
import { STATUS, statusBytes } from "./status.ts";

/** A request's path as it was sent, and its query. */
export function targetOf({ url = "/" }: IncomingMessage): { path: string; query: URLSearchParams } {
  const at = url.indexOf("?");
  return at === -1
    ? { path: url, query: new URLSearchParams() }
    : { path: url.slice(0, at), query: new URLSearchParams(url.slice(at + 1)) };
}

/**
 * The body of a request.
 *
 * @returns  a refusal when it is larger than `bytesMax`; the rest of it is then not read, and the connection closed
 *           after the answer
 */
export async function readBody(request: IncomingMessage, bytesMax: number): Promise<Buffer | Refusal> {
  const declared = Number(request.headers["content-length"] ?? 0);
  if (declared > bytesMax) return tooLarge(declared, bytesMax);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > bytesMax) return tooLarge(size, bytesMax);
    chunks.push(chunk);
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

export function sendJson(
  response: ServerResponse,
  status: number,
  json: unknown,
  headers: Record<string, string> = {},
): void {
  const body = Buffer.from(`${JSON.stringify(json)}\n`);
  response
    .writeHead(status, {
      ...headers,
      "content-type": "application/json",
      "content-length": body.length,
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
    })
    .end(body);
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

const DETAILS = createRegistry(ErrorInfoSchema, BadRequestSchema, RetryInfoSchema);

function headersOf({ code, retryAfterMs }: Refused): Record<string, string> {
  const headers: Record<string, string> = {};
  if (retryAfterMs !== undefined) headers["retry-after"] = `${Math.ceil(retryAfterMs / 1000)}`;
  if (code === "MESSAGE_TOO_LARGE") headers.connection = "close"; // The rest of the body is never read.
  return headers;
}

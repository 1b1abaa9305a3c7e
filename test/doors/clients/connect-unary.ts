/** A call of Connect as HTTP has it, for clients that know HTTP alone: what is posted, and what its answer says. */
import { fromBinary, type JsonObject, toBinary, toJson } from "@bufbuild/protobuf";
import { ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { methodOf, requestOf } from "../parity/door.ts";
import { type Answer, DEFAULT_TIMEOUT_MS, type How, type Problem, SERVICE } from "./client.ts";

interface Post {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export function postOf(method: string, request: object, { metadata, timeoutMs }: How): Post {
  const headers = {
    "content-type": "application/proto",
    "connect-protocol-version": "1",
    "connect-timeout-ms": `${timeoutMs ?? DEFAULT_TIMEOUT_MS}`,
    ...metadata,
  };
  const body = toBinary(methodOf(method).input, requestOf(method, request as JsonObject));
  return { path: `/${SERVICE}/${method}`, headers, body };
}

export function answerOf(method: string, status: number, body: Uint8Array): Answer {
  const { output } = methodOf(method);
  if (status === 200) return { ok: toJson(output, fromBinary(output, body)) };
  return { error: problemOf(JSON.parse(Buffer.from(body).toString()) as ConnectError) };
}

/** An error as Connect writes it. */
export interface ConnectError {
  readonly code: string;
  readonly details?: readonly { readonly type: string; readonly value: string }[];
}

export function problemOf({ code, details }: ConnectError): Problem {
  const detail = details?.find(({ type }) => type === ErrorInfoSchema.typeName);
  const info =
    detail === undefined ? undefined : fromBinary(ErrorInfoSchema, Buffer.from(detail.value, "base64"));
  const ours = info?.domain === "tally" ? info : undefined;
  return { status: code.toUpperCase(), reason: ours?.reason, metadata: ours?.metadata ?? {} };
}

/** What a client says of a call that it ended itself. */
export function endedHere(status: "CANCELLED" | "DEADLINE_EXCEEDED"): Answer {
  return { error: { status, reason: undefined, metadata: {} } };
}

import type { Refusal } from "../../core/errors.ts";
import type { HeaderOf } from "../calls/authorise.ts";
import { shortened } from "../json/parse.ts";
import { grpcTimeoutOf } from "../timeout.ts";
import { encodingFault } from "./messages.ts";

/** Whether a content type is gRPC's own. Not by its beginning: gRPC-Web's is the same, and its clients cannot read an answer of gRPC, so that they retry. */
export function isGrpcType(type: string): boolean {
  return type === "application/grpc" || /^application\/grpc(\+proto)?[ \t]*(;|$)/i.test(type);
}

/** What a call says of itself in its headers, beside what is called and who calls. */
export interface GrpcTerms {
  /** How long the caller waits, in milliseconds; Infinity: for ever. */
  readonly timeoutMs: number;
  /** Why the call is refused for what they say; told once it is known who calls. */
  readonly unfit: Refusal | undefined;
}

/** By the headers of a call. */
export function termsOf(headerOf: HeaderOf): GrpcTerms {
  const timeout = headerOf("grpc-timeout");
  const timeoutMs = timeout === undefined ? Number.POSITIVE_INFINITY : grpcTimeoutOf(timeout);
  const isTime = typeof timeoutMs === "number";
  const unfit =
    otherCoding(headerOf("content-encoding") ?? "identity") ??
    encodingFault(headerOf("grpc-encoding") ?? "identity") ??
    (isTime ? undefined : timeoutMs);
  return { timeoutMs: isTime ? timeoutMs : Number.POSITIVE_INFINITY, unfit };
}

/** The message's own is in grpc-encoding; this would be one around all of the call, and nobody takes it off. */
function otherCoding(coding: string): Refusal | undefined {
  if (coding === "identity") return undefined;
  const expected = "of a call of gRPC is in grpc-encoding";
  return { code: "ENCODING_NOT_SUPPORTED", expected, got: shortened(coding) };
}

/** What is called with another method than POST. A proxy may repeat a GET, and who sends HEAD does not see whether it was done. */
export function otherThanPost(method: string): Refusal {
  return { code: "METHOD_NOT_ALLOWED", expected: "use POST, as gRPC does", got: shortened(method) };
}

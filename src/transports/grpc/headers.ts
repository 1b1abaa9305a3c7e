import type { Refusal } from "../../core/errors.ts";
import type { HeaderOf } from "../calls/authorise.ts";
import { invalidField } from "../calls/shape.ts";
import { otherMethod } from "../http/host.ts";
import { shortened } from "../json/parse.ts";
import { encodingFault } from "./messages.ts";

/** Whether a content type is gRPC's own. Not by its beginning: gRPC-Web's is the same, and its clients cannot read an answer of gRPC, so that they retry. */
export function isGrpcType(type: string): boolean {
  return type === "application/grpc" || /^application\/grpc(\+proto)?[ \t]*(;|$)/i.test(type);
}

/**
 * Why a call is refused for what its headers say, whatever is called and whoever calls.
 *
 * @param credentials  how many headers `authorization` there are
 */
export function refusalByHeaders(headerOf: HeaderOf, credentials: number): Refusal | undefined {
  return (
    (credentials > 1 ? DOUBLED : otherMethod("POST", headerOf)) ??
    otherCoding(headerOf("content-encoding") ?? "identity") ??
    encodingFault(headerOf("grpc-encoding") ?? "identity")
  );
}

/** One of them is taken, and another between us and the caller may have judged the other. */
const DOUBLED = invalidField("Authorization", "must be given once", undefined);

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

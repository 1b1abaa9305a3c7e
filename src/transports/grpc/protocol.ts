/** What gRPC itself asks for: headers, and messages in frames, which are a byte of flags, four of length, the message. */
import { promisify } from "node:util";
import { gunzip, inflate } from "node:zlib";
import type { Refusal } from "../../core/errors.ts";
import type { HeaderOf } from "../calls/authorise.ts";
import { tooLarge } from "../calls/call.ts";
import { inflateInTurn } from "../inflating.ts";
import { shortened } from "../json/parse.ts";
import { grpcTimeoutOf } from "../timeout.ts";

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

/** Before each message. */
export const HEAD_BYTES = 5;
/** The flag of a message that is compressed as grpc-encoding says; the only one. */
export const COMPRESSED = 1;

/** What an answer says can be read compressed. */
export const ACCEPTED_ENCODINGS = "identity,deflate,gzip";

/** Why what follows the head of a message is none that can be read; undefined where it may be. */
export function headFault(
  flags: number,
  bytes: number,
  encoding: string,
  bytesMax: number,
): Refusal | undefined {
  if (flags > COMPRESSED) return { code: "MALFORMED_MESSAGE", expected: FLAGS };
  if (flags === COMPRESSED && encoding === "identity") return UNSAID;
  return bytes > bytesMax ? tooLarge(bytes, bytesMax) : undefined;
}

/** What a request is told that is to have one message, and has another number. */
export const NOT_ONE: Refusal = {
  code: "NOT_ONE_MESSAGE",
  expected: "must be one message in a frame of gRPC",
};
const FLAGS = "must be messages in frames of gRPC, whose flags are 0 or 1";
const UNSAID: Refusal = {
  code: "COMPRESSION_UNSAID",
  expected: "is compressed, and grpc-encoding does not say how",
};

/** Why a call is refused for its grpc-encoding, also where no message says that it is compressed: who names one may mean it. */
export function encodingFault(encoding: string): Refusal | undefined {
  if (encoding === "identity" || INFLATE.has(encoding)) return undefined;
  const expected = `supported encodings are ${ACCEPTED_ENCODINGS}`;
  return { code: "ENCODING_NOT_SUPPORTED", expected, got: shortened(encoding) };
}

/**
 * A message that came compressed, as it was before; in its turn, and no further than it may be large.
 *
 * @param encoding  one that has no fault
 */
export function inflated(bytes: Buffer, encoding: string, bytesMax: number): Promise<Buffer | Refusal> {
  const inflate = INFLATE.get(encoding)!;
  return inflateInTurn(async () => {
    try {
      return await inflate(bytes, { maxOutputLength: bytesMax });
    } catch (error) {
      // It stops there, however small the bytes are that would grow so large.
      if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE")
        return tooLarge(undefined, bytesMax);
      return { code: "MALFORMED_MESSAGE", expected: `is not ${encoding}, as its headers say` };
    }
  });
}

const INFLATE = new Map([
  ["gzip", promisify(gunzip)],
  ["deflate", promisify(inflate)],
]);

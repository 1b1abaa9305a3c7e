/** Messages as gRPC frames them: a byte of flags, four of length, the message. */
import { promisify } from "node:util";
import { gunzip, inflate } from "node:zlib";
import type { Refusal } from "../../core/errors.ts";
import { tooLarge } from "../calls/call.ts";
import { inflateInTurn } from "../inflating.ts";
import { shortened } from "../json/parse.ts";

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

import type { Refusal } from "../../core/errors.ts";
import { tooLarge } from "../calls/call.ts";
import type { MessageHead } from "../http/engine.ts";
import { decompressed, isUnsaid, unsaid } from "./compression.ts";

/** A byte of flags, four of length. */
const HEAD_BYTES = 5;
const COMPRESSED = 1;
const EXPECTED = "must be one message in a frame of gRPC-Web";
const NOT_ONE: Refusal = { code: "NOT_ONE_MESSAGE", expected: EXPECTED };
const MALFORMED: Refusal = { code: "MALFORMED_MESSAGE", expected: EXPECTED };

/**
 * What stands in front of the one message of a body of gRPC-Web.
 *
 * @param encoding  what the headers say of how messages are compressed that say that they are
 * @param bytesMax  the largest message as it is sent, in bytes
 */
export function headOfFrame(encoding: string | undefined, bytesMax: number): MessageHead {
  return {
    bytes: HEAD_BYTES,
    read(head) {
      const [flags] = head;
      if (flags! > COMPRESSED) return MALFORMED;
      if (flags === COMPRESSED && isUnsaid(encoding)) return unsaid("grpc-encoding");
      const size = head.readUInt32BE(1);
      return size > bytesMax ? tooLarge(size, bytesMax) : size;
    },
    behind: NOT_ONE,
  };
}

/**
 * The message in the one frame of a body, whose head was judged, and nothing found behind it.
 *
 * @param bytesMax  the largest that it may be without its compression, in bytes
 */
export async function unframed(
  body: Buffer,
  encoding: string | undefined,
  bytesMax: number,
): Promise<Buffer | Refusal> {
  if (body.length === 0) return NOT_ONE;
  if (body.length < HEAD_BYTES || body.length < HEAD_BYTES + body.readUInt32BE(1)) return MALFORMED;
  return decompressed(body.subarray(HEAD_BYTES), body[0] === COMPRESSED ? encoding : undefined, bytesMax);
}

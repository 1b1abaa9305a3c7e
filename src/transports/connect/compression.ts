import { Code, ConnectError } from "@connectrpc/connect";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";
import type { Refusal } from "../../core/errors.ts";
import { tooLarge } from "../calls/call.ts";
import { inflateInTurn } from "../inflating.ts";
import { shortened } from "../json/parse.ts";

/** What can be read and written compressed, by name. */
export const COMPRESSIONS = new Map([compressionGzip, compressionBrotli].map((each) => [each.name, each]));

/** Whether bytes that are said to be so can be read here. */
export function isKnown(encoding: string): boolean {
  return encoding === "identity" || COMPRESSIONS.has(encoding);
}

/** Whether headers leave open how messages are compressed that say that they are. */
export function isUnsaid(encoding: string | undefined): boolean {
  return encoding === undefined || encoding === "identity";
}

/** The refusal of a message that is compressed, nobody knows how. @param header  which would say it */
export function unsaid(header: string): Refusal {
  return { code: "COMPRESSION_UNSAID", expected: `is compressed, and ${header} does not say how` };
}

/** The refusal of bytes that are compressed in a way that is not known here. */
export function unknownEncoding(encoding: string): Refusal {
  const expected = `supported encodings are ${[...COMPRESSIONS.keys()].join(",")}`;
  return { code: "ENCODING_NOT_SUPPORTED", expected, got: shortened(encoding) };
}

/** @param encoding  how the bytes are compressed; undefined or "identity": not at all */
export async function decompressed(
  bytes: Buffer,
  encoding: string | undefined,
  bytesMax: number,
): Promise<Buffer | Refusal> {
  if (isUnsaid(encoding)) return bytes.length > bytesMax ? tooLarge(bytes.length, bytesMax) : bytes;
  const compression = COMPRESSIONS.get(encoding!);
  if (compression === undefined) return unknownEncoding(encoding!);
  try {
    const { buffer, byteOffset, length } = await inflateInTurn(() => compression.decompress(bytes, bytesMax));
    return Buffer.from(buffer, byteOffset, length);
  } catch (error) {
    // It stops there, however small the bytes are that would grow so large.
    if (ConnectError.from(error).code === Code.ResourceExhausted) {
      return tooLarge(undefined, bytesMax);
    }
    return { code: "MALFORMED_MESSAGE", expected: `is not ${compression.name}, as it is said to be` };
  }
}

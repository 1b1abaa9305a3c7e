import { Code, ConnectError } from "@connectrpc/connect";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";
import type { Refusal } from "../../core/errors.ts";
import { tooLarge } from "../calls/call.ts";

export const COMPRESSIONS = new Map([compressionGzip, compressionBrotli].map((each) => [each.name, each]));

/** Whether bytes are said to be compressed in a way that is not known here. */
export function isUnknown(encoding: string | null | undefined): encoding is string {
  return encoding != null && encoding !== "identity" && !COMPRESSIONS.has(encoding);
}

/** @param encoding  how the bytes are compressed; undefined or "identity": not at all */
export async function decompressed(
  bytes: Buffer,
  encoding: string | undefined,
  bytesMax: number,
): Promise<Buffer | Refusal> {
  if (encoding === undefined || encoding === "identity") {
    return bytes.length > bytesMax ? tooLarge(bytes.length, bytesMax) : bytes;
  }
  const compression = COMPRESSIONS.get(encoding);
  if (compression === undefined) return { code: "MALFORMED_MESSAGE" }; // Which connect-node tells before it is read.
  try {
    return Buffer.from(await compression.decompress(bytes, bytesMax));
  } catch (error) {
    // It stops there, however small the bytes are that would grow so large.
    if (ConnectError.from(error).code === Code.ResourceExhausted) {
      return tooLarge(undefined, bytesMax);
    }
    return { code: "MALFORMED_MESSAGE", expected: `is not ${compression.name}, as its headers say` };
  }
}

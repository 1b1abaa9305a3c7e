import { FRAME_BYTES_MAX } from "../../http2/frames.ts";

/**
 * Bytes that may be kept. What came in one frame lies in the 64 KiB that were read from the socket with it, and would keep
 * all of them in memory: it is copied. More than a frame has were copied into a buffer of their own as they came.
 */
export function owned(bytes: Buffer): Buffer {
  return bytes.length > FRAME_BYTES_MAX ? bytes : Buffer.from(bytes);
}

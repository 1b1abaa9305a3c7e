/**
 * Bytes that are the reader's own. What came in one frame is a part of all that was read from the socket with it, 64 KiB,
 * which would be kept for as long as any part is; what is larger was put together for its reader.
 */
export function owned(bytes: Buffer): Buffer {
  return bytes.length > FRAME_BYTES_MAX ? bytes : Buffer.from(bytes);
}

/** The largest frame that an HTTP/2 server is sent, unless it asks for larger ones (RFC 9113, section 4.2). */
export const FRAME_BYTES_MAX = 16 * 1024;

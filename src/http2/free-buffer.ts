/** A copy in memory of its own, which nothing else keeps, and which can be freed: small buffers of Node.js share theirs. */
export function ownCopy(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}

/** Less is left to the collector: to free it costs more than it takes. */
const FREED_BYTES_MIN = 4 * 1024;

/**
 * Free a buffer that nobody looks at any more, of whoever made it for this alone. The collector hardly sees what lies beside
 * the heap: of who sends much, tens of MiB were garbage before it came.
 */
export function freeBuffer(bytes: Buffer): void {
  const { buffer } = bytes; // Node.js reads each time into one of its own; a part of a larger one may be anybody's.
  if (bytes.length >= FREED_BYTES_MIN && bytes.length === buffer.byteLength)
    (buffer as ArrayBuffer).transfer(0);
}

import type { HeaderBlock } from "./block.ts";

/** What of an answer could not be sent yet, in its order. */
export class AnswerQueue {
  bytes = 0;
  /** What its pieces take, in bytes: each is kept until the last of it is sent. */
  heldBytes = 0;
  /** What was taken of the room for answers. */
  charged = 0;
  /** Whether nothing more comes behind it. */
  ended = false;
  tail: HeaderBlock | undefined;
  #pieces: Uint8Array[] = [];
  /** How much of the first is sent. */
  #sentBytes = 0;

  add(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.bytes += piece.length;
    this.heldBytes += piece.length;
  }

  /** Take the next so many bytes, where they lie. */
  take(bytes: number): Uint8Array[] {
    const taken: Uint8Array[] = [];
    let whole = 0;
    for (let left = bytes; left > 0; ) {
      const piece = this.#pieces[whole]!;
      const part = piece.subarray(this.#sentBytes, this.#sentBytes + left);
      taken.push(part);
      left -= part.length;
      this.#sentBytes += part.length;
      if (this.#sentBytes < piece.length) continue;
      this.#sentBytes = 0;
      this.heldBytes -= piece.length;
      whole++;
    }
    this.#pieces.splice(0, whole);
    this.bytes -= bytes;
    return taken;
  }
}

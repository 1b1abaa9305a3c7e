/** Flow control (RFC 9113, sections 5.2 and 6.9): how much either side may still send, of a stream or a connection. */
import { INITIAL_WINDOW_BYTES, MAX_31_BITS } from "./frames.ts";

/** What we may send. Can be below nothing, when a setting shrinks it (RFC 9113, section 6.9.2). */
export class SendWindow {
  bytes: number;

  constructor(bytes = INITIAL_WINDOW_BYTES) {
    this.bytes = bytes;
  }

  /** @returns  false: it would be larger than a window may be (RFC 9113, section 6.9.1) */
  grow(bytes: number): boolean {
    this.bytes += bytes;
    return this.bytes <= MAX_31_BITS;
  }
}

/** What the peer may send. Given back by halves, so that a body of an ordinary size needs no frame for it. */
export class ReceiveWindow {
  readonly #size: number;
  #left: number;
  #owed = 0;

  constructor(size: number) {
    this.#size = size;
    this.#left = size;
  }

  /** At least so much may still come. @returns  by how much to enlarge the peer's window now */
  ensure(bytes: number): number {
    const given = Math.max(bytes - this.#left, 0);
    this.#left += given;
    return given;
  }

  /** @returns  false: it sent more than it may */
  arrived(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left >= 0;
  }

  /** What arrived is held no longer. @returns  by how much to enlarge the peer's window now; mostly 0 */
  consumed(bytes: number): number {
    this.#owed += bytes;
    if (this.#owed * 2 < this.#size) return 0;
    const given = this.#owed;
    this.#left += given;
    this.#owed = 0;
    return given;
  }
}

import type { ClosedStreams } from "./closed-streams.ts";
import { ErrorCode } from "./codes.ts";
import type { ReceiveWindow } from "./flow.ts";
import { resetFrame, windowUpdateFrame } from "./frames.ts";
import type { Output } from "./output.ts";

/** So much of a request is still taken in, and dropped, once it is answered; a longer one is reset. */
export const LINGER_BYTES = 64 * 1024;

/** And for so long, in milliseconds, to the second. */
export const LINGER_MS = 1_000;

/** What of a request may still come. */
interface Rest {
  bytesLeft: number;
  /** When it is reset, by the clock. */
  readonly until: number;
}

/**
 * Streams of a connection that were answered before their requests had ended: "half-closed (local)" (RFC 9113, section
 * 5.1). Their answers have left; what comes of their requests is dropped.
 *
 * They could be reset with NO_ERROR at once (section 8.1), but there are clients (curl 7.88 for one) that drop an answer
 * which they have when its reset comes before they have looked at it. So a small request may end by itself, and only one
 * that is long in bytes or time is reset. Nothing is held of any but these numbers, none is in flight or holds up the end
 * of its connection, and of more than there may be the oldest is reset.
 */
export class Lingering {
  readonly #output: Output;
  readonly #closed: ClosedStreams;
  readonly #streamsMax: number;
  /** By stream, the oldest first. */
  readonly #rests = new Map<number, Rest>();

  constructor(output: Output, closed: ClosedStreams, streamsMax: number) {
    this.#output = output;
    this.#closed = closed;
    this.#streamsMax = streamsMax;
  }

  /** A stream is answered. @param window  what the peer may still send on it, which is enlarged where it is less */
  add(id: number, window: ReceiveWindow, now: number): void {
    const [oldest] = this.#rests.size < this.#streamsMax ? [] : this.#rests.keys();
    if (oldest !== undefined) this.#cut(oldest);
    if (window.left < LINGER_BYTES) this.#output.frame(windowUpdateFrame(id, LINGER_BYTES - window.left));
    this.#rests.set(id, { bytesLeft: LINGER_BYTES, until: now + LINGER_MS });
  }

  has(id: number): boolean {
    return this.#rests.has(id);
  }

  /** More of a request has come. @param last  whether that was its end. @returns  whether it is one of these */
  arrived(id: number, bytes: number, last: boolean): boolean {
    const rest = this.#rests.get(id);
    if (rest === undefined) return false;
    rest.bytesLeft -= bytes;
    if (last) {
      this.#rests.delete(id);
      this.#closed.addEnded(id);
    } else if (rest.bytesLeft <= 0) this.#cut(id);
    return true;
  }

  /** Somebody else has ended it. @returns  whether it was here */
  forget(id: number): boolean {
    return this.#rests.delete(id);
  }

  /** Reset those whose time has passed. */
  look(now: number): void {
    for (const [id, { until }] of this.#rests) {
      if (now < until) return; // And so are all that came later.
      this.#cut(id);
    }
  }

  /** The connection ends. */
  close(): void {
    this.#rests.clear();
  }

  #cut(id: number): void {
    this.#rests.delete(id);
    this.#output.frame(resetFrame(id, ErrorCode.NO_ERROR));
    this.#closed.addCut(id);
  }
}

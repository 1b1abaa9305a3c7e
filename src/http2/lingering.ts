import { UNSAID } from "./body.ts";
import type { ClosedStreams } from "./closed-streams.ts";
import { ErrorCode } from "./codes.ts";
import type { ReceiveWindow, SendWindow } from "./flow.ts";
import { resetFrame, windowUpdateFrame } from "./frames.ts";
import type { Output } from "./output.ts";

/** So much of a request may still come, at least, once it is answered; it is dropped. */
export const LINGER_BYTES = 64 * 1024;

/** And for so long, in milliseconds, to the second; what has not ended by then is reset. */
export const LINGER_MS = 1_000;

/** A stream whose answer has left before its request has ended. */
interface AnsweredEarly {
  readonly id: number;
  readonly receiveWindow: ReceiveWindow;
  readonly sending: { readonly window: SendWindow };
  /** How much of its body is still to come, as was announced, in bytes; UNSAID: nobody said. */
  readonly bodyLeft: number;
}

/** What of a request may still come. */
interface Rest {
  /** What the peer may send of it; nothing is given back. */
  readonly window: ReceiveWindow;
  /** What might be sent on it, if there were more: it has its bound all the same (RFC 9113, section 6.9.1). */
  readonly sendWindow: SendWindow;
  /** How much of it is still to come, as it was announced; Infinity: nobody said. */
  left: number;
  /** When it is reset, by the clock. */
  readonly until: number;
}

/**
 * Streams of a connection that were answered before their requests had ended: "half-closed (local)" (RFC 9113, section
 * 5.1). Their answers have left; what comes of their requests is dropped.
 *
 * They could be reset with NO_ERROR at once (section 8.1), but there are clients (curl 7.88 for one) that drop an answer
 * which they have when its reset comes before they have looked at it. So a small request may end by itself, and only one
 * that does not, for being longer than its window or slow, is reset. Nothing is held of any but these numbers, none is in
 * flight or holds up the end of its connection, and of more than there may be the oldest is reset.
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

  /** A stream is answered. What the peer may still send on it is enlarged where it is less. */
  add({ id, receiveWindow: window, sending, bodyLeft }: AnsweredEarly, now: number): void {
    const [oldest] = this.#rests.size < this.#streamsMax ? [] : this.#rests.keys();
    if (oldest !== undefined) this.#cut(oldest);
    const given = window.ensure(LINGER_BYTES);
    if (given > 0) this.#output.frame(windowUpdateFrame(id, given));
    this.#rests.set(id, { window, sendWindow: sending.window, left: bodyLeft, until: now + LINGER_MS });
  }

  has(id: number): boolean {
    return this.#rests.has(id);
  }

  /**
   * A piece more has come of one of these, and perhaps the last.
   *
   * @param bytes      what it takes of the window
   * @param bodyBytes  what of that is the body's
   * @returns          what is wrong with it: it is more than it may be (RFC 9113, section 6.9), or not as long as was
   *                   announced (section 8.1.1)
   */
  arrived(id: number, bytes: number, bodyBytes: number, last: boolean): number | undefined {
    const rest = this.#rests.get(id)!;
    rest.left -= bodyBytes;
    if (!rest.window.arrived(bytes)) return ErrorCode.FLOW_CONTROL_ERROR;
    if (rest.left < 0 || (last && rest.left > 0 && rest.left !== UNSAID)) return ErrorCode.PROTOCOL_ERROR;
    if (last) this.#ended(id);
    return undefined;
  }

  /** The peer lets more come on one of these, or on one that is none. @returns  false: it is more than a window may be */
  grow(id: number, bytes: number): boolean {
    return this.#rests.get(id)?.sendWindow.grow(bytes) ?? true;
  }

  /** What streams begin with was settled anew. @returns  false: one has more than a window may have */
  moveWindows(bytes: number): boolean {
    let fits = true;
    for (const { sendWindow } of this.#rests.values()) fits = sendWindow.grow(bytes) && fits;
    return fits;
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

  #ended(id: number): void {
    this.#rests.delete(id);
    this.#closed.addEnded(id);
  }

  #cut(id: number): void {
    this.#rests.delete(id);
    this.#output.frame(resetFrame(id, ErrorCode.NO_ERROR));
    this.#closed.addCut(id);
  }
}

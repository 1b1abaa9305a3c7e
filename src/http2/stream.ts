import type { Socket } from "node:net";
import type { HeaderBlock } from "./block.ts";
import type { RequestHead } from "./head.ts";

/** Why a request is not read to its end: it is larger than was said, finds no room, or is too long in coming. */
export type Unread = "too-large" | "no-room" | "late";

/**
 * How a stream ended: `answered`, all of the answer was handed to the socket; `reset`, by the peer, through its fault,
 * or by `reset`; `gone`, with its connection.
 */
export type Closed = "answered" | "reset" | "gone";

/** Who is told what comes of a request. What it throws is a defect, and ends the connection. */
export interface StreamListener {
  /**
   * The first bytes of a body that does not come in one frame: as many as `body` was asked to show, or more. Answer or
   * drop in it to have no more of it. Not to be kept.
   */
  onStart(start: Buffer): void;
  /**
   * All of a body. Where it came in one frame this is a view of what was read from the socket, and gone when this returns:
   * who needs it for longer copies it.
   */
  onBody(body: Buffer): void;
  /** A piece of it, in the same way. */
  onPiece(piece: Buffer): void;
  /** The request that was asked for in pieces has ended; its trailers are there. */
  onEnd(): void;
  /** The request is not read to its end, because of what the caller does: answer it, or reset it. */
  onUnread(why: Unread): void;
  /** More of an answer is wanted, after `write` had returned false. */
  onWritable(): void;
  /** It is over. Once, and nothing after it. */
  onClose(why: Closed): void;
}

/** A request and its answer (RFC 9113, section 8.1). */
export interface ServerStream {
  /** The stream's (RFC 9113, section 5.1.1). */
  readonly id: number;
  readonly head: RequestHead;
  /** The same for all streams of one connection, to keep by it what belongs to that. */
  readonly connection: object;
  /** Which turn of the event loop it is just now: another number in each. */
  readonly turn: number;
  readonly overTls: boolean;
  readonly remoteAddress: string | undefined;
  /** What it came on: to ask who is at the other end, and for nothing else. */
  readonly socket: Socket;
  /** What followed the body, as `RequestHead.fields`; there once the request has ended. */
  readonly trailers: readonly string[];
  readonly requestEnded: boolean;
  /** Answered whole, or reset: whatever is sent now is dropped. */
  readonly over: boolean;

  /**
   * Have the body whole: `onBody`, or `onUnread`. Until this, `pieces` or `drop` is called, what comes of it is held, and
   * the peer may send no more than a window of it. Once more, when its beginning tells how long it is at most.
   *
   * @param bytesMax    the largest, in bytes
   * @param startBytes  from so many on it is shown to `onStart`; 0: never
   */
  body(bytesMax: number, startBytes?: number): void;
  /** Have the body as it comes: `onPiece`, `onEnd`. The peer may send a window of it ahead of what was `consumed`. */
  pieces(): void;
  /** So much of what was handed out is done with. */
  consumed(bytes: number): void;
  /** Have nothing more of it. An answer that ends before the request does so by itself. */
  drop(): void;
  /**
   * From now on the peer owes something, and `onUnread("late")` follows after so long, to the second; undefined: it owes
   * nothing. `body` says so by itself, with `Http2Limits.requestMs`.
   */
  expect(ms: number | undefined): void;

  /**
   * Answer all at once: what most do, and the cheapest.
   *
   * @param body  one after another. They are the engine's from now on, for what is large is sent from where it lies
   * @param tail  trailers
   */
  answer(head: HeaderBlock, body?: readonly Uint8Array[], tail?: HeaderBlock): void;
  /** Begin an answer; or say something before it, of status 1xx. */
  respond(head: HeaderBlock): void;
  /** Go on with it. @returns  false: the next piece is wanted at `onWritable`; until then it would be held */
  write(piece: Uint8Array): boolean;
  /** End it. */
  end(tail?: HeaderBlock): void;
  /** End the stream without an answer, or without the rest of it (RFC 9113, section 6.4). @param code  an ErrorCode */
  reset(code: number): void;

  /**
   * Whether the answer goes on for as long as somebody is there. Such a stream ends when the peer has ended its side of
   * the socket; any other is still answered.
   */
  lasting: boolean;
  /** Whether a client that asks is told to go on when its body is wanted (100 Continue): by default it is. */
  invites: boolean;
  /**
   * Say that work on it goes on even when it is reset, and that it is done: until then it counts as a request in flight,
   * and against `Http2Limits.workMax`.
   */
  begin(): void;
  finish(): void;
}

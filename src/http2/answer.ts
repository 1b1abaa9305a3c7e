import { AnswerQueue } from "./answer-queue.ts";
import type { HeaderBlock } from "./block.ts";
import type { Budget } from "./budget.ts";
import { ErrorCode, Flag } from "./codes.ts";
import { SendWindow } from "./flow.ts";
import { FRAME_BYTES_MAX } from "./frames.ts";
import type { Output } from "./output.ts";
import type { Sender } from "./sender.ts";
import type { Turn } from "./turn.ts";

/** What an answer needs of its connection. */
export interface AnsweringConnection {
  readonly turn: Turn;
  readonly output: Output;
  readonly sender: Sender;
  /** Room for answers. */
  readonly leaving: Budget;
  /** By the clock. */
  now(): number;
  /** Do something of which errors end the connection. */
  guard(act: () => void): void;
  /** A DATA frame of so many bytes was sent, which the peer may say something to. */
  sentData(bytes: number): void;
}

/** What an answer needs of its stream. */
interface AnsweredStream {
  readonly id: number;
  readonly connection: AnsweringConnection;
  readonly over: boolean;
  /** All of the answer is given, so that nobody waits for the rest of the request; some of it may wait to be sent. */
  given(): void;
  /** All of it is sent. */
  answered(): void;
  reset(code: number): void;
  /** More may be written. */
  onWritable(): void;
}

/** How far it is. */
type Progress =
  | "not begun"
  /** Its head is sent. */
  | "begun"
  /** All of it is given; some of it may wait to be sent. */
  | "given";

const NEVER = Number.POSITIVE_INFINITY;

/** So much of an answer in one turn of the event loop, and whoever writes it is asked to let others have theirs. */
const TURN_BYTES_MAX = 64 * 1024;

/** The answer on a stream (RFC 9113, section 8.1), sent as far as windows and the socket take it. */
export class Answer {
  /** What may be sent on its stream (RFC 9113, section 6.9). */
  readonly window: SendWindow;
  /** Since when nothing was taken of what waits; Infinity: nothing waits. */
  untakenSince = NEVER;
  readonly #stream: AnsweredStream;
  #progress: Progress = "not begun";
  #queue: AnswerQueue | undefined;
  /** Whether somebody waits for `onWritable`. */
  #wanted = false;
  #turnNumber = -1;
  #turnBytes = 0;

  constructor(stream: AnsweredStream) {
    this.#stream = stream;
    this.window = new SendWindow(stream.connection.sender.streamWindowBytes);
  }

  get begun(): boolean {
    return this.#progress !== "not begun";
  }

  whole(head: HeaderBlock, body: readonly Uint8Array[], tail: HeaderBlock | undefined): void {
    this.#begins();
    const { connection, id } = this.#stream;
    let length = 0;
    for (const piece of body) length += piece.length;
    if (length === 0) {
      connection.sender.block(head, id, tail === undefined ? Flag.END_STREAM : 0);
      if (tail !== undefined) connection.sender.block(tail, id, Flag.END_STREAM);
      this.#stream.answered();
    } else if (length <= this.#sendable(length)) {
      connection.sender.block(head, id, 0);
      this.#sendData(body, length, tail === undefined);
      connection.sentData(length);
      if (tail !== undefined) connection.sender.block(tail, id, Flag.END_STREAM);
      this.#stream.answered();
    } else {
      connection.sender.block(head, id, 0);
      const queue = this.#queued();
      for (const piece of body) queue.add(piece);
      this.#giveAll(queue, tail);
    }
  }

  head(head: HeaderBlock): void {
    if (head.status >= 200) this.#begins();
    else if (this.begun) throw new Error("a word before an answer that has begun");
    this.#stream.connection.sender.block(head, this.#stream.id, 0);
  }

  /** @returns  whether more may be written at once; else `onWritable` says when */
  write(piece: Uint8Array): boolean {
    this.#goesOn();
    const queue = this.#queued();
    queue.add(piece);
    this.#stream.connection.sender.send(this);
    if (this.#stream.over) return true;
    this.#wanted = queue.bytes > 0 || !this.#isOwnTurn(piece.length);
    return !this.#wanted;
  }

  end(tail: HeaderBlock | undefined): void {
    this.#goesOn();
    if (this.#queue !== undefined && this.#queue.bytes > 0) {
      this.#giveAll(this.#queue, tail);
      return;
    }
    if (tail === undefined) this.#sendData(NO_BODY, 0, true);
    else this.#stream.connection.sender.block(tail, this.#stream.id, Flag.END_STREAM);
    this.#stream.answered();
  }

  /** Send a frame's worth of what waits. @returns  whether anything was sent */
  sendNext(): boolean {
    const queue = this.#queue;
    if (queue === undefined || queue.bytes === 0) return false;
    const length = this.#sendable(queue.bytes);
    if (length <= 0) return false;
    const { connection, id } = this.#stream;
    const last = queue.ended && length === queue.bytes;
    this.#sendData(queue.take(length), length, last && queue.tail === undefined);
    this.untakenSince = connection.now();
    // What a window has cut to crumbs costs the peer: a word for each byte of an answer is an attack (CVE-2019-9511).
    if (length >= EARNING_BYTES_MIN || queue.bytes === 0) connection.sentData(length);
    if (last) {
      if (queue.tail !== undefined) connection.sender.block(queue.tail, id, Flag.END_STREAM);
      this.#stream.answered();
    }
    return true;
  }

  /**
   * Take room for what waits to be sent, or give back what no longer does.
   *
   * @returns  whether something waits, for the peer or for somebody to write more
   */
  settle(): boolean {
    const queue = this.#queue;
    if (queue === undefined) return false;
    const { connection } = this.#stream;
    const more = queue.heldBytes - queue.charged;
    if (more > 0 && !connection.leaving.take(more)) {
      // Not REFUSED_STREAM, nor a status: what was asked for may have been done.
      this.#stream.reset(ErrorCode.CANCEL);
      return false;
    }
    if (more < 0) connection.leaving.give(-more);
    queue.charged = queue.heldBytes;
    if (queue.bytes === 0) this.untakenSince = NEVER;
    else if (this.untakenSince === NEVER) this.untakenSince = connection.now();
    return queue.bytes > 0 || this.#wanted;
  }

  /** Have more written, if somebody waits to. */
  writable(): void {
    if (!this.#wanted || (this.#queue !== undefined && this.#queue.bytes > 0)) return;
    this.#wanted = false;
    this.#stream.onWritable();
  }

  /** Its stream is over: nothing more is sent, and what is held is given back. */
  close(): void {
    if (this.#queue !== undefined) this.#stream.connection.leaving.give(this.#queue.charged);
    this.#queue = undefined;
    this.#wanted = false;
  }

  #begins(): void {
    if (this.begun) throw new Error("an answer that has begun begins once more");
    this.#progress = "begun";
  }

  #goesOn(): void {
    if (this.#progress !== "begun") throw new Error("an answer goes on that has not begun, or has ended");
  }

  #queued(): AnswerQueue {
    this.#queue ??= new AnswerQueue();
    return this.#queue;
  }

  #giveAll(queue: AnswerQueue, tail: HeaderBlock | undefined): void {
    this.#progress = "given";
    this.#stream.given();
    queue.ended = true;
    queue.tail = tail;
    this.#stream.connection.sender.send(this);
  }

  /** How much of so many bytes may be sent in one frame now. */
  #sendable(bytes: number): number {
    const { sender } = this.#stream.connection;
    const most = Math.min(bytes, FRAME_BYTES_MAX, this.window.bytes, sender.window.bytes);
    if (most < bytes && most < sender.leastBytes) return 0;
    return most > 0 && sender.takesMore() ? most : 0;
  }

  #sendData(payloads: readonly Uint8Array[], length: number, last: boolean): void {
    const { connection, id } = this.#stream;
    this.window.bytes -= length;
    connection.sender.window.bytes -= length;
    connection.output.data(payloads, length, id, last ? Flag.END_STREAM : 0);
  }

  /** Whether it wrote no more in this turn than it may. */
  #isOwnTurn(bytes: number): boolean {
    const { connection } = this.#stream;
    const { number } = connection.turn;
    if (number !== this.#turnNumber) {
      this.#turnNumber = number;
      this.#turnBytes = 0;
    }
    this.#turnBytes += bytes;
    if (this.#turnBytes <= TURN_BYTES_MAX) return true;
    connection.turn.readLater(() => connection.guard(() => this.writable()));
    return false;
  }
}

/** As much as a window has that is the smallest of any use. */
const EARNING_BYTES_MIN = 64;
const NO_BODY: readonly Uint8Array[] = [];

import { AnswerQueue } from "./answer-queue.ts";
import type { HeaderBlock } from "./block.ts";
import { RequestBody } from "./body.ts";
import type { Budget } from "./budget.ts";
import { ErrorCode, Flag } from "./codes.ts";
import { ReceiveWindow, SendWindow } from "./flow.ts";
import { FRAME_BYTES_MAX, windowUpdateFrame } from "./frames.ts";
import type { RequestHead } from "./head.ts";
import type { Http2Limits } from "./limits.ts";
import type { Output } from "./output.ts";
import type { Sender } from "./sender.ts";
import type { Closed, ServerStream, StreamListener } from "./stream.ts";
import type { Turn } from "./turn.ts";

/** What a stream needs of its connection. */
export interface StreamHost {
  readonly limits: Http2Limits;
  readonly turn: Turn;
  readonly output: Output;
  readonly sender: Sender;
  /** Room for requests, and for answers. */
  readonly arriving: Budget;
  readonly leaving: Budget;
  readonly overTls: boolean;
  readonly remoteAddress: string | undefined;
  /** By the clock. */
  now(): number;
  /** Do something of which errors end the connection. */
  guard(act: () => void): void;
  /** A DATA frame was sent that the peer may say something to. */
  sentData(): void;
  /** A stream is over. */
  closed(stream: OpenStream, why: Closed): void;
  resetStream(stream: OpenStream, code: number): void;
  /** What went on behind a stream that is over is done. */
  workDone(): void;
}

/**
 * What a stream is in (RFC 9113, section 5.1). A server that pushes nothing reserves none, and none stays "half-closed
 * (local)": an answer that ends before its request ends the stream with it (section 8.1).
 */
type StreamState =
  /** The request is still coming. */
  | "open"
  /** All of the request is here. */
  | "half-closed (remote)"
  /** Nothing comes, and nothing is sent. */
  | "closed";

/** How far the answer is. */
type Answering =
  | "not begun"
  /** Its head is sent. */
  | "begun"
  /** All of it is given; some of it may wait to be sent. */
  | "given";

const NEVER = Number.POSITIVE_INFINITY;

/** So much of an answer in one turn of the event loop, and whoever writes it is asked to let others have theirs. */
const TURN_BYTES_MAX = 64 * 1024;

/** A stream of a connection. */
export class OpenStream implements ServerStream {
  readonly id: number;
  readonly head: RequestHead;
  readonly connection: StreamHost;
  trailers: readonly string[] = [];
  lasting = false;
  readonly sendWindow: SendWindow;
  readonly receiveWindow: ReceiveWindow;
  /** When the peer has to have sent what it owes; Infinity: it owes nothing. */
  owedBy = NEVER;
  /** Since when nothing was taken of an answer that waits; Infinity: none waits. */
  untakenSince = NEVER;
  /** Whether work on it goes on. */
  working = false;
  readonly #body: RequestBody;
  #state: StreamState = "open";
  #answering: Answering = "not begun";
  #listener: StreamListener | undefined;
  /** How it ended; undefined: it has not. */
  #closed: Closed | undefined;
  #queue: AnswerQueue | undefined;
  /** Whether somebody waits for `onWritable`. */
  #wanted = false;
  #turnNumber = -1;
  #turnBytes = 0;

  constructor(connection: StreamHost, id: number, head: RequestHead) {
    this.connection = connection;
    this.id = id;
    this.head = head;
    this.sendWindow = new SendWindow(connection.sender.streamWindowBytes);
    this.receiveWindow = new ReceiveWindow(connection.limits.streamWindowBytes);
    this.#body = new RequestBody(connection.arriving, head.contentLength, this);
  }

  get overTls(): boolean {
    return this.connection.overTls;
  }

  get remoteAddress(): string | undefined {
    return this.connection.remoteAddress;
  }

  get requestEnded(): boolean {
    return this.#body.ended;
  }

  get over(): boolean {
    return this.#state === "closed";
  }

  // --- The request.

  body(bytesMax: number, startBytes = 0): void {
    if (this.over) return;
    this.#invite();
    if (!this.requestEnded && this.owedBy === NEVER) this.expect(this.connection.limits.requestMs);
    this.#body.whole(bytesMax, startBytes);
  }

  pieces(): void {
    if (this.over) return;
    this.#invite();
    this.#body.pieces();
  }

  consumed(bytes: number): void {
    this.#body.consumed(bytes);
  }

  drop(): void {
    this.#body.drop();
  }

  expect(ms: number | undefined): void {
    this.owedBy = ms === undefined ? NEVER : this.connection.now() + ms;
  }

  /** It has not come in time. */
  late(): void {
    if (this.over) return;
    this.expect(undefined);
    this.#body.late();
  }

  /** Who is told what comes from now on; undefined: nobody is. */
  listen(listener: StreamListener | undefined): void {
    if (this.#closed !== undefined) {
      listener?.onClose(this.#closed);
      return;
    }
    if (listener === undefined) {
      this.drop();
      return;
    }
    this.#listener = listener;
    this.#body.listen(listener);
  }

  /** A piece of the body, and perhaps its end. @returns  false: it is malformed (RFC 9113, section 8.1.1) */
  arrived(piece: Buffer, last: boolean): boolean {
    if (last) {
      this.#state = "half-closed (remote)";
      this.expect(undefined);
    }
    return this.#body.arrived(piece, last);
  }

  /** Enlarge the peer's window of this stream, when enough of it is used up. */
  giveBack(bytes: number): void {
    const given = this.receiveWindow.consumed(bytes);
    if (given > 0 && this.#state === "open") this.connection.output.frame(windowUpdateFrame(this.id, given));
  }

  /** Who waits to be told to go on is told (RFC 9110, section 10.1.1). */
  #invite(): void {
    if (
      this.#answering === "not begun" &&
      !this.requestEnded &&
      this.head.field("expect") === "100-continue"
    ) {
      this.connection.sender.continue(this.id);
    }
  }

  // --- The answer.

  answer(head: HeaderBlock, body: readonly Uint8Array[] = NO_BODY, tail?: HeaderBlock): void {
    if (this.over) return;
    this.#begins();
    const { connection, id } = this;
    let length = 0;
    for (const piece of body) length += piece.length;
    if (length === 0) {
      connection.sender.block(head, id, tail === undefined ? Flag.END_STREAM : 0);
      if (tail !== undefined) connection.sender.block(tail, id, Flag.END_STREAM);
      connection.closed(this, "answered");
    } else if (length <= this.#sendable(length)) {
      connection.sender.block(head, id, 0);
      this.#sendData(body, length, tail === undefined);
      if (tail !== undefined) connection.sender.block(tail, id, Flag.END_STREAM);
      connection.closed(this, "answered");
    } else {
      connection.sender.block(head, id, 0);
      const queue = this.#queued();
      for (const piece of body) queue.add(piece);
      this.#giveAll(queue, tail);
    }
  }

  respond(head: HeaderBlock): void {
    if (this.over) return;
    if (head.status >= 200) this.#begins();
    else if (this.#answering !== "not begun") throw new Error("a word before an answer that has begun");
    this.connection.sender.block(head, this.id, 0);
  }

  write(piece: Uint8Array): boolean {
    if (this.over) return true;
    this.#goesOn();
    const queue = this.#queued();
    queue.add(piece);
    this.connection.sender.send(this);
    if (this.over) return true;
    this.#wanted = queue.bytes > 0 || !this.#isOwnTurn(piece.length);
    return !this.#wanted;
  }

  end(tail?: HeaderBlock): void {
    if (this.over) return;
    this.#goesOn();
    const { connection, id } = this;
    if (this.#queue !== undefined && this.#queue.bytes > 0) {
      this.#giveAll(this.#queue, tail);
      return;
    }
    if (tail !== undefined) connection.sender.block(tail, id, Flag.END_STREAM);
    else this.#sendData(NO_BODY, 0, true);
    connection.closed(this, "answered");
  }

  reset(code: number): void {
    if (!this.over) this.connection.resetStream(this, code);
  }

  begin(): void {
    if (this.working || this.over) return;
    this.working = true;
  }

  finish(): void {
    if (!this.working) return;
    this.working = false;
    if (this.over) this.connection.workDone();
  }

  /** Send a frame's worth of what waits. @returns  whether anything was sent */
  sendNext(): boolean {
    const queue = this.#queue;
    if (queue === undefined || queue.bytes === 0) return false;
    const length = this.#sendable(queue.bytes);
    if (length <= 0) return false;
    const last = queue.ended && length === queue.bytes;
    this.#sendData(queue.take(length), length, last && queue.tail === undefined);
    this.untakenSince = this.connection.now();
    // What a window has cut short costs the peer: a word for each byte of an answer is an attack (CVE-2019-9511).
    if (length >= EARNING_BYTES_MIN || queue.bytes === 0) this.connection.sentData();
    if (last) {
      if (queue.tail !== undefined) this.connection.sender.block(queue.tail, this.id, Flag.END_STREAM);
      this.connection.closed(this, "answered");
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
    if (queue === undefined || this.over) return false;
    const { leaving } = this.connection;
    const more = queue.bytes - queue.charged;
    if (more > 0 && !leaving.take(more)) {
      // Not REFUSED_STREAM, nor a status: what was asked for may have been done.
      this.connection.resetStream(this, ErrorCode.CANCEL);
      return false;
    }
    if (more < 0) leaving.give(-more);
    queue.charged = queue.bytes;
    if (queue.bytes === 0) this.untakenSince = NEVER;
    else if (this.untakenSince === NEVER) this.untakenSince = this.connection.now();
    return queue.bytes > 0 || this.#wanted;
  }

  /** Have more written, if somebody waits to. */
  writable(): void {
    if (!this.#wanted || this.over || (this.#queue !== undefined && this.#queue.bytes > 0)) return;
    this.#wanted = false;
    this.#listener?.onWritable();
  }

  /** Everything that is held is given back, and who listens is told. */
  close(why: Closed): void {
    this.#state = "closed";
    this.#closed = why;
    this.#body.close();
    if (this.#queue !== undefined) this.connection.leaving.give(this.#queue.charged);
    this.#queue = undefined;
    this.#listener?.onClose(why);
  }

  #begins(): void {
    if (this.#answering !== "not begun") throw new Error("an answer that has begun begins once more");
    this.#answering = "begun";
  }

  #goesOn(): void {
    if (this.#answering !== "begun") throw new Error("an answer goes on that has not begun, or has ended");
  }

  #queued(): AnswerQueue {
    this.#queue ??= new AnswerQueue();
    return this.#queue;
  }

  #giveAll(queue: AnswerQueue, tail: HeaderBlock | undefined): void {
    this.#answering = "given";
    this.#body.drop(); // Nobody waits for the rest of it.
    this.expect(undefined);
    queue.ended = true;
    queue.tail = tail;
    this.connection.sender.send(this);
  }

  /** How much of so many bytes may be sent in one frame now. */
  #sendable(bytes: number): number {
    const { sender, output } = this.connection;
    if (output.backlogged) return 0;
    return Math.min(bytes, FRAME_BYTES_MAX, this.sendWindow.bytes, sender.window.bytes);
  }

  #sendData(payloads: readonly Uint8Array[], length: number, last: boolean): void {
    this.sendWindow.bytes -= length;
    this.connection.sender.window.bytes -= length;
    this.connection.output.data(payloads, length, this.id, last ? Flag.END_STREAM : 0);
  }

  /** Whether it wrote no more in this turn than it may. */
  #isOwnTurn(bytes: number): boolean {
    const { number } = this.connection.turn;
    if (number !== this.#turnNumber) {
      this.#turnNumber = number;
      this.#turnBytes = 0;
    }
    this.#turnBytes += bytes;
    if (this.#turnBytes <= TURN_BYTES_MAX) return true;
    this.connection.turn.readLater(() => this.connection.guard(() => this.writable()));
    return false;
  }
}

const EARNING_BYTES_MIN = 1_024;
const NO_BODY: readonly Uint8Array[] = [];

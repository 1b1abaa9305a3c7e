import { HeaderBlock, headBlock } from "./block.ts";
import type { Budget } from "./budget.ts";
import { SendWindow } from "./flow.ts";
import { INITIAL_WINDOW_BYTES } from "./frames.ts";
import type { Output } from "./output.ts";

/** A stream with something to send. */
interface Sending {
  /** Send a frame's worth of what waits. @returns  whether anything was sent */
  sendNext(): boolean;
  /** Account for what still waits. @returns  whether something does, or somebody who wants to write more */
  settle(): boolean;
  /** Have more written, if somebody waits to. */
  writable(): void;
}

/** Sends the answers of a connection, within its windows, what its socket takes, and the room for what that does not. */
export class Sender {
  readonly output: Output;
  /** What may be sent on all streams together. */
  readonly window = new SendWindow();
  /** What streams begin with, as the peer settled it (RFC 9113, section 6.5.2). */
  streamWindowBytes = INITIAL_WINDOW_BYTES;
  /** Streams with something to send, or with somebody who waits to write more; each in its turn. */
  readonly #waiting = new Set<Sending>();
  /** Whether what is held back as too little is sent all the same. */
  #sendsLittle = false;
  /** To be told whether the socket has more than it should. */
  readonly #onBacklog: (backlogged: boolean) => void;
  readonly #room: Budget;
  /** What was taken of it, for what the socket has. */
  #charged = 0;
  #owesTableSize = false;

  /** @param room  for answers */
  constructor(output: Output, room: Budget, onBacklog: (backlogged: boolean) => void) {
    this.output = output;
    this.#room = room;
    this.#onBacklog = onBacklog;
  }

  /**
   * With less than this of an answer, and more behind it, a frame waits for the window to grow. Some clients give back each
   * frame by itself as it comes: what was cut small once would be as small ever after (RFC 9113, section 6.9, has nothing of
   * it; RFC 9293, section 3.8.6.2.1, has it of TCP). Not where streams begin with little, and ask for it.
   */
  get leastBytes(): number {
    return this.#sendsLittle || this.streamWindowBytes < 2 * LEAST_BYTES ? 1 : LEAST_BYTES;
  }

  /** Whether the socket may have another frame of an answer: while it has few, and then if there is room for what it has. */
  takesMore(): boolean {
    const { output } = this;
    return !output.backlogged && this.#charge(output.waitingBytes - UNCHARGED_BYTES);
  }

  /** Give back the room for what the socket has taken since. */
  heedTaken(): void {
    this.#charge(Math.min(this.#charged, this.output.waitingBytes - UNCHARGED_BYTES));
  }

  /** Give it all back. */
  close(): void {
    this.#charge(0);
  }

  /**
   * The peer keeps a smaller table than one has without a word: the next header block has to say how small ours is now
   * (RFC 7541, section 4.2; RFC 9113, section 4.3.1). It says nothing at all, which is what ours always is.
   */
  tableShrunk(): void {
    this.#owesTableSize = true;
  }

  /** A header block. @param flags  END_STREAM, or none */
  block(block: HeaderBlock, stream: number, flags: number): void {
    if (this.#owesTableSize) {
      this.#owesTableSize = false;
      this.output.block(
        new HeaderBlock(Buffer.concat([EMPTY_TABLE, block.block]), block.status),
        stream,
        flags,
      );
    } else this.output.block(block, stream, flags);
  }

  /** Have the body sent, of a request that asks whether to (RFC 9110, section 10.1.1). */
  continue(stream: number): void {
    this.block(CONTINUE, stream, 0);
  }

  /** Send what a stream has, as far as it may be sent. */
  send(stream: Sending): void {
    while (stream.sendNext());
    this.#settle(stream);
  }

  /** The same when its window has grown, so that more may be written behind what waits. */
  goOn(stream: Sending): void {
    this.send(stream);
    stream.writable();
  }

  /** The same for all that wait: a frame of each in turn, so that none waits for the end of another. */
  sendWaiting(): void {
    this.heedTaken();
    this.heedBacklog();
    for (let sent = true; sent; ) {
      sent = false;
      for (const stream of [...this.#waiting]) if (stream.sendNext()) sent = true;
    }
    for (const stream of [...this.#waiting]) {
      this.#settle(stream);
      stream.writable();
    }
  }

  /** The same, and what is too little: the peer may wait for the last of its window. To be called now and then. */
  sendLittle(): void {
    this.#sendsLittle = true;
    try {
      this.sendWaiting();
    } finally {
      this.#sendsLittle = false;
    }
  }

  /** A stream is over. */
  forget(stream: Sending): void {
    this.#waiting.delete(stream);
  }

  /** Who takes no answers is not asked for more questions. */
  heedBacklog(): void {
    this.#onBacklog(this.output.backlogged);
  }

  #charge(bytes: number): boolean {
    const more = Math.max(bytes, 0) - this.#charged;
    if (more > 0 && !this.#room.take(more)) return false;
    if (more < 0) this.#room.give(-more);
    this.#charged += more;
    return true;
  }

  #settle(stream: Sending): void {
    if (stream.settle()) this.#waiting.add(stream);
    else this.#waiting.delete(stream);
    this.heedBacklog();
  }
}

/** What a socket of Node.js has before it is said to have much: with more, it says when that is taken ("drain"). */
const UNCHARGED_BYTES = 64 * 1024;

const LEAST_BYTES = 1_024;

/** A dynamic table size update to nothing (RFC 7541, section 6.3). */
const EMPTY_TABLE = Buffer.from([0x20]);

const CONTINUE = headBlock(100, []);

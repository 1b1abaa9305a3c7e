import { HeaderBlock, headBlock } from "./block.ts";
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

/** Sends the answers of a connection, within its windows and what its socket takes. */
export class Sender {
  readonly output: Output;
  /** What may be sent on all streams together. */
  readonly window = new SendWindow();
  /** What streams begin with, as the peer settled it (RFC 9113, section 6.5.2). */
  streamWindowBytes = INITIAL_WINDOW_BYTES;
  /** Streams with something to send, or with somebody who waits to write more; each in its turn. */
  readonly #waiting = new Set<Sending>();
  /** To be told whether the socket has more than it should. */
  readonly #onBacklog: (backlogged: boolean) => void;
  #owesTableSize = false;

  constructor(output: Output, onBacklog: (backlogged: boolean) => void) {
    this.output = output;
    this.#onBacklog = onBacklog;
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

  /** A stream is over. */
  forget(stream: Sending): void {
    this.#waiting.delete(stream);
  }

  /** Who takes no answers is not asked for more questions. */
  heedBacklog(): void {
    this.#onBacklog(this.output.backlogged);
  }

  #settle(stream: Sending): void {
    if (stream.settle()) this.#waiting.add(stream);
    else this.#waiting.delete(stream);
    this.heedBacklog();
  }
}

/** A dynamic table size update to nothing (RFC 7541, section 6.3). */
const EMPTY_TABLE = Buffer.from([0x20]);

const CONTINUE = headBlock(100, []);

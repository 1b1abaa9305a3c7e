import type { ServerStream } from "../../http2/stream.ts";
import { Arriving } from "../room.ts";

/**
 * A body as it comes, read by asking for the next piece: so much of it may come as the caller was allowed to send, and
 * more is allowed when a piece has been dealt with.
 */
export class Pieces implements AsyncIterableIterator<Buffer, undefined> {
  readonly #stream: ServerStream;
  /** What nobody has asked for yet: copied, and put together, however small the pieces are. The engine has charged it. */
  #waiting = NOTHING;
  /** Of the piece that was given last, in bytes. */
  #given = 0;
  #ended = false;
  #asked: ((next: IteratorResult<Buffer, undefined>) => void) | undefined;

  /** Of a stream that `pieces` is called on next. */
  constructor(stream: ServerStream) {
    this.#stream = stream;
  }

  /** A piece is there. */
  push(piece: Buffer): void {
    if (this.#ended) return;
    if (this.#waiting === NOTHING) this.#waiting = new Arriving([], Number.POSITIVE_INFINITY);
    this.#waiting.add(piece);
    this.#give();
  }

  /** No more comes: all of it was there, or the caller has gone. */
  end(): void {
    this.#ended = true;
    this.#give();
  }

  next(): Promise<IteratorResult<Buffer, undefined>> {
    if (this.#given > 0) this.#stream.consumed(this.#given);
    this.#given = 0;
    const { promise, resolve } = Promise.withResolvers<IteratorResult<Buffer, undefined>>();
    this.#asked = resolve;
    this.#give();
    return promise;
  }

  /** What was not read is dropped. */
  async return(): Promise<IteratorResult<Buffer, undefined>> {
    this.#waiting = NOTHING;
    this.#ended = true;
    this.#stream.drop();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #give(): void {
    if (this.#asked === undefined) return;
    const piece = this.#waiting.bytes;
    if (piece.length === 0 && !this.#ended) return;
    const asked = this.#asked;
    this.#asked = undefined;
    this.#waiting = NOTHING;
    this.#given = piece.length;
    asked(piece.length === 0 ? { done: true, value: undefined } : { done: false, value: piece });
  }
}

const NOTHING = new Arriving([], 0);

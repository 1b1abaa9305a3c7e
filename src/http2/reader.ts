import type { Budget } from "./budget.ts";
import { ConnectionError, ErrorCode } from "./codes.ts";
import { FRAME_BYTES_MAX, FRAME_HEAD_BYTES, frameLength, frameStream, PREFACE } from "./frames.ts";
import { freeBuffer } from "./free-buffer.ts";
import type { Turn } from "./turn.ts";

/** Who takes frames, and lends room for one that is cut short. */
export interface FrameTaker {
  /** The payload lies at `start` to `end`. @returns  what it was to read, in frames of an ordinary size */
  frame(type: number, flags: number, stream: number, from: Buffer, start: number, end: number): number;
  /** Whether more is wanted at all. */
  readonly hears: boolean;
  /** Take no more bytes in this turn, and have the rest read in the next. */
  waitForTurn(): void;
  readonly arriving: Budget;
  /** By the clock. */
  now(): number;
}

/** What a connection may have in a turn of the event loop. */
export interface TurnLimits {
  readonly turnFramesMax: number;
  readonly turnBytesMax: number;
}

/**
 * Cuts what is read from a socket into the preface and frames (RFC 9113, sections 3.4 and 4.1).
 *
 * Frames are taken where they lie in what was read; only one that is not all there is copied, into what grows with what
 * has come of it. A connection that has sent more than its share goes on in the next turn: that much is read, not more,
 * so that nobody's frames hold up another's. The more there are of such, the smaller their shares, so that who sends little
 * is heard as soon as beside one of them.
 */
export class FrameReader {
  readonly #taker: FrameTaker;
  readonly #limits: TurnLimits;
  readonly #turn: Turn;
  #prefaceBytes = 0;
  /** A frame that is cut short, and how much of it is there. */
  #partial: Buffer = NOTHING;
  #partialBytes = 0;
  /** When it began. */
  #partialSince = 0;
  /** What is left for the next turn. */
  #rest: Buffer = NOTHING;
  /** And what it is a part of, which is freed behind it. */
  #restOf: Buffer = NOTHING;
  #turnNumber = -1;
  #framesLeft = 0;
  #bytesLeft = 0;

  constructor(taker: FrameTaker, limits: TurnLimits, turn: Turn) {
    this.#taker = taker;
    this.#limits = limits;
    this.#turn = turn;
  }

  /** Whether something is left for the next turn. */
  get waits(): boolean {
    return this.#rest.length > 0;
  }

  /** Since when a frame is cut short; undefined: none is. */
  get cutShortSince(): number | undefined {
    return this.#partialBytes > 0 ? this.#partialSince : undefined;
  }

  /** It was not the peer who let a frame wait: its time begins anew. */
  excuse(): void {
    this.#partialSince = this.#taker.now();
  }

  /**
   * What was read, which is the reader's from now on: nothing of it is there any more once it is taken.
   *
   * @throws ConnectionError
   */
  read(chunk: Buffer): void {
    this.#read(chunk, chunk);
  }

  /** @param whole  what it is a part of */
  #read(chunk: Buffer, whole: Buffer): void {
    if (!this.#taker.hears) return;
    const { turnFramesMax, turnBytesMax } = this.#limits;
    const { number, crowd } = this.#turn;
    if (number !== this.#turnNumber) {
      this.#turnNumber = number;
      this.#framesLeft = turnFramesMax / crowd;
      this.#bytesLeft = turnBytesMax / crowd;
    }
    if (this.waits) {
      const rest = Buffer.concat([this.#rest, chunk]); // Came though it was paused.
      this.#waitWith(rest, rest);
      return;
    }
    const rest = this.#cut(chunk, this.#prefaceBytes < PREFACE.length ? this.#readPreface(chunk) : 0);
    if (rest === undefined) freeBuffer(whole);
    else {
      this.#waitWith(rest, whole);
      this.#taker.waitForTurn();
    }
  }

  /** What was left of the turn before. @throws ConnectionError */
  readRest(): void {
    const [rest, whole] = [this.#rest, this.#restOf];
    if (rest.length === 0) return;
    this.#waitWith(NOTHING, NOTHING);
    this.#read(rest, whole);
  }

  /** Give back all that is held. */
  close(): void {
    this.#taker.arriving.give(this.#partial.length);
    this.#partial = NOTHING;
    this.#waitWith(NOTHING, NOTHING);
    this.#partialBytes = 0;
  }

  #readPreface(chunk: Buffer): number {
    const length = Math.min(chunk.length, PREFACE.length - this.#prefaceBytes);
    if (PREFACE.compare(chunk, 0, length, this.#prefaceBytes, this.#prefaceBytes + length) !== 0) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "no preface");
    }
    this.#prefaceBytes += length;
    return length;
  }

  /** @returns  what is left for the next turn; undefined: nothing */
  #cut(chunk: Buffer, from: number): Buffer | undefined {
    let at = this.#partialBytes > 0 ? this.#completePartial(chunk, from) : from;
    while (this.#taker.hears && at < chunk.length) {
      if (this.#framesLeft <= 0 || this.#bytesLeft <= 0) {
        return at === 0 ? chunk : chunk.subarray(at);
      }
      const end = at + FRAME_HEAD_BYTES + (chunk.length - at < FRAME_HEAD_BYTES ? 0 : lengthOf(chunk, at));
      if (end > chunk.length) {
        this.#partialSince = this.#taker.now();
        this.#completePartial(chunk, at);
        return undefined;
      }
      this.#take(chunk, at, end);
      at = end;
    }
    return undefined;
  }

  /** Put as much of a chunk behind what is there of a frame as that lacks. @returns  where the chunk goes on */
  #completePartial(chunk: Buffer, from: number): number {
    const headLacks = FRAME_HEAD_BYTES - this.#partialBytes;
    let at = headLacks > 0 ? this.#keep(chunk, from, headLacks) : from;
    if (this.#partialBytes < FRAME_HEAD_BYTES) return at;
    const wanted = FRAME_HEAD_BYTES + lengthOf(this.#partial, 0);
    at = this.#keep(chunk, at, wanted - this.#partialBytes);
    if (this.#partialBytes < wanted) return at;
    const frame = this.#partial;
    this.#partial = NOTHING;
    this.#partialBytes = 0;
    this.#taker.arriving.give(frame.length);
    this.#take(frame, 0, wanted);
    freeBuffer(frame);
    return at;
  }

  #keep(chunk: Buffer, from: number, lacking: number): number {
    const to = Math.min(chunk.length, from + lacking);
    const bytes = this.#partialBytes + to - from;
    if (bytes > this.#partial.length) {
      const size = Math.min(
        FRAME_HEAD_BYTES + FRAME_BYTES_MAX,
        Math.max(bytes, 2 * this.#partial.length, PARTIAL_BYTES_MIN),
      );
      if (!this.#taker.arriving.take(size - this.#partial.length)) {
        throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, "no room for frames that are cut short", [
          "connectionBytesMax",
          "arriving",
        ]);
      }
      const grown = Buffer.allocUnsafeSlow(size);
      this.#partial.copy(grown, 0, 0, this.#partialBytes);
      freeBuffer(this.#partial);
      this.#partial = grown;
    }
    chunk.copy(this.#partial, this.#partialBytes, from, to);
    this.#partialBytes = bytes;
    return to;
  }

  #take(from: Buffer, at: number, end: number): void {
    const cost = this.#taker.frame(
      from[at + 3]!,
      from[at + 4]!,
      frameStream(from, at),
      from,
      at + FRAME_HEAD_BYTES,
      end,
    );
    this.#framesLeft -= cost;
    this.#bytesLeft -= end - at;
  }

  #waitWith(rest: Buffer, whole: Buffer): void {
    this.#rest = rest;
    this.#restOf = whole;
  }
}

const NOTHING = Buffer.alloc(0);

/** Most frames that are cut short are of small requests. */
const PARTIAL_BYTES_MIN = 128;

function lengthOf(from: Buffer, at: number): number {
  const length = frameLength(from, at);
  if (length > FRAME_BYTES_MAX) {
    throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, `a frame of ${length} bytes`); // RFC 9113, section 4.2.
  }
  return length;
}

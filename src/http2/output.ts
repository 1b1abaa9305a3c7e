import type { Socket } from "node:net";
import type { HeaderBlock } from "./block.ts";
import { FrameType } from "./codes.ts";
import { FRAME_HEAD_BYTES, frameLength, writeFrameHead, writeStreamId } from "./frames.ts";
import { ownCopy } from "./free-buffer.ts";
import type { Turn } from "./turn.ts";

/** Payloads from here on are written where they lie; below, copying costs less than another buffer. */
const COPIED_BYTES = 4_096;

/** What frames are written to before they leave; of each size, so that one may take another's. */
const BUFFER_BYTES = 16 * 1024;

/** As many as are kept for who writes next. */
const SPARE_MAX = 256;

/** Empty buffers, of all connections. */
export class Buffers {
  readonly #spare: Buffer[] = [];

  take(): Buffer {
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
  }

  /** Give back one that nobody reads any more. */
  give(buffer: Buffer): void {
    if (this.#spare.length < SPARE_MAX) this.#spare.push(buffer);
  }
}

/** Frames to one socket: all that are written in one turn leave in one write. */
export class Output {
  readonly #socket: Socket;
  readonly #turn: Turn;
  readonly #buffers: Buffers;
  readonly #backlogBytesMax: number;
  /** Full ones, and payloads that are sent where they lie. */
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  /** The one that is being written. */
  #buffer: Buffer = NOTHING;
  #length = 0;
  /** The one of `Buffers` that this is, or what is left of it; and those that are full, since the last flush. */
  #taken: Buffer | undefined;
  #full: Buffer[] = NONE;
  #announced = false;

  constructor(socket: Socket, turn: Turn, buffers: Buffers, backlogBytesMax: number) {
    this.#socket = socket;
    this.#turn = turn;
    this.#buffers = buffers;
    this.#backlogBytesMax = backlogBytesMax;
  }

  /** What the socket has not taken, in bytes. */
  get waitingBytes(): number {
    return this.#queuedBytes + this.#length + this.#socket.writableLength;
  }

  /** Whether so much waits that no more should be written but what is owed. */
  get backlogged(): boolean {
    return this.waitingBytes > this.#backlogBytesMax;
  }

  /** Whether all is sent. */
  get empty(): boolean {
    return this.#length === 0 && this.#queue.length === 0 && this.#socket.writableLength === 0;
  }

  /** A frame that is made, as it is. */
  frame(frame: Uint8Array): void {
    const at = this.#reserve(frame.length);
    this.#buffer.set(frame, at);
  }

  /** A header block (RFC 9113, section 6.2). @param flags  END_STREAM, or none */
  block({ frames }: HeaderBlock, stream: number, flags: number): void {
    const at = this.#reserve(frames.length);
    const buffer = this.#buffer;
    buffer.set(frames, at);
    buffer[at + 4]! |= flags;
    writeStreamId(buffer, at, stream);
    const first = FRAME_HEAD_BYTES + frameLength(frames, 0);
    if (first < frames.length) stampRest(buffer, at + first, at + frames.length, stream);
  }

  /**
   * A DATA frame (RFC 9113, section 6.1).
   *
   * @param length  of all payloads together
   */
  data(payloads: readonly Uint8Array[], length: number, stream: number, flags: number): void {
    const copied = length < COPIED_BYTES;
    let at = this.#reserve(FRAME_HEAD_BYTES + (copied ? length : 0));
    writeFrameHead(this.#buffer, at, length, FrameType.DATA, flags, stream);
    if (!copied) {
      for (const payload of payloads) if (payload.length > 0) this.#queueAfter(payload);
      return;
    }
    at += FRAME_HEAD_BYTES;
    for (const payload of payloads) {
      this.#buffer.set(payload, at);
      at += payload.length;
    }
  }

  /** Hand all to the socket. */
  flush(): void {
    this.#announced = false;
    const socket = this.#socket;
    const last = this.#length === this.#buffer.length ? this.#buffer : this.#buffer.subarray(0, this.#length);
    const taken = this.#taken;
    const full = this.#full;
    const queue = this.#queue;
    const waits = socket.writableLength > 0;
    this.#buffer = NOTHING;
    this.#length = 0;
    this.#taken = undefined;
    this.#full = NONE;
    if (socket.destroyed || socket.writableEnded) {
      this.#queue = [];
      this.#queuedBytes = 0;
    } else if (queue.length === 0) {
      if (last.length > 0) socket.write(waits ? kept(last) : last);
    } else {
      this.#queue = [];
      this.#queuedBytes = 0;
      socket.cork(); // So that they go in one.
      for (const piece of queue) socket.write(waits ? kept(piece) : piece);
      if (last.length > 0) socket.write(waits ? kept(last) : last);
      socket.uncork();
    }
    // The system has it, or a copy of it waits.
    const isFree = socket.writableLength === 0 || (waits && queue.length === 0 && isLittle(last));
    if (!isFree || taken === undefined) return;
    this.#buffers.give(taken);
    for (const buffer of full) this.#buffers.give(buffer);
  }

  /** Room for so many bytes in `#buffer`. @returns  where it begins */
  #reserve(bytes: number): number {
    if (!this.#announced) {
      this.#announced = true;
      this.#turn.flushLater(this);
    }
    if (this.#length + bytes > this.#buffer.length) {
      this.#retire();
      this.#buffer = bytes > BUFFER_BYTES ? Buffer.allocUnsafeSlow(bytes) : this.#take();
    }
    const at = this.#length;
    this.#length += bytes;
    return at;
  }

  #take(): Buffer {
    if (this.#taken !== undefined) {
      if (this.#full === NONE) this.#full = [];
      this.#full.push(this.#taken);
    }
    this.#taken = this.#buffers.take();
    return this.#taken;
  }

  /** A payload behind what is written, where it lies; what follows it goes on in the rest of the buffer. */
  #queueAfter(payload: Uint8Array): void {
    const rest = this.#buffer.subarray(this.#length);
    this.#retire();
    this.#buffer = rest;
    this.#queue.push(payload);
    this.#queuedBytes += payload.length;
  }

  #retire(): void {
    if (this.#length > 0) {
      this.#queue.push(this.#buffer.subarray(0, this.#length));
      this.#queuedBytes += this.#length;
    }
    this.#buffer = NOTHING;
    this.#length = 0;
  }
}

const NOTHING = Buffer.alloc(0);
const NONE: Buffer[] = []; // Nothing is ever added to it.

/** Whether something is so little beside a buffer that it should not keep one. */
function isLittle({ length }: Uint8Array): boolean {
  return length * 2 < BUFFER_BYTES;
}

/**
 * What is to wait in the socket behind something else, where it keeps no more than twice of what it is: who takes nothing, and has a
 * word said in each of many turns, would keep 16 KiB for each.
 */
function kept(piece: Uint8Array): Uint8Array {
  return isLittle(piece) ? ownCopy(piece) : piece;
}

/** Say in the heads of CONTINUATIONs of which stream they are. */
function stampRest(buffer: Uint8Array, start: number, end: number, stream: number): void {
  for (let at = start; at < end; ) {
    writeStreamId(buffer, at, stream);
    at += FRAME_HEAD_BYTES + frameLength(buffer, at);
  }
}

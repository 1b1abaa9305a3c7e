import type { Refusal } from "../core/errors.ts";

/** Room for the bytes of requests that are still arriving: of one connection, or of all of them. */
export class Room {
  readonly #bytesMax: number;
  #taken = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** In bytes. */
  get taken(): number {
    return this.#taken;
  }

  /** @returns  false, and nothing is taken, where there is not as much left */
  take(bytes: number): boolean {
    if (this.#taken + bytes > this.#bytesMax) return false;
    this.#taken += bytes;
    return true;
  }

  /** Give back what was taken. */
  give(bytes: number): void {
    this.#taken -= bytes;
  }
}

/** When there is none; the other requests that are arriving are whole, or cut, within seconds. */
export const NO_ROOM: Refusal = { code: "QUEUE_FULL", retryAfterMs: 1_000 };

/**
 * Bytes that arrive in pieces, put together as they come.
 *
 * The pieces are copied and not kept: each is an object of a hundred bytes and more, so that 4 MiB sent a byte at a time
 * would take half a gigabyte. They go into blocks, of which only the last grows with what has come, because what is
 * announced may never come, and what a block has grown out of is there until it is swept.
 */
export class Arriving {
  readonly #rooms: readonly Room[];
  readonly #bytesMax: number;
  /** Full. */
  #blocks: Buffer[] = [];
  #last: Buffer = NOTHING;
  #lastLength = 0;
  #blockBytes = 0;

  /** @param bytesMax  how many come at most */
  constructor(rooms: readonly Room[], bytesMax: number) {
    this.#rooms = rooms;
    this.#bytesMax = bytesMax;
  }

  /** What has come so far. Copied where it is more than a block. */
  get bytes(): Buffer {
    const last = this.#last.subarray(0, this.#lastLength);
    return this.#blocks.length === 0 ? last : Buffer.concat([...this.#blocks, last], this.length);
  }

  get length(): number {
    return this.#blockBytes + this.#lastLength;
  }

  /** @returns  false where there is no room for all of a piece; nothing that has come is of use then */
  add(piece: Buffer): boolean {
    for (let at = 0; at < piece.length; ) {
      const left = piece.length - at;
      if (this.#lastLength === this.#last.length && !this.#makeSpace(left)) return false;
      const copied = piece.copy(this.#last, this.#lastLength, at);
      this.#lastLength += copied;
      at += copied;
    }
    return true;
  }

  /** Give back all the room that was taken. */
  free(): void {
    for (const room of this.#rooms) room.give(this.#blockBytes + this.#last.length);
    this.#blocks = [];
    this.#blockBytes = 0;
    this.#last = NOTHING;
    this.#lastLength = 0;
  }

  /** Have the last block grow for so many bytes, or for some of them; one that is full grown is followed by another. */
  #makeSpace(bytes: number): boolean {
    const had = this.#last.length;
    const toCome = Math.max(this.#bytesMax - this.length, bytes);
    if (had === BLOCK_BYTES) {
      const size = Math.min(BLOCK_BYTES, toCome);
      if (!takeAll(this.#rooms, size)) return false;
      this.#blocks.push(this.#last);
      this.#blockBytes += had;
      this.#last = Buffer.allocUnsafe(size);
      this.#lastLength = 0;
      return true;
    }
    const size = Math.min(BLOCK_BYTES, had + toCome, Math.max(2 * had, had + bytes));
    if (!takeAll(this.#rooms, size - had)) return false;
    const grown = Buffer.allocUnsafe(size);
    this.#last.copy(grown);
    this.#last = grown;
    return true;
  }
}

const NOTHING = Buffer.alloc(0);
const BLOCK_BYTES = 64 * 1024;

/** Take as much of each room, or of none. */
export function takeAll(rooms: readonly Room[], bytes: number): boolean {
  const lacking = rooms.findIndex((room) => !room.take(bytes));
  for (const room of rooms.slice(0, Math.max(lacking, 0))) room.give(bytes);
  return lacking === -1;
}

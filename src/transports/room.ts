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
 * would take half a gigabyte. And the buffer grows with what has come, because what is announced may never come.
 */
export class Arriving {
  readonly #rooms: readonly Room[];
  readonly #bytesMax: number;
  #buffer: Buffer = NOTHING;
  #length = 0;

  /** @param bytesMax  how many come at most */
  constructor(rooms: readonly Room[], bytesMax: number) {
    this.#rooms = rooms;
    this.#bytesMax = bytesMax;
  }

  /** What has come so far. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  get length(): number {
    return this.#length;
  }

  /** @returns  false where there is no room for a piece, which is then dropped */
  add(piece: Buffer): boolean {
    const length = this.#length + piece.length;
    if (length > this.#buffer.length && !this.#grow(length)) return false;
    piece.copy(this.#buffer, this.#length);
    this.#length = length;
    return true;
  }

  /** Give back all the room that was taken. */
  free(): void {
    for (const room of this.#rooms) room.give(this.#buffer.length);
    this.#buffer = NOTHING;
    this.#length = 0;
  }

  #grow(length: number): boolean {
    const size = Math.max(length, Math.min(2 * length, this.#bytesMax));
    const more = size - this.#buffer.length;
    if (!takeAll(this.#rooms, more)) return false;
    const grown = Buffer.allocUnsafe(size);
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
    return true;
  }
}

const NOTHING = Buffer.alloc(0);

/** Take as much of each room, or of none. */
export function takeAll(rooms: readonly Room[], bytes: number): boolean {
  const lacking = rooms.findIndex((room) => !room.take(bytes));
  for (const room of rooms.slice(0, Math.max(lacking, 0))) room.give(bytes);
  return lacking === -1;
}

import type { Budget } from "./budget.ts";
import { ConnectionError, ErrorCode } from "./codes.ts";
import { freeBuffer, ownCopy } from "./free-buffer.ts";
import { FieldList } from "./head.ts";
import { Decoder } from "./hpack/decoder.ts";
import type { LimitName } from "./limits.ts";

/** What a header block may take. */
export interface BlockLimits {
  readonly headerListBytesMax: number;
  readonly blockBytesMax: number;
  readonly continuationsMax: number;
}

/** Blocks of up to so many bytes are remembered, and so many of them: what a client sends again and again. Tokens are long. */
const REMEMBERED_BYTES_MAX = 2_048;
const REMEMBERED_MAX = 16;
/** What they all together and their lists take, in bytes; of one its bytes are there once more. It is no room of a request, for it stays as long as its connection. */
const ALL_REMEMBERED_BYTES_MAX = 16 * 1024;

/**
 * The header blocks of a connection: put together out of HEADERS and CONTINUATIONs, and decoded (RFC 9113, section 4.3).
 *
 * What was decoded is remembered by its bytes for as long as the dynamic table stays as it is, because then the same
 * bytes mean the same; a block that changes the table, in whatever way, is not remembered, and all others are forgotten.
 */
export class Blocks {
  readonly #decoder = new Decoder();
  readonly #limits: BlockLimits;
  readonly #room: Budget;
  #remembered: Map<string, FieldList> | undefined;
  /** Of these the one that came last, with its bytes, for mostly it comes again: no text need be made of it to find it. */
  #last: FieldList | undefined;
  #lastBlock: Buffer = NOTHING;
  #lastBytes = 0;
  #rememberedBytes = 0;
  /** The pieces of a block that is not whole. */
  #pieces: Buffer[] = [];
  #bytes = 0;

  /** @param room  for blocks that are not whole */
  constructor(limits: BlockLimits, room: Budget) {
    this.#limits = limits;
    this.#room = room;
  }

  /** @throws ConnectionError COMPRESSION_ERROR */
  decode(from: Buffer, start: number, end: number): FieldList {
    if (this.#last !== undefined && this.#isLast(from, start, end)) return this.#last;
    const key = end - start <= REMEMBERED_BYTES_MAX ? from.toString("latin1", start, end) : undefined;
    const known = key !== undefined && this.#remembered?.get(key);
    if (known) {
      this.#noteLast(from, start, end, known);
      return known;
    }
    const list = new FieldList(this.#limits.headerListBytesMax);
    const tableUnchanged = this.#decoder.decode(from, start, end, list);
    if (!tableUnchanged) this.#remembered = this.#last = undefined;
    else if (key !== undefined && this.#remember(key, list)) this.#noteLast(from, start, end, list);
    return list;
  }

  #isLast(from: Buffer, start: number, end: number): boolean {
    const bytes = this.#lastBytes;
    return end - start === bytes && this.#lastBlock.compare(from, start, end, 0, bytes) === 0;
  }

  #noteLast(from: Buffer, start: number, end: number, list: FieldList): void {
    const bytes = end - start;
    if (this.#lastBlock.length < bytes) this.#lastBlock = Buffer.allocUnsafeSlow(bytes);
    from.copy(this.#lastBlock, 0, start, end);
    this.#lastBytes = bytes;
    this.#last = list;
  }

  /**
   * A piece of a block that goes on in the next frame.
   *
   * @throws ConnectionError ENHANCE_YOUR_CALM  for a block in more pieces, or larger, than one may be; or without room
   */
  add(from: Buffer, start: number, end: number): void {
    const bytes = end - start;
    if (this.#bytes + bytes > this.#limits.blockBytesMax)
      throw tooLong("a header block of too many bytes", "blockBytesMax");
    if (this.#pieces.length > this.#limits.continuationsMax)
      throw tooLong("a header block in too many frames", "continuationsMax");
    if (!this.#room.take(bytes)) throw tooLong("no room for header blocks", "connectionBytesMax", "arriving");
    this.#bytes += bytes;
    this.#pieces.push(ownCopy(from.subarray(start, end)));
  }

  /** The block that its last piece has made whole. @throws ConnectionError */
  decodePieces(): FieldList {
    const block = Buffer.concat(this.#pieces);
    this.forget();
    const list = this.decode(block, 0, block.length);
    freeBuffer(block);
    return list;
  }

  /** Nobody needs the pieces any more. */
  forget(): void {
    this.#room.give(this.#bytes);
    for (const piece of this.#pieces) freeBuffer(piece);
    this.#pieces = [];
    this.#bytes = 0;
  }

  /** @returns  false: it is too large */
  #remember(key: string, list: FieldList): boolean {
    const bytes = key.length + list.listBytes;
    if (bytes > ALL_REMEMBERED_BYTES_MAX) return false; // A few bytes can refer to a large field again and again.
    const isFull =
      this.#remembered !== undefined &&
      (this.#remembered.size === REMEMBERED_MAX || this.#rememberedBytes + bytes > ALL_REMEMBERED_BYTES_MAX);
    if (this.#remembered === undefined || isFull) {
      this.#remembered = new Map();
      this.#rememberedBytes = 0;
    }
    this.#remembered.set(key, list);
    this.#rememberedBytes += bytes;
    return true;
  }
}

const NOTHING = Buffer.alloc(0);

function tooLong(reason: string, ...limits: LimitName[]): ConnectionError {
  return new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, reason, limits);
}

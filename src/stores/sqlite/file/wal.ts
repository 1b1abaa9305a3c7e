/**
 * The bytes of a WAL: a head, and frames that follow each other by their checksums, so that of a part of one it can be said
 * that nothing of it is missing, doubled, or another WAL's.
 *
 * @see https://www.sqlite.org/fileformat2.html#the_write_ahead_log
 */

/** What a WAL begins with. */
export interface WalHead {
  readonly bytes: Buffer;
  /** Of a page of the data file. */
  readonly pageBytes: number;
  /** What each frame of it repeats, and no other WAL has: 16 hexadecimal digits. */
  readonly salts: string;
  /** Over the head: what the first frame's checksum goes on from. */
  readonly sums: WalSums;
  /** In which order of bytes checksums read what they are over. */
  readonly littleEndian: boolean;
}

/** A checksum over a WAL up to a frame, that one included. */
export type WalSums = readonly [number, number];

/** What a frame says. */
export interface WalFrame {
  /** The page that is in it, from 1. */
  readonly page: number;
  /** How many pages the data file has from then on, in the last frame of a transaction; 0 in others. */
  readonly filePages: number;
  readonly sums: WalSums;
}

export const WAL_HEAD_BYTES = 32;
export const FRAME_HEAD_BYTES = 24;

/** How many bytes a frame takes. */
export function frameBytesOf({ pageBytes }: Pick<WalHead, "pageBytes">): number {
  return FRAME_HEAD_BYTES + pageBytes;
}

/** @returns  undefined where the bytes are no head, or damaged */
export function readWalHead(bytes: Buffer): WalHead | undefined {
  if (bytes.length < WAL_HEAD_BYTES) return undefined;
  const magic = bytes.readUInt32BE(0);
  if (magic !== LITTLE_ENDIAN && magic !== BIG_ENDIAN) return undefined;
  const littleEndian = magic === LITTLE_ENDIAN;
  const sums = sumOver([0, 0], bytes, 0, 24, littleEndian);
  if (bytes.readUInt32BE(24) !== sums[0] || bytes.readUInt32BE(28) !== sums[1]) return undefined;
  return {
    bytes: bytes.subarray(0, WAL_HEAD_BYTES),
    pageBytes: bytes.readUInt32BE(8),
    salts: bytes.toString("hex", 16, 24),
    sums,
    littleEndian,
  };
}

const LITTLE_ENDIAN = 0x377f0682;
const BIG_ENDIAN = 0x377f0683;

/**
 * How many frames are sound from the beginning of some bytes on: each is of the WAL with this head, and follows the one before.
 *
 * @param frames  whole frames
 * @param before  the checksum up to the first of them
 */
export function soundFrames(frames: Buffer, head: WalHead, before: WalSums): number {
  const frameBytes = frameBytesOf(head);
  let sums = before;
  let count = 0;
  for (let at = 0; at + frameBytes <= frames.length; at += frameBytes) {
    if (frames.toString("hex", at + 8, at + 16) !== head.salts || frames.readUInt32BE(at) === 0) break;
    sums = sumsThrough(frames, head, at, sums);
    if (!areSame(sumsAt(frames, at), sums)) break;
    count++;
  }
  return count;
}

/** The checksum that a frame has after another. @param at  where it begins in the bytes, all of which are there */
export function sumsThrough(frames: Buffer, head: WalHead, at: number, before: WalSums): WalSums {
  const sums = sumOver(before, frames, at, at + 8, head.littleEndian);
  return sumOver(sums, frames, at + FRAME_HEAD_BYTES, at + frameBytesOf(head), head.littleEndian);
}

export function areSame(one: WalSums, other: WalSums): boolean {
  return one[0] === other[0] && one[1] === other[1];
}

/** What one of some frames says, the first being 0. */
export function frameAt(frames: Buffer, head: WalHead, index: number): WalFrame {
  const at = index * frameBytesOf(head);
  return { page: frames.readUInt32BE(at), filePages: frames.readUInt32BE(at + 4), sums: sumsAt(frames, at) };
}

/** The page that is in one of them. */
export function pageIn(frames: Buffer, head: WalHead, index: number): Buffer {
  const at = index * frameBytesOf(head);
  return frames.subarray(at + FRAME_HEAD_BYTES, at + frameBytesOf(head));
}

function sumsAt(frames: Buffer, at: number): WalSums {
  return [frames.readUInt32BE(at + 16), frames.readUInt32BE(at + 20)];
}

function sumOver([one, other]: WalSums, bytes: Buffer, from: number, to: number, little: boolean): WalSums {
  const words = new DataView(bytes.buffer, bytes.byteOffset + from, to - from);
  let [s0, s1] = [one | 0, other | 0];
  for (let at = 0; at < words.byteLength; at += 8) {
    s0 = (s0 + words.getInt32(at, little) + s1) | 0;
    s1 = (s1 + words.getInt32(at + 4, little) + s0) | 0;
  }
  return [s0 >>> 0, s1 >>> 0];
}

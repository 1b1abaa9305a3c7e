/** Where things stand in the bytes of a message: positions, without an object for what is read. */
import { WireType } from "@bufbuild/protobuf/wire";

/** Stands for "not well-formed" where a position is expected. */
export const BAD = -1;

/** Deeper nesting is refused. Our own messages have three levels; protobuf-es stops at 100. */
export const DEPTH_MAX = 64;

/** Where a number of a wire type ends. */
export function endOfNumber(bytes: Uint8Array, at: number, end: number, wireType: WireType): number {
  if (wireType === WireType.Varint) return endOfVarint(bytes, at, end);
  const after = at + (wireType === WireType.Bit64 ? 8 : 4);
  return after <= end ? after : BAD;
}

/**
 * The end of the value of a field that nobody knows, whose tag was just read.
 *
 * @returns  BAD when it does not fit, is of no wire type, or is a group that does not end as it began
 */
export function endOfUnknown(bytes: Uint8Array, at: number, end: number, tag: number, depth: number): number {
  switch (tag & 7) {
    case WireType.Varint:
    case WireType.Bit64:
    case WireType.Bit32:
      return endOfNumber(bytes, at, end, (tag & 7) as WireType);
    case WireType.LengthDelimited:
      return endOfLength(bytes, at, end);
    case WireType.StartGroup: {
      if (depth >= DEPTH_MAX) return BAD;
      let inner = at;
      while (inner !== BAD && inner < end) {
        const next = readTag(bytes, inner, end);
        if (next === BAD) return BAD;
        inner = endOfTag(bytes, inner);
        if ((next & 7) === WireType.EndGroup) return next >>> 3 === tag >>> 3 ? inner : BAD;
        inner = endOfUnknown(bytes, inner, end, next, depth + 1);
      }
      return BAD;
    }
    default:
      return BAD;
  }
}

/** A tag: a varint of at most five bytes and 32 bits, its field number not 0. BAD if it is none. */
export function readTag(bytes: Uint8Array, at: number, end: number): number {
  const tag = readUint32(bytes, at, end);
  return tag >= 8 ? tag : BAD;
}

/** Where a tag or a length that was read ends. */
export function endOfTag(bytes: Uint8Array, at: number): number {
  let after = at;
  while (bytes[after]! >= 0x80) after++;
  return after + 1;
}

/** Where a length-delimited value ends, its length before it at `at`. */
export function endOfLength(bytes: Uint8Array, at: number, end: number): number {
  const length = readUint32(bytes, at, end);
  if (length === BAD) return BAD;
  const after = endOfTag(bytes, at) + length;
  return after <= end ? after : BAD;
}

/** Where a varint of at most ten bytes ends. */
export function endOfVarint(bytes: Uint8Array, at: number, end: number): number {
  const last = Math.min(end, at + 10);
  for (let i = at; i < last; i++) if (bytes[i]! < 0x80) return i + 1;
  return BAD;
}

/** A varint of at most five bytes and 32 bits. */
function readUint32(bytes: Uint8Array, at: number, end: number): number {
  let byte = bytes[at]!;
  if (byte < 0x80 && at < end) return byte;
  let value = 0;
  let scale = 1;
  for (let i = at; i < end && i < at + 5; i++) {
    byte = bytes[i]!;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value <= 0xffffffff ? value : BAD;
    scale *= 128;
  }
  return BAD;
}

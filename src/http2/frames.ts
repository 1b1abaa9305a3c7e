/** Frames as they are written and read: nine octets of head and a payload (RFC 9113, section 4.1). */
import { Flag, FrameType, Setting } from "./codes.ts";

/** How a client begins, before its SETTINGS (RFC 9113, section 3.4). */
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/** The head of a frame. */
export const FRAME_HEAD_BYTES = 9;

/**
 * The largest payload that we take and send: what SETTINGS_MAX_FRAME_SIZE is without a word, and the least that it may
 * be (RFC 9113, section 6.5.2). Larger ones would save nothing that counts, and hold up others for longer.
 */
export const FRAME_BYTES_MAX = 16_384;

/** The largest window, stream and setting of a window (RFC 9113, sections 5.1.1 and 6.9.1). */
export const MAX_31_BITS = 0x7fff_ffff;

/** Of connections and streams, until SETTINGS or a WINDOW_UPDATE say otherwise (RFC 9113, section 6.9.2). */
export const INITIAL_WINDOW_BYTES = 65_535;

/** Write the head of a frame (RFC 9113, section 4.1). */
export function writeFrameHead(
  into: Uint8Array,
  at: number,
  length: number,
  type: number,
  flags: number,
  stream: number,
): void {
  into[at] = length >> 16;
  into[at + 1] = length >> 8;
  into[at + 2] = length;
  into[at + 3] = type;
  into[at + 4] = flags;
  writeStreamId(into, at, stream);
}

/** Say in the head of a frame, which is there, of which stream it is. */
export function writeStreamId(into: Uint8Array, at: number, stream: number): void {
  writeUint32(into, at + 5, stream);
}

/** Four octets, the highest first. */
export function writeUint32(into: Uint8Array, at: number, value: number): void {
  into[at] = value >>> 24;
  into[at + 1] = value >> 16;
  into[at + 2] = value >> 8;
  into[at + 3] = value;
}

/** The length of the payload, of the head that is at `at`. */
export function frameLength(from: Uint8Array, at: number): number {
  return (from[at]! << 16) | (from[at + 1]! << 8) | from[at + 2]!;
}

/** Its stream; the bit above is reserved, and not looked at (RFC 9113, section 4.1). */
export function frameStream(from: Uint8Array, at: number): number {
  return read31Bits(from, at + 5);
}

/** Four octets without the highest bit. */
export function read31Bits(from: Uint8Array, at: number): number {
  return ((from[at]! & 0x7f) << 24) | (from[at + 1]! << 16) | (from[at + 2]! << 8) | from[at + 3]!;
}

/** Four octets. */
export function readUint32(from: Uint8Array, at: number): number {
  return read31Bits(from, at) + (from[at]! >> 7) * 0x8000_0000;
}

/** SETTINGS (RFC 9113, section 6.5). @param settings  identifiers and values */
export function settingsFrame(settings: readonly (readonly [id: number, value: number])[]): Buffer {
  const frame = emptyFrame(FrameType.SETTINGS, 0, 0, settings.length * 6);
  settings.forEach(([id, value], index) => {
    frame.writeUInt16BE(id, FRAME_HEAD_BYTES + index * 6);
    frame.writeUInt32BE(value, FRAME_HEAD_BYTES + index * 6 + 2);
  });
  return frame;
}

/** What says that theirs are taken over (RFC 9113, section 6.5.3). */
export const SETTINGS_ACK = emptyFrame(FrameType.SETTINGS, Flag.ACK, 0, 0);

/** What we settle: the limits that a peer can know (RFC 9113, section 6.5.2). */
export function ownSettings(streamsMax: number, windowBytes: number, headerListBytesMax: number): Buffer {
  return settingsFrame([
    [Setting.MAX_CONCURRENT_STREAMS, streamsMax],
    [Setting.INITIAL_WINDOW_SIZE, windowBytes],
    [Setting.MAX_HEADER_LIST_SIZE, headerListBytesMax],
    [Setting.NO_RFC7540_PRIORITIES, 1],
  ]);
}

/** PING (RFC 9113, section 6.7). @param data  eight octets */
export function pingFrame(data: Uint8Array, ack: boolean): Buffer {
  const frame = emptyFrame(FrameType.PING, ack ? Flag.ACK : 0, 0, 8);
  frame.set(data, FRAME_HEAD_BYTES);
  return frame;
}

/** GOAWAY (RFC 9113, section 6.8). @param why  for people; ASCII */
export function goAwayFrame(lastStream: number, code: number, why: string): Buffer {
  const frame = emptyFrame(FrameType.GOAWAY, 0, 0, 8 + why.length);
  frame.write(why, FRAME_HEAD_BYTES + 8, "latin1");
  writeUint32(frame, FRAME_HEAD_BYTES, lastStream);
  writeUint32(frame, FRAME_HEAD_BYTES + 4, code);
  return frame;
}

/** RST_STREAM (RFC 9113, section 6.4). */
export function resetFrame(stream: number, code: number): Buffer {
  return wordFrame(FrameType.RST_STREAM, stream, code);
}

/** WINDOW_UPDATE (RFC 9113, section 6.9). */
export function windowUpdateFrame(stream: number, bytes: number): Buffer {
  return wordFrame(FrameType.WINDOW_UPDATE, stream, bytes);
}

function wordFrame(type: number, stream: number, word: number): Buffer {
  const frame = emptyFrame(type, 0, stream, 4);
  writeUint32(frame, FRAME_HEAD_BYTES, word);
  return frame;
}

function emptyFrame(type: number, flags: number, stream: number, length: number): Buffer {
  const frame = Buffer.alloc(FRAME_HEAD_BYTES + length);
  writeFrameHead(frame, 0, length, type, flags, stream);
  return frame;
}

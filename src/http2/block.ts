import { Flag, FrameType } from "./codes.ts";
import { FRAME_BYTES_MAX, FRAME_HEAD_BYTES, writeFrameHead } from "./frames.ts";
import { isFieldName, isFieldValue } from "./hpack/field-octets.ts";
import { STATIC_INDEX_OF_NAME, STATIC_TABLE } from "./hpack/static-table.ts";

/**
 * A header block of an answer, encoded once and sent any number of times, on any connection (RFC 9113, section 4.3).
 *
 * That is possible because the encoder keeps no dynamic table: fields are in the static table or literal (RFC 7541,
 * sections 6.1 and 6.2.2). Blocks that are made once cost less than a table saves, and there is no state to attack.
 */
export class HeaderBlock {
  /** All its frames: HEADERS, and CONTINUATIONs where it is long; with END_HEADERS, of stream 0. */
  readonly frames: Buffer;
  /** The block alone, without frames. */
  readonly block: Buffer;
  /** The status that it begins with; 0 of trailers. */
  readonly status: number;

  /** Made by `headBlock` and `trailerBlock`. */
  constructor(block: Buffer, status: number) {
    this.block = block;
    this.frames = framed(block);
    this.status = status;
  }

  /** Of all its frames. */
  get bytes(): number {
    return this.frames.length;
  }
}

/**
 * The head of an answer: its status and fields (RFC 9113, section 8.3.2).
 *
 * @param status  100 to 599
 * @param fields  names in lower case and values in turn, one octet a character
 * @throws TypeError for what HTTP/2 does not allow
 */
export function headBlock(status: number, fields: readonly string[]): HeaderBlock {
  if (!Number.isInteger(status) || status < 100 || status > 599)
    throw new TypeError(`not a status: ${status}`);
  return new HeaderBlock(octets(encodeField(":status", String(status)) + encodeFields(fields)), status);
}

/** What ends an answer, the same (RFC 9113, section 8.1). */
export function trailerBlock(fields: readonly string[]): HeaderBlock {
  return new HeaderBlock(octets(encodeFields(fields)), 0);
}

/** Those that HTTP/2 has other ways for (RFC 9113, section 8.2.2). */
const OF_CONNECTIONS = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/** Text of an octet a character, as all that follows: one buffer is made of it in the end. */
function encodeFields(fields: readonly string[]): string {
  let encoded = "";
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at]!;
    const value = fields[at + 1];
    if (value === undefined || name.startsWith(":") || OF_CONNECTIONS.has(name) || !isSendable(name, value)) {
      throw new TypeError(`not a field that can be sent: ${JSON.stringify(name)}: ${JSON.stringify(value)}`);
    }
    encoded += encodeField(name, value);
  }
  return encoded;
}

function isSendable(name: string, value: string): boolean {
  const text = name + value;
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0xff) return false;
  const octets = Buffer.from(text, "latin1");
  return isFieldName(octets, 0, name.length) && isFieldValue(octets, name.length, octets.length);
}

/** Indexed where the static table has the field, else a literal that is not indexed (RFC 7541, section 6). */
function encodeField(name: string, value: string): string {
  const whole = STATIC_TABLE.findIndex(
    (entry) => entry.name === name && entry.value === value && value !== "",
  );
  if (whole >= 0) return encodeInteger(0x80, 7, whole + 1);
  const index = STATIC_INDEX_OF_NAME.get(name);
  const head = index === undefined ? NOT_INDEXED + encodeString(name) : encodeInteger(0x00, 4, index);
  return head + encodeString(value);
}

const NOT_INDEXED = "\0";

function encodeString(text: string): string {
  return encodeInteger(0x00, 7, text.length) + text;
}

/** RFC 7541, section 5.1. @param first  what the bits before the prefix are */
function encodeInteger(first: number, prefixBits: number, value: number): string {
  const mask = (1 << prefixBits) - 1;
  if (value < mask) return String.fromCharCode(first | value);
  let octets = String.fromCharCode(first | mask);
  let rest = value - mask;
  for (; rest >= 0x80; rest >>>= 7) octets += String.fromCharCode((rest & 0x7f) | 0x80);
  return octets + String.fromCharCode(rest);
}

function octets(encoded: string): Buffer {
  return Buffer.from(encoded, "latin1");
}

function framed(block: Buffer): Buffer {
  const count = Math.max(Math.ceil(block.length / FRAME_BYTES_MAX), 1);
  const frames = Buffer.allocUnsafe(count * FRAME_HEAD_BYTES + block.length);
  for (let at = 0, to = 0, left = count; left > 0; left--) {
    const length = Math.min(FRAME_BYTES_MAX, block.length - at);
    const type = at === 0 ? FrameType.HEADERS : FrameType.CONTINUATION;
    writeFrameHead(frames, to, length, type, left === 1 ? Flag.END_HEADERS : 0, 0);
    to += FRAME_HEAD_BYTES;
    to += block.copy(frames, to, at, at + length);
    at += length;
  }
  return frames;
}

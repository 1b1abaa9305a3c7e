/** Frames and header blocks of a client, byte by byte, by nothing of the engine's own. */

export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** Types of frames by their names, and back. */
export const TYPES = [
  "DATA",
  "HEADERS",
  "PRIORITY",
  "RST_STREAM",
  "SETTINGS",
  "PUSH_PROMISE",
  "PING",
  "GOAWAY",
  "WINDOW_UPDATE",
  "CONTINUATION",
] as const;
export type TypeName = (typeof TYPES)[number];

export const END_STREAM = 0x1;
export const ACK = 0x1;
export const END_HEADERS = 0x4;
export const PADDED = 0x8;
export const PRIORITY = 0x20;

/** A frame with any type, flags, stream and payload. */
export function frame(
  type: TypeName | number,
  flags: number,
  stream: number,
  payload: Uint8Array = NOTHING,
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = typeof type === "number" ? type : TYPES.indexOf(type);
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A number of four octets. */
export function word(value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(value);
  return octets;
}

export function settings(...pairs: readonly (readonly [id: number, value: number])[]): Buffer {
  return frame(
    "SETTINGS",
    0,
    0,
    Buffer.concat(pairs.map(([id, value]) => Buffer.concat([Buffer.from([id >> 8, id]), word(value)]))),
  );
}

/** How a client begins. */
export function opening(): Buffer {
  return Buffer.concat([PREFACE, settings()]);
}

export function headers(stream: number, fields: Fields, flags = END_HEADERS | END_STREAM): Buffer {
  return frame("HEADERS", flags, stream, block(fields));
}

export function data(stream: number, payload: string | Uint8Array, flags = 0): Buffer {
  return frame("DATA", flags, stream, typeof payload === "string" ? Buffer.from(payload) : payload);
}

export function reset(stream: number, code: number): Buffer {
  return frame("RST_STREAM", 0, stream, word(code));
}

export function windowUpdate(stream: number, bytes: number): Buffer {
  return frame("WINDOW_UPDATE", 0, stream, word(bytes));
}

export function ping(data = "12345678"): Buffer {
  return frame("PING", 0, 0, Buffer.from(data));
}

/** Names and values, in pairs. */
export type Fields = readonly (readonly [name: string, value: string])[];

/** A request that is well-formed, with more fields behind, or others in their place. */
export function get(path = "/", ...more: Fields): Fields {
  return [...REQUEST.filter(([name]) => !more.some(([other]) => other === name)), [":path", path], ...more];
}

const REQUEST: Fields = [
  [":method", "GET"],
  [":scheme", "http"],
  [":authority", "tally.test"],
];

export function post(path = "/", ...more: Fields): Fields {
  return get(path, [":method", "POST"], ...more).toSorted(
    ([a], [b]) => Number(b[0] === ":") - Number(a[0] === ":"),
  );
}

/** A header block of literals that no table takes in (RFC 7541, section 6.2.2). */
export function block(fields: Fields): Buffer {
  return Buffer.concat(
    fields.map(([name, value]) => Buffer.concat([Buffer.from([0]), string(name), string(value)])),
  );
}

/** The same, that the table takes in (RFC 7541, section 6.2.1). */
export function indexedBlock(fields: Fields): Buffer {
  return Buffer.concat(
    fields.map(([name, value]) => Buffer.concat([Buffer.from([0x40]), string(name), string(value)])),
  );
}

function string(text: string): Buffer {
  const octets = Buffer.from(text, "latin1");
  return Buffer.concat([integer(0, 7, octets.length), octets]);
}

/** RFC 7541, section 5.1. */
export function integer(first: number, bits: number, value: number): Buffer {
  const mask = 2 ** bits - 1;
  if (value < mask) return Buffer.from([first | value]);
  const octets = [first | mask];
  let rest = value - mask;
  for (; rest >= 128; rest = Math.floor(rest / 128)) octets.push((rest % 128) + 128);
  return Buffer.from([...octets, rest]);
}

/** A frame that was read. */
export interface Frame {
  readonly type: TypeName;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** The frames in what was read, and what is left of the last. */
export function framesIn(bytes: Buffer): { frames: Frame[]; rest: Buffer } {
  const frames: Frame[] = [];
  let at = 0;
  while (at + 9 <= bytes.length) {
    const end = at + 9 + bytes.readUIntBE(at, 3);
    if (end > bytes.length) break;
    frames.push({
      type: TYPES[bytes[at + 3]!]!,
      flags: bytes[at + 4]!,
      stream: bytes.readUInt32BE(at + 5),
      payload: bytes.subarray(at + 9, end),
    });
    at = end;
  }
  return { frames, rest: bytes.subarray(at) };
}

const NOTHING = Buffer.alloc(0);

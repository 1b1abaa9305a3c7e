/** HTTP/2 frame by frame, for what node:http2 does not let a client do or see. */
import { create, toBinary } from "@bufbuild/protobuf";
import { IncrementRequestSchema } from "../../gen/tally/v1/counter_service_pb.ts";
import { framed } from "./raw.ts";

export const FRAME = { DATA: 0, HEADERS: 1, SETTINGS: 4, PING: 6, GOAWAY: 7, WINDOW_UPDATE: 8 } as const;
const ACK = 1;
const END_STREAM = 1;
const END_HEADERS = 4;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** How a client begins that takes whatever comes. */
export function opening(): Buffer {
  const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  const much = Buffer.from([0x40, 0, 0, 0]);
  return Buffer.concat([preface, frame(FRAME.SETTINGS, 0, 0), frame(FRAME.WINDOW_UPDATE, 0, 0, much)]);
}

/** An Increment, whole. */
export function increment(name: string, stream: number): Buffer {
  const message = framed(toBinary(IncrementRequestSchema, create(IncrementRequestSchema, { name })));
  return Buffer.concat([
    frame(FRAME.HEADERS, END_HEADERS, stream, HEADERS),
    frame(FRAME.DATA, END_STREAM, stream, message),
  ]);
}

/** The frames in what was read; the last may be cut. */
export function framesIn(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at + 9 <= bytes.length; ) {
    const end = at + 9 + bytes.readUIntBE(at, 3);
    if (end > bytes.length) break;
    const [type, flags, stream] = [bytes[at + 3]!, bytes[at + 4]!, bytes.readUInt32BE(at + 5)];
    frames.push({ type, flags, stream, payload: bytes.subarray(at + 9, end) });
    at = end;
  }
  return frames;
}

/** What a client says to the PINGs among some frames. */
export function pongs(frames: readonly Frame[]): Buffer {
  const pings = frames.filter(({ type, flags }) => type === FRAME.PING && (flags & ACK) === 0);
  return Buffer.concat(pings.map(({ payload }) => frame(FRAME.PING, ACK, 0, payload)));
}

/** Whether a frame ends the answer to a call. */
export function isEnd({ type, flags }: Frame): boolean {
  return type === FRAME.HEADERS && (flags & END_STREAM) !== 0;
}

function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** As HPACK has headers that touch no table (RFC 7541 section 6.2.2). */
const HEADERS = Buffer.concat(
  [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", "/tally.v1.CounterService/Increment"],
    [":authority", "127.0.0.1"],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
  ].map(([name, value]) => Buffer.from(`\0${text(name!)}${text(value!)}`, "latin1")),
);

function text(value: string): string {
  return String.fromCharCode(value.length) + value;
}

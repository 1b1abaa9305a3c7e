import type { Refusal } from "../core/errors.ts";
import { tooLarge } from "./calls/call.ts";
import type { BodyLimits } from "./http/engine.ts";
import { Arriving, NO_ROOM } from "./room.ts";

/** What a body of messages consists of, with gRPC, gRPC-Web and Connect: a byte of flags, four of length, a message. */
export interface Frame {
  readonly flags: number;
  readonly data: Buffer;
}

/** What the frames of a body may take. */
export interface FrameLimits extends BodyLimits {
  /** Whether the body is to be one message. */
  readonly single: boolean;
}

/**
 * The frames of a body as they come. No more than one is held, and what is held of it until it is whole takes room that
 * is bounded.
 *
 * @param owes  told whether the caller owes something by now: the rest of a frame, or of a body that is to be one message.
 *              Not while it is the reader who does not ask for more
 * @returns     why the rest is none, or too large; undefined when the body ended with a frame
 */
export async function* readFrames(
  pieces: AsyncIterable<Buffer>,
  { bytesMax, arriving, single }: FrameLimits,
  owes: (owing: boolean) => void,
): AsyncGenerator<Frame, Refusal | undefined> {
  const head = Buffer.alloc(HEAD_BYTES);
  let headLength = 0;
  let body = new Arriving([arriving], bytesMax);
  let size = 0;
  let owing = false;
  const tell = (now: boolean) => {
    if (now !== owing) owes(now);
    owing = now;
  };
  if (single) tell(true);
  try {
    for await (const piece of pieces) {
      for (let at = 0; at < piece.length || (headLength === HEAD_BYTES && body.length === size); ) {
        if (headLength < HEAD_BYTES) {
          const copied = piece.copy(head, headLength, at);
          headLength += Math.min(copied, HEAD_BYTES - headLength);
          at += copied;
          if (headLength < HEAD_BYTES) break;
          size = head.readUInt32BE(1);
          if (size > bytesMax) return tooLarge(size, bytesMax);
          body = new Arriving([arriving], size);
        }
        const end = Math.min(piece.length, at + size - body.length);
        if (!body.add(piece.subarray(at, end))) return NO_ROOM;
        at = end;
        if (body.length < size) break;
        const frame = { flags: head[0]!, data: body.bytes };
        body.free();
        headLength = 0;
        if (!single) tell(false);
        yield frame;
      }
      if (headLength > 0) tell(true);
    }
  } finally {
    tell(false);
    body.free();
  }
  return headLength === 0 ? undefined : { code: "MALFORMED_MESSAGE", expected: "must be messages in frames" };
}

const HEAD_BYTES = 5;

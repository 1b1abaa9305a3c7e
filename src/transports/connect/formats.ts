import type { DescMessage } from "@bufbuild/protobuf";
import type { Refusal } from "../../core/errors.ts";
import { isJson } from "../http-message.ts";
import { encodeJsonText } from "../json/request.ts";
import { decompressed } from "./compression.ts";

/** A protocol's way to carry one message in the body of a POST. */
export interface Format {
  readonly contentType: string;
  takes(contentType: string): boolean;
  readonly encodingHeader: string;
  /** What comes in front of the message. */
  readonly frameBytes: number;
  /** An empty message. */
  readonly empty: Uint8Array;
  /** The message, out of what carries it. */
  read(
    input: DescMessage,
    body: Buffer,
    encoding: string | undefined,
    bytesMax: number,
  ): Promise<Buffer | Refusal>;
}

/** Of gRPC-Web: a byte of flags, four of length. */
const FRAME_BYTES = 5;
const COMPRESSED = 1;

export const FORMATS: readonly Format[] = [
  {
    contentType: "application/proto",
    takes: (type) => /^application\/proto *(;|$)/i.test(type),
    encodingHeader: "content-encoding",
    frameBytes: 0,
    empty: new Uint8Array(0),
    read: (_, body, encoding, bytesMax) => decompressed(body, encoding, bytesMax),
  },
  {
    contentType: "application/json",
    takes: isJson,
    encodingHeader: "content-encoding",
    frameBytes: 0,
    empty: Buffer.from("{}"),
    async read(input, body, encoding, bytesMax) {
      const bytes = await decompressed(body, encoding, bytesMax);
      return "code" in bytes ? bytes : encodeJsonText(input, bytes);
    },
  },
  {
    contentType: "application/grpc-web+proto",
    takes: (type) => /^application\/grpc-web(\+proto)? *(;|$)/i.test(type),
    encodingHeader: "grpc-encoding",
    frameBytes: FRAME_BYTES,
    empty: new Uint8Array(FRAME_BYTES),
    read: (_, body, encoding, bytesMax) => unframed(body, encoding, bytesMax),
  },
  {
    contentType: "application/grpc-web+json",
    takes: (type) => /^application\/grpc-web\+json *(;|$)/i.test(type),
    encodingHeader: "grpc-encoding",
    frameBytes: FRAME_BYTES,
    empty: Buffer.from("\0\0\0\0\u0002{}"),
    async read(input, body, encoding, bytesMax) {
      const bytes = await unframed(body, encoding, bytesMax);
      return "code" in bytes ? bytes : encodeJsonText(input, bytes);
    },
  },
];

/** The message in the one frame of a body of gRPC-Web. */
async function unframed(
  body: Buffer,
  encoding: string | undefined,
  bytesMax: number,
): Promise<Buffer | Refusal> {
  const [flags] = body;
  if (
    body.length < FRAME_BYTES ||
    body.readUInt32BE(1) !== body.length - FRAME_BYTES ||
    flags! > COMPRESSED
  ) {
    return { code: "MALFORMED_MESSAGE", expected: "must be one message in a frame of gRPC-Web" };
  }
  if (flags === COMPRESSED && encoding === undefined) {
    return { code: "MALFORMED_MESSAGE", expected: "is compressed, and grpc-encoding does not say how" };
  }
  return decompressed(body.subarray(FRAME_BYTES), flags === COMPRESSED ? encoding : undefined, bytesMax);
}

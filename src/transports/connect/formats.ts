import type { DescMessage } from "@bufbuild/protobuf";
import type { Refusal } from "../../core/errors.ts";
import type { UnaryCall } from "../calls/call.ts";
import type { HttpRequest } from "../http/engine.ts";
import { isJson } from "../http/message.ts";
import { encodeJsonText } from "../json/request.ts";
import { decompressed, isUnsaid, unsaid } from "./compression.ts";

/** A protocol's way to carry one message in a body, or of a GET in the query. */
export interface Format {
  readonly contentType: string;
  takes(contentType: string): boolean;
  /** Whether the protocol is gRPC-Web. */
  readonly isWeb: boolean;
  readonly isJson: boolean;
  readonly encodingHeader: "content-encoding" | "grpc-encoding";
  readonly acceptHeader: "accept-encoding" | "grpc-accept-encoding";
  /** What comes in front of the message. */
  readonly frameBytes: number;
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

const CONNECT = {
  isWeb: false,
  encodingHeader: "content-encoding",
  acceptHeader: "accept-encoding",
  frameBytes: 0,
} as const;

const WEB = {
  isWeb: true,
  encodingHeader: "grpc-encoding",
  acceptHeader: "grpc-accept-encoding",
  frameBytes: FRAME_BYTES,
} as const;

/** Connect with messages in Protobuf. */
export const PROTO: Format = {
  ...CONNECT,
  contentType: "application/proto",
  takes: (type) => /^application\/proto *(;|$)/i.test(type),
  isJson: false,
  read: (_, body, encoding, bytesMax) => decompressed(body, encoding, bytesMax),
};

/** Connect with messages in JSON. */
export const JSON_TEXT: Format = {
  ...CONNECT,
  contentType: "application/json",
  takes: isJson,
  isJson: true,
  async read(input, body, encoding, bytesMax) {
    const bytes = await decompressed(body, encoding, bytesMax);
    return "code" in bytes ? bytes : encodeJsonText(input, bytes);
  },
};

/** All that the door takes, by content type. */
export const FORMATS: readonly Format[] = [
  PROTO,
  JSON_TEXT,
  {
    ...WEB,
    contentType: "application/grpc-web+proto",
    takes: (type) => /^application\/grpc-web(\+proto)? *(;|$)/i.test(type),
    isJson: false,
    read: (_, body, encoding, bytesMax) => unframed(body, encoding, bytesMax),
  },
  {
    ...WEB,
    contentType: "application/grpc-web+json",
    takes: (type) => isJson(type, "application/grpc-web+json"),
    isJson: true,
    async read(input, body, encoding, bytesMax) {
      const bytes = await unframed(body, encoding, bytesMax);
      return "code" in bytes ? bytes : encodeJsonText(input, bytes);
    },
  },
];

/**
 * The format of a call of one message, whatever its path is; undefined for a request that need not be one. JSON is Connect's
 * where it says so, as its clients do.
 */
export function formatOfCall(request: HttpRequest): Format | undefined {
  const type = request.header("content-type") ?? "";
  const format = request.method === "POST" ? FORMATS.find(({ takes }) => takes(type)) : undefined;
  return format === JSON_TEXT && request.header("connect-protocol-version") === undefined
    ? undefined
    : format;
}

/** The message of a call, out of what carries it; of one that is too large the method's limit is told. */
export async function readMessage(
  { method, requestBytesMax }: UnaryCall,
  format: Format,
  bytes: Buffer,
  encoding: string | undefined,
  bytesMax: number,
): Promise<Buffer | Refusal> {
  // Inflated up to the limit of bodies all the same: so far the answer says how large it is, as at the other doors.
  const message = await format.read(method.input, bytes, encoding, bytesMax);
  const isTooLarge = "code" in message && message.code === "MESSAGE_TOO_LARGE";
  return isTooLarge && !format.isJson
    ? { ...message, max: BigInt(Math.min(requestBytesMax, bytesMax)) }
    : message;
}

/** What a content type that is none of these must be. */
export function expectedInsteadOf(contentType: string): string {
  const expected = "must be application/proto, application/json or application/grpc-web+proto";
  if (/^application\/grpc-web/i.test(contentType)) return `${expected} (gRPC-Web in bytes, not in base64)`;
  if (/^application\/grpc/i.test(contentType)) return `${expected} (gRPC goes over HTTP/2)`;
  if (/^application\/connect/i.test(contentType)) return `${expected} (no method streams)`;
  return expected;
}

/** The message in the one frame of a body of gRPC-Web. */
async function unframed(
  body: Buffer,
  encoding: string | undefined,
  bytesMax: number,
): Promise<Buffer | Refusal> {
  const [flags] = body;
  const expected = "must be one message in a frame of gRPC-Web";
  if (body.length === 0) return { code: "NOT_ONE_MESSAGE", expected };
  const excess = body.length < FRAME_BYTES ? -1 : body.length - FRAME_BYTES - body.readUInt32BE(1);
  if (excess < 0 || flags! > COMPRESSED) return { code: "MALFORMED_MESSAGE", expected };
  if (excess > 0) return { code: "NOT_ONE_MESSAGE", expected };
  if (flags === COMPRESSED && isUnsaid(encoding)) return unsaid("grpc-encoding");
  return decompressed(body.subarray(FRAME_BYTES), flags === COMPRESSED ? encoding : undefined, bytesMax);
}

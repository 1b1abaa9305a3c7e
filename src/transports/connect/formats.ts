import type { DescMessage } from "@bufbuild/protobuf";
import type { Refusal } from "../../core/errors.ts";
import type { UnaryCall } from "../calls/call.ts";
import type { BodyLimits, BodyTerms, HttpRequest } from "../http/engine.ts";
import { isJson } from "../http/message.ts";
import { encodeJsonText } from "../json/request.ts";
import { decompressed } from "./compression.ts";
import { headOfFrame, unframed } from "./frame.ts";

/** A protocol's way to carry one message in a body, or of a GET in the query. */
export interface Format {
  readonly contentType: string;
  takes(contentType: string): boolean;
  /** Whether the protocol is gRPC-Web. */
  readonly isWeb: boolean;
  readonly isJson: boolean;
  readonly encodingHeader: "content-encoding" | "grpc-encoding";
  readonly acceptHeader: "accept-encoding" | "grpc-accept-encoding";
  /** The message, out of what carries it; a body as `bodyTerms` has it. */
  read(
    input: DescMessage,
    body: Buffer,
    encoding: string | undefined,
    bytesMax: number,
  ): Promise<Buffer | Refusal>;
}

const CONNECT = {
  isWeb: false,
  encodingHeader: "content-encoding",
  acceptHeader: "accept-encoding",
} as const;

const WEB = {
  isWeb: true,
  encodingHeader: "grpc-encoding",
  acceptHeader: "grpc-accept-encoding",
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

/**
 * How a body is read that carries a message: no further than the message may be large as it is sent, compressed or not. Of
 * JSON that is the limit of bodies, for nobody knows before it is read how large it is as Protobuf.
 */
export function bodyTerms(
  call: UnaryCall,
  format: Format,
  request: HttpRequest,
  { bytesMax, arriving }: BodyLimits,
): BodyTerms {
  const most = messageBytesMax(call, format, bytesMax);
  const head = format.isWeb ? headOfFrame(request.header(format.encodingHeader), most) : undefined;
  return { bytesMax: most, arriving, head };
}

/** The largest message, in bytes of its format. @param bytesMax  of a body */
function messageBytesMax({ requestBytesMax }: UnaryCall, { isJson }: Format, bytesMax: number): number {
  return isJson ? bytesMax : Math.min(requestBytesMax, bytesMax);
}

/** The message of a call, out of what carries it; of one that is too large the method's limit is told. */
export async function readMessage(
  call: UnaryCall,
  format: Format,
  bytes: Buffer,
  encoding: string | undefined,
  bytesMax: number,
): Promise<Buffer | Refusal> {
  // Inflated up to the limit of bodies all the same: so far the answer says how large it is, as at the other doors.
  const message = await format.read(call.method.input, bytes, encoding, bytesMax);
  return "code" in message && message.code === "MESSAGE_TOO_LARGE"
    ? { ...message, max: BigInt(messageBytesMax(call, format, bytesMax)) }
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

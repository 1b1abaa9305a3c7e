import { type DescMessage, fromBinary } from "@bufbuild/protobuf";
import { compressionNegotiate, encodeEnvelope } from "@connectrpc/connect/protocol";
import { trailerFlag } from "@connectrpc/connect/protocol-grpc-web";
import type { MetadataField } from "../calls/call.ts";
import type { HttpRequest, HttpResponse } from "../http/engine.ts";
import { answerJson } from "../json/answer.ts";
import { COMPRESSIONS } from "./compression.ts";
import { trailersOf } from "./error.ts";
import type { Format } from "./formats.ts";

/** What the conditions of a GET have made of its answer. */
interface Judged {
  /** What names the answer, without quotes. */
  readonly etag: string | undefined;
  /** False: the caller has it already. */
  readonly isSent: boolean;
}

/**
 * Send what a call has answered, in the format that it was asked in, and compressed if the caller takes that and it is
 * worth it.
 *
 * @param result    the encoded message
 * @param trailers  of gRPC-Web
 * @param judged    of a GET
 */
export async function sendAnswer(
  format: Format,
  output: DescMessage,
  result: Uint8Array,
  request: HttpRequest,
  response: HttpResponse,
  trailers: readonly MetadataField[],
  judged?: Judged,
): Promise<void> {
  const { response: compression } = compressionNegotiate(
    [...COMPRESSIONS.values()],
    judged === undefined ? (request.header(format.encodingHeader) ?? null) : null,
    request.header(format.acceptHeader) ?? null,
    format.acceptHeader,
  );
  const message = format.isJson
    ? Buffer.from(JSON.stringify(answerJson(output, fromBinary(output, result))))
    : result;
  const packed = message.length >= COMPRESS_BYTES_MIN ? await compression?.compress(message) : undefined;
  if (judged !== undefined) {
    response.appendHeader("vary", "Accept-Encoding");
    // One name for the answer packed and as it is: a weak one then, for the bytes differ.
    if (judged.etag !== undefined)
      response.setHeader("etag", `${packed === undefined ? "" : "W/"}"${judged.etag}"`);
    if (!judged.isSent) {
      response.send(304);
      return;
    }
  }
  if (format.isWeb ? compression : packed) response.setHeader(format.encodingHeader, compression!.name);
  const body = format.isWeb
    ? inFrames(packed ?? message, packed !== undefined, trailers)
    : (packed ?? message);
  response.send(200, { "content-type": format.contentType, "content-length": body.length }, body);
}

/** As connect-node has it for errors. */
const COMPRESS_BYTES_MIN = 1024;

/** The message in a frame of gRPC-Web, and its trailers in another. */
function inFrames(message: Uint8Array, compressed: boolean, trailers: readonly MetadataField[]): Buffer {
  return Buffer.concat([
    encodeEnvelope(compressed ? 1 : 0, message),
    encodeEnvelope(trailerFlag, trailersOf(undefined, trailers)),
  ]);
}

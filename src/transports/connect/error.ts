import { create, fromBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { codeToHttpStatus, errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus, trailerFlag, trailerSerialize } from "@connectrpc/connect/protocol-grpc-web";
import { StatusSchema } from "../../../gen/google/rpc/status_pb.ts";
import type { ErrorCode } from "../../core/errors.ts";
import type { MetadataField, Refused } from "../calls/call.ts";
import type { HttpResponse } from "../http/engine.ts";
import { DETAILS, headersOf } from "../http/message.ts";
import { STATUS, toStatus } from "../status.ts";
import type { Format } from "./formats.ts";

/** A refusal as connect-node has errors. */
export function toConnectError(refused: Refused): ConnectError {
  const { code, message, details } = toStatus(refused);
  const error = new ConnectError(message, code as Code, headersOf(refused));
  error.details = details.map(({ typeUrl, value }) => {
    const type = typeUrl.slice(typeUrl.lastIndexOf("/") + 1);
    const desc = DETAILS.getMessage(type);
    // With the descriptor, they are shown as JSON beside their bytes.
    return desc === undefined ? { type, value } : { desc, value: fromBinary(desc, value) };
  });
  return error;
}

/** Answer that there is no answer, in the format that was asked for. @param trailers  of gRPC-Web */
export function sendError(
  format: Format,
  refused: Refused,
  response: HttpResponse,
  trailers: readonly MetadataField[] = [],
): void {
  const { code } = refused;
  if (format.isWeb) {
    const body = encodeEnvelope(trailerFlag, trailersOf(refused, trailers));
    response.send(200, { "content-type": format.contentType, "content-length": body.length }, body);
    return;
  }
  const error = toConnectError(refused);
  const body = errorToJsonBytes(error, undefined);
  const status = OF_HTTP.has(code) ? STATUS[code].http : codeToHttpStatus(error.code);
  const headers = { ...Object.fromEntries(error.metadata), "content-type": "application/json" };
  response.send(status, { ...headers, "content-length": body.length }, body);
}

/**
 * Connect has 400 for a condition that is not met; who sends If-Match speaks of HTTP's. And a path that there is not is
 * 404, whatever is asked for there.
 */
const OF_HTTP: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["PRECONDITION_FAILED", "PATH_NOT_FOUND"]);

/**
 * Answer a call to a method that there is not: UNIMPLEMENTED, without details, as over gRPC.
 *
 * @param why  and what may be meant
 */
export function sendUnimplemented(format: Format, why: string, response: HttpResponse): void {
  const status = create(StatusSchema, { code: Code.Unimplemented, message: why });
  sendError(format, { code: "PATH_NOT_FOUND", status }, response);
}

/** What gRPC-Web ends with. @param fields  beside the status */
export function trailersOf(refused: Refused | undefined, fields: readonly MetadataField[]): Uint8Array {
  const trailers = toHeaders(fields);
  setTrailerStatus(trailers, refused && toConnectError(refused));
  return trailerSerialize(trailers);
}

/** Metadata as connect has it. */
export function toHeaders(fields: readonly MetadataField[]): Headers {
  const headers = new Headers();
  for (const field of fields) headers.append(...field);
  return headers;
}

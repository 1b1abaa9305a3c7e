import { fromBinary } from "@bufbuild/protobuf";
import { type Code as ConnectCode, ConnectError } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { codeToHttpStatus, errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus, trailerFlag, trailerSerialize } from "@connectrpc/connect/protocol-grpc-web";
import { StatusSchema } from "../../../gen/google/rpc/status_pb.ts";
import type { Refused } from "../calls/call.ts";
import type { HttpResponse } from "../http/engine.ts";
import { DETAILS, headersOf } from "../http/message.ts";
import { STATUS, statusBytes } from "../status.ts";
import type { Format } from "./formats.ts";

/** A refusal as connect-node has errors. */
export function toConnectError(refused: Refused): ConnectError {
  const { code, message, details } = fromBinary(StatusSchema, statusBytes(refused));
  const outgoing = details.map(({ typeUrl, value }) => {
    const desc = DETAILS.getMessage(typeUrl.slice(typeUrl.lastIndexOf("/") + 1))!;
    return { desc, value: fromBinary(desc, value) }; // With the descriptor, they are shown as JSON beside their bytes.
  });
  return new ConnectError(message, code as number as ConnectCode, headersOf(refused), outgoing);
}

/** Answer that there is no answer, in the format that was asked for. */
export function sendError(format: Format, refused: Refused, response: HttpResponse): void {
  const { code } = refused;
  if (format.isWeb) {
    const body = encodeEnvelope(trailerFlag, trailersOf(refused));
    response.send(200, { "content-type": format.contentType, "content-length": body.length }, body);
    return;
  }
  const error = toConnectError(refused);
  const body = errorToJsonBytes(error, undefined);
  // Connect has 400 for a condition that is not met; who sends If-Match speaks of HTTP's.
  const status = code === "PRECONDITION_FAILED" ? STATUS[code].http : codeToHttpStatus(error.code);
  const headers = { ...Object.fromEntries(error.metadata), "content-type": "application/json" };
  response.send(status, { ...headers, "content-length": body.length }, body);
}

/** What gRPC-Web ends with. */
export function trailersOf(refused: Refused | undefined): Uint8Array {
  const trailers = new Headers();
  setTrailerStatus(trailers, refused && toConnectError(refused));
  return trailerSerialize(trailers);
}

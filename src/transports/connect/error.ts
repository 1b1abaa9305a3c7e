import { fromBinary } from "@bufbuild/protobuf";
import { type Code as ConnectCode, ConnectError } from "@connectrpc/connect";
import { StatusSchema } from "../../../gen/google/rpc/status_pb.ts";
import type { Refused } from "../calls/call.ts";
import { DETAILS, headersOf } from "../http/message.ts";
import { statusBytes } from "../status.ts";

/** A refusal as connect-node has errors. */
export function toConnectError(refused: Refused): ConnectError {
  const { code, message, details } = fromBinary(StatusSchema, statusBytes(refused));
  const outgoing = details.map(({ typeUrl, value }) => {
    const desc = DETAILS.getMessage(typeUrl.slice(typeUrl.lastIndexOf("/") + 1))!;
    return { desc, value: fromBinary(desc, value) }; // With the descriptor, they are shown as JSON beside their bytes.
  });
  return new ConnectError(message, code as number as ConnectCode, headersOf(refused), outgoing);
}

import type { Refusal } from "../../core/errors.ts";
import { invalidField } from "../calls/shape.ts";
import { isGet } from "../http/conditions.ts";
import type { HttpRequest } from "../http/engine.ts";
import { shortened } from "../json/parse.ts";
import { isKnown, unknownEncoding } from "./compression.ts";

/** Of a protocol, what it says of its messages in headers. */
export interface Protocol {
  /** Whether it is gRPC-Web. */
  readonly isWeb: boolean;
  /** Where it says how messages are compressed. */
  readonly encodingHeader: "content-encoding" | "connect-content-encoding" | "grpc-encoding";
}

/** Why the headers of a request are none of its protocol, whether it carries one message or any number. */
export function unfitHeaders(request: HttpRequest, { isWeb, encodingHeader }: Protocol): Refusal | undefined {
  const version = request.header("connect-protocol-version");
  if (version !== undefined && version !== "1" && !isWeb) {
    // Another version of Connect would have another meaning. Clients need not tell one.
    return invalidField("Connect-Protocol-Version", "must be 1", version);
  }
  if (isGet(request)) return undefined; // What else there is to say stands in the query.
  const ofBody = request.header("content-encoding") ?? "identity";
  if (encodingHeader !== "content-encoding" && ofBody !== "identity") {
    const expected = `is of messages here, not of bodies: say how with ${encodingHeader}`;
    return { code: "ENCODING_NOT_SUPPORTED", expected, got: shortened(ofBody) };
  }
  // Also where the frames say that they are not compressed: who names an encoding may mean it.
  const encoding = request.header(encodingHeader);
  return encoding === undefined || isKnown(encoding) ? undefined : unknownEncoding(encoding);
}

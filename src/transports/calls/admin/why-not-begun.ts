import type { DescMethodServerStreaming } from "@bufbuild/protobuf";
import { type Refused, tooLarge } from "../call.ts";
import { permissionOf } from "../permissions.ts";
import { readRequest } from "../shape.ts";
import { onlyMessage, type StreamContext } from "../stream.ts";

/** What is asked of a server about all that its store keeps. */
interface WholeStoreCall {
  readonly requests: AsyncIterable<Buffer>;
  readonly context: Pick<StreamContext, "access">;
  readonly requestBytesMax: number;
  /** Whether callers have to say who they are: else nobody gets at all that there is over the network. */
  readonly authenticates: boolean;
}

/** Why it is not begun: its one message is none, its caller may not, or nobody is asked who they are; undefined: it is. */
export async function whyNotBegun(
  method: DescMethodServerStreaming,
  { requests, context, requestBytesMax, authenticates }: WholeStoreCall,
): Promise<Refused | undefined> {
  const bytes = await onlyMessage(requests);
  if ("code" in bytes) return bytes;
  if (bytes.length > requestBytesMax) return tooLarge(bytes.length, requestBytesMax);
  const request = readRequest(method.input, bytes);
  if ("code" in request) return request;
  const denied = context.access?.denial(permissionOf(method), { prefix: "" });
  if (denied !== undefined) return denied;
  return authenticates ? undefined : { code: "AUTH_OFF" };
}

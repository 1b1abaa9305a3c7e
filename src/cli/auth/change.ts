import type { DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { TallyClient } from "../../client/client.ts";

/**
 * Change who may call, by one attempt: such changes carry no request id, so that one whose answer was lost is not made
 * again, but told.
 *
 * @throws CallError
 */
export function change<M extends DescMethodUnary>(
  client: TallyClient,
  method: M,
  request: MessageInitShape<M["input"]>,
): Promise<MessageShape<M["output"]>> {
  return client.call(method, request, { attemptsMax: 1 });
}

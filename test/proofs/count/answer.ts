import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  BatchApplyResponseSchema,
  type Operation,
  type RefusalSchema,
} from "../../../gen/tally/v1/counter_service_pb.ts";

/** The bytes of a server's answer to a batch. @param refused  by index, what was refused */
export function answerTo(
  operations: readonly Operation[],
  refused: Readonly<Record<number, MessageInitShape<typeof RefusalSchema>>> = {},
): Uint8Array {
  const outcomes = operations.map(({ name, action }, i) =>
    i in refused
      ? { name, refusal: refused[i]! }
      : { name, value: 2n ** 62n + BigInt(action.value as bigint), previous: 2n ** 62n, revision: 9n },
  );
  return toBinary(BatchApplyResponseSchema, create(BatchApplyResponseSchema, { outcomes }));
}

import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  BatchApplyRequestSchema,
  BatchApplyResponseSchema,
} from "../../../gen/tally/v1/counter_service_pb.ts";
import { nameReader, type OpColumns, toColumns } from "../../core/columns.ts";
import { messageOf, type Refusal } from "../../core/errors.ts";
import { type Op, Verb } from "../../core/op.ts";
import type { Settled } from "../../service/writer.ts";
import { metadataOf, STATUS } from "../status.ts";
import { decode, shapeRefusal } from "./shape.ts";

/** A BatchApplyRequest, its shape checked. */
export interface BatchRequest {
  readonly ops: OpColumns;
  readonly requestId: string | undefined;
  readonly allOrNothing: boolean;
}

/** A batch from the bytes of a BatchApplyRequest, or why they are not one. */
export function decodeBatch(bytes: Uint8Array): BatchRequest | Refusal {
  const request = decode(BatchApplyRequestSchema, bytes);
  if (request === undefined) return { code: "MALFORMED_MESSAGE" };
  const refusal = shapeRefusal(BatchApplyRequestSchema, request);
  if (refusal !== undefined) return refusal;
  const ops = request.operations.map(({ name, action, mustExist, etag, note }): Op => {
    const verb =
      action.case === "increment"
        ? Verb.INCREMENT
        : action.case === "decrement"
          ? Verb.DECREMENT
          : action.case === "set"
            ? Verb.SET
            : Verb.RESET;
    const amount = typeof action.value === "bigint" ? action.value : 0n;
    return { verb, name, amount, mustExist, etag, note: note || undefined };
  });
  return { ops: toColumns(ops), requestId: request.requestId, allOrNothing: request.allOrNothing };
}

/** The bytes of the BatchApplyResponse to operations that were settled. */
export function encodeBatchResponse(ops: OpColumns, { outcomes, c, first }: Settled): Uint8Array {
  const nameOf = nameReader(ops);
  const response = create(BatchApplyResponseSchema, {
    outcomes: Array.from({ length: ops.count }, (_, i) => {
      const refusal = outcomes.refusals.get(first + i);
      if (refusal !== undefined) {
        const { grpc: code } = STATUS[refusal.code];
        const metadata = metadataOf(refusal);
        return {
          name: nameOf(i),
          refusal: { code, reason: refusal.code, message: messageOf(refusal), metadata },
        };
      }
      return {
        name: nameOf(i),
        value: outcomes.values[first + i]!,
        previous: outcomes.previous[first + i]!,
        revision: BigInt(outcomes.revisions[first + i]!),
      };
    }),
    time: timestampFromMs(outcomes.times[c]!),
    replayed: outcomes.replayed[c] === 1,
  });
  return toBinary(BatchApplyResponseSchema, response);
}

import {
  BatchApplyRequestSchema,
  type Operation,
  OperationSchema,
} from "../../../gen/tally/v1/counter_service_pb.ts";
import type { OpColumns } from "../../core/columns.ts";
import type { Refusal } from "../../core/errors.ts";
import { type Op, Verb } from "../../core/op.ts";
import { readEnvelope, readOperations } from "../../wire/batch-request.ts";
import { isWellFormed } from "../../wire/well-formed.ts";
import { FIELD_RULES, invalidField, readRequest } from "./shape.ts";

/** A BatchApplyRequest whose shape is right. */
export interface BatchRequest {
  readonly ops: OpColumns;
  readonly requestId: string | undefined;
  readonly allOrNothing: boolean;
}

/** Operations in one call. */
export const BATCH_OPS_MAX = 8_000;

/** A batch from the bytes of a BatchApplyRequest, or why they are not one: the same as `readRequest` would say. */
export function readBatch(bytes: Uint8Array): BatchRequest | Refusal {
  const envelope = readEnvelope(bytes);
  if (envelope === undefined) return { code: "MALFORMED_MESSAGE" };
  const { count, requestId, allOrNothing } = envelope;
  if (count === 0 || count > BATCH_OPS_MAX) {
    return unlessMalformed(bytes, invalidField("operations", FIELD_RULES.operations!, count));
  }
  const ops = readOperations(bytes, count, readOperation);
  if ("code" in ops) return unlessMalformed(bytes, ops);
  if (requestId !== undefined && !/^[!-~]{1,64}$/.test(requestId)) {
    return invalidField("request_id", FIELD_RULES.request_id!, requestId);
  }
  return { ops, requestId, allOrNothing };
}

/** Bytes that are no message are that before anything else, also when the rest of them tells. */
function unlessMalformed(bytes: Uint8Array, refusal: Refusal): Refusal {
  return isWellFormed(BatchApplyRequestSchema, bytes) ? refusal : { code: "MALFORMED_MESSAGE" };
}

/** An operation that is not plain, or breaks a rule. */
function readOperation(bytes: Uint8Array, index: number): Op | Refusal {
  const read = readRequest(OperationSchema, bytes);
  if (!("code" in read)) return toOp(read.message);
  return { ...read, ...(read.field && { field: `operations[${index}].${read.field}` }) };
}

function toOp({ name, action, mustExist, etag, note }: Operation): Op {
  const extras = { mustExist, etag, note: note || undefined };
  switch (action.case) {
    case "increment":
      return { verb: Verb.INCREMENT, name, amount: action.value, ...extras };
    case "decrement":
      return { verb: Verb.DECREMENT, name, amount: action.value, ...extras };
    case "set":
      return { verb: Verb.SET, name, amount: action.value, ...extras };
    case "reset":
      return { verb: Verb.RESET, name, amount: 0n, ...extras };
    case undefined:
      throw new TypeError("expected an operation with an action, got one without");
  }
}

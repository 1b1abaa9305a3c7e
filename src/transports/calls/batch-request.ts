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
import { ifMissingOf } from "./setting-fields.ts";
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
  const op = "code" in read ? read : toOp(read.message);
  return "code" in op && op.field ? { ...op, field: `operations[${index}].${op.field}` } : op;
}

function toOp({ name, action, mustExist, etag, note, ifMissing }: Operation): Op | Refusal {
  const settings = ifMissingOf(ifMissing);
  if (settings !== undefined && "code" in settings) return settings;
  const extras = { mustExist, etag, note: note || undefined, settings };
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

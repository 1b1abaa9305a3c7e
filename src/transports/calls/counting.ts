import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Outcome, OutcomeSchema } from "../../../gen/tally/v1/counter_pb.ts";
import {
  type DecrementRequest,
  type DecrementResponse,
  DecrementResponseSchema,
  type IncrementRequest,
  type IncrementResponse,
  IncrementResponseSchema,
  type ResetRequest,
  type ResetResponse,
  ResetResponseSchema,
  type SetRequest,
  type SetResponse,
  SetResponseSchema,
} from "../../../gen/tally/v1/counter_service_pb.ts";
import { etagOf } from "../../core/counter.ts";
import { type Op, Verb } from "../../core/op.ts";
import type { Settled, Writer } from "../../service/writer.ts";
import { about, type CallContext, type Handler, isRefused, type Refused } from "./call.ts";

/** Increment, Decrement, Set, Reset: requests whose shape was checked. */
export interface CountingCalls {
  readonly increment: Handler<IncrementRequest, IncrementResponse>;
  readonly decrement: Handler<DecrementRequest, DecrementResponse>;
  readonly set: Handler<SetRequest, SetResponse>;
  readonly reset: Handler<ResetRequest, ResetResponse>;
}

export function countingCalls(writer: Writer): CountingCalls {
  return {
    increment: async ({ name, amount, requestId, mustExist }, context) => {
      const op = { verb: Verb.INCREMENT, name, amount: amount ?? 1n, mustExist };
      const outcome = await apply(writer, op, requestId, context);
      return "code" in outcome ? outcome : create(IncrementResponseSchema, { outcome });
    },
    decrement: async ({ name, amount, requestId }, context) => {
      const op = { verb: Verb.DECREMENT, name, amount: amount ?? 1n, mustExist: false };
      const outcome = await apply(writer, op, requestId, context);
      return "code" in outcome ? outcome : create(DecrementResponseSchema, { outcome });
    },
    set: async ({ name, value, requestId, mustExist, etag, note }, context) => {
      const op = { verb: Verb.SET, name, amount: value ?? 0n, mustExist, etag, note: note || undefined };
      const outcome = await apply(writer, op, requestId, context);
      return "code" in outcome ? outcome : create(SetResponseSchema, { outcome });
    },
    reset: async ({ name, requestId, etag, note }, context) => {
      const op = { verb: Verb.RESET, name, amount: 0n, mustExist: false, etag, note: note || undefined };
      const outcome = await apply(writer, op, requestId, context);
      return "code" in outcome ? outcome : create(ResetResponseSchema, { outcome });
    },
  };
}

/** Have one operation applied. */
export async function submitOp(
  writer: Writer,
  op: Op,
  requestId: string | undefined,
  context: CallContext,
): Promise<Settled | Refused> {
  const { caller, deadline } = context;
  const settled = await writer.submit({
    caller,
    requestId,
    ops: op,
    allOrNothing: false,
    deadline,
    cancelled: () => context.cancelled(),
  });
  return isRefused(settled) ? about(op.name, settled) : settled;
}

async function apply(
  writer: Writer,
  op: Op,
  requestId: string | undefined,
  context: CallContext,
): Promise<Outcome | Refused> {
  const settled = await submitOp(writer, op, requestId, context);
  return isRefused(settled) ? settled : outcomeOf(op.name, settled);
}

function outcomeOf(name: string, { outcomes, c, first }: Settled): Outcome {
  const replayed = outcomes.replayed[c] === 1;
  const value = outcomes.values[first]!;
  const revision = outcomes.revisions[first]!;
  return create(OutcomeSchema, {
    name,
    value,
    previous: outcomes.previous[first]!,
    revision: BigInt(revision),
    etag: etagOf(outcomes.uids[c]!, revision),
    time: timestampFromMs(outcomes.times[c]!),
    ...(!replayed && { headroomUp: outcomes.headroomUp[c]!, headroomDown: outcomes.headroomDown[c]! }),
    replayed,
  });
}

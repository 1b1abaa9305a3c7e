import { CounterService } from "../../../gen/tally/v1/counter_service_pb.ts";
import { nameReader, type OpColumns } from "../../core/columns.ts";
import type { Refusal } from "../../core/errors.ts";
import type { Settled } from "../../service/call.ts";
import type { Writer } from "../../service/writer.ts";
import { writeBatchResponse } from "../../wire/batch-response.ts";
import { encodeRefusal } from "../status.ts";
import { batchPermitted } from "./batch-permitted.ts";
import { readBatch } from "./batch-request.ts";
import { charged, toCall } from "./by-caller.ts";
import { about, type Refused, tooLarge, type UnaryMethod } from "./call.ts";
import { inPart } from "./shape.ts";

/** BatchApply; its codec puts the operations into columns and takes the outcomes out of them. */
export function batchApply(writer: Writer, requestBytesMax: number): UnaryMethod {
  return {
    method: CounterService.method.batchApply,
    changes: true,
    requestBytesMax,
    answer(bytes, context) {
      if (bytes.length > requestBytesMax) return Promise.resolve(tooLarge(bytes.length, requestBytesMax));
      const request = readBatch(bytes);
      if ("code" in request) return Promise.resolve(request);
      const { access } = context;
      const ops = batchPermitted(request.ops, access);
      if ("code" in ops) return Promise.resolve(ops);
      const limited = charged(access, ops.count);
      if (limited !== undefined) return Promise.resolve(limited);
      return writer
        .submit(toCall(context, { ...request, ops }))
        .then((settled) => responseTo(request.ops, settled));
    },
  };
}

function responseTo(ops: OpColumns, settled: Settled | Refusal): Uint8Array | Refused {
  const refused = (refusal: Refusal, i: number) => inPart(`operations[${i}]`, refusal);
  if (!("code" in settled))
    return writeBatchResponse(ops, settled, (refusal, i) => encodeRefusal(refused(refusal, i)));
  // Of a group, the operation at `index` was refused, and with it all.
  const { index } = settled;
  return index === undefined ? settled : about(nameReader(ops)(index), refused(settled, index));
}

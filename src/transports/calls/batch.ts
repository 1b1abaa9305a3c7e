import type { Writer } from "../../service/writer.ts";
import { readBatch } from "./batch-request.ts";
import { writeBatchResponse } from "./batch-response.ts";
import { about, type Handler, isRefused } from "./call.ts";

/** BatchApply from bytes to bytes; its codec puts the operations into columns and takes the outcomes out of them. */
export function batchCall(writer: Writer): Handler<Uint8Array, Uint8Array> {
  return async (bytes, context) => {
    const request = readBatch(bytes);
    if ("code" in request) return request;
    const { ops, requestId, allOrNothing } = request;
    const { caller, deadline } = context;
    const cancelled = () => context.cancelled();
    const settled = await writer.submit({ caller, requestId, ops, allOrNothing, deadline, cancelled });
    if (!isRefused(settled)) return writeBatchResponse(ops, settled);
    return settled.index === undefined ? settled : about(nameAt(ops, settled.index), settled);
  };
}

function nameAt({ names, nameEnds }: { names: Uint8Array; nameEnds: Uint32Array }, i: number): string {
  return Buffer.from(names.subarray(i === 0 ? 0 : nameEnds[i - 1], nameEnds[i])).toString("latin1");
}

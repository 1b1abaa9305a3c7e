import { create, type DescMethodServerStreaming, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type BulkProgressSchema,
  BulkService,
  DeleteCountersResponseSchema,
  ResetCountersResponseSchema,
} from "../../../gen/tally/v1/bulk_service_pb.ts";
import { Verb } from "../../core/op.ts";
import { Permission } from "../../core/permissions.ts";
import type { Bulk, BulkReached } from "../../service/bulk.ts";
import { toRefusal } from "../status.ts";
import type { Authorise } from "./authorise.ts";
import type { Refused } from "./call.ts";
import { permissionOf } from "./permissions.ts";
import { readRequest } from "./shape.ts";
import { onlyMessage, type StreamCall } from "./stream.ts";

/** DeleteCounters and ResetCounters: the same done to many counters, and how far it has come, slice by slice. */
export function bulkCalls(bulk: Bulk, authorise: Authorise, requestBytesMax: number): readonly StreamCall[] {
  const { deleteCounters, resetCounters } = BulkService.method;
  return [
    bulkCall(deleteCounters, Verb.DELETE, bulk, authorise, requestBytesMax, (progress) =>
      toBinary(DeleteCountersResponseSchema, create(DeleteCountersResponseSchema, { progress })),
    ),
    bulkCall(resetCounters, Verb.RESET, bulk, authorise, requestBytesMax, (progress) =>
      toBinary(ResetCountersResponseSchema, create(ResetCountersResponseSchema, { progress })),
    ),
  ];
}

type BulkMethod = DescMethodServerStreaming &
  (typeof BulkService.method.deleteCounters | typeof BulkService.method.resetCounters);

function bulkCall(
  method: BulkMethod,
  verb: typeof Verb.DELETE | typeof Verb.RESET,
  bulk: Bulk,
  authorise: Authorise,
  requestBytesMax: number,
  respond: (progress: MessageInitShape<typeof BulkProgressSchema>) => Uint8Array,
): StreamCall {
  const needed = permissionOf(method);
  return {
    method,
    changes: true,
    requestBytesMax,
    authorise,
    async *open(requests, context): AsyncGenerator<Uint8Array, Refused | undefined> {
      const bytes = await onlyMessage(requests);
      if ("code" in bytes) return bytes;
      const request = readRequest<BulkMethod["input"]>(method.input, bytes);
      if ("code" in request) return request;
      const { prefix, labels, after, note, dryRun, maxCounters, ...rest } = request.message;
      const { access, caller, callerName, signal, draining, parts } = context;
      // A dry run tells which counters there are, and leaves no trace: so it is a list, too.
      const denied = access?.denial(dryRun ? needed | Permission.READ : needed, { prefix });
      if (denied !== undefined) return denied;
      const keepHistory = "keepHistory" in rest && rest.keepHistory;
      const work = {
        selection: { prefix, labels },
        after,
        verb,
        note: note || undefined,
        keepHistory,
        dryRun,
        countersMax: maxCounters || Number.POSITIVE_INFINITY,
      };
      const charge = (operations: number) => access?.charge(operations);
      const slices = bulk.run(work, { caller, callerName, signal, charge, parts });
      for (;;) {
        const slice = await slices.next();
        if (slice.done) return slice.value && { ...slice.value, midway: true };
        yield respond(toProgress(slice.value));
        if (draining.aborted && !slice.value.complete) return { code: "DRAINING", midway: true };
      }
    },
  };
}

function toProgress(reached: BulkReached): MessageInitShape<typeof BulkProgressSchema> {
  const { lookedAt, done, skipped, examples, lastName, complete } = reached;
  const byReason = Object.fromEntries([...skipped].map(([code, count]) => [code, BigInt(count)]));
  return {
    lookedAt: BigInt(lookedAt),
    done: BigInt(done),
    skipped: BigInt(lookedAt - done),
    skippedByReason: byReason,
    skippedCounters: examples.map(({ name, refusal }) => ({ name, refusal: toRefusal(refusal) })),
    lastName,
    complete,
  };
}

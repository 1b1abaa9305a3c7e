import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Counter, CounterSchema } from "../../../gen/tally/v1/counter_pb.ts";
import {
  CounterService,
  CreateCounterResponseSchema,
  GetCounterRequestSchema,
  GetCounterResponseSchema,
} from "../../../gen/tally/v1/counter_service_pb.ts";
import { CORRUPT } from "../../core/batch.ts";
import { etagOf, type FullCounter, settingsEtagOf } from "../../core/counter.ts";
import { Verb } from "../../core/op.ts";
import type { Found, Reads } from "../../service/reads.ts";
import { about, type Refused, tooLarge, type UnaryMethod } from "./call.ts";
import { opMethod } from "./op-method.ts";
import { settingFields, settingsOf } from "./setting-fields.ts";
import { readRequest } from "./shape.ts";
import { timeFault, timingFields } from "./time-fields.ts";

/** CreateCounter: one operation, answered by the counter as it was made. */
export const CREATE_COUNTER = opMethod({
  method: CounterService.method.createCounter,
  toOp: (request) => {
    const fault = timeFault(request);
    if (fault !== undefined) return fault;
    const { name, value, initial } = request;
    return {
      verb: Verb.CREATE,
      name,
      amount: value ?? initial,
      mustExist: false,
      settings: settingsOf(request),
    };
  },
  respond: ({ name, settings }, { outcomes, c, first }) => {
    const time = outcomes.times[c]!;
    const made = outcomes.counters.get(first); // Where time does something to it.
    const counter = toCounter({
      name,
      ...settings!,
      uid: outcomes.uids[c]!,
      value: outcomes.values[first]!,
      revision: outcomes.revisions[first]!,
      settingsRevision: 1,
      createTime: time,
      updateTime: time,
      timing: made?.timing,
    });
    const replayed = outcomes.replayed[c] === 1;
    return toBinary(CreateCounterResponseSchema, create(CreateCounterResponseSchema, { counter, replayed }));
  },
});

/** GetCounter: one counter, by its name. */
export function getCounter(reads: Reads, requestBytesMax: number): UnaryMethod {
  const method = CounterService.method.getCounter;
  return {
    method,
    changes: false,
    requestBytesMax,
    answer(bytes, context) {
      if (bytes.length > requestBytesMax) return Promise.resolve(tooLarge(bytes.length, requestBytesMax));
      const request = readRequest(GetCounterRequestSchema, bytes);
      if ("code" in request) return Promise.resolve(request);
      const { name } = request.message;
      const denied = context.denial?.(method, { name });
      if (denied !== undefined) return Promise.resolve(about(name, denied));
      return reads.get(name, context).then((found) => foundResponse(name, found));
    },
  };
}

function foundResponse(name: string, found: Found | Refused): Uint8Array | Refused {
  if (found === undefined) return { code: "COUNTER_NOT_FOUND", name };
  if (found === CORRUPT) return { code: "ROW_CORRUPT", name };
  if ("code" in found) return found;
  return toBinary(GetCounterResponseSchema, create(GetCounterResponseSchema, { counter: toCounter(found) }));
}

/** A counter as the API gives it. */
export function toCounter(counter: FullCounter): Counter {
  const { uid, revision, settingsRevision } = counter;
  return create(CounterSchema, {
    name: counter.name,
    value: counter.value,
    uid,
    revision: BigInt(revision),
    etag: etagOf(uid, revision),
    createTime: timestampFromMs(counter.createTime),
    updateTime: timestampFromMs(counter.updateTime),
    ...(counter.policy !== undefined && { policy: counter.policy.prefix }),
    ...timingFields(counter),
    ...settingFields(counter),
    settingsRevision: BigInt(settingsRevision),
    settingsEtag: settingsEtagOf(uid, settingsRevision),
  });
}

import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Counter, CounterSchema, OnBound } from "../../../gen/tally/v1/counter_pb.ts";
import {
  type CreateCounterRequest,
  type CreateCounterResponse,
  CreateCounterResponseSchema,
  type GetCounterRequest,
  type GetCounterResponse,
  GetCounterResponseSchema,
} from "../../../gen/tally/v1/counter_service_pb.ts";
import { CORRUPT } from "../../core/batch.ts";
import { etagOf, type FullCounter, settingsEtagOf } from "../../core/counter.ts";
import { type Settings, Verb } from "../../core/op.ts";
import type { Writer } from "../../service/writer.ts";
import { type Handler, isRefused } from "./call.ts";
import { submitOp } from "./counting.ts";
import type { Reads } from "./reads.ts";

/** CreateCounter and GetCounter: requests whose shape was checked. */
export interface CounterCalls {
  readonly createCounter: Handler<CreateCounterRequest, CreateCounterResponse>;
  readonly getCounter: Handler<GetCounterRequest, GetCounterResponse>;
}

export function counterCalls(writer: Writer, reads: Reads): CounterCalls {
  return {
    createCounter: async (request, context) => {
      const { name, requestId } = request;
      const settings = settingsOf(request);
      const amount = request.value ?? request.initial;
      const op = { verb: Verb.CREATE, name, amount, mustExist: false, settings };
      const settled = await submitOp(writer, op, requestId, context);
      if (isRefused(settled)) return settled;
      const { outcomes, c, first } = settled;
      const counter = toCounter({
        name,
        ...settings,
        uid: outcomes.uids[c]!,
        value: outcomes.values[first]!,
        revision: outcomes.revisions[first]!,
        settingsRevision: 1,
        createTime: outcomes.times[c]!,
        updateTime: outcomes.times[c]!,
      });
      return create(CreateCounterResponseSchema, { counter, replayed: outcomes.replayed[c] === 1 });
    },
    getCounter: async ({ name }, context) => {
      const found = await reads.get(name, context);
      if (found === undefined) return { code: "COUNTER_NOT_FOUND", name };
      if (found === CORRUPT) return { code: "ROW_CORRUPT", name };
      if ("code" in found) return found;
      return create(GetCounterResponseSchema, { counter: toCounter(found) });
    },
  };
}

function settingsOf(request: CreateCounterRequest): Settings {
  const { initial, min, max, onBound, monotonic, labels, description } = request;
  return { initial, min, max, clamp: onBound === OnBound.CLAMP, monotonic, labels, description };
}

function toCounter(counter: FullCounter): Counter {
  const { uid, revision, settingsRevision } = counter;
  return create(CounterSchema, {
    name: counter.name,
    value: counter.value,
    uid,
    revision: BigInt(revision),
    etag: etagOf(uid, revision),
    createTime: timestampFromMs(counter.createTime),
    updateTime: timestampFromMs(counter.updateTime),
    initial: counter.initial,
    ...(counter.min !== undefined && { min: counter.min }),
    ...(counter.max !== undefined && { max: counter.max }),
    onBound: counter.clamp ? OnBound.CLAMP : OnBound.REJECT,
    monotonic: counter.monotonic,
    labels: counter.labels,
    description: counter.description,
    settingsRevision: BigInt(settingsRevision),
    settingsEtag: settingsEtagOf(uid, settingsRevision),
  });
}

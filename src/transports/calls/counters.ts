import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { CounterSchema } from "../../../gen/tally/v1/counter_pb.ts";
import {
  CounterService,
  GetCounterRequestSchema,
  GetCounterResponseSchema,
} from "../../../gen/tally/v1/counter_service_pb.ts";
import { CORRUPT } from "../../core/batch.ts";
import type { FullCounter } from "../../core/counter.ts";
import type { Epoch } from "../../core/epoch.ts";
import { counterDamaged } from "../../core/errors.ts";
import { Verb } from "../../core/op.ts";
import { DEFAULTS, isSame, SETTING_KEYS } from "../../core/settings.ts";
import type { Found, Reads } from "../../service/reads.ts";
import { watched } from "../../service/serial-reads.ts";
import { writeCounter, writeCounterResponse } from "../../wire/counter.ts";
import { about, type CallContext, type Refused, tooLarge, type UnaryMethod } from "./call.ts";
import { opMethod } from "./counting.ts";
import { type HistoryReads, instantFault, OFF, refusalOf } from "./history.ts";
import { permissionOf } from "./permissions.ts";
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
    const counter = {
      name,
      ...settings!,
      uid: outcomes.uids[c]!,
      value: outcomes.values[first]!,
      revision: outcomes.revisions[first]!,
      settingsRevision: 1,
      createTime: time,
      updateTime: time,
      timing: made?.timing,
    };
    return writeCounterResponse(counterBytes(counter, outcomes.epoch), outcomes.replayed[c] === 1);
  },
});

/** GetCounter: one counter, by its name, as of now or of a time in the past. */
export function getCounter(reads: Reads, past: HistoryReads, requestBytesMax: number): UnaryMethod {
  const method = CounterService.method.getCounter;
  return {
    method,
    changes: false,
    requestBytesMax,
    answer(bytes, context) {
      if (bytes.length > requestBytesMax) return Promise.resolve(tooLarge(bytes.length, requestBytesMax));
      const request = readRequest(GetCounterRequestSchema, bytes);
      if ("code" in request) return Promise.resolve(request);
      const { name, asOf } = request.message;
      const denied = context.access?.denial(permissionOf(method), { name });
      if (denied !== undefined) return Promise.resolve(about(name, denied));
      if (asOf !== undefined) return pastResponse(past, name, asOf, context);
      return reads.get(name, context).then((found) => foundResponse(name, found, past.store.epoch));
    },
  };
}

function foundResponse(name: string, found: Found | Refused, epoch: Epoch): Uint8Array | Refused {
  if (found === undefined) return { code: "COUNTER_NOT_FOUND", name };
  if (found === CORRUPT) return counterDamaged(name);
  if ("code" in found) return found;
  return writeCounterResponse(counterBytes(found, epoch));
}

async function pastResponse(
  reads: HistoryReads,
  name: string,
  asOf: Timestamp,
  context: CallContext,
): Promise<Uint8Array | Refused> {
  const { history } = reads.store;
  const fault = instantFault("as_of", asOf);
  if (fault !== undefined) return fault;
  if (history === undefined) return OFF;
  const time = Math.min(timestampMs(asOf), await reads.store.now());
  const found = await watched(context, reads.clock, () => history.asOf(name, time));
  if (found === undefined)
    return { code: "COUNTER_NOT_FOUND", name, expected: "or nobody knows of one, as of then" };
  if ("code" in found) return found;
  if ("refused" in found) return refusalOf(found);
  const { value, uid, at, gap } = found;
  const past = { name, value, uid, time: timestampFromMs(at), gap };
  return toBinary(GetCounterResponseSchema, create(GetCounterResponseSchema, { past }));
}

/** A counter as the API gives it: the bytes of a Counter. @param epoch  of the store that it is of */
export function counterBytes(counter: FullCounter, epoch: Epoch): Uint8Array {
  return writeCounter(counter, epoch, restOf(counter));
}

/** Of most counters time changes nothing, and their settings are what nobody has set. */
function restOf(counter: FullCounter): Uint8Array {
  if (counter.timing === undefined && SETTING_KEYS.every((key) => isSame(counter, DEFAULTS, key)))
    return PLAIN;
  return settingBytes({ ...timingFields(counter), ...settingFields(counter) });
}

function settingBytes(fields: MessageInitShape<typeof CounterSchema>): Uint8Array {
  return toBinary(CounterSchema, create(CounterSchema, fields));
}

const PLAIN = settingBytes(settingFields(DEFAULTS));

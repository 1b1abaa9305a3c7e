import { toJson } from "@bufbuild/protobuf";
import {
  type Counter,
  CounterSchema,
  type Outcome,
  OutcomeSchema,
} from "../../gen/browser/tally/v1/counter_pb.ts";
import { type PastValue, PastValueSchema } from "../../gen/browser/tally/v1/counter_service_pb.ts";
import type { View } from "./output.ts";
import { labelsOf, settingCells } from "./settings.ts";
import { timeOf } from "./time-settings.ts";

/** A counter in a list. */
export function listedCounter(counter: Counter): View {
  const { name, value, min, max, updateTime } = counter;
  const cells = {
    NAME: name,
    VALUE: value,
    MIN: min?.toString() ?? "-",
    MAX: max?.toString() ?? "-",
    CHANGED: timeOf(updateTime),
  };
  const LABELS = labelsOf(counter);
  return {
    ...asCounter(counter),
    cells: { ...cells, LABELS },
    wide: {
      ...cells,
      "WINDOW ENDS": timeOf(counter.windowEnd),
      "BACK AT INITIAL": timeOf(counter.fullTime),
      EXPIRES: timeOf(counter.expireTime),
      LABELS,
    },
  };
}

/** A counter by itself, with all there is to know. */
export function wholeCounter(counter: Counter): View {
  const { name, value, windowStart, windowEnd, fullTime, expireTime } = counter;
  return {
    ...asCounter(counter),
    cells: {
      NAME: name,
      VALUE: value,
      ...(counter.policy !== undefined && { POLICY: counter.policy === "" ? '""' : counter.policy }),
      ...settingCells(counter),
      ...(windowStart && { "WINDOW BEGAN": timeOf(windowStart) }),
      ...(windowEnd && { "WINDOW ENDS": timeOf(windowEnd) }),
      ...(fullTime && { "BACK AT INITIAL": timeOf(fullTime) }),
      ...(expireTime && { EXPIRES: timeOf(expireTime) }),
      CREATED: timeOf(counter.createTime),
      CHANGED: timeOf(counter.updateTime),
      REVISION: counter.revision,
      ETAG: counter.etag,
      "SETTINGS ETAG": counter.settingsEtag,
    },
  };
}

/** What a counter was. */
export function pastView(past: PastValue): View {
  const { name, value, time, uid } = past;
  return {
    json: toJson(PastValueSchema, past, EVERY_FIELD),
    value: `${value}`,
    name,
    cells: { NAME: name, VALUE: value, "AS OF": timeOf(time), UID: uid },
  };
}

/** What became of a counter. */
export function outcomeView(outcome: Outcome): View {
  const { name, value, previous, revision, etag, time, headroomUp, headroomDown, replayed } = outcome;
  return {
    json: toJson(OutcomeSchema, outcome, EVERY_FIELD),
    value: `${value}`,
    name,
    cells: {
      NAME: name,
      VALUE: value,
      PREVIOUS: previous,
      ...(headroomUp !== undefined && { "ROOM UP": headroomUp }),
      ...(headroomDown !== undefined && { "ROOM DOWN": headroomDown }),
      REVISION: revision,
      TIME: timeOf(time),
      ETAG: etag,
      ...(replayed && { REPLAYED: "yes: counted before under this request id, and not again" }),
    },
  };
}

function asCounter(counter: Counter) {
  return { json: toJson(CounterSchema, counter, EVERY_FIELD), value: `${counter.value}`, name: counter.name };
}

/** Also zeros: a value of 0 is a value. */
export const EVERY_FIELD = { alwaysEmitImplicit: true };

import { toJson } from "@bufbuild/protobuf";
import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import {
  type Counter,
  CounterSchema,
  type Outcome,
  OutcomeSchema,
} from "../../gen/browser/tally/v1/counter_pb.ts";
import type { View } from "./output.ts";
import { labelsOf, settingCells } from "./settings.ts";

/** A counter in a list. */
export function listedCounter(counter: Counter): View {
  const { name, value, min, max, updateTime } = counter;
  return {
    ...asCounter(counter),
    cells: {
      NAME: name,
      VALUE: value,
      MIN: min?.toString() ?? "-",
      MAX: max?.toString() ?? "-",
      CHANGED: timeOf(updateTime),
      LABELS: labelsOf(counter),
    },
  };
}

/** A counter by itself, with all there is to know. */
export function wholeCounter(counter: Counter): View {
  const { name, value } = counter;
  return {
    ...asCounter(counter),
    cells: {
      NAME: name,
      VALUE: value,
      ...settingCells(counter),
      CREATED: timeOf(counter.createTime),
      CHANGED: timeOf(counter.updateTime),
      REVISION: counter.revision,
      ETAG: counter.etag,
      "SETTINGS ETAG": counter.settingsEtag,
    },
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

/** A time in ISO 8601, UTC; "-" when there is none. */
export function timeOf(time: Timestamp | undefined): string {
  return time === undefined ? "-" : timestampDate(time).toISOString();
}

import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  CounterService,
  DeleteCounterResponseSchema,
  type UpdateCounterRequest,
} from "../../../gen/tally/v1/counter_service_pb.ts";
import type { Refusal } from "../../core/errors.ts";
import { type Op, Verb } from "../../core/op.ts";
import {
  DEFAULTS,
  FOLLOWED_KEYS,
  SETTING_KEYS,
  SETTINGS,
  type SettingKey,
  type Settings,
} from "../../core/settings.ts";
import { writeCounterResponse } from "../../wire/counter.ts";
import { counterBytes } from "./counters.ts";
import { opMethod } from "./counting.ts";
import { givenIn } from "./setting-fields.ts";
import { invalidField, MESSAGE_RULES } from "./shape.ts";
import { timeFault } from "./time-fields.ts";

/** UpdateCounter: one operation, answered by the counter with its new settings. */
export const UPDATE_COUNTER = opMethod({
  method: CounterService.method.updateCounter,
  toOp: toUpdate,
  respond: (_, { outcomes, c, first }) => {
    const counter = counterBytes(outcomes.counters.get(first)!, outcomes.epoch);
    return writeCounterResponse(counter, outcomes.replayed[c] === 1);
  },
});

/** DeleteCounter: one operation, answered by what the counter was at the end. */
export const DELETE_COUNTER = opMethod({
  method: CounterService.method.deleteCounter,
  toOp: ({ name, etag, note, keepHistory }) => {
    return {
      verb: Verb.DELETE,
      name,
      amount: 0n,
      mustExist: false,
      etag,
      note: note || undefined,
      keepHistory,
    };
  },
  respond: ({ name }, { outcomes, c, first }) => {
    const response = create(DeleteCounterResponseSchema, {
      name,
      uid: outcomes.uids[c]!,
      value: outcomes.values[first]!,
      revision: BigInt(outcomes.revisions[first]!),
      time: timestampFromMs(outcomes.times[c]!),
      replayed: outcomes.replayed[c] === 1,
    });
    return toBinary(DeleteCounterResponseSchema, response);
  },
});

function toUpdate(request: UpdateCounterRequest): Op | Refusal {
  const mask = maskOf(request);
  if ("code" in mask) return mask;
  const fault = timeFault(request);
  if (fault !== undefined) return fault;
  const given = givenIn(request);
  const settings: Settings = { ...DEFAULTS };
  for (const key of mask) if (key in given) Object.assign(settings, { [key]: given[key] });
  const { min, max } = settings;
  if (min !== undefined && max !== undefined && min > max) {
    const { field, expected } = MESSAGE_RULES["create_counter.min_max"]!;
    return invalidField(field, expected, min);
  }
  const { name, settingsEtag: etag, note, followPolicy } = request;
  return {
    verb: Verb.UPDATE,
    name,
    amount: 0n,
    mustExist: false,
    etag,
    note: note || undefined,
    settings,
    mask,
    follow: followPolicy || undefined,
  };
}

/** The settings that are to change, in the order of the API. */
function maskOf(request: UpdateCounterRequest): readonly SettingKey[] | Refusal {
  const paths = new Set(request.updateMask?.paths);
  const unknown = [...paths].find((path) => !FIELDS.has(path));
  if (unknown !== undefined)
    return invalidField("update_mask", "may name fields of CounterSettings", unknown);
  const given = givenIn(request);
  const named = SETTING_KEYS.filter((key) =>
    paths.size > 0 ? paths.has(SETTINGS[key].field) : key in given,
  );
  const followed = request.followPolicy ? named.find((key) => FOLLOWED_KEYS.includes(key)) : undefined;
  if (followed !== undefined)
    return invalidField("follow_policy", "goes with labels and description only", SETTINGS[followed].field);
  if (named.length > 0 || request.followPolicy) return named;
  return invalidField("update_mask", "must name a setting, or one must be given", undefined);
}

/** The names of the settings, as a mask has them. */
const FIELDS: ReadonlySet<string> = new Set(SETTING_KEYS.map((key) => SETTINGS[key].field));

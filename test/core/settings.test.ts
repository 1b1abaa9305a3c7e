import { describe, expect, it } from "vitest";
import { encodeAnswer, replayAnswer } from "../../src/core/answer.ts";
import { newOutcomes, type Outcomes } from "../../src/core/columns.ts";
import {
  blankCounter,
  type FullCounter,
  putCountingSettings,
  putPlainSettings,
  putTimeSettings,
} from "../../src/core/counter.ts";
import { type Op, Verb } from "../../src/core/op.ts";
import {
  byAge,
  COUNTING_KEYS,
  type CountingSettings,
  DEFAULTS,
  isDefault,
  SETTING_KEYS,
  SETTINGS,
  type SettingKey,
  type Settings,
  TIME_KEYS,
} from "../../src/core/settings.ts";
import { create, increment, update } from "../support/calls.ts";
import { UNLIKE_DEFAULTS } from "../support/settings.ts";

const TIMED: ReadonlySet<SettingKey> = new Set(TIME_KEYS);

const UID = "01900000-0000-7000-8000-0000000000ab";
const CALL = { caller: "", requestId: "r", single: true, allOrNothing: false, digest: undefined, end: 1 };
const FULL: Settings = {
  initial: -3n,
  min: -5n,
  max: 1000n,
  clamp: true,
  monotonic: true,
  labels: { team: "web", a: "é" },
  description: "what",
  window: undefined,
  refill: undefined,
  idleTtlMs: undefined,
  history: true,
};

function answered(op: Op): { record: Uint8Array; outcomes: Outcomes } {
  const outcomes = newOutcomes(1, 1);
  outcomes.uids[0] = UID;
  outcomes.times[0] = 1_700_000_000_000;
  outcomes.values[0] = 7n;
  outcomes.previous[0] = 2n;
  outcomes.revisions[0] = 4;
  if (op.verb === Verb.UPDATE) {
    const moved = { value: 7n, revision: 4, updateTime: 1_650_000_000_000 };
    const fixed = { uid: UID, settingsRevision: 3, createTime: 1_600_000_000_000 };
    const counter: FullCounter = { name: "a", ...moved, ...fixed, ...op.settings!, timing: undefined };
    outcomes.counters.set(0, counter);
  }
  return { record: encodeAnswer(CALL, 0, 0, op, outcomes), outcomes };
}

describe("the table of settings", () => {
  it.each([
    ["counting looks at", putCountingSettings, COUNTING_KEYS],
    ["every counter has", putPlainSettings, COUNTING_KEYS.filter((key) => !TIMED.has(key))],
    ["time goes by", putTimeSettings, TIME_KEYS],
  ])("what %s is put into a counter whole, and nothing else", (_, put, keys) => {
    const unlike = Object.fromEntries(COUNTING_KEYS.map((key) => [key, `another ${key}`]));
    const counter = blankCounter();
    expect(Object.keys(counter)).toEqual(expect.arrayContaining([...COUNTING_KEYS]));
    put(counter, unlike as unknown as CountingSettings);
    const expected = Object.fromEntries(keys.map((key) => [key, unlike[key]]));
    expect(counter).toEqual({ ...blankCounter(), ...expected });
  });

  it("the settings that tests have for all are none that a counter has by itself", () => {
    for (const [key, value] of Object.entries(UNLIKE_DEFAULTS))
      expect(isDefault({ [key]: value }, key as SettingKey), key).toBe(false);
  });

  it("no two have a bit, a column or a name of the API in common; what came later has a bit above those before", () => {
    const all = SETTING_KEYS.map((key) => SETTINGS[key]);
    const bits = all.flatMap(({ bit }) => bit ?? []);
    const names: readonly unknown[][] = [
      bits,
      all.map(({ column }) => column),
      all.map(({ field }) => field),
    ];
    for (const each of names) {
      expect(new Set(each).size).toBe(each.length);
    }
    for (const bit of bits) expect(Number.isInteger(Math.log2(bit))).toBe(true);
    for (const key of byAge(SETTING_KEYS).later) expect(SETTINGS[key].bit).toBeGreaterThanOrEqual(16);
  });

  it("what was there from the beginning stays in its order, for records under request ids go by it", () => {
    const order = ["initial", "min", "max", "clamp", "monotonic", "labels", "description"];
    expect(byAge(SETTING_KEYS).first).toEqual(order);
  });
});

describe("the records under request ids", () => {
  it.each<[string, Op, string]>([
    [
      "a creation",
      create("a", { ...FULL, value: 7n }),
      "01040ec086e4d19ab4b601da8fc3f7a0b4c601e9e083c495df9402da9ac2e5a3c8ed04da9ac2e5a3c8ed04d2a789f2e5bdaa03ae9dc7afa8baab08019000000000700080000000000000ab80d095ffbc31040e0a",
    ],
    [
      "a creation without settings",
      create("a"),
      "0104008481f7afd1b2a803f6bfdbc3da86db09f6bfdbc3da86db09f197e4d8b29a58f197e4d8b29a58adebeba5f1d8a007b9f3ddc5bbf28808019000000000700080000000000000ab80d095ffbc31040e0a",
    ],
    [
      "an update",
      update("a", FULL, {
        etag: "e",
        note: "why",
        mask: ["initial", "max", "clamp", "labels", "description"],
      }),
      "016500a889ace0c5b0800edfe4d7b99cd0c7016dc086e4d19ab4b601e9e083c495df9402da9ac2e5a3c8ed04d2a789f2e5bdaa03ae9dc7afa8baab08019000000000700080000000000000ab80d095ffbc31040e0a038080babbc82e80e8a7dd82300f0509d00f02047465616d03776562016102c3a90477686174",
    ],
    [
      "an update that takes a bound away",
      update("a", { min: undefined }),
      "01050002f6bfdbc3da86db09019000000000700080000000000000ab80d095ffbc31040e0a038080babbc82e80e8a7dd823000000000",
    ],
    [
      "an increment",
      increment("a", 7n, { mustExist: true }),
      "01100e019000000000700080000000000000ab80d095ffbc31040e0a",
    ],
  ])("of %s is the same bytes as ever, and gives back what was answered", (_, op, bytes) => {
    const { record, outcomes } = answered(op);
    expect(Buffer.from(record).toString("hex")).toBe(bytes);
    const again = newOutcomes(1, 1);
    expect(replayAnswer(record, CALL, 0, 0, op, again)).toBeUndefined();
    expect(again.counters).toEqual(outcomes.counters);
    expect([again.values, again.previous, again.uids]).toEqual([outcomes.values, outcomes.previous, [UID]]);
  });

  it.each(SETTING_KEYS)("%s given otherwise is another request, by that name", (key) => {
    const all: Settings = {
      ...FULL,
      window: { unit: "month", timeZone: "Europe/Berlin", day: 31 },
      refill: { amount: 3n, everyMs: 1_000 },
      idleTtlMs: 60_000n,
      history: false,
    };
    for (const op of [create("a", all), update("a", all)]) {
      const other: Op = { ...op, settings: { ...all, [key]: DEFAULTS[key] } };
      const refusal = replayAnswer(answered(op).record, CALL, 0, 0, other, newOutcomes(1, 1));
      expect(refusal).toEqual({ code: "REQUEST_ID_REUSED", field: SETTINGS[key].field });
    }
  });
});

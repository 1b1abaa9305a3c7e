/** A counter that is written by hand is, to who reads it, what protobuf-es would have written. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { fc, it } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { CounterSchema, OnBound } from "../../gen/tally/v1/counter_pb.ts";
import {
  CounterResultSchema,
  CreateCounterResponseSchema,
  GetCounterResponseSchema,
  ListCountersResponseSchema,
  UpdateCounterResponseSchema,
} from "../../gen/tally/v1/counter_service_pb.ts";
import type { FullCounter } from "../../src/core/counter.ts";
import { INT64_MAX, INT64_MIN } from "../../src/core/int64.ts";
import { DEFAULTS } from "../../src/core/settings.ts";
import { counterBytes } from "../../src/transports/calls/counters.ts";
import { Reply } from "../../src/transports/calls/reply.ts";
import { writeCounterResponse, writeCounterResult } from "../../src/wire/counter.ts";

const ascii = (max: number) =>
  fc
    .array(fc.integer({ min: 0x21, max: 0x7e }), { minLength: 1, maxLength: max })
    .map((codes) => String.fromCharCode(...codes));
const int64 = fc.oneof(
  fc.bigInt(INT64_MIN, INT64_MAX),
  fc.constantFrom(0n, 1n, -1n, 127n, 128n, INT64_MIN, INT64_MAX),
);
const revision = fc.oneof(
  fc.integer({ min: 1, max: 200 }),
  fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
);
const time = fc.oneof(
  fc.integer({ min: -1_000_000_000_000, max: 200_000_000_000_000 }),
  fc.constantFrom(0, 999, 1_000, 1_764_530_500_001),
);
const seldom = <T>(arbitrary: fc.Arbitrary<T>, otherwise: T) =>
  fc.oneof({ weight: 1, arbitrary }, { weight: 3, arbitrary: fc.constant(otherwise) });

const counter: fc.Arbitrary<FullCounter> = fc.record({
  name: ascii(200),
  value: int64,
  uid: fc.uuid(),
  revision,
  settingsRevision: revision,
  createTime: time,
  updateTime: time,
  initial: seldom(int64, 0n),
  min: seldom<bigint | undefined>(int64, undefined),
  max: seldom<bigint | undefined>(int64, undefined),
  clamp: seldom(fc.constant(true), false),
  monotonic: seldom(fc.constant(true), false),
  window: fc.constant(undefined),
  refill: fc.constant(undefined),
  idleTtlMs: fc.constant(undefined),
  labels: seldom<Record<string, string>>(fc.dictionary(ascii(20), fc.string({ maxLength: 20 })), {}),
  description: seldom(fc.string({ unit: "grapheme", maxLength: 100 }), ""),
  history: seldom(fc.constant(false), true),
  timing: fc.constant(undefined),
  policy: seldom<FullCounter["policy"]>(
    fc.oneof(ascii(20), fc.constant("")).map((prefix) => ({ prefix, revision: 1 }) as FullCounter["policy"]),
    undefined,
  ),
});
const epoch = fc.constantFrom(undefined, "00000000", "89abcdef");

/** The same, field by field. */
function expected(given: FullCounter, ofEpoch: string | undefined) {
  const suffix = ofEpoch === undefined ? "" : `.${ofEpoch}`;
  const { min, max } = given;
  return create(CounterSchema, {
    name: given.name,
    value: given.value,
    uid: given.uid,
    revision: BigInt(given.revision),
    etag: `${given.uid}.${given.revision}${suffix}`,
    createTime: timestampFromMs(given.createTime),
    updateTime: timestampFromMs(given.updateTime),
    ...(given.policy && { policy: given.policy.prefix }),
    initial: given.initial,
    ...(min !== undefined && { min }),
    ...(max !== undefined && { max }),
    onBound: given.clamp ? OnBound.CLAMP : OnBound.REJECT,
    monotonic: given.monotonic,
    labels: { ...given.labels },
    description: given.description,
    settingsRevision: BigInt(given.settingsRevision),
    settingsEtag: `${given.uid}.s${given.settingsRevision}${suffix}`,
    history: given.history,
  });
}

describe("a counter", () => {
  it.prop([counter, epoch], { numRuns: 1_000 })("has each of its fields", (given, ofEpoch) => {
    const bytes = counterBytes(given, ofEpoch);
    const message = expected(given, ofEpoch);
    expect(fromBinary(CounterSchema, bytes)).toEqual(message);
    expect(bytes.length, "no field twice").toBe(toBinary(CounterSchema, message).length);
  });

  it.prop([counter, fc.boolean()])("stands in each answer that has one", (given, replayed) => {
    const [bytes, message] = [counterBytes(given, undefined), expected(given, undefined)];
    for (const schema of [CreateCounterResponseSchema, UpdateCounterResponseSchema]) {
      const answer = create(schema, { counter: message, replayed });
      expect(fromBinary(schema, writeCounterResponse(bytes, replayed))).toEqual(answer);
    }
    expect(fromBinary(GetCounterResponseSchema, writeCounterResponse(bytes)).counter).toEqual(message);
    expect(fromBinary(CounterResultSchema, writeCounterResult(given.name, bytes))).toEqual(
      create(CounterResultSchema, { name: given.name, result: { case: "counter", value: message } }),
    );
  });

  it.prop([fc.array(counter, { maxLength: 20 }), ascii(100)])(
    "stands in a list, each in its place",
    (all, next) => {
      const rest = create(ListCountersResponseSchema, { nextPageToken: next, corruptNames: ["bad"] });
      const reply = new Reply(toBinary(ListCountersResponseSchema, rest));
      for (const each of all) expect(reply.add(counterBytes(each, undefined))).toBe(true);
      const { counters, ...others } = fromBinary(ListCountersResponseSchema, reply.finish());
      expect(counters).toEqual(all.map((each) => expected(each, undefined)));
      expect(others).toMatchObject({ nextPageToken: next, corruptNames: ["bad"] });
    },
  );
});

it("without anything set: the defaults are those of the table of settings", () => {
  const plain = {
    ...DEFAULTS,
    name: "n",
    value: 1n,
    uid: "u",
    revision: 1,
    settingsRevision: 1,
    createTime: 0,
    updateTime: 0,
    timing: undefined,
  };
  expect(fromBinary(CounterSchema, counterBytes(plain as FullCounter, undefined))).toEqual(
    expected(plain as FullCounter, undefined),
  );
});

/**
 * Goal: whatever JSON a caller sends, what it costs is bounded by its bytes and by what a request may have; and no
 * request within the rules of the .proto file is refused for it.
 *
 * Method: the largest requests there are, built from the rules of the schema; and texts with far too many of something,
 * of which what was written and what is said are looked at.
 */
import {
  create,
  type DescField,
  type DescMessage,
  getOption,
  isFieldSet,
  toBinary,
} from "@bufbuild/protobuf";
import { DurationSchema, FieldMaskSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";
import {
  field as fieldRules,
  MapRulesSchema,
  RepeatedRulesSchema,
  StringRulesSchema,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { describe, expect, it } from "vitest";
import { WindowSchema } from "../../gen/tally/v1/counter_pb.ts";
import {
  BatchApplyRequestSchema,
  BatchGetCountersRequestSchema,
  CounterService,
  CreateCounterRequestSchema,
  IncrementRequestSchema,
  OperationSchema,
  UpdateCounterRequestSchema,
} from "../../gen/tally/v1/counter_service_pb.ts";
import { readRequest } from "../../src/transports/calls/shape.ts";
import { Encoder } from "../../src/transports/json/encoder.ts";
import { JsonReader, KEYS_MAX } from "../../src/transports/json/parse.ts";
import { planOf } from "../../src/transports/json/plan.ts";
import { encodeJsonText } from "../../src/transports/json/request.ts";

const rulesOf = (field: DescField) => getOption(field, fieldRules).type;

/** As many items of a list, or pairs of a map, as the rule of its field allows. */
function itemsMaxOf(field: DescField): number {
  const type = rulesOf(field);
  if (type.case === "repeated" && isFieldSet(type.value, RepeatedRulesSchema.field.maxItems)) {
    return Number(type.value.maxItems);
  }
  if (type.case === "map" && isFieldSet(type.value, MapRulesSchema.field.maxPairs))
    return Number(type.value.maxPairs);
  throw new Error(`expected a bound, got none for ${field.toString()}`);
}

/** The longest text that the rule of a field allows. */
function longest(field: DescField): string {
  const type = rulesOf(field);
  const bounded = type.case === "string" && isFieldSet(type.value, StringRulesSchema.field.maxBytes);
  return "x".repeat(bounded ? Number((type.value as { maxBytes: bigint }).maxBytes) : 100);
}

/** JSON of a message with each of its fields, as long as the rules allow; of a oneof one, the others null. */
function largest(schema: DescMessage): Record<string, unknown> {
  const json: Record<string, unknown> = {};
  for (const field of schema.fields) {
    if (field.name === "if_missing") continue; // It does not go with others; nor would so many all be taken.
    const choice = field.oneof?.fields ?? [field];
    const chosen = choice.find(({ name }) => name === "set") ?? choice[0];
    json[field.jsonName] = chosen === field ? largestOf(field) : null;
  }
  return json;
}

function largestOf(field: DescField): unknown {
  switch (field.fieldKind) {
    case "list": {
      const item = field.listKind === "message" ? largest(field.message) : "x".repeat(200);
      return Array.from({ length: itemsMaxOf(field) }, () => item);
    }
    case "map":
      return Object.fromEntries(
        Array.from({ length: itemsMaxOf(field) }, (_, i) => [`${i}`.padStart(63, "k"), "x".repeat(200)]),
      );
    case "enum":
      return field.enum.values[1]!.name;
    case "message":
      return KNOWN[field.message.typeName] ?? largest(field.message);
    default:
      if (field.proto.type === 9) return longest(field);
      if (field.proto.type === 8) return true;
      return field.proto.type === 5 ? 1000 : "9223372036854775807";
  }
}

/** Messages of Protobuf's own that are one string in JSON, and one whose fields exclude each other. */
const KNOWN: Readonly<Record<string, unknown>> = {
  [FieldMaskSchema.typeName]: "min,max,onBound,labels,description",
  [DurationSchema.typeName]: "86400s",
  [TimestampSchema.typeName]: "2026-03-29T00:00:00Z",
  [WindowSchema.typeName]: { calendar: "CALENDAR_UNIT_MONTH", timeZone: "X".repeat(64), day: 31 },
};

describe("the largest request", () => {
  it.each(CounterService.methods.map(({ input }) => [input]))("of %s is taken", (schema) => {
    const bytes = encodeJsonText(schema, Buffer.from(JSON.stringify(largest(schema))));
    expect(bytes).toBeInstanceOf(Buffer);
    expect(readRequest(schema, bytes as Buffer)).toEqual({ message: expect.anything() });
  });

  it("has fewer keys than are counted, however it is faulty", () => {
    const json = largest(BatchApplyRequestSchema);
    const text = JSON.stringify({ ...json, allOrNothing: "last" });
    const keys = 8_000 * (OperationSchema.fields.length - 1) + BatchApplyRequestSchema.fields.length;
    expect(text.match(/":/g)).toHaveLength(keys);
    expect(keys).toBe(64_003); // As docs/http.md has it.
    expect(encodeJsonText(BatchApplyRequestSchema, Buffer.from(text))).toMatchObject({
      code: "INVALID_FIELD",
      field: "all_or_nothing",
    });
  });
});

/** What is written of a text, and what is said to be too many. */
function written(schema: DescMessage, text: string) {
  const encoder = new Encoder(planOf(schema), new JsonReader(Buffer.from(text)), {});
  const bytes = encoder.encode();
  return { bytes: bytes.length, excess: Object.fromEntries(encoder.excess) };
}

const many = (count: number, item: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => item(i)).join();

describe("of too many", () => {
  it("items one more than there may be is written, and the rest is counted", () => {
    const empty = written(BatchApplyRequestSchema, `{"operations":[${many(300_000, () => "{}")}]}`);
    expect(empty).toEqual({ bytes: 2 * 8_001, excess: { operations: 300_000 } });
    const names = written(BatchGetCountersRequestSchema, `{"names":[${many(300_000, () => '"a"')}]}`);
    expect(names).toEqual({ bytes: 3 * 1_001, excess: { names: 300_000 } });
  });

  it("pairs one more than there may be is written, and the rest is counted", () => {
    const pairs = many(1_000, (i) => `"${`${i}`.padStart(4, "k")}":"v"`);
    const bytes = 33 * (2 + 1 + 6 + 3); // A tag of two bytes, a length, a key of four and a value of one.
    expect(written(CreateCounterRequestSchema, `{"labels":{${pairs}}}`)).toEqual({
      bytes,
      excess: { labels: 1_000 },
    });
  });

  it("items behind the last that may be, what they are is not looked at, but that they are JSON", () => {
    const items = (more: string) => Buffer.from(`{"operations":[${many(8_001, () => "{}")},${more}]}`);
    const refusal = (more: string) => encodeJsonText(BatchApplyRequestSchema, items(more));
    expect(refusal('5,null,[{"x":1}]')).toMatchObject({ field: "operations", got: "8004" });
    expect(refusal("{")).toMatchObject({
      code: "MALFORMED_MESSAGE",
      expected: expect.stringContaining("is not JSON"),
    });
    expect(refusal('{"x":1,"x":1}')).toMatchObject({ expected: 'has the key "x" twice in one object' });
  });

  it.each([
    ["in one object", `{${many(KEYS_MAX + 1, (i) => `"${i}":1`)}}`],
    ["in many", `{"operations":[${many(KEYS_MAX + 1, () => '{"a":1}')}]}`],
    ["that are fields", `{"operations":[${many(KEYS_MAX, () => '{"set":0}')}]}`],
    ["in a map", `{"labels":{${many(KEYS_MAX + 1, (i) => `"${i}":"v"`)}}}`],
  ])("keys %s: that is told, and what to do", (_, text) => {
    for (const schema of [BatchApplyRequestSchema, CreateCounterRequestSchema]) {
      expect(encodeJsonText(schema, Buffer.from(text))).toEqual({
        code: "MALFORMED_MESSAGE",
        expected: "has more than 100000 keys, which no request needs; split it",
      });
    }
  });
});

describe("what is refused over JSON is refused in the same words over Protobuf", () => {
  const labels = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, "v"]));
  const operations = (count: number) => Array.from({ length: count }, () => ({ name: "a" }));
  it.each<[string, DescMessage, Record<string, unknown>]>([
    ["8,001 operations", BatchApplyRequestSchema, { operations: operations(8_001) }],
    ["9,000 operations", BatchApplyRequestSchema, { operations: operations(9_000) }],
    [
      "8,001 operations, a broken request id",
      BatchApplyRequestSchema,
      { requestId: " ", operations: operations(8_001) },
    ],
    ["no operations", BatchApplyRequestSchema, { operations: [] }],
    ["1,001 names", BatchGetCountersRequestSchema, { names: Array.from({ length: 1_001 }, () => "a") }],
    [
      "2,000 names that are none",
      BatchGetCountersRequestSchema,
      { names: Array.from({ length: 2_000 }, () => "") },
    ],
    ["33 labels", CreateCounterRequestSchema, { name: "a", labels: labels(33) }],
    ["500 labels", CreateCounterRequestSchema, { name: "a", labels: labels(500) }],
    ["500 labels and no name", CreateCounterRequestSchema, { name: "", labels: labels(500) }],
    ["500 labels of an update", UpdateCounterRequestSchema, { name: "a", labels: labels(500) }],
  ])("%s", (_, schema, json) => {
    const overProtobuf = readRequest(schema, toBinary(schema, create(schema, json)));
    expect(overProtobuf).toHaveProperty("code");
    const text = Buffer.from(JSON.stringify(json));
    const bytes = encodeJsonText(schema, text);
    expect("code" in bytes ? bytes : readRequest(schema, bytes)).toEqual(overProtobuf);
  });
});

describe("what was sent instead is told as what it is", () => {
  it.each([
    ["[7,8,9]", "an array of 3"],
    ["[]", "an array of 0"],
    ['{"a":[1,2,3],"b":1}', "an object of 2"],
    ["-12.5e3", "-12.5e3"],
    [`${"9".repeat(100)}`, "9".repeat(40)],
    ["true", "true"],
    ['"x\\n"', '"x\\n"'],
    [`"${"\u20ac".repeat(100)}"`, `"${"\u20ac".repeat(12)}"... (300 bytes)`],
  ])("%s", (source, got) => {
    const schema = source === "true" ? IncrementRequestSchema : CreateCounterRequestSchema;
    const key = source === "true" ? "amount" : "monotonic";
    expect(encodeJsonText(schema, Buffer.from(`{"${key}": ${source} }`))).toMatchObject({ field: key, got });
  });
});

/**
 * Goal: JSON text becomes the message that protobuf-es reads from it, or is refused.
 *
 * Method: texts as clients write them (either name of a field, any order, nulls, escapes, white space, edges of int64),
 * and the same with faults in them: bytes changed, dropped, doubled. Whatever is taken, protobuf-es must take for the
 * same message; it takes more than we do, of which the tests of json.test.ts speak one by one.
 */
import { type DescMessage, fromBinary, fromJsonString, toJson } from "@bufbuild/protobuf";
import { fc } from "@fast-check/vitest";
import { describe, expect, it } from "vitest";
import {
  BatchApplyRequestSchema,
  BatchGetCountersRequestSchema,
  CreateCounterRequestSchema,
  IncrementRequestSchema,
  SetRequestSchema,
  UpdateCounterRequestSchema,
} from "../../gen/tally/v1/counter_service_pb.ts";
import { INT64_MAX, INT64_MIN } from "../../src/core/int64.ts";
import { encodeJsonText } from "../../src/transports/json/request.ts";

const RUNS = Number(process.env.FUZZ_RUNS ?? 3_000);

/** The message in canonical ProtoJSON, which shows what is present. */
function byProtobufEs(schema: DescMessage, text: Buffer): unknown {
  try {
    return toJson(schema, fromJsonString(schema, new TextDecoder("utf-8", { fatal: true }).decode(text)));
  } catch {
    return undefined;
  }
}

function byUs(schema: DescMessage, text: Buffer): unknown {
  const bytes = encodeJsonText(schema, text);
  return "code" in bytes ? undefined : toJson(schema, fromBinary(schema, bytes));
}

/** Most of the first; one of the others, so often. */
function seldom<T>(usual: fc.Arbitrary<T>, rare: fc.Arbitrary<T>, oneIn = 40): fc.Arbitrary<T> {
  return fc.oneof({ arbitrary: usual, weight: oneIn - 1 }, { arbitrary: rare, weight: 1 });
}

const string = seldom(
  fc.oneof(
    fc.stringMatching(/^[!-~]{0,12}$/),
    fc.string({ unit: "grapheme", maxLength: 80 }), // Its length takes one byte or two.
    fc.constantFrom("x".repeat(127), "x".repeat(128), "\u20ac".repeat(6_000)),
  ),
  fc.constantFrom("\ud800", "a\udc00b"), // Halves of pairs.
);
const int64 = fc.oneof(
  fc.integer({ min: -200, max: 200 }).map(BigInt),
  fc.bigInt(INT64_MIN, INT64_MAX),
  fc.constantFrom(INT64_MIN, INT64_MAX, 999_999_999_999_999n, 1_000_000_000_000_000n, -999_999_999_999_999n),
  fc
    .tuple(fc.constantFrom(15n, 16n, 31n, 32n, 33n, 49n, 50n, 53n), fc.bigInt(-2n, 2n), fc.boolean())
    .map(([bits, more, negative]) => (2n ** bits + more) * (negative ? -1n : 1n)),
);
const ODD_NUMBERS = [
  ...["-0", '"-0"', '"\\u0031"'],
  ...["00", '"01"', "1.0", "1e3", "5E0", '" 1"', '""', "-", "+1", "1.5", "0x1"],
  ...[INT64_MAX + 1n, INT64_MIN - 1n, 2n ** 53n].flatMap((value) => [`${value}`, `"${value}"`]),
];
const s = string.chain((value) =>
  fc.constantFrom(
    JSON.stringify(value),
    JSON.stringify(value).replaceAll("/", "\\/"),
    JSON.stringify(value).replaceAll(/a/g, "\\u0061"),
  ),
);
const n = seldom(
  fc
    .tuple(int64, fc.boolean())
    .map(([value, bare]) => (bare && Number.isSafeInteger(Number(value)) ? `${value}` : `"${value}"`)),
  fc.constantFrom(...ODD_NUMBERS),
);
const b = seldom(fc.constantFrom("true", "false"), fc.constantFrom("tru", '"true"', "1"));
const space = seldom(fc.constantFrom("", " ", "\n\t\r "), fc.constantFrom("\u00a0", "/**/"), 100);

/** An object with some of these members, seldom one twice. */
function object(members: Record<string, fc.Arbitrary<string>>): fc.Arbitrary<string> {
  const one = fc
    .constantFrom(...Object.keys(members))
    .chain((key) => fc.tuple(fc.constant(key), seldom(members[key]!, fc.constant("null"), 20), space));
  return fc
    .tuple(
      fc.uniqueArray(one, { maxLength: 4, selector: ([key]) => key }),
      fc.option(one, { freq: 60 }).map((again) => (again === null ? [] : [again])),
    )
    .map(([some, again]) => {
      const all = [...some, ...again];
      return `{${all.map(([key, value, gap]) => `${gap}"${key}"${gap}:${gap}${value}${gap}`).join(",")}}`;
    });
}

function list(item: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.array(item, { maxLength: 5 }).map((items) => `[${items.join(",")}]`);
}

const both = (name: string, other: string, value: fc.Arbitrary<string>) => ({
  [name]: value,
  [other]: value,
});
const counted = fc.constantFrom("increment", "decrement", "set");
const operation = seldom(
  counted.chain((action) =>
    object({ name: s, [action]: n, ...both("mustExist", "must_exist", b), etag: s, note: s }),
  ),
  object({ name: s, decrement: n, set: n, reset: b, increment: n, unknown: s }),
  10,
);
const TEXTS: [DescMessage, fc.Arbitrary<string>][] = [
  [
    BatchApplyRequestSchema,
    object({
      operations: list(operation),
      ...both("requestId", "request_id", s),
      ...both("allOrNothing", "all_or_nothing", b),
    }),
  ],
  [
    IncrementRequestSchema,
    object({ name: s, amount: n, ...both("mustExist", "must_exist", b), requestId: s }),
  ],
  [SetRequestSchema, object({ name: s, value: n, etag: s, note: s, mustExist: b })],
  [BatchGetCountersRequestSchema, object({ names: list(s) })],
  [
    CreateCounterRequestSchema,
    object({
      name: s,
      value: n,
      initial: n,
      min: n,
      max: n,
      monotonic: b,
      description: s,
      labels: object({ a: s }),
      onBound: fc.constantFrom('"ON_BOUND_CLAMP"', "1"),
    }),
  ],
  [UpdateCounterRequestSchema, object({ name: s, min: n, updateMask: fc.constant('"min"') })],
];

/** One fault in a text: a byte that is another, gone, or there twice, or the end missing. */
const fault = fc.record({
  kind: seldom(fc.constant("none"), fc.constantFrom("other", "gone", "twice", "end"), 4),
  at: fc.nat(),
  byte: fc.constantFrom(...Buffer.from('{}[]",:\\0-9.eEtfn \n\0x\x7f'), 0x80, 0xc3, 0xff),
});

function faulty(text: string, { kind, at, byte }: { kind: string; at: number; byte: number }): Buffer {
  const bytes = Buffer.from(text);
  const i = at % bytes.length;
  const [before, here, after] = [bytes.subarray(0, i), bytes.subarray(i, i + 1), bytes.subarray(i + 1)];
  switch (kind) {
    case "other":
      return Buffer.concat([before, Buffer.from([byte]), after]);
    case "gone":
      return Buffer.concat([before, after]);
    case "twice":
      return Buffer.concat([before, here, here, after]);
    case "end":
      return before;
    default:
      return bytes;
  }
}

describe("JSON text", () => {
  it.each(TEXTS)("%s: is the message that protobuf-es reads, or is refused", (schema, texts) => {
    const seen = { taken: 0, refusedByBoth: 0, refusedByUs: 0 };
    void fc.assert(
      fc.property(texts, fault, (text, damage) => {
        const bytes = faulty(text, damage);
        const theirs = byProtobufEs(schema, bytes);
        const ours = byUs(schema, bytes);
        if (ours !== undefined) expect(ours).toEqual(theirs);
        if (ours !== undefined) seen.taken++;
        else if (theirs === undefined) seen.refusedByBoth++;
        else seen.refusedByUs++;
      }),
      { numRuns: RUNS },
    );
    expect(seen.taken).toBeGreaterThan(RUNS / 10);
    expect(seen.refusedByBoth).toBeGreaterThan(RUNS / 20);
    expect(seen.refusedByUs).toBeLessThan(RUNS / 10);
  });

  it.each([0, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152])("a text of %i bytes is as long", (length) => {
    const operation = { name: "x".repeat(length), set: "1", note: "after" };
    const text = Buffer.from(JSON.stringify({ operations: [operation, operation] }));
    expect(byUs(BatchApplyRequestSchema, text)).toEqual(byProtobufEs(BatchApplyRequestSchema, text));
    expect(byUs(BatchApplyRequestSchema, text)).toBeDefined();
  });
});

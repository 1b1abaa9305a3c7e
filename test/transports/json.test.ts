/** JSON is read strictly: what one parser would round, another drop and a third refuse is refused, by its field. */
import { create, type DescMessage, fromBinary, type JsonObject, toBinary, toJson } from "@bufbuild/protobuf";
import { fc } from "@fast-check/vitest";
import { describe, expect, it } from "vitest";
import {
  BatchApplyRequestSchema,
  CreateCounterRequestSchema,
  IncrementRequestSchema,
  ListCountersRequestSchema,
  SetRequestSchema,
  UpdateCounterRequestSchema,
} from "../../gen/tally/v1/counter_service_pb.ts";
import { TakeLimitRequestSchema, TakeLimitsRequestSchema } from "../../gen/tally/v1/limit_service_pb.ts";
import type { Refusal } from "../../src/core/errors.ts";
import { readRequest } from "../../src/transports/calls/shape.ts";
import { encodeJsonText } from "../../src/transports/json/request.ts";
import { open } from "./door.ts";
import { send } from "./http.ts";

/** What a message of JSON text is, in canonical ProtoJSON; or the refusal. */
function read(schema: DescMessage, text: string | Uint8Array): unknown {
  const bytes = encodeJsonText(schema, Buffer.from(text as string));
  return "code" in bytes ? bytes : toJson(schema, fromBinary(schema, bytes));
}

function refusedBy(schema: DescMessage, text: string | Uint8Array): Refusal {
  const refusal = read(schema, text) as Refusal;
  if (refusal.code === undefined) throw new Error(`expected a refusal, got ${JSON.stringify(refusal)}`);
  return refusal;
}

const TAKE = "must be 1 to 9223372036854775807, in a dry run also 0";
const setTo = (value: string) => `{"name":"a","value":${value}}`;

describe("times", () => {
  it.each([
    ['{"idleTtl":"86400s"}', { idleTtl: "86400s" }],
    ['{"idle_ttl":"1.250s"}', { idleTtl: "1.250s" }],
    [
      '{"window":{"every":"60s","anchor":"2026-03-29T02:00:00+02:00"}}',
      { window: { every: "60s", anchor: "2026-03-29T00:00:00Z" } },
    ],
    [
      '{"window":{"calendar":"CALENDAR_UNIT_MONTH","timeZone":"Europe/Berlin","day":31}}',
      { window: { calendar: "CALENDAR_UNIT_MONTH", timeZone: "Europe/Berlin", day: 31 } },
    ],
    ['{"refill":{"amount":"3","every":"0.001s"}}', { refill: { amount: "3", every: "0.001s" } }],
  ])("%s is taken", (text, json) => {
    expect(read(CreateCounterRequestSchema, text)).toEqual(json);
  });

  it.each([
    ['{"idleTtl":86400}', "idle_ttl"],
    ['{"idleTtl":"86400"}', "idle_ttl"],
    ['{"idleTtl":"24h"}', "idle_ttl"],
    ['{"idleTtl":"1e3s"}', "idle_ttl"],
    ['{"idleTtl":" 1s"}', "idle_ttl"],
    ['{"idleTtl":"0.0000000001s"}', "idle_ttl"],
    ['{"idleTtl":"999999999999s"}', "idle_ttl"],
    ['{"idleTtl":{"seconds":"5"}}', "idle_ttl"],
    ['{"window":{"every":"60s","anchor":"2026-03-29"}}', "window.anchor"],
    ['{"window":{"every":"60s","anchor":1774742400}}', "window.anchor"],
    ['{"window":{"every":"60s","anchor":"yesterday"}}', "window.anchor"],
    ['{"window":{"every":"60s","calendar":"CALENDAR_UNIT_DAY"}}', "window.span"],
    ['{"window":{"calendar":"DAY"}}', "window.calendar"],
    ['{"window":"60s"}', "window"],
  ])("%s is refused, by the name of its field", (text, field) => {
    expect(refusedBy(CreateCounterRequestSchema, text)).toMatchObject({ code: "INVALID_FIELD", field });
  });
});

describe("a whole number of 64 bits", () => {
  it.each([
    ["0", "0"],
    ["-0", "0"],
    ["7", "7"],
    ["9007199254740991", "9007199254740991"],
    ["-9007199254740991", "-9007199254740991"],
    ['"0"', "0"],
    ['"-0"', "0"],
    ['"9007199254740992"', "9007199254740992"],
    ['"9223372036854775807"', "9223372036854775807"],
    ['"-9223372036854775808"', "-9223372036854775808"],
    ['"\\u0031"', "1"],
  ])("is taken as %s", (source, value) => {
    expect(read(SetRequestSchema, setTo(source))).toEqual({ name: "a", value });
  });

  it.each([
    ["1.0"],
    ["1.5"],
    ["1e2"],
    ["1E2"],
    ["100e-2"],
    ["-0.0"],
    ["1e400"],
    ["1.0000000000000000001"],
    ['"1.0"'],
    ['"1e2"'],
    ['"0x10"'],
    ['"0b1"'],
    ['"0o7"'],
    ['""'],
    ['" 1"'],
    ['"1 "'],
    ['"+1"'],
    ['"01"'],
    ['"-"'],
    ['"--1"'],
    ['"1_000"'],
    ['"1n"'],
    ['"NaN"'],
    ['"Infinity"'],
    ['"\\u0661"'],
    ['"1\\n"'],
    ["true"],
    ["[]"],
    ["[1]"],
    ["{}"],
  ])("is not taken as %s", (source) => {
    expect(refusedBy(SetRequestSchema, setTo(source))).toMatchObject({
      code: "INVALID_FIELD",
      field: "value",
      expected: "must be a whole number in plain decimal",
    });
  });

  it.each([["9007199254740992"], ["9007199254740993"], ["-9007199254740992"], ["9223372036854775807"]])(
    "is not taken as the number %s, which a float may not hold",
    (source) => {
      expect(refusedBy(SetRequestSchema, setTo(source))).toMatchObject({
        field: "value",
        expected: expect.stringContaining("string beyond 2^53-1"),
        got: source,
      });
    },
  );

  it.each([
    ['"9223372036854775808"'],
    ['"-9223372036854775809"'],
    ["9223372036854775808"],
    ['"9999999999999999999"'],
  ])("is within int64: not %s", (source) => {
    expect(refusedBy(SetRequestSchema, setTo(source))).toMatchObject({
      field: "value",
      expected: "must be -9223372036854775808 to 9223372036854775807",
    });
  });

  it("is within its own rule, in the words of that", () => {
    const beyond = '"9223372036854775808"';
    for (const [schema, text, expected] of [
      [IncrementRequestSchema, `{"name":"a","amount":${beyond}}`, "must be 1 to 9223372036854775807"],
      [TakeLimitRequestSchema, `{"name":"a","amount":${beyond}}`, TAKE],
      [TakeLimitsRequestSchema, `{"takes":[{"name":"a","amount":${beyond}}]}`, TAKE],
      [ListCountersRequestSchema, '{"pageSize":2147483648}', "must be 1 to 1000"],
    ] as const) {
      expect(refusedBy(schema, text).expected).toBe(expected);
      const readable = encodeJsonText(schema, Buffer.from(text.replace(/"9\d+"|\d{9,}/, "-1"))) as Buffer;
      expect(readRequest(schema, readable)).toMatchObject({ code: "INVALID_FIELD", expected, got: "-1" });
    }
  });

  it.each([
    ["NaN"],
    ["Infinity"],
    ["+1"],
    ["01"],
    [".5"],
    ["1."],
    ["0x10"],
    ["-"],
    ["1_0"],
    ["'1'"],
    ["undefined"],
  ])("is JSON in the first place: not %s", (source) => {
    expect(refusedBy(SetRequestSchema, setTo(source))).toMatchObject({ code: "MALFORMED_MESSAGE" });
  });

  it("of 32 bits has its own range", () => {
    const page = (size: string) => `{"pageSize":${size}}`;
    expect(read(ListCountersRequestSchema, page("2147483647"))).toEqual({ pageSize: 2147483647 });
    expect(read(ListCountersRequestSchema, page('"-2147483648"'))).toEqual({ pageSize: -2147483648 });
    expect(refusedBy(ListCountersRequestSchema, page("2147483648"))).toMatchObject({ field: "page_size" });
    expect(refusedBy(ListCountersRequestSchema, page("1.0"))).toMatchObject({ field: "page_size" });
  });

  it("is exact for every int64, as a string and, where a float holds it, as a number", () => {
    void fc.assert(
      fc.property(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), (value) => {
        expect(read(SetRequestSchema, setTo(`"${value}"`))).toEqual({ name: "a", value: `${value}` });
        const asNumber = read(SetRequestSchema, setTo(`${value}`));
        if (Number.isSafeInteger(Number(value))) expect(asNumber).toEqual({ name: "a", value: `${value}` });
        else expect(asNumber).toMatchObject({ code: "INVALID_FIELD", field: "value" });
      }),
    );
  });
});

describe("a key", () => {
  it.each([
    ['{"name":"a","name":"a"}', 'has the key "name" twice in one object'],
    ['{"name":"a","n\\u0061me":"b"}', 'has the key "name" twice in one object'],
    ['{"name":"a","labels":{"x":"1","x":"1"}}', 'has the key "x" twice in one object'],
    [
      '{"name":"a","labels":{"__proto__":"1","__proto__":"1"}}',
      'has the key "__proto__" twice in one object',
    ],
  ])("that comes twice is refused: %s", (text, expected) => {
    expect(refusedBy(CreateCounterRequestSchema, text)).toEqual({ code: "MALFORMED_MESSAGE", expected });
  });

  it.each([
    ['{"name":"a","requestId":"x","request_id":"x"}'],
    ['{"name":"a","requestId":null,"request_id":"x"}'],
    ['{"name":"a","request_id":"x","requestId":null}'],
  ])("is refused beside the other name of its field: %s", (text) => {
    expect(refusedBy(IncrementRequestSchema, text)).toMatchObject({
      field: "request_id",
      expected: "must be given once, not by both of its names",
    });
  });

  it.each<[string, DescMessage, string, string]>([
    ["at the top", IncrementRequestSchema, '{"name":"a","amuont":1}', "amuont"],
    ["even when null", IncrementRequestSchema, '{"name":"a","amuont":null}', "amuont"],
    ["in another case", IncrementRequestSchema, '{"Name":"a"}', "Name"],
    [
      "in a message in a list",
      BatchApplyRequestSchema,
      '{"operations":[{"name":"a","incr":1}]}',
      "operations[0].incr",
    ],
    ["that every object has", IncrementRequestSchema, '{"name":"a","constructor":1}', "constructor"],
    ["__proto__", IncrementRequestSchema, '{"name":"a","__proto__":{"amount":"5"}}', "__proto__"],
    ["of an extension", IncrementRequestSchema, '{"name":"a","[tally.v1.x]":1}', "[tally.v1.x]"],
  ])("that is not a field is refused: %s", (_, schema, text, field) => {
    expect(refusedBy(schema, text)).toMatchObject({ code: "INVALID_FIELD", field });
  });

  it("of a map may be any text, and none is lost", () => {
    const labels = '{"__proto__":"own","constructor":"made","":"empty","hasOwnProperty":"x"}';
    const encoded = encodeJsonText(
      CreateCounterRequestSchema,
      Buffer.from(`{"name":"a","labels":${labels}}`),
    );
    const message = fromBinary(CreateCounterRequestSchema, encoded as Buffer);
    expect(Object.entries(message.labels)).toEqual(Object.entries(JSON.parse(labels)));
  });

  it("that is very long is shortened in what is said of it", () => {
    const long = "k".repeat(100_000);
    const refusals = [
      refusedBy(IncrementRequestSchema, `{"${long}":1}`),
      refusedBy(IncrementRequestSchema, `{"${long}":1,"${long}":1}`),
      refusedBy(CreateCounterRequestSchema, `{"labels":{"${long}":1}}`),
      refusedBy(IncrementRequestSchema, `{"name":${long}}`),
    ];
    for (const refusal of refusals) expect(JSON.stringify(refusal).length).toBeLessThan(300);
  });
});

describe("a value", () => {
  it.each<[DescMessage, string, string]>([
    [IncrementRequestSchema, '{"name":5}', "name"],
    [IncrementRequestSchema, '{"name":["a"]}', "name"],
    [IncrementRequestSchema, '{"name":"a","mustExist":"true"}', "must_exist"],
    [IncrementRequestSchema, '{"name":"a","mustExist":1}', "must_exist"],
    [IncrementRequestSchema, '{"name":"\\ud800"}', "name"],
    [CreateCounterRequestSchema, '{"name":"a","description":"\\udc00\\ud800"}', "description"],
    [CreateCounterRequestSchema, '{"name":"a","labels":{"k":"\\ud800"}}', 'labels["k"]'],
    [CreateCounterRequestSchema, '{"name":"a","labels":{"k":1}}', 'labels["k"]'],
    [CreateCounterRequestSchema, '{"name":"a","labels":{"k":null}}', 'labels["k"]'],
    [CreateCounterRequestSchema, '{"name":"a","labels":[]}', "labels"],
    [CreateCounterRequestSchema, '{"name":"a","onBound":2}', "on_bound"],
    [CreateCounterRequestSchema, '{"name":"a","onBound":"on_bound_clamp"}', "on_bound"],
    [CreateCounterRequestSchema, '{"name":"a","onBound":"ON_BOUND_WRAP"}', "on_bound"],
    [BatchApplyRequestSchema, '{"operations":{}}', "operations"],
    [BatchApplyRequestSchema, '{"operations":[null]}', "operations[0]"],
    [BatchApplyRequestSchema, '{"operations":[[]]}', "operations[0]"],
    [
      BatchApplyRequestSchema,
      '{"operations":[{"name":"a","increment":"1","set":"1"}]}',
      "operations[0].action",
    ],
    [
      BatchApplyRequestSchema,
      '{"operations":[{"name":"a","increment":"1"},{"name":"b","increment":1.5}]}',
      "operations[1].increment",
    ],
    [UpdateCounterRequestSchema, '{"name":"a","updateMask":{"paths":["min"]}}', "update_mask"],
    [UpdateCounterRequestSchema, '{"name":"a","updateMask":"on_bound"}', "update_mask"],
    [UpdateCounterRequestSchema, '{"name":"a","updateMask":"min, max"}', "update_mask"],
    [UpdateCounterRequestSchema, '{"name":"a","updateMask":["min"]}', "update_mask"],
  ])("of the wrong kind is refused: %s %s", (schema, text, field) => {
    expect(refusedBy(schema, text)).toMatchObject({ code: "INVALID_FIELD", field });
  });

  it("null is as if it were left out", () => {
    const text = '{"name":"a","amount":null,"requestId":null,"mustExist":null}';
    expect(read(IncrementRequestSchema, text)).toEqual({ name: "a" });
    expect(read(BatchApplyRequestSchema, '{"operations":[{"name":"a","set":null,"increment":"1"}]}')).toEqual(
      {
        operations: [{ name: "a", increment: "1" }],
      },
    );
    expect(read(UpdateCounterRequestSchema, '{"name":"a","updateMask":null,"labels":null}')).toEqual({
      name: "a",
    });
  });

  it("is taken under either name of its field", () => {
    expect(read(IncrementRequestSchema, '{"name":"a","request_id":"x","must_exist":true}')).toEqual({
      name: "a",
      requestId: "x",
      mustExist: true,
    });
    expect(read(UpdateCounterRequestSchema, '{"name":"a","update_mask":"onBound,min"}')).toEqual({
      name: "a",
      updateMask: "onBound,min",
    });
  });
});

describe("a time", () => {
  const anchored = (anchor: string) => `{"name":"a","window":{"every":"1s","anchor":${anchor}}}`;
  const idle = (ttl: string) => `{"name":"a","idleTtl":${ttl}}`;

  it.each([
    ['"2026-03-29T00:00:00Z"', "2026-03-29T00:00:00Z"],
    ['"2028-02-29T23:59:59.999Z"', "2028-02-29T23:59:59.999Z"],
    ['"2026-03-29T02:00:00+02:00"', "2026-03-29T00:00:00Z"],
    ['"0001-01-01T00:00:00Z"', "0001-01-01T00:00:00Z"],
    ['"9999-12-31T23:59:59.999Z"', "9999-12-31T23:59:59.999Z"],
  ])("is an instant: %s", (source, anchor) => {
    expect(read(CreateCounterRequestSchema, anchored(source))).toMatchObject({ window: { anchor } });
  });

  it.each([
    ['"2026-02-29T00:00:00Z"'], // No leap year. Date takes it for 1 March.
    ['"2026-04-31T00:00:00Z"'],
    ['"2026-13-01T00:00:00Z"'],
    ['"2026-01-00T00:00:00Z"'],
    ['"2026-01-01T24:00:00Z"'],
    ['"2026-06-30T23:59:60Z"'],
    ['"2026-01-01"'],
    ['"2026-01-01T00:00:00"'],
    ['"2026-01-01 00:00:00Z"'],
    ['"2026-01-01T00:00:00z"'],
    ['"2026-01-01T00:00:00.0000000001Z"'],
    ['"0000-01-01T00:00:00Z"'],
    ['"+10000-01-01T00:00:00Z"'],
    ['"now"'],
    ['""'],
    ["1767225600"],
    ["{}"],
  ])("is no instant: %s", (source) => {
    expect(refusedBy(CreateCounterRequestSchema, anchored(source))).toMatchObject({
      code: "INVALID_FIELD",
      field: "window.anchor",
      expected: 'must be an instant in RFC 3339, such as "2026-03-29T00:00:00Z"',
    });
  });

  it.each([
    ['"60s"', "60s"],
    ['"0.250s"', "0.250s"],
    ['"1.000000001s"', "1.000000001s"],
    ['"-1s"', "-1s"],
    ['"315576000000s"', "315576000000s"],
  ])("is a duration: %s", (source, idleTtl) => {
    expect(read(CreateCounterRequestSchema, idle(source))).toMatchObject({ idleTtl });
  });

  it.each([
    ['"60"'],
    ['"1m"'],
    ['"60 s"'],
    ['"60S"'],
    ['"+60s"'],
    ['".5s"'],
    ['"1.s"'],
    ['"1e3s"'],
    ['"0x10s"'],
    ['"1.0000000001s"'],
    ['"315576000001s"'],
    ['""'],
    ["60"],
    ['{"seconds":60}'],
  ])("is no duration: %s", (source) => {
    expect(refusedBy(CreateCounterRequestSchema, idle(source))).toMatchObject({
      code: "INVALID_FIELD",
      field: "idle_ttl",
      expected: 'must be seconds with an "s", such as "86400s", up to 315576000000',
    });
  });
});

describe("a text", () => {
  it.each<[string, string | Uint8Array, string]>([
    ["nothing", "", "is not JSON"],
    ["a byte order mark", '\ufeff{"name":"a"}', "begins with a byte order mark"],
    ["no UTF-8", Buffer.from([...Buffer.from('{"name":"'), 0xff, ...Buffer.from('"}')]), "is not UTF-8"],
    ["UTF-8 of half a pair", Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), "is not UTF-8"],
    ["UTF-16", Buffer.from('{"name":"a"}', "utf16le"), "is not JSON"],
    ["a trailing comma", '{"name":"a",}', "is not JSON"],
    ["a comment", '{"name":"a"/**/}', "is not JSON"],
    ["two values", '{"name":"a"}{}', "is not JSON"],
    ["a raw line break in a string", '{"name":"a\n"}', "is not JSON"],
    ["null", "null", "must be a JSON object"],
    ["a list", "[]", "must be a JSON object"],
    ["a number", "5", "must be a JSON object"],
    ["a string", '"{}"', "must be a JSON object"],
  ])("that is %s is refused", (_, text, expected) => {
    const refusal = refusedBy(IncrementRequestSchema, text);
    expect(refusal.code).toBe("MALFORMED_MESSAGE");
    expect(refusal.expected).toContain(expected);
  });

  it.each(["[", '{"a":', '[{"a":'])("that nests without end overflows no stack: %s", (level) => {
    for (const depth of [40, 3_000, 10_000, 500_000]) {
      const text = `{"name":${level.repeat(depth)}`;
      expect(refusedBy(IncrementRequestSchema, text).expected).toBe("nests deeper than 32 levels");
    }
    const closed = `{"name":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
    expect(refusedBy(IncrementRequestSchema, closed).expected).toBe("nests deeper than 32 levels");
  });

  it("with brackets in its strings does not nest", () => {
    const name = '[{\\"['.repeat(40);
    expect(read(IncrementRequestSchema, `{"name":"${name}"}`)).toEqual({ name: JSON.parse(`"${name}"`) });
  });
});

describe("JSON through REST and Connect", () => {
  it("means what the same message means through gRPC", async () => {
    await using opened = await open();
    const { port } = opened.door;
    const int64 = fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n);
    const text = fc.string({ unit: "grapheme", maxLength: 20 });
    const key = fc.oneof(
      fc.constantFrom("__proto__", "constructor"),
      fc.stringMatching(/^[a-z0-9_.-]{1,9}$/),
    );
    const settings = fc.record(
      {
        initial: int64,
        min: int64,
        max: int64,
        value: int64,
        monotonic: fc.boolean(),
        description: text,
        labels: fc.uniqueArray(fc.tuple(key, text), { selector: ([name]) => name, maxLength: 4 }),
      },
      { requiredKeys: [] },
    );
    let run = 0;
    await fc.assert(
      fc.asyncProperty(settings, fc.boolean(), async ({ labels = [], ...given }, numbers) => {
        const name = `fuzz-${run++}`;
        const message = create(CreateCounterRequestSchema, { ...given, labels: Object.fromEntries(labels) });
        const grpc = await opened.client.createCounter({ ...message, name: `${name}-grpc` }).then(
          ({ counter }) => ({ ok: counter! }),
          (error: Error) => ({ error: error.message.replace(/^\d+ \w+: /, "") }),
        );
        const json = (value: bigint) =>
          numbers && Number.isSafeInteger(Number(value)) ? `${value}` : `"${value}"`;
        const fields = [
          ...Object.entries(given).map(
            ([key, value]) => `"${key}":${typeof value === "bigint" ? json(value) : JSON.stringify(value)}`,
          ),
          `"labels":{${labels.map(([key, label]) => `${JSON.stringify(key)}:${JSON.stringify(label)}`).join(",")}}`,
        ];
        for (const path of ["/v1/counters", "/tally.v1.CounterService/CreateCounter"]) {
          const got = await send(port, {
            method: "POST",
            path,
            headers: { "content-type": "application/json" },
            body: `{"name":"${name}${path.length}",${fields.join(",")}}`,
          });
          const { counter } = got.json as { counter?: JsonObject };
          if ("error" in grpc) {
            expect(got.error?.message ?? (got.json as { message: string }).message).toBe(grpc.error);
          } else {
            const { value, initial, min, max, monotonic, description } = grpc.ok;
            expect(counter).toMatchObject({
              value: `${value}`,
              initial: `${initial}`,
              monotonic,
              description,
            });
            expect([counter?.min, counter?.max]).toEqual([min, max].map((bound) => bound?.toString()));
            expect(Object.entries(counter?.labels as JsonObject).sort()).toEqual(
              Object.entries(grpc.ok.labels).sort(),
            );
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it("is the same bytes for every message that ProtoJSON can say", () => {
    const token = fc.stringMatching(/^[!-~]{1,8}$/);
    const operation = fc.record({
      name: token,
      action: fc.oneof(
        fc.record({ case: fc.constant("increment" as const), value: fc.bigInt(1n, 2n ** 63n - 1n) }),
        fc.record({ case: fc.constant("set" as const), value: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n) }),
        fc.record({ case: fc.constant("reset" as const), value: fc.constant(true) }),
      ),
      mustExist: fc.boolean(),
      note: fc.string({ unit: "grapheme", maxLength: 10 }),
    });
    void fc.assert(
      fc.property(
        fc.array(operation, { maxLength: 5 }),
        fc.option(token, { nil: undefined }),
        (operations, requestId) => {
          const message = create(BatchApplyRequestSchema, {
            operations,
            ...(requestId !== undefined && { requestId }),
          });
          for (const useProtoFieldName of [false, true]) {
            const text = JSON.stringify(toJson(BatchApplyRequestSchema, message, { useProtoFieldName }));
            const bytes = encodeJsonText(BatchApplyRequestSchema, Buffer.from(text));
            expect(Buffer.from(bytes as Buffer)).toEqual(
              Buffer.from(toBinary(BatchApplyRequestSchema, message)),
            );
          }
        },
      ),
    );
  });
});

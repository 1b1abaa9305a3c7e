import {
  create,
  type DescMessage,
  fromBinary,
  getOption,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import { message as messageRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { fc } from "@fast-check/vitest";
import { describe, expect, it } from "vitest";
import { BulkService } from "../../gen/tally/v1/bulk_service_pb.ts";
import { CounterSettingsSchema, WindowSchema } from "../../gen/tally/v1/counter_pb.ts";
import {
  BatchApplyRequestSchema,
  CounterService,
  CreateCounterRequestSchema,
  DecrementRequestSchema,
  IncrementRequestSchema,
  OperationSchema,
} from "../../gen/tally/v1/counter_service_pb.ts";
import { Verb } from "../../src/core/op.ts";
import { MESSAGE_RULES, readRequest } from "../../src/transports/calls/shape.ts";
import { readPlainChange } from "../../src/wire/change.ts";
import { isWellFormed } from "../../src/wire/well-formed.ts";
import { changeBytes, lengthDelimited, tag, text, varint } from "./wire-bytes.ts";

const RUNS = Number(process.env.FUZZ_RUNS ?? 3_000);
const validator = createValidator();

describe("reading an Increment or Decrement the fast way", () => {
  it.each([
    ["Increment", IncrementRequestSchema, Verb.INCREMENT],
    ["Decrement", DecrementRequestSchema, Verb.DECREMENT],
  ] as const)("%s: what it takes is what protobuf-es and protovalidate accept", async (_, schema, verb) => {
    let taken = 0;
    await fc.assert(
      fc.property(changeBytes, (bytes) => {
        const asked = readPlainChange(Buffer.from(bytes), verb);
        if (asked === undefined) return;
        taken++;
        const request = fromBinary(schema as DescMessage, bytes) as MessageShape<
          typeof IncrementRequestSchema
        >;
        expect(isWellFormed(schema, bytes)).toBe(true);
        expect(validator.validate(schema as DescMessage, request).kind).toBe("valid");
        const { name, amount = 1n, requestId, mustExist = false } = request;
        expect(request.ifMissing).toBeUndefined();
        expect(asked).toEqual({ op: { verb, name, amount, mustExist }, requestId });
      }),
      { numRuns: RUNS },
    );
    expect(taken).toBeGreaterThan(RUNS / 10);
  });

  it.each([
    { name: "a" },
    { name: "a", amount: 1n },
    { name: "n".repeat(127), amount: 2n ** 28n - 1n, requestId: "i".repeat(64), mustExist: true },
    { name: "a", mustExist: false, requestId: "0192aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee" },
  ])("takes what clients send: %o", (init) => {
    const bytes = toBinary(IncrementRequestSchema, create(IncrementRequestSchema, init));
    expect(readPlainChange(Buffer.from(bytes), Verb.INCREMENT)).toEqual({
      op: {
        verb: Verb.INCREMENT,
        name: init.name,
        amount: init.amount ?? 1n,
        mustExist: init.mustExist ?? false,
      },
      requestId: init.requestId,
    });
  });
});

describe("reading any request", () => {
  it.each(
    [...CounterService.methods, ...BulkService.methods].map(({ input }) => [input.name, input] as const),
  )("%s: accepts what protobuf-es and protovalidate accept, of what is well-formed", async (_, schema) => {
    await fc.assert(
      fc.property(changeBytes, (bytes) => {
        const read = readRequest(schema, bytes);
        if (!isWellFormed(schema, bytes)) {
          expect(read).toEqual({ code: "MALFORMED_MESSAGE" });
          return;
        }
        const message = fromBinary(schema, bytes, { readUnknownFields: false });
        const valid = validator.validate(schema, message).kind === "valid";
        expect(read).toMatchObject(valid ? { message } : { code: "INVALID_FIELD" });
      }),
      { numRuns: RUNS / 3 },
    );
  });

  it("has words for the rules between fields", () => {
    const inputs = [
      ...[CounterService, BulkService].flatMap(({ methods }) => methods.map(({ input }) => input)),
      OperationSchema,
      CounterSettingsSchema,
      WindowSchema,
    ];
    const ids = new Set(inputs.flatMap((input) => getOption(input, messageRules).cel.map(({ id }) => id)));
    expect([...ids].sort()).toEqual(Object.keys(MESSAGE_RULES).sort());
  });
});

describe("well-formed bytes", () => {
  const name = text(1, "a");
  const label = lengthDelimited(25, [...text(1, "k"), ...text(2, "v")]);
  const nested = (depth: number): number[] =>
    depth === 0 ? [] : [...tag(50, 3), ...nested(depth - 1), ...tag(50, 4)];

  it.each<[string, DescMessage, number[]]>([
    ["nothing", CreateCounterRequestSchema, []],
    ["a field, and a map", CreateCounterRequestSchema, [...name, ...label]],
    ["an enum beyond its values", CreateCounterRequestSchema, [...tag(23, 0), ...varint(-1)]],
    [
      "unknown fields of every wire type",
      IncrementRequestSchema,
      [
        ...tag(90, 0),
        1,
        ...tag(91, 1),
        ...Array<number>(8).fill(0),
        ...tag(92, 5),
        0,
        0,
        0,
        0,
        ...lengthDelimited(93, [1]),
        ...nested(1),
      ],
    ],
    ["groups in groups", IncrementRequestSchema, nested(60)],
    ["a field twice", IncrementRequestSchema, [...name, ...name]],
  ])("are %s", (_, schema, bytes) => {
    expect(isWellFormed(schema, Uint8Array.from(bytes))).toBe(true);
  });

  it.each<[string, DescMessage, number[]]>([
    ["a text as a number", IncrementRequestSchema, [...tag(1, 0), 1]],
    ["a number as a text", IncrementRequestSchema, lengthDelimited(2, [1])],
    [
      "a number of a fixed size where a varint is due",
      IncrementRequestSchema,
      [...tag(2, 1), ...Array<number>(8).fill(1)],
    ],
    ["a text that is not UTF-8", IncrementRequestSchema, lengthDelimited(1, [0xff])],
    ["a text that runs past the end", IncrementRequestSchema, [...tag(1, 2), 2, 0x61]],
    [
      "a nested message that runs into its neighbour",
      BatchApplyRequestSchema,
      [...tag(1, 2), 2, ...name, ...lengthDelimited(1, name)],
    ],
    [
      "a map key that is not UTF-8",
      CreateCounterRequestSchema,
      lengthDelimited(25, lengthDelimited(1, [0xc0, 0x80])),
    ],
    [
      "a map entry with a number for a key",
      CreateCounterRequestSchema,
      lengthDelimited(25, [...tag(1, 0), 1]),
    ],
    ["field 0", IncrementRequestSchema, [0x00, 1]],
    ["wire type 6", IncrementRequestSchema, [...tag(90, 6), 1]],
    ["a group that nobody ends", IncrementRequestSchema, tag(90, 3)],
    ["a group that another ends", IncrementRequestSchema, [...tag(90, 3), ...tag(91, 4)]],
    ["an end without a group", IncrementRequestSchema, tag(90, 4)],
    ["groups without end", IncrementRequestSchema, nested(5_000)],
    ["a varint of eleven bytes", IncrementRequestSchema, [...tag(2, 0), ...Array<number>(10).fill(0x80), 1]],
    ["a varint cut short", IncrementRequestSchema, [...tag(2, 0), 0x80]],
    ["a tag beyond 32 bits", IncrementRequestSchema, [0x88, 0x80, 0x80, 0x80, 0x10, 1]],
    ["a tag of six bytes", IncrementRequestSchema, [...tag(90, 0, 6), 1]],
    ["a tag alone", IncrementRequestSchema, [0x0a]],
  ])("are not %s", (_, schema, bytes) => {
    expect(isWellFormed(schema, Uint8Array.from(bytes))).toBe(false);
  });
});

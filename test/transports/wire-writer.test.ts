/** What WireWriter writes, in fields of any number and inside of one another, is what protobuf-es writes. */
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { fc, it } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { INT64_MAX, INT64_MIN } from "../../src/core/int64.ts";
import { highOf, WireWriter } from "../../src/wire/writer.ts";

type Field =
  | { readonly number: number; readonly kind: "int64"; readonly value: bigint }
  | { readonly number: number; readonly kind: "safe"; readonly value: number }
  | { readonly number: number; readonly kind: "text" | "slice"; readonly value: string }
  | { readonly number: number; readonly kind: "message"; readonly value: readonly Field[] };

const number = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(15, 16, 2047));
const text = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 20 }),
  fc.constantFrom(126, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152).map((length) => "x".repeat(length)),
);
const field = fc.letrec<{ field: Field }>((tie) => ({
  field: fc.oneof(
    { maxDepth: 4 },
    fc.record({ number, kind: fc.constant("int64" as const), value: fc.bigInt(INT64_MIN, INT64_MAX) }),
    fc.record({ number, kind: fc.constant("safe" as const), value: fc.maxSafeInteger() }),
    fc.record({ number, kind: fc.constantFrom("text" as const, "slice" as const), value: text }),
    fc.record({
      number,
      kind: fc.constant("message" as const),
      value: fc.array(tie("field"), { maxLength: 4 }),
    }),
  ),
})).field;

function byUs(out: WireWriter, fields: readonly Field[]): void {
  for (const { number, kind, value } of fields) {
    const tag =
      (number << 3) | (kind === "int64" || kind === "safe" ? WireType.Varint : WireType.LengthDelimited);
    if (kind === "int64") out.presentNumber(tag, Number(BigInt.asIntN(32, value)), Number(value >> 32n));
    else if (kind === "safe") out.presentNumber(tag, value | 0, highOf(value));
    else if (kind === "message") {
      const start = out.open(tag);
      byUs(out, value);
      out.close(start);
    } else if (kind === "text") out.text(tag, value);
    else out.slice(tag, Buffer.from(`<${value}>`), 1, 1 + Buffer.byteLength(value));
  }
}

function byProtobufEs(out: BinaryWriter, fields: readonly Field[]): BinaryWriter {
  for (const { number, kind, value } of fields) {
    if (kind === "int64" || kind === "safe") out.tag(number, WireType.Varint).int64(value);
    else if (kind === "message") byProtobufEs(out.tag(number, WireType.LengthDelimited).fork(), value).join();
    else out.tag(number, WireType.LengthDelimited).string(value);
  }
  return out;
}

describe("what is written by hand", () => {
  it.prop([fc.array(field, { maxLength: 5 })], { numRuns: 500 })("is what protobuf-es writes", (fields) => {
    const theirs = Buffer.from(byProtobufEs(new BinaryWriter(), fields).finish());
    const ours = new WireWriter(theirs.length);
    byUs(ours, fields);
    expect(ours.finish().equals(theirs)).toBe(true);
  });

  it("beyond what there is room for is a defect, and no message that is cut", () => {
    const out = new WireWriter(3);
    out.presentNumber(0x08, 1, 0);
    out.presentNumber(0x08, 1, 0);
    expect(() => out.finish()).toThrow(RangeError);
  });
});

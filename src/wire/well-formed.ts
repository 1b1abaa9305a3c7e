import { isUtf8 } from "node:buffer";
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import {
  BAD,
  DEPTH_MAX,
  endOfLength,
  endOfNumber,
  endOfTag,
  endOfUnknown,
  endOfVarint,
  readTag,
} from "./reader.ts";

/**
 * Whether bytes are a well-formed message of a type.
 *
 * protobuf-es reads a field of the wrong wire type as if it were right, so that a request of another type can
 * pass as one of ours, and lets a nested message run on into its neighbour. Here every known field has its wire
 * type, every value ends within its message, texts are UTF-8, and nesting is bounded. Unknown fields are fine.
 */
export function isWellFormed(schema: DescMessage, bytes: Uint8Array): boolean {
  return endOfMessage(bytes, 0, bytes.length, planOf(schema), 0) === bytes.length;
}

/** What is known of a field: its wire type, and how to look into it. */
interface FieldPlan {
  readonly wireType: WireType;
  /** A list of numbers, which may come packed as well. */
  readonly packable: boolean;
  readonly text: boolean;
  readonly message: Plan | undefined;
}

type Plan = ReadonlyMap<number, FieldPlan>;

const plans = new Map<DescMessage, Plan>();

function planOf(schema: DescMessage): Plan {
  let plan = plans.get(schema);
  if (plan === undefined) {
    const fields = new Map<number, FieldPlan>();
    plan = fields;
    plans.set(schema, plan); // Before its fields: a message may contain itself.
    for (const field of schema.fields) fields.set(field.number, fieldPlan(field));
  }
  return plan;
}

function fieldPlan(field: DescField): FieldPlan {
  switch (field.fieldKind) {
    case "scalar":
      return scalarPlan(field.scalar, false);
    case "enum":
      return { wireType: WireType.Varint, packable: false, text: false, message: undefined };
    case "message":
      return messagePlan(planOf(field.message));
    case "list":
      if (field.listKind === "message") return messagePlan(planOf(field.message));
      return scalarPlan(field.listKind === "enum" ? ScalarType.INT32 : field.scalar, true);
    case "map": {
      const value =
        field.mapKind === "message"
          ? messagePlan(planOf(field.message))
          : scalarPlan(field.mapKind === "enum" ? ScalarType.INT32 : field.scalar, false);
      return messagePlan(
        new Map([
          [1, scalarPlan(field.mapKey, false)],
          [2, value],
        ]),
      );
    }
  }
}

function messagePlan(message: Plan): FieldPlan {
  return { wireType: WireType.LengthDelimited, packable: false, text: false, message };
}

function scalarPlan(type: ScalarType, list: boolean): FieldPlan {
  const wireType = wireTypeOf(type);
  const packable = list && wireType !== WireType.LengthDelimited;
  return { wireType, packable, text: type === ScalarType.STRING, message: undefined };
}

function wireTypeOf(type: ScalarType): WireType {
  switch (type) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return WireType.LengthDelimited;
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return WireType.Bit64;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return WireType.Bit32;
    default:
      return WireType.Varint;
  }
}

/** Where the last whole field of the message ends, which must be `end`; BAD if it does not fit. */
function endOfMessage(bytes: Uint8Array, start: number, end: number, plan: Plan, depth: number): number {
  if (depth > DEPTH_MAX) return BAD;
  let at = start;
  while (at < end && at !== BAD) {
    const tag = readTag(bytes, at, end);
    if (tag === BAD) return BAD;
    at = endOfTag(bytes, at);
    const field = plan.get(tag >>> 3);
    at =
      field === undefined
        ? endOfUnknown(bytes, at, end, tag, depth)
        : endOfField(bytes, at, end, (tag & 7) as WireType, field, depth);
  }
  return at;
}

function endOfField(
  bytes: Uint8Array,
  at: number,
  end: number,
  wireType: WireType,
  field: FieldPlan,
  depth: number,
): number {
  if (wireType === WireType.LengthDelimited && (field.wireType === wireType || field.packable)) {
    const from = endOfVarint(bytes, at, end);
    const to = endOfLength(bytes, at, end);
    if (to === BAD) return BAD;
    if (field.text) return isUtf8(bytes.subarray(from, to)) ? to : BAD;
    if (field.message !== undefined) return endOfMessage(bytes, from, to, field.message, depth + 1);
    return field.packable ? endOfPacked(bytes, from, to, field.wireType) : to;
  }
  return wireType === field.wireType ? endOfNumber(bytes, at, end, wireType) : BAD;
}

function endOfPacked(bytes: Uint8Array, from: number, to: number, wireType: WireType): number {
  let at = from;
  while (at < to && at !== BAD) at = endOfNumber(bytes, at, to, wireType);
  return at;
}

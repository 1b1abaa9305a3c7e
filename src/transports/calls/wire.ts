import { isUtf8 } from "node:buffer";
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";

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

/** Deeper nesting is refused. Our own messages have three levels; protobuf-es stops at 100. */
const DEPTH_MAX = 64;

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

/** Stands for "not well-formed" where a position is expected. */
const BAD = -1;

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

function endOfNumber(bytes: Uint8Array, at: number, end: number, wireType: WireType): number {
  if (wireType === WireType.Varint) return endOfVarint(bytes, at, end);
  const after = at + (wireType === WireType.Bit64 ? 8 : 4);
  return after <= end ? after : BAD;
}

/**
 * The end of the value of a field that nobody knows, whose tag was just read.
 *
 * @returns  BAD when it does not fit, is of no wire type, or is a group that does not end as it began
 */
export function endOfUnknown(bytes: Uint8Array, at: number, end: number, tag: number, depth: number): number {
  switch (tag & 7) {
    case WireType.Varint:
    case WireType.Bit64:
    case WireType.Bit32:
      return endOfNumber(bytes, at, end, (tag & 7) as WireType);
    case WireType.LengthDelimited:
      return endOfLength(bytes, at, end);
    case WireType.StartGroup: {
      if (depth >= DEPTH_MAX) return BAD;
      let inner = at;
      while (inner !== BAD && inner < end) {
        const next = readTag(bytes, inner, end);
        if (next === BAD) return BAD;
        inner = endOfTag(bytes, inner);
        if ((next & 7) === WireType.EndGroup) return next >>> 3 === tag >>> 3 ? inner : BAD;
        inner = endOfUnknown(bytes, inner, end, next, depth + 1);
      }
      return BAD;
    }
    default:
      return BAD;
  }
}

/** A tag: a varint of at most five bytes and 32 bits, its field number not 0. BAD if it is none. */
export function readTag(bytes: Uint8Array, at: number, end: number): number {
  const tag = readUint32(bytes, at, end);
  return tag >= 8 ? tag : BAD;
}

/** Where a tag or a length that was read ends. */
export function endOfTag(bytes: Uint8Array, at: number): number {
  let after = at;
  while (bytes[after]! >= 0x80) after++;
  return after + 1;
}

/** Where a length-delimited value ends, its length before it at `at`. */
export function endOfLength(bytes: Uint8Array, at: number, end: number): number {
  const length = readUint32(bytes, at, end);
  if (length === BAD) return BAD;
  const after = endOfTag(bytes, at) + length;
  return after <= end ? after : BAD;
}

/** Where a varint of at most ten bytes ends. */
export function endOfVarint(bytes: Uint8Array, at: number, end: number): number {
  const last = Math.min(end, at + 10);
  for (let i = at; i < last; i++) if (bytes[i]! < 0x80) return i + 1;
  return BAD;
}

/** A varint of at most five bytes and 32 bits. */
function readUint32(bytes: Uint8Array, at: number, end: number): number {
  let byte = bytes[at]!;
  if (byte < 0x80 && at < end) return byte;
  let value = 0;
  let scale = 1;
  for (let i = at; i < end && i < at + 5; i++) {
    byte = bytes[i]!;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value <= 0xffffffff ? value : BAD;
    scale *= 128;
  }
  return BAD;
}

import { type DescField, type DescMessage, getOption, isFieldSet, ScalarType } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { FeatureSet_FieldPresence, FieldMaskSchema } from "@bufbuild/protobuf/wkt";
import {
  field as fieldRules,
  MapRulesSchema,
  RepeatedRulesSchema,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { wordsFor } from "../calls/shape.ts";
import { TIME_TEXTS, type TimeText } from "./time-text.ts";

/** What of a message's description its JSON needs, looked up once. */
export interface MessagePlan {
  readonly name: string;
  /** Its fields by both of their names, as ProtoJSON takes both. */
  readonly fields: ReadonlyMap<string, FieldPlan>;
  /** The same names in bytes. */
  readonly keys: readonly { readonly name: Buffer; readonly field: FieldPlan }[];
}

/** A field, and how its value is written, or each of its values. */
export interface FieldPlan {
  readonly field: DescField;
  readonly shape: "one" | "list" | "map";
  readonly kind: "string" | "bool" | "int32" | "int64" | "enum" | "mask" | "time" | "message";
  /** Of the field on the wire. */
  readonly tag: number;
  /** Whether its value is written even when it is what it would be anyway. */
  readonly written: boolean;
  /** Its own among the fields of its message. */
  readonly bit: number;
  /** The bits of all fields of its oneof; 0 outside of one. */
  readonly choice: number;
  /** Items of a list and pairs of a map that its rule allows; Infinity without one. */
  readonly itemsMax: number;
  readonly message: MessagePlan | undefined;
  readonly time: TimeText | undefined;
  /** Of a number: what its rule asks for, in words. */
  readonly range: string | undefined;
}

export function planOf(schema: DescMessage): MessagePlan {
  let plan = plans.get(schema);
  if (plan === undefined) {
    if (schema.fields.length > 32)
      throw new TypeError(`expected at most 32 fields, got ${schema.toString()}`);
    const fields = new Map<string, FieldPlan>();
    const keys: { name: Buffer; field: FieldPlan }[] = [];
    plan = { name: schema.name, fields, keys };
    plans.set(schema, plan); // Before its fields: a message may contain itself.
    for (const desc of schema.fields) {
      const field = fieldPlan(schema, desc);
      fields.set(desc.jsonName, field).set(desc.name, field);
    }
    for (const [name, field] of fields) keys.push({ name: Buffer.from(name), field });
  }
  return plan;
}

const plans = new Map<DescMessage, MessagePlan>();

function fieldPlan({ fields }: DescMessage, field: DescField): FieldPlan {
  const bitOf = (each: DescField) => 1 << fields.indexOf(each);
  const shape = field.fieldKind === "list" || field.fieldKind === "map" ? field.fieldKind : "one";
  const kind = kindOf(field);
  const delimited = kind === "string" || kind === "mask" || kind === "time" || kind === "message";
  // Numbers would be packed, and pairs of others than texts take more room than there is; see request.ts.
  if ((shape !== "one" && !delimited) || (shape === "map" && kind !== "string")) throw unknownKind(field);
  return {
    field,
    shape,
    kind,
    tag: (field.number << 3) | (delimited ? WireType.LengthDelimited : WireType.Varint),
    written: shape !== "one" || field.presence !== FeatureSet_FieldPresence.IMPLICIT,
    bit: bitOf(field),
    choice: field.oneof?.fields.reduce((bits, each) => bits | bitOf(each), 0) ?? 0,
    itemsMax: itemsMaxOf(field),
    message: kind === "message" ? planOf(field.message!) : undefined,
    time: TIME_TEXTS.get(field.message?.typeName ?? ""),
    range: hasRange(field) ? wordsFor(field) : undefined,
  };
}

function kindOf(field: DescField): FieldPlan["kind"] {
  if (field.message !== undefined) {
    const { typeName } = field.message;
    return typeName === FieldMaskSchema.typeName ? "mask" : TIME_TEXTS.has(typeName) ? "time" : "message";
  }
  if (field.enum !== undefined) return "enum";
  switch (field.scalar) {
    case ScalarType.STRING:
      return "string";
    case ScalarType.BOOL:
      return "bool";
    case ScalarType.INT32:
      return "int32";
    case ScalarType.INT64:
      return "int64";
    default:
      throw unknownKind(field);
  }
}

/** Whether its rule says more of a number than that it is one. */
function hasRange(field: DescField): boolean {
  const { type } = getOption(field, fieldRules);
  return type.case === "int32" || type.case === "int64";
}

function unknownKind(field: DescField): TypeError {
  return new TypeError(`expected a kind of field that requests have, got ${field.toString()}`);
}

function itemsMaxOf(field: DescField): number {
  const { type } = getOption(field, fieldRules);
  if (type.case === "repeated" && isFieldSet(type.value, RepeatedRulesSchema.field.maxItems)) {
    return Number(type.value.maxItems);
  }
  if (type.case === "map" && isFieldSet(type.value, MapRulesSchema.field.maxPairs)) {
    return Number(type.value.maxPairs);
  }
  return Number.POSITIVE_INFINITY;
}

import {
  type DescField,
  type DescMessage,
  type DescOneof,
  fromJson,
  ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import {
  DurationSchema,
  FeatureSet_FieldPresence,
  FieldMaskSchema,
  TimestampSchema,
} from "@bufbuild/protobuf/wkt";
import type { Refusal } from "../../core/errors.ts";
import { invalidField } from "../calls/shape.ts";
import { type Json, JsonError, Numeral, parseJson, shortened } from "./parse.ts";

/** A fault in a request: thrown within this folder, a refusal outside of it. */
class Fault extends Error {
  readonly refusal: Refusal;
  constructor(refusal: Refusal) {
    super(refusal.code);
    this.refusal = refusal;
  }
}

/** The bytes of a message from its JSON text in UTF-8, or why there are none. */
export function encodeJsonText(schema: DescMessage, text: Buffer): Buffer | Refusal {
  try {
    return encodeJson(schema, parseJson(text));
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return { code: "MALFORMED_MESSAGE", expected: error.message };
  }
}

/**
 * The bytes of a message from JSON, or why there are none.
 *
 * The mapping is that of ProtoJSON, read strictly: what one client's library would round, another's drop and a
 * third's refuse is refused here, by the name of its field.
 *
 * - An int64 as a number is taken if it is written as a whole number that a float holds exactly, so up to 2^53-1;
 *   as a string, if it is plain decimal.
 * - A key that the message does not have is refused, and so is a field that comes twice, by both of its names.
 *
 * @see https://protobuf.dev/programming-guides/json/
 */
export function encodeJson(schema: DescMessage, json: Json): Buffer | Refusal {
  const writer = new BinaryWriter();
  try {
    writeMessage(writer, schema, json, "");
  } catch (error) {
    if (error instanceof Fault) return error.refusal;
    throw error;
  }
  const { buffer, byteOffset, length } = writer.finish();
  return Buffer.from(buffer, byteOffset, length);
}

/** Written as it is checked: a message of protobuf-es in between would double the time that a batch takes. */
function writeMessage(writer: BinaryWriter, schema: DescMessage, json: Json, path: string): void {
  if (!isObject(json)) {
    if (path === "") throw new Fault({ code: "MALFORMED_MESSAGE", expected: "must be a JSON object" });
    throw fault(path, "must be an object", json);
  }
  const given = new Set<DescField>();
  const chosen = new Map<DescOneof, DescField>();
  for (const key of Object.keys(json)) {
    const value = json[key]!;
    const field = fieldOf(schema, key);
    if (field === undefined)
      throw fault(joined(path, shortened(key)), `is not a field of ${schema.name}`, undefined);
    const at = joined(path, field.name);
    if (given.has(field)) throw fault(at, "must be given once, not by both of its names", undefined);
    given.add(field);
    if (value === null) continue; // As if it were not there.
    if (field.oneof !== undefined) {
      const other = chosen.get(field.oneof);
      const choice = joined(path, field.oneof.name);
      if (other !== undefined)
        throw fault(choice, `must be one, not ${other.name} and ${field.name}`, undefined);
      chosen.set(field.oneof, field);
    }
    writeField(writer, field, value, at);
  }
}

/** Types of Protobuf's own that are one string in JSON. */
const AS_TEXT: ReadonlyMap<string, (json: Json, path: string) => Uint8Array> = new Map([
  [FieldMaskSchema.typeName, maskBytes],
  [DurationSchema.typeName, durationBytes],
  [TimestampSchema.typeName, timestampBytes],
]);

/** In JSON a duration is seconds: "86400s", "0.250s". */
function durationBytes(json: Json, path: string): Uint8Array {
  if (
    typeof json === "string" &&
    /^-?\d{1,12}(\.\d{1,9})?s$/.test(json) &&
    Math.abs(Number.parseFloat(json)) <= DURATION_SECONDS_MAX
  ) {
    return toBinary(DurationSchema, fromJson(DurationSchema, json));
  }
  throw fault(path, 'must be seconds with an "s", such as "86400s"', json);
}

/** As google.protobuf.Duration has it: some 10,000 years. */
const DURATION_SECONDS_MAX = 315_576_000_000;

/** In JSON an instant is a text in RFC 3339. */
function timestampBytes(json: Json, path: string): Uint8Array {
  const expected = 'must be an instant in RFC 3339, such as "2026-03-29T00:00:00Z"';
  if (typeof json !== "string" || json.length > 40 || !isOfCalendar(json)) throw fault(path, expected, json);
  try {
    return toBinary(TimestampSchema, fromJson(TimestampSchema, json));
  } catch {
    throw fault(path, expected, json);
  }
}

/** Whether there is such a day, and such an hour: Date takes 30 February for 2 March, and 24:00 for the next day. */
function isOfCalendar(text: string): boolean {
  const [, year, month, day, hour] = /^(\d{4})-(\d\d)-(\d\d)T(\d\d)/.exec(text) ?? [];
  const last = new Date(0).setUTCFullYear(Number(year), Number(month), 0); // Day 0 of the month after.
  return Number(day) <= new Date(last).getUTCDate() && Number(hour) <= 23;
}

/** In JSON a mask is one string: "min,onBound". */
function maskBytes(json: Json, path: string): Uint8Array {
  if (typeof json === "string" && /^([a-zA-Z0-9.]+(,[a-zA-Z0-9.]+)*)?$/.test(json)) {
    return toBinary(FieldMaskSchema, fromJson(FieldMaskSchema, json));
  }
  throw fault(path, "must be fields in lowerCamelCase, separated by commas", json);
}

/** A field by either of its names, as ProtoJSON takes both. */
export function fieldOf(schema: DescMessage, key: string): DescField | undefined {
  let fields = fieldsByName.get(schema);
  if (fields === undefined) {
    fields = new Map(
      schema.fields.flatMap((field) => [field.jsonName, field.name].map((name) => [name, field])),
    );
    fieldsByName.set(schema, fields);
  }
  return fields.get(key);
}

const fieldsByName = new Map<DescMessage, ReadonlyMap<string, DescField>>();

function writeField(writer: BinaryWriter, field: DescField, json: Json, path: string): void {
  switch (field.fieldKind) {
    case "list":
      if (!Array.isArray(json)) throw fault(path, "must be an array", json);
      for (const [index, item] of (json as readonly Json[]).entries()) {
        writeSingle(writer, field, field.number, item, `${path}[${index}]`);
      }
      return;
    case "map": {
      if (!isObject(json)) throw fault(path, "must be an object", json);
      for (const [key, value] of Object.entries(json)) {
        writer.tag(field.number, WireType.LengthDelimited).fork();
        writer.tag(1, WireType.LengthDelimited).string(key);
        writeSingle(writer, field, 2, value, `${path}[${JSON.stringify(shortened(key))}]`);
        writer.join();
      }
      return;
    }
    default:
      writeSingle(writer, field, field.number, json, path);
  }
}

/** A value, or one of a list or a map, under the number of its field. What is 0 or empty anyway is left out of a message. */
function writeSingle(writer: BinaryWriter, field: DescField, number: number, json: Json, path: string): void {
  if (field.message !== undefined) {
    writer.tag(number, WireType.LengthDelimited);
    const asText = AS_TEXT.get(field.message.typeName);
    if (asText !== undefined) {
      writer.bytes(asText(json, path));
      return;
    }
    writer.fork();
    writeMessage(writer, field.message, json, path);
    writer.join();
    return;
  }
  const written =
    field.fieldKind === "list" ||
    field.fieldKind === "map" ||
    field.presence !== FeatureSet_FieldPresence.IMPLICIT;
  if (field.enum !== undefined) {
    const known = field.enum.values.find(({ name }) => name === json);
    if (known === undefined) {
      const names = field.enum.values.slice(1).map(({ name }) => name);
      throw fault(path, `must be one of ${names.join(", ")}`, json);
    }
    if (written || known.number !== 0) writer.tag(number, WireType.Varint).int32(known.number);
    return;
  }
  switch (field.scalar) {
    case ScalarType.STRING:
      if (typeof json !== "string") throw fault(path, "must be a string", json);
      if (!json.isWellFormed()) throw fault(path, "must be well-formed Unicode", undefined);
      if (written || json !== "") writer.tag(number, WireType.LengthDelimited).string(json);
      return;
    case ScalarType.BOOL:
      if (typeof json !== "boolean") throw fault(path, "must be true or false", json);
      if (written || json) writer.tag(number, WireType.Varint).bool(json);
      return;
    case ScalarType.INT32: {
      const value = Number(wholeNumber(json, path, -(2n ** 31n), 2n ** 31n - 1n));
      if (written || value !== 0) writer.tag(number, WireType.Varint).int32(value);
      return;
    }
    case ScalarType.INT64: {
      const value = wholeNumber(json, path, -(2n ** 63n), 2n ** 63n - 1n);
      if (written || value !== 0n) writer.tag(number, WireType.Varint).int64(value);
      return;
    }
    default:
      throw new TypeError(`expected a kind of field that requests have, got ${field.toString()}`);
  }
}

/** A whole number from plain decimal text. */
function wholeNumber(json: Json, path: string, min: bigint, max: bigint): bigint {
  const source = json instanceof Numeral ? json.source : json;
  if (typeof source !== "string" || !/^-?(0|[1-9][0-9]{0,18})$/.test(source)) {
    throw fault(path, "must be a whole number in plain decimal", json);
  }
  const value = BigInt(source);
  if (value < min || value > max) throw fault(path, `must be ${min} to ${max}`, json);
  if (json instanceof Numeral && !Number.isSafeInteger(Number(source))) {
    throw fault(path, "must be a string beyond 2^53-1, because a JSON number loses digits there", json);
  }
  return value;
}

function isObject(json: Json): json is { readonly [key: string]: Json } {
  return typeof json === "object" && json !== null && !Array.isArray(json) && !(json instanceof Numeral);
}

function fault(path: string, expected: string, got: Json | undefined): Fault {
  if (got instanceof Numeral) {
    return new Fault({ ...invalidField(path, expected, undefined), got: got.source.slice(0, 40) });
  }
  return new Fault(invalidField(path, expected, got));
}

function joined(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

import {
  type DescField,
  type DescMessage,
  type DescOneof,
  fromJson,
  type JsonValue,
  ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import { FieldMaskSchema } from "@bufbuild/protobuf/wkt";
import type { Refusal } from "../../core/errors.ts";
import { invalidField } from "../calls/shape.ts";
import { type Json, JsonError, Numeral, parseJson, shortened } from "./parse.ts";
import { encodePlain } from "./plain.ts";

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
  return encodePlain(schema, text)?.bytes ?? encoded(schema, () => parseJson(text));
}

/** The bytes of a message from JSON, or why there are none. */
export function encodeJson(schema: DescMessage, json: Json): Buffer | Refusal {
  return encoded(schema, () => json);
}

/**
 * The mapping is that of ProtoJSON, read strictly: what one client's library would round, another's drop and a
 * third's refuse is refused here, by the name of its field.
 *
 * - An int64 as a number is taken if it is written as a whole number that a float holds exactly, so up to 2^53-1;
 *   as a string, if it is plain decimal.
 * - A key that the message does not have is refused, and so is a field that comes twice, by both of its names.
 *
 * @see https://protobuf.dev/programming-guides/json/
 */
function encoded(schema: DescMessage, parse: () => Json): Buffer | Refusal {
  try {
    const json = checkedMessage(schema, parse(), "");
    return Buffer.from(toBinary(schema, fromJson(schema, json)));
  } catch (error) {
    if (error instanceof Fault) return error.refusal;
    if (error instanceof JsonError) return { code: "MALFORMED_MESSAGE", expected: error.message };
    if (!(error instanceof Error)) throw error;
    return { code: "MALFORMED_MESSAGE", expected: `is not a ${schema.name}: ${error.message}` };
  }
}

function checkedMessage(schema: DescMessage, json: Json, path: string): JsonValue {
  if (schema.typeName === FieldMaskSchema.typeName) return checkedMask(json, path);
  if (!isObject(json)) {
    if (path === "") throw new Fault({ code: "MALFORMED_MESSAGE", expected: "must be a JSON object" });
    throw fault(path, "must be an object", json);
  }
  const checked: Record<string, JsonValue> = {};
  const given = new Set<DescField>();
  const chosen = new Map<DescOneof, DescField>();
  for (const [key, value] of Object.entries(json)) {
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
    checked[field.jsonName] = checkedField(field, value, at);
  }
  return checked;
}

/** In JSON a mask is one string: "min,onBound". */
function checkedMask(json: Json, path: string): JsonValue {
  if (typeof json === "string" && /^([a-zA-Z0-9.]+(,[a-zA-Z0-9.]+)*)?$/.test(json)) return json;
  throw fault(path, "must be fields in lowerCamelCase, separated by commas", json);
}

/** A field by either of its names, as ProtoJSON takes both. */
export function fieldOf(schema: DescMessage, key: string): DescField | undefined {
  return schema.fields.find(({ jsonName, name }) => jsonName === key || name === key);
}

function checkedField(field: DescField, json: Json, path: string): JsonValue {
  switch (field.fieldKind) {
    case "list": {
      if (!Array.isArray(json)) throw fault(path, "must be an array", json);
      return json.map((item: Json, index) => checkedSingle(field, item, `${path}[${index}]`));
    }
    case "map": {
      if (!isObject(json)) throw fault(path, "must be an object", json);
      const entries = Object.entries(json);
      return Object.fromEntries(
        entries.map(([key, value]) => [
          key,
          checkedSingle(field, value, `${path}[${JSON.stringify(shortened(key))}]`),
        ]),
      );
    }
    default:
      return checkedSingle(field, json, path);
  }
}

/** A value, or one of a list or a map. */
function checkedSingle(field: DescField, json: Json, path: string): JsonValue {
  if (field.message !== undefined) return checkedMessage(field.message, json, path);
  if (field.enum !== undefined) {
    const known = field.enum.values.some(({ name }) => name === json);
    if (known) return json as string;
    const names = field.enum.values.slice(1).map(({ name }) => name);
    throw fault(path, `must be one of ${names.join(", ")}`, json);
  }
  switch (field.scalar) {
    case ScalarType.STRING:
      if (typeof json !== "string") throw fault(path, "must be a string", json);
      if (!json.isWellFormed()) throw fault(path, "must be well-formed Unicode", undefined);
      return json;
    case ScalarType.BOOL:
      if (typeof json !== "boolean") throw fault(path, "must be true or false", json);
      return json;
    case ScalarType.INT32:
      return Number(wholeNumber(json, path, -(2n ** 31n), 2n ** 31n - 1n));
    case ScalarType.INT64:
      return wholeNumber(json, path, -(2n ** 63n), 2n ** 63n - 1n);
    default:
      throw new TypeError(`expected a kind of field that requests have, got ${field.toString()}`);
  }
}

/** Plain decimal text of a whole number. */
function wholeNumber(json: Json, path: string, min: bigint, max: bigint): string {
  const source = json instanceof Numeral ? json.source : json;
  if (typeof source !== "string" || !/^-?(0|[1-9][0-9]{0,18})$/.test(source)) {
    throw fault(path, "must be a whole number in plain decimal", json);
  }
  const value = BigInt(source);
  if (value < min || value > max) throw fault(path, `must be ${min} to ${max}`, json);
  if (json instanceof Numeral && !Number.isSafeInteger(Number(source))) {
    throw fault(path, "must be a string beyond 2^53-1, because a JSON number loses digits there", json);
  }
  return source;
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

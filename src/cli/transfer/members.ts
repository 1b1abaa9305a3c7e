import { type DescMessage, fromJson, type JsonObject, type JsonValue, ScalarType } from "@bufbuild/protobuf";
import { DurationSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";

/** What is no message of a type, by the member that is at fault: "refill.every: expected a duration ...". */
export function faultOfMembers(schema: DescMessage, json: JsonObject, path = ""): string | undefined {
  for (const [key, value] of Object.entries(json)) {
    if (value === null) continue; // Not set.
    const field = schema.fields.find(({ name, jsonName }) => name === key || jsonName === key);
    if (field === undefined) {
      const known = schema.fields.map(({ name }) => name).join(", ");
      return `${path}${key}: there is no such field; expected ${known}`;
    }
    const at = `${path}${field.name}`;
    const fault =
      field.fieldKind === "message"
        ? faultOfMessage(field.message, value, at)
        : field.fieldKind === "enum"
          ? faultOfEnum(field.enum.values, value, at)
          : faultOfPlain(schema, field, value, at);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function faultOfMessage(schema: DescMessage, value: JsonValue, at: string): string | undefined {
  const form = FORMS[schema.typeName];
  if (form !== undefined) {
    if (isRead(schema, value)) return undefined;
    return `${at}: expected ${form}, got ${JSON.stringify(value)}`;
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return faultOfMembers(schema, value, `${at}.`);
  return `${at}: expected a JSON object, got ${JSON.stringify(value)}`;
}

/** Of messages that are texts in JSON. */
const FORMS: Readonly<Record<string, string>> = {
  [DurationSchema.typeName]: 'a duration in seconds, such as "90s" or "0.5s"',
  [TimestampSchema.typeName]: 'a time, such as "2026-01-05T06:00:00Z"',
};

/** @param values  of which the first, 0, says nothing */
export function faultOfEnum(
  values: readonly { readonly name: string; readonly number: number }[],
  value: JsonValue,
  at: string,
): string | undefined {
  const names = values.filter(({ number }) => number !== 0).map(({ name }) => name);
  if (names.includes(`${value}`)) return undefined;
  return `${at}: expected ${names.join(" or ")}, got ${JSON.stringify(value)}`;
}

/** What the reader of Protobuf says of it, without its name for the field. */
function faultOfPlain(
  schema: DescMessage,
  field: DescMessage["fields"][number],
  value: JsonValue,
  at: string,
): string | undefined {
  try {
    fromJson(schema, { [field.jsonName]: value });
    return undefined;
  } catch (error) {
    if (field.fieldKind === "scalar" && field.scalar === ScalarType.INT64)
      return `${at}: expected a whole number from -2^63 to 2^63-1, got ${JSON.stringify(value)}`;
    return `${at}: ${(error as Error).message.replace(/^cannot decode \S+ \S+ from JSON: /, "")}`;
  }
}

function isRead(schema: DescMessage, value: JsonValue): boolean {
  try {
    fromJson(schema, value);
    return true;
  } catch {
    return false;
  }
}

/** A counter as `tally export` writes one into a file, and as `tally import` reads one from it. */
import {
  fromJson,
  type JsonObject,
  type JsonValue,
  type MessageInitShape,
  ScalarType,
  toJson,
} from "@bufbuild/protobuf";
import { type Counter, CounterSchema } from "../../../gen/browser/tally/v1/counter_pb.ts";
import { CreateCounterRequestSchema } from "../../../gen/browser/tally/v1/counter_service_pb.ts";
import { isName, NAME_BYTES_MAX } from "../../core/name.ts";
import { int64 } from "../values.ts";
import { faultOfEnum, faultOfMembers } from "./members.ts";

/** A counter that is to be made, or to be set to a value. */
export interface Wanted {
  readonly name: string;
  readonly value: bigint;
  /** What it is to be if it is missing; undefined when nothing was said of it. */
  readonly settings: Settings | undefined;
}

/** As CreateCounter and `if_missing` take them. */
type Settings = Omit<MessageInitShape<typeof CreateCounterRequestSchema>, "$typeName" | "name" | "value">;

/** Why something is no record of a counter: a sentence without its line, for people. */
export class BadRecord extends Error {
  override readonly name = "BadRecord";
}

/** A field of a counter. */
export type Field = (typeof CounterSchema.fields)[number];

const isSetting = ({ localName }: Field) => Object.hasOwn(CreateCounterRequestSchema.field, localName);

/** What of a counter nobody can set, and is told all the same: which counter it was, and when. */
const TOLD: readonly string[] = [
  "policy",
  "uid",
  "revision",
  "create_time",
  "update_time",
  "window_end",
  "expire_time",
];

/** What a record has, in order: what can be set of a counter, and then what it was. */
export const FIELDS: readonly Field[] = [
  ...CounterSchema.fields.filter(isSetting),
  ...TOLD.map((name) => CounterSchema.fields.find((field) => field.name === name)!),
];

/**
 * A counter as JSON, by the names that Protobuf's JSON mapping has: int64 as decimal text. What is not set or at its
 * default is left out, but for the value.
 */
export function recordOf(counter: Counter): JsonObject {
  const json = toJson(CounterSchema, counter) as JsonObject;
  const record: JsonObject = {};
  for (const { jsonName } of FIELDS) {
    const value = json[jsonName];
    if (value !== undefined && !isEmpty(value)) record[jsonName] = value;
    else if (jsonName === "value") record.value = "0";
  }
  return record;
}

function isEmpty(value: JsonValue): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

/** The field that a member of JSON or a column is about, by either of its names. @throws BadRecord */
export function fieldNamed(name: string): Field {
  const field = BY_NAME.get(name);
  if (field !== undefined) return field;
  throw new BadRecord(
    `there is no field ${JSON.stringify(name)}; expected ${SETTABLE}, or what export writes`,
  );
}

const BY_NAME: ReadonlyMap<string, Field> = new Map(
  CounterSchema.fields.flatMap((field) => [
    [field.name, field],
    [field.jsonName, field],
  ]),
);

const SETTABLE = CounterSchema.fields
  .filter(isSetting)
  .map(({ name }) => name)
  .join(", ");

/** What a record wants, with a prefix before its name. What of it nobody can set is passed over. @throws BadRecord */
export function wantedIn(record: unknown, prefix: string): Wanted {
  if (typeof record !== "object" || record === null || Array.isArray(record))
    throw new BadRecord("expected a JSON object");
  const given: JsonObject = {};
  for (const [key, value] of Object.entries(record as JsonObject)) {
    const field = fieldNamed(key);
    if (Object.hasOwn(given, field.jsonName)) throw new BadRecord(`${field.name} is given twice`);
    if (value === null || !isSetting(field)) continue;
    const fault = field.fieldKind === "enum" ? faultOfEnum(field.enum.values, value, field.name) : undefined;
    if (fault !== undefined) throw new BadRecord(fault); // The reader would take what says nothing.
    given[field.jsonName] = isNumber(field) ? `${numberIn(field, value)}` : value;
  }
  for (const required of ["name", "value"])
    if (given[required] === undefined) throw new BadRecord(`${required} is missing`);
  if (typeof given.name !== "string")
    throw new BadRecord(`name: expected text, got ${JSON.stringify(given.name)}`);
  const { name, value, $typeName: _, ...settings } = read(given);
  const fault = faultOfName(name, prefix);
  if (fault !== undefined) throw new BadRecord(fault);
  return {
    name: prefix + name,
    value: value!,
    settings: Object.keys(given).length > 2 ? settings : undefined,
  };
}

/** Why a counter cannot be called so, with a prefix before it; undefined when it can. */
export function faultOfName(name: string, prefix: string): string | undefined {
  const whole = prefix + name;
  if (name !== "" && isName(whole)) return undefined;
  const shown = JSON.stringify(whole.length > SHOWN ? `${whole.slice(0, SHOWN)}...` : whole);
  const got =
    name === "" ? '""' : whole.length > NAME_BYTES_MAX ? `${shown}, of ${whole.length} characters` : shown;
  const after = prefix === "" ? "" : ", with the prefix before it";
  return `name must be 1 to 200 bytes of printable ASCII without spaces, the first not "-"${after}, got ${got}`;
}

const SHOWN = 60;

function isNumber(field: Field): boolean {
  return field.fieldKind === "scalar" && field.scalar === ScalarType.INT64;
}

function numberIn({ name }: Field, value: JsonValue): bigint {
  try {
    if (typeof value === "string") return int64(value); // As is what is a number in JSON: see formats.ts.
    throw new TypeError();
  } catch {
    throw new BadRecord(
      `${name}: expected a whole number from -2^63 to 2^63-1, got ${JSON.stringify(value)}`,
    );
  }
}

function read(given: JsonObject) {
  try {
    return fromJson(CreateCounterRequestSchema, given);
  } catch (error) {
    throw new BadRecord(faultOfMembers(CreateCounterRequestSchema, given) ?? (error as Error).message);
  }
}

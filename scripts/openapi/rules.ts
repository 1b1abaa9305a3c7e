import { type DescField, type DescMessage, getOption, hasOption, type Message } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import {
  type FieldRules,
  FieldRulesSchema,
  field as fieldOption,
  type MessageRules,
  message as messageOption,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import type { Schema } from "./schema.ts";

/** What the protovalidate rules of a field ask of its value, in JSON Schema's words. */
export interface Ruled {
  /** For the value; of a list or a map, for the whole of it. */
  readonly whole: Schema;
  /** For an item of a list, or a value of a map. */
  readonly item: Schema;
  /** For a key of a map. */
  readonly key: Schema;
  readonly required: boolean;
}

/** @throws TypeError for a rule that is not known here: none is to be missing in the document unnoticed */
export function rulesOf(field: DescField): Ruled {
  const rules = hasOption(field, fieldOption) ? getOption(field, fieldOption) : undefined;
  const ruled = { whole: {}, item: {}, key: {}, required: rules?.required ?? false };
  if (rules !== undefined) read(rules, ruled);
  return ruled;
}

/** What the rules between the fields of a message ask, where JSON Schema has words for it. */
export function messageRulesOf(message: DescMessage): Schema {
  if (!hasOption(message, messageOption)) return {};
  const { cel }: MessageRules = getOption(message, messageOption);
  return Object.assign({}, ...cel.map(({ id }) => celRule(id)));
}

/** A field is there, and not null: in JSON that is the same as nothing. */
export function given(name: string): Schema {
  return { required: [name], properties: { [name]: { not: { type: "null" } } } };
}

/** Each rule in CEL once more as JSON Schema: an expression cannot be turned into one. */
function celRule(id: string): Schema {
  const setOrReset = [given("set"), given("reset")];
  switch (id) {
    case "create_counter.min_max":
    case "counter_settings.min_max":
    case "counter_settings.idle_ttl":
    case "increment.if_missing":
    case "set.if_missing":
    case "operation.if_missing_action":
    case "operation.if_missing":
      return {}; // JSON Schema does not compare two fields; their comments say it.
    case "bulk.all":
    case "bulk.after":
    case "window.calendar_zone":
    case "window.anchor_every":
    case "window.day_month":
      return {}; // What goes with which, their comments say; a document of half of it would mislead.
    case "operation.etag_action":
    case "operation.note_action":
      return {
        dependentSchemas: {
          etag: { anyOf: [...setOrReset, { properties: { etag: { type: "null" } } }] },
          note: { anyOf: [...setOrReset, { properties: { note: { enum: ["", null] } } }] },
        },
      };
    default:
      throw new TypeError(`expected a rule that is described here, got ${id}`);
  }
}

interface Reading {
  whole: Schema;
  item: Schema;
  key: Schema;
}

function read(rules: FieldRules, into: Reading): void {
  for (const [name, value] of setFields(FieldRulesSchema, rules)) {
    if (name === "required") continue;

    for (const [part, given] of setFields(typeOf(name), value as Message)) {
      if (part === "items" || part === "values") into.item = nested(given as FieldRules);
      else if (part === "keys") into.key = nested(given as FieldRules);
      else Object.assign(into.whole, keyword(`${name}.${part}`, given));
    }
  }
}

function nested(rules: FieldRules): Schema {
  const inner = { whole: {}, item: {}, key: {} };
  read(rules, inner);
  return inner.whole;
}

/** The message of a kind of rules: StringRules for "string". */
function typeOf(name: string): DescMessage {
  return FieldRulesSchema.fields.find((field) => field.name === name)!.message!;
}

function setFields(schema: DescMessage, message: Message): [name: string, value: unknown][] {
  const reflected = reflect(schema, message);
  return schema.fields
    .filter((field) => reflected.isSet(field))
    .map((field) => [field.name, plain(reflected.get(field))]);
}

function plain(value: unknown): unknown {
  return typeof value === "object" && value !== null && "message" in value ? value.message : value;
}

/** A length in bytes is one in characters at the most, and for ASCII exactly. */
function keyword(rule: string, value: unknown): Schema {
  switch (rule) {
    case "string.min_bytes":
      return { minLength: Number(value) };
    case "string.max_bytes":
      return { maxLength: Number(value) };
    case "string.pattern":
      return { pattern: value as string };
    case "int32.gte":
    case "int64.gte":
      return { minimum: Number(value) };
    case "int32.lte":
      return { maximum: Number(value) };
    case "repeated.min_items":
      return { minItems: Number(value) };
    case "repeated.max_items":
      return { maxItems: Number(value) };
    case "map.max_pairs":
      return { maxProperties: Number(value) };
    case "bool.const":
      return { const: value as boolean };
    case "enum.defined_only":
    case "enum.not_in":
      return {}; // Names are all that JSON has for them.
    case "duration.gte":
      return { pattern: "^[0-9]{1,12}(\\.[0-9]{1,9})?s$" }; // None is below 0.
    case "duration.lte":
      return {}; // A duration is a text in JSON; its comment says how long it may be.
    default:
      throw new TypeError(`expected a rule that is described here, got ${rule} = ${value}`);
  }
}

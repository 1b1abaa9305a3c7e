import { type DescEnum, type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence as Presence } from "@bufbuild/protobuf/wkt";
import { commentOf } from "./comments.ts";
import { given, messageRulesOf, rulesOf } from "./rules.ts";

/** JSON Schema 2020-12, which OpenAPI 3.1 uses. */
export interface Schema {
  readonly [keyword: string]: unknown;
}

/** Strict about what is taken, open about what is given: an answer may grow. */
export type Direction = "request" | "response";

/** The schemas of a document that have a name, gathered as they are referred to. */
export class Schemas {
  readonly components: Record<string, Schema> = {};
  readonly #answered: ReadonlySet<DescMessage>;

  /** @param answers  the messages that are answered: they, and what is in them, have a schema without rules */
  constructor(answers: readonly DescMessage[]) {
    this.#answered = reached(answers);
  }

  /**
   * A reference to the schema of a message.
   *
   * @param without  fields that something else carries (a path), by their names
   */
  message(message: DescMessage, direction: Direction, without: readonly string[] = []): Schema {
    const name = this.componentOf(message, direction);
    const { components } = this;
    if (!(name in components)) {
      components[name] = {}; // It may refer to itself.
      components[name] = this.#object(message, direction, without);
    }
    return { $ref: `#/components/schemas/${name}` };
  }

  /** Of a message that is both asked and answered there are two schemas, for its fields are strict in requests alone. */
  componentOf(message: DescMessage, direction: Direction): string {
    return direction === "request" && this.#answered.has(message) ? `${message.name}Input` : message.name;
  }

  #object(message: DescMessage, direction: Direction, without: readonly string[]): Schema {
    const fields = message.fields.filter(({ name }) => !without.includes(name));
    const required = fields.filter((field) => isRequired(field, direction)).map(({ jsonName }) => jsonName);
    const comment = commentOf(message);
    return {
      type: "object",
      ...(comment !== "" && { description: comment }),
      properties: Object.fromEntries(fields.map((field) => [field.jsonName, this.field(field, direction)])),
      ...(required.length > 0 && { required }),
      ...(direction === "request" && {
        additionalProperties: false,
        ...oneofsOf(message),
        ...messageRulesOf(message),
      }),
    };
  }

  /** What a field's JSON is, with its comment. */
  field(field: DescField, direction: Direction): Schema {
    const schema = this.#unexplained(field, direction);
    const description = commentOf(field);
    return direction === "request" && isNullable(field)
      ? { ...orNull(schema), description }
      : { ...schema, description };
  }

  #unexplained(field: DescField, direction: Direction): Schema {
    const { whole, item, key } = direction === "request" ? rulesOf(field) : NO_RULES;
    const single = this.#single(field, direction);
    switch (field.fieldKind) {
      case "list":
        return { type: "array", items: { ...single, ...item }, ...whole };
      case "map":
        return {
          type: "object",
          additionalProperties: { ...single, ...item },
          ...(Object.keys(key).length > 0 && { propertyNames: key }),
          ...whole,
        };
      default:
        return { ...single, ...whole, ...(direction === "request" && textOf(field, whole)) };
    }
  }

  #single(field: DescField, direction: Direction): Schema {
    if (field.message !== undefined) {
      return WELL_KNOWN[field.message.typeName] ?? this.message(field.message, direction);
    }
    if (field.enum !== undefined) return this.#enum(field.enum);
    return scalarOf(field, direction);
  }

  #enum(desc: DescEnum): Schema {
    const values = desc.values.map((value) => `- \`${value.name}\`: ${commentOf(value)}`);
    this.components[desc.name] ??= {
      type: "string",
      description: `${commentOf(desc)}\n\n${values.join("\n")}`.trim(),
      enum: desc.values.map(({ name }) => name),
    };
    return { $ref: `#/components/schemas/${desc.name}` };
  }
}

/** Messages, and all that are in them. */
function reached(messages: readonly DescMessage[]): ReadonlySet<DescMessage> {
  const all = new Set<DescMessage>(messages);
  // A set that grows is gone through to its end.
  for (const { fields } of all) for (const { message } of fields) if (message !== undefined) all.add(message);
  return all;
}

const NO_RULES = { whole: {}, item: {}, key: {} };

/** Types of Protobuf's own with a mapping of their own. */
const WELL_KNOWN: Readonly<Record<string, Schema>> = {
  "google.protobuf.Timestamp": { type: "string", format: "date-time" },
  // Seconds: "86400s", "0.250s".
  "google.protobuf.Duration": { type: "string", pattern: "^-?[0-9]{1,12}(\\.[0-9]{1,9})?s$" },
  // Of names in camel case: "min,onBound".
  "google.protobuf.FieldMask": { type: "string", pattern: "^([a-zA-Z]+(,[a-zA-Z]+)*)?$" },
};

/** How far a JSON number can be trusted. */
const SAFE = Number.MAX_SAFE_INTEGER;

function scalarOf(field: DescField, direction: Direction): Schema {
  switch (field.scalar) {
    case ScalarType.STRING:
      return { type: "string" };
    case ScalarType.BOOL:
      return { type: "boolean" };
    case ScalarType.INT32:
      return { type: "integer", format: "int32" };
    case ScalarType.INT64:
      if (direction === "response") return { type: "string", format: "int64", pattern: "^-?[0-9]{1,19}$" };
      return {
        type: ["string", "integer"],
        format: "int64",
        pattern: "^-?(0|[1-9][0-9]{0,18})$",
        minimum: -SAFE,
        maximum: SAFE,
      };
    case ScalarType.UINT64:
      if (direction === "response") return { type: "string", format: "uint64", pattern: "^[0-9]{1,20}$" };
  }
  // google.rpc.Code is an enum; nothing else is in an answer.
  throw new TypeError(`expected a kind of field that is described here, got ${field.toString()}`);
}

/** The text of an int64 that has to be positive. */
function textOf({ scalar }: DescField, { minimum }: Schema): Schema {
  return scalar === ScalarType.INT64 && minimum === 1 ? { pattern: "^[1-9][0-9]{0,18}$" } : {};
}

/** In an answer what has no presence of its own is always there, as 0 or "" or []; where there was a refusal, only a name. */
export function isRequired(field: DescField, direction: Direction): boolean {
  if (direction === "request") return rulesOf(field).required || isNonEmpty(field);
  return implicit(field) && (field.parent.name !== "OperationOutcome" || field.name === "name");
}

/** Left out, a string is "", a number 0 and a list []: not enough for a field that must not be empty. */
function isNonEmpty(field: DescField): boolean {
  const { minLength, minItems, minimum } = rulesOf(field).whole;
  if (field.fieldKind === "list") return minItems !== undefined;
  return implicit(field) && (minLength !== undefined || Number(minimum) > 0);
}

function implicit(field: DescField): boolean {
  return field.presence === Presence.IMPLICIT;
}

/** In JSON null is the same as nothing, where nothing is allowed. */
function isNullable(field: DescField): boolean {
  return !isRequired(field, "request");
}

function orNull(schema: Schema): Schema {
  if ("$ref" in schema) return { anyOf: [schema, { type: "null" }] };
  return { ...schema, type: [schema.type, "null"].flat() };
}

/** Of fields of which one must be given, exactly one is. */
function oneofsOf({ oneofs }: DescMessage): Schema {
  const [oneof, ...more] = oneofs;
  if (oneof === undefined) return {};
  if (more.length > 0) throw new TypeError(`expected one oneof at most, got ${oneofs.length}`);
  return { oneOf: oneof.fields.map(({ jsonName }) => given(jsonName)) };
}

import { type DescMessage, ScalarType } from "@bufbuild/protobuf";
import type { Refusal } from "../../core/errors.ts";
import { invalidField } from "../calls/shape.ts";
import { parametersOf, textOf } from "../http/target.ts";
import { shortened } from "../json/parse.ts";
import { fieldOf } from "../json/request.ts";

/**
 * The fields of a query string as JSON of the message that they are of: `page_size=10`, `update_mask=min,max`,
 * `labels.site=a` for an entry of a map (all behind the first dot is its key), a repeated field as often as it has
 * values.
 *
 * @returns  the object, or a refusal for a name that is not a field, or comes twice
 */
export function readQuery(schema: DescMessage, query: string): { json: Record<string, Parameter> } | Refusal {
  const json: Record<string, Parameter> = {};
  const parameters = parametersOf(query);
  if (parameters === undefined)
    return { code: "MALFORMED_MESSAGE", part: "query", expected: "must have whole escapes (%25 for %)" };
  for (const [name, value] of parameters) {
    const text = textOf(value);
    if (text === undefined) return invalidField(shortened(name), "must be UTF-8, percent-encoded", undefined);
    const dot = name.indexOf(".");
    const field = fieldOf(schema, dot === -1 ? name : name.slice(0, dot));
    if (field === undefined || (dot !== -1) !== (field.fieldKind === "map")) {
      return invalidField(shortened(name), `is not a parameter of ${schema.name}`, undefined);
    }
    const { jsonName } = field;
    if (field.fieldKind === "map") {
      json[jsonName] ??= Object.create(null) as Record<string, string>; // Any key is one, "__proto__" too.
      const entries = json[jsonName] as Record<string, string>;
      const key = name.slice(dot + 1);
      if (key in entries) return invalidField(shortened(name), "must be given once", undefined);
      entries[key] = text;
    } else if (field.fieldKind === "list") {
      json[jsonName] = [...((json[jsonName] as string[] | undefined) ?? []), text];
    } else if (jsonName in json) {
      return invalidField(field.name, "must be given once", undefined);
    } else {
      json[jsonName] =
        field.scalar === ScalarType.BOOL && /^(true|false)$/.test(text) ? text === "true" : text;
    }
  }
  return { json };
}

/** The JSON of a field that stands in a query. */
type Parameter = string | boolean | string[] | Record<string, string>;

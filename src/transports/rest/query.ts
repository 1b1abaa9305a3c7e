import { type DescMessage, ScalarType } from "@bufbuild/protobuf";
import type { Refusal } from "../../core/errors.ts";
import { invalidField } from "../calls/shape.ts";
import { parametersOf, textOf } from "../http/target.ts";
import { type Json, shortened } from "../json/parse.ts";
import { fieldOf } from "../json/request.ts";

/**
 * The fields of a query string as JSON of the message that they are of: `page_size=10`, `update_mask=min,max`,
 * `labels.site=a` for an entry of a map (all behind the first dot is its key), a repeated field as often as it has
 * values.
 *
 * @returns  the object, or a refusal for a name that is not a field, or comes twice
 */
export function readQuery(schema: DescMessage, query: string): { json: Record<string, Json> } | Refusal {
  const json: Record<string, Json> = {};
  const parameters = parametersOf(query);
  if (parameters === undefined)
    return { code: "MALFORMED_MESSAGE", expected: "must have a query with whole escapes (%25 for %)" };
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
      json[jsonName] ??= Object.create(null) as Record<string, Json>; // Any key is one, "__proto__" too.
      const entries = json[jsonName] as Record<string, Json>;
      const key = name.slice(dot + 1);
      if (key in entries) return invalidField(shortened(name), "must be given once", undefined);
      entries[key] = text;
    } else if (field.fieldKind === "list") {
      json[jsonName] = [...((json[jsonName] as Json[] | undefined) ?? []), text];
    } else if (jsonName in json) {
      return invalidField(field.name, "must be given once", undefined);
    } else {
      json[jsonName] =
        field.scalar === ScalarType.BOOL && /^(true|false)$/.test(text) ? text === "true" : text;
    }
  }
  return { json };
}

import type { Schema } from "../openapi/schema.ts";
import { type Html, html, inline } from "./html.ts";

/** The fields of an object, each with its kind, its range and what it means. */
export function fieldsOf({ properties, required, oneOf }: Schema): Html {
  const names = new Set((required ?? []) as string[]);
  const oneOfThem = new Set(((oneOf ?? []) as { required: string[] }[]).flatMap((each) => each.required));
  const fields = Object.entries((properties ?? {}) as Record<string, Schema>);
  return html`<dl>${fields.map(([name, schema]) =>
    field(name, schema, names.has(name) ? "required" : oneOfThem.has(name) ? "one of these is required" : ""),
  )}</dl>\n`;
}

/** A field or a parameter. */
export function field(name: string, schema: Schema, ...notes: readonly string[]): Html {
  const noted = notes.filter((note) => note !== "").map((note) => html` <small>${note}</small>`);
  return html`<dt><code>${name}</code> <span class="kind">${kindOf(schema)}</span>${noted}</dt>
<dd>${inline((schema.description ?? "") as string)}</dd>\n`;
}

/** What a value is, and how large: "string, 1 to 64 characters". That null is the same as nothing stands once, above. */
export function kindOf(schema: Schema): Html[] {
  const { $ref, anyOf, type, items, additionalProperties, propertyNames } = schema;
  if (typeof $ref === "string") return [link($ref)];
  if (Array.isArray(anyOf)) return between(anyOf.filter((each) => each.type !== "null").map(kindOf), " or ");
  const main = [type].flat().filter((each) => each !== "null");
  if (main.includes("array")) {
    return [html`array of ${kindOf(items as Schema)}${rangeOf(schema, "minItems", "maxItems", "items")}`];
  }
  if (main.includes("object") && typeof additionalProperties === "object") {
    const keys = patternOf((propertyNames ?? {}) as Schema);
    const values = kindOf(additionalProperties as Schema);
    return [
      html`object of ${values}${rangeOf(schema, "minProperties", "maxProperties", "entries")}${keys && html`, its keys like ${keys}`}`,
    ];
  }
  return [html`${scalarOf(schema, main as string[])}`];
}

function scalarOf(schema: Schema, types: readonly string[]): Html {
  const { format, minimum } = schema;
  if (schema.const !== undefined) return html`${JSON.stringify(schema.const)}`;
  if (format === "date-time") return html`string, a time of RFC 3339`;
  if (format === "int64" || format === "uint64") return html`${format}${minimum === 1 ? ", from 1" : ""}`;
  if (types.includes("integer") && types.includes("string")) return html`integer, or string`;
  if (types.includes("integer")) return html`integer${rangeOf(schema, "minimum", "maximum", "")}`;
  const pattern = patternOf(schema);
  return html`${types.join(" or ")}${rangeOf(schema, "minLength", "maxLength", "characters")}${pattern && html` like ${pattern}`}`;
}

function patternOf({ pattern }: Schema): Html | "" {
  return typeof pattern === "string" ? html`<code>${pattern}</code>` : "";
}

function rangeOf(schema: Schema, least: string, most: string, unit: string): string {
  const [min, max] = [schema[least], schema[most]] as (number | undefined)[];
  if (max === undefined) return "";
  const range = min === undefined || min === 0 ? `up to ${shown(max)}` : `${shown(min)} to ${shown(max)}`;
  return `, ${range} ${unit}`.trimEnd();
}

function shown(value: number): string {
  return value.toLocaleString("en");
}

export function link(ref: string): Html {
  const name = ref.slice(ref.lastIndexOf("/") + 1);
  return html`<a href="#${name}">${name}</a>`;
}

function between(parts: readonly Html[][], text: string): Html[] {
  return parts.flatMap((part, index) => (index === 0 ? part : [html`${text}`, ...part]));
}

/** What is said of a verb behind a ":" that is none, or none of this method: names may hold a ":" too. */
import type { Refused } from "../calls/call.ts";
import type { Binding, Match } from "./binding.ts";
import type { Template } from "./template.ts";

/**
 * What a path takes, for who used another method; and where the method has verbs there, which.
 *
 * @param segments  of the path
 * @param allow     the methods that it takes
 */
export function methodsSentence(
  table: readonly Binding[],
  segments: readonly string[],
  method: string,
  allow: string,
): string {
  const templates = table.filter((binding) => binding.method === method).map(({ template }) => template);
  const said = verbsSaid(templates, segments);
  if (said === undefined) return `use ${allow}`;
  return said.given
    ? `${said.sentence}, and what is named so takes ${allow}`
    : `use ${allow}, or ${said.sentence}`;
}

/**
 * What is said of the verbs of a path whose last segment is a name, or the like; undefined where it has none.
 *
 * @param segments  of the path
 * @returns         with whether the path has what may be meant for one
 */
export function verbsSaid(
  templates: readonly Template[],
  segments: readonly string[],
): { readonly sentence: string; readonly given: boolean } | undefined {
  const having = templates.filter((each) => each.verb !== "" && hasField(each) && isOf(each, segments));
  if (having.length === 0) return undefined;
  const verbs = having.map(({ verb }) => verb).join(", ");
  const [, given] = /(:[^:]{1,40})$/.exec(segments.at(-1)!) ?? [];
  if (given !== undefined) return { sentence: `${given} is none of its verbs (${verbs})`, given: true };
  return { sentence: `put a verb behind the ${fieldOf(having[0]!)} (${verbs})`, given: false };
}

/** Whether a template ends in a field. */
function hasField({ segments }: Template): boolean {
  return "field" in segments.at(-1)!;
}

function fieldOf({ segments }: Template): string {
  const last = segments.at(-1)!;
  return "field" in last ? last.field : last.literal;
}

/** Whether a path is of a template's kind, whatever its fields hold and its verb is. */
function isOf({ segments }: Template, path: readonly string[]): boolean {
  const fits = (segment: (typeof segments)[number], i: number) =>
    "field" in segment ? path[i] !== "" : segment.literal === path[i];
  return segments.length === path.length && segments.every(fits);
}

/** A refusal for a missing counter, if its name ends in what is a verb for another method, which it then says. */
export function isNoVerbHere(
  refused: Refused,
  { binding: { method, template } }: Match,
  matches: readonly Match[],
): Refused {
  const other = matches.find(({ binding }) => binding.template.verb !== "" && binding.method !== method);
  if (refused.code !== "COUNTER_NOT_FOUND" || template.verb !== "" || other === undefined) return refused;
  const { verb } = other.binding.template;
  const expected = `to ${method} ${verb} is a part of it, and a verb only to ${other.binding.method}`;
  return { ...refused, expected };
}

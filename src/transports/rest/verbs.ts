/** What is said of a verb behind a ":" that is none, or none of this method: names may hold a ":" too. */
import type { Refused } from "../calls/call.ts";
import type { Binding, Match } from "./binding.ts";

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
  const verbs = table
    .filter(({ template }) => template.verb !== "" && "field" in template.segments.at(-1)!)
    .filter((binding) => binding.method === method && isOf(binding.template, segments))
    .map(({ template }) => template.verb)
    .join(", ");
  if (verbs === "") return `use ${allow}`;
  const [, given] = /(:[^:]{1,40})$/.exec(segments.at(-1)!) ?? [];
  if (given === undefined) return `use ${allow}, or put a verb behind the name (${verbs})`;
  return `${given} is none of its verbs (${verbs}), and what is named so takes ${allow}`;
}

/** Whether a path is of a template's kind, whatever its fields hold and its verb is. */
function isOf({ segments }: Binding["template"], path: readonly string[]): boolean {
  const fits = (segment: (typeof segments)[number], i: number) =>
    "field" in segment || segment.literal === path[i];
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

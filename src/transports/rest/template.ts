import type { HttpRule } from "../../../gen/google/api/http_pb.ts";

/** The path of a rule, taken apart: "/v1/counters/{name}:increment". */
export interface Template {
  /** A literal, or the field that a segment is for. */
  readonly segments: readonly ({ readonly literal: string } | { readonly field: string })[];
  /** With its colon: ":increment"; "" without one. */
  readonly verb: string;
}

/** What a path says: its fields by name, decoded; undefined for one that is not UTF-8, percent-encoded. */
export type PathFields = Readonly<Record<string, string | undefined>>;

/**
 * Read a template of google.api.http: literals and single-segment fields, and a verb behind the last.
 *
 * @throws TypeError for what Tally's own annotations do not use ("**", subpaths)
 */
export function parseTemplate(path: string): Template {
  const match = /^((?:\/(?:[a-zA-Z0-9]+|\{[a-z_]+\}))+)(:[a-zA-Z]+)?$/.exec(path);
  if (match === null) throw new TypeError(`expected a path of literals, {field}s and a verb, got ${path}`);
  const segments = match[1]!.slice(1).split("/");
  return {
    segments: segments.map((segment) =>
      segment.startsWith("{") ? { field: segment.slice(1, -1) } : { literal: segment },
    ),
    verb: match[2] ?? "",
  };
}

/** The segments of a path as they are, percent-encoding and all. */
export function segmentsOf(rawPath: string): string[] {
  return rawPath.slice(1).split("/");
}

/**
 * Match a path that was split before it is decoded, so that a name may hold "/" as %2F and ":" as %3A.
 *
 * @returns  the fields; undefined when it does not match
 */
export function matchTemplate({ segments, verb }: Template, raw: readonly string[]): PathFields | undefined {
  if (raw.length !== segments.length || !raw.at(-1)!.endsWith(verb)) return undefined;
  const fields: Record<string, string | undefined> = {};
  for (let index = 0; index < segments.length; index++) {
    const segment = segments[index]!;
    const isLast = index === segments.length - 1;
    const text = decoded(isLast ? raw[index]!.slice(0, raw[index]!.length - verb.length) : raw[index]!);
    if ("literal" in segment ? text !== segment.literal : text === "") return undefined;
    if ("field" in segment) fields[segment.field] = text;
  }
  return fields;
}

function decoded(segment: string): string | undefined {
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

/** The HTTP method and path of a rule. */
export function patternOf({ pattern }: HttpRule): readonly [method: string, path: string] {
  if (pattern.case === undefined || pattern.case === "custom") {
    throw new TypeError(`expected a rule with one of HTTP's own methods, got ${pattern.case}`);
  }
  return [pattern.case.toUpperCase(), pattern.value];
}

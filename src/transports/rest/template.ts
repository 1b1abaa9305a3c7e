import type { HttpRule } from "../../../gen/google/api/http_pb.ts";

/** The path of a rule, taken apart: "/v1/counters/{name}:increment". */
interface Template {
  /** A literal, or the field that a segment is for. */
  readonly segments: readonly ({ readonly literal: string } | { readonly field: string })[];
  /** "increment"; "" without one. */
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
  const match = /^((?:\/(?:[a-zA-Z0-9]+|\{[a-z_]+\}))+)(?::([a-zA-Z]+))?$/.exec(path);
  if (match === null) throw new TypeError(`expected a path of literals, {field}s and a verb, got ${path}`);
  const segments = match[1]!.slice(1).split("/");
  return {
    segments: segments.map((segment) =>
      segment.startsWith("{") ? { field: segment.slice(1, -1) } : { literal: segment },
    ),
    verb: match[2] ?? "",
  };
}

/**
 * Match a raw path, percent-encoding and all: it is split before it is decoded, so that a name may hold "/" as %2F
 * and ":" as %3A.
 *
 * @returns  the fields; undefined when it does not match
 */
export function matchTemplate({ segments, verb }: Template, rawPath: string): PathFields | undefined {
  let path = rawPath;
  if (verb !== "") {
    if (!path.endsWith(`:${verb}`)) return undefined;
    path = path.slice(0, -verb.length - 1);
  }
  const raw = path.slice(1).split("/");
  if (raw.length !== segments.length) return undefined;
  const fields: Record<string, string | undefined> = {};
  for (const [index, segment] of segments.entries()) {
    const text = decoded(raw[index]!);
    if ("literal" in segment ? text !== segment.literal : text === "") return undefined;
    if ("field" in segment) fields[segment.field] = text;
  }
  return fields;
}

function decoded(segment: string): string | undefined {
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

import type { Schema } from "../openapi/schema.ts";

/** Where the examples find a server. */
const SERVER = "http://127.0.0.1:8080";

/** A parameter of OpenAPI, as far as a call needs it. */
export interface Parameter extends Schema {
  readonly name: string;
  readonly in: string;
  readonly example?: unknown;
  readonly schema: Schema;
}

/** The example of an operation as a command. */
export function curlOf(
  method: string,
  path: string,
  parameters: readonly Parameter[],
  body: unknown,
): string {
  const given = parameters.filter(({ example }) => example !== undefined);
  let target = path;
  const query: string[] = [];
  for (const { name, in: where, example } of given) {
    if (where === "path") target = target.replace(`{${name}}`, encodeURIComponent(`${example}`));
    if (where !== "query") continue;
    const pairs =
      typeof example === "object" && example !== null ? Object.entries(example) : [[name, example]];
    for (const [key, value] of pairs)
      query.push(`${encodeURIComponent(`${key}`)}=${encodeURIComponent(`${value}`)}`);
  }
  const url = `${SERVER}${target}${query.length > 0 ? `?${query.join("&")}` : ""}`;
  const verb = method === "get" ? "" : ` -X ${method.toUpperCase()}`;
  if (body === undefined || Object.keys(body as object).length === 0) return `curl${verb} ${quoted(url)}`;
  return `curl${verb} ${quoted(url)} \\\n  -H 'Content-Type: application/json' \\\n  -d ${quoted(JSON.stringify(body))}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

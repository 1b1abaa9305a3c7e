import type { HttpRequest } from "./engine.ts";

/** What a request is for, as it was sent. */
export interface Target {
  /** Percent-encoded. */
  readonly path: string;
  /** All behind the "?"; "" without one. */
  readonly query: string;
}

/** Also of a request that names the server in its target, as requests to proxies do (RFC 9112, section 3.2.2). */
export function targetOf(request: HttpRequest): Target {
  const target = request.target.replace(/^https?:\/\/[^/?]*/i, "");
  const at = target.indexOf("?");
  return at === -1
    ? { path: target, query: "" }
    : { path: target.slice(0, at) || "/", query: target.slice(at + 1) };
}

/**
 * The parameters of a query, percent-decoded and no more: URLSearchParams would put U+FFFD in the place of what is not
 * UTF-8, and take a broken escape for text.
 *
 * @returns  names and values in the order sent; undefined when an escape is broken
 */
export function parametersOf(query: string): (readonly [name: string, value: Buffer])[] | undefined {
  const parameters: (readonly [string, Buffer])[] = [];
  for (const pair of query.split("&")) {
    if (pair === "") continue;
    const at = pair.indexOf("=");
    const name = decoded(at === -1 ? pair : pair.slice(0, at));
    const value = decoded(at === -1 ? "" : pair.slice(at + 1));
    if (name === undefined || value === undefined) return undefined;
    parameters.push([name.toString(), value]);
  }
  return parameters;
}

function decoded(text: string): Buffer | undefined {
  if (/%(?![0-9a-f]{2})/i.test(text)) return undefined;
  const bytes = text
    .replaceAll("+", " ")
    .replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, "latin1"); // As Node.js gives a target: a character a byte.
}

/** Text from UTF-8; undefined when it is none. A byte order mark is text like any other. */
export function textOf(bytes: Buffer): string | undefined {
  try {
    return UTF8.decode(bytes);
  } catch {
    return undefined;
  }
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

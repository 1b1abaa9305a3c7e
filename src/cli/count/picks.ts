import { isUtf8 } from "node:buffer";
import { numbersAsWritten, parsed } from "../exact-json.ts";
import type { Pick } from "./lines.ts";

/** The whole line. */
export const wholeLine: Pick = (text, start, end) => text.slice(start, end);

/** Field `n` of the line, from 1, where fields stand between spaces and tabs: awk's $n. */
export function field(n: number): Pick {
  return (text, start, end) => {
    let at = start;
    for (let skip = n; ; skip--) {
      while (at < end && isBlank(text.charCodeAt(at))) at++;
      if (at === end) return undefined;
      const from = at;
      while (at < end && !isBlank(text.charCodeAt(at))) at++;
      if (skip === 1) return text.slice(from, at);
    }
  };
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/**
 * The first group of the first match of an expression, or the whole match if it has no group.
 *
 * The line is matched as text if it is UTF-8. If it is not, each byte is matched as one character of latin1, so that
 * a broken line is not lost and no two are mixed up.
 */
export function regex(expression: RegExp): Pick {
  const matched = (text: string): string | undefined => {
    const match = expression.exec(text);
    return match === null ? undefined : match.length > 1 ? match[1] : match[0];
  };
  return (text, start, end) => {
    const line = text.slice(start, end);
    if (!NOT_ASCII.test(line)) return matched(line);
    const bytes = Buffer.from(line, "latin1");
    if (!isUtf8(bytes)) return matched(line);
    const match = matched(bytes.toString("utf8"));
    return match === undefined ? undefined : utf8AsBytes(match);
  };
}

/**
 * The text, number, or true or false at a path of member names in a line of JSON. A number is taken as it is
 * written: 1.0 and 1 are two names, and no digit of a long one is lost.
 */
export function jsonField(path: readonly string[]): Pick {
  return (text, start, end) => {
    const bytes = Buffer.from(text.slice(start, end), "latin1");
    if (!isUtf8(bytes)) return undefined; // Then it is not JSON.
    const line = bytes.toString("utf8");
    const value = valueAt(path, parsed(line));
    switch (typeof value) {
      case "string":
        return value.isWellFormed() ? utf8AsBytes(value) : undefined;
      case "number":
        return String(valueAt(path, parsed(line, numbersAsWritten)));
      case "boolean":
        return String(value);
      default:
        return undefined;
    }
  };
}

function valueAt(path: readonly string[], root: unknown): unknown {
  let value = root;
  for (const member of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, member)) return undefined;
    value = (value as Record<string, unknown>)[member];
  }
  return value;
}

const NOT_ASCII = /[^\0-\x7f]/;

/** The UTF-8 of a text, one character a byte. */
function utf8AsBytes(text: string): string {
  return NOT_ASCII.test(text) ? Buffer.from(text, "utf8").toString("latin1") : text;
}

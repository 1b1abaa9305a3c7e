import type { Refusal } from "../../core/errors.ts";
import type { UnaryCall } from "../calls/call.ts";
import { invalidField } from "../calls/shape.ts";
import { parametersOf, textOf } from "../http/target.ts";
import { shortened } from "../json/parse.ts";
import { type Format, JSON_TEXT, PROTO, readMessage } from "./formats.ts";

/** How a query is answered: in JSON if it does not say. */
export function formatOfQuery(query: string): Format {
  return /(^|&)encoding=proto(&|$)/.test(query) ? PROTO : JSON_TEXT;
}

/**
 * The message in the query of a GET.
 *
 * @see https://connectrpc.com/docs/protocol/#unary-get-request
 */
export async function messageOfQuery(
  call: UnaryCall,
  query: string,
  bytesMax: number,
): Promise<Buffer | Refusal> {
  const parameters = parametersOf(query);
  if (parameters === undefined) {
    return { code: "MALFORMED_MESSAGE", part: "query", expected: "must have whole escapes (%25 for %)" };
  }
  const given = new Map<string, Buffer>();
  for (const [name, value] of parameters) {
    if (!PARAMETERS.has(name)) return invalidField(shortened(name), "is not a parameter here", undefined);
    if (given.has(name)) return invalidField(name, "must be given once", undefined);
    given.set(name, value);
  }
  const text = (name: string) => {
    const bytes = given.get(name);
    return bytes && (textOf(bytes) ?? "");
  };
  const version = text("connect");
  if (version !== undefined && version !== "v1") return invalidField("connect", "must be v1", version);
  const encoding = text("encoding");
  if (encoding !== "json" && encoding !== "proto") {
    return invalidField("encoding", "must be json or proto", encoding);
  }
  const base64 = text("base64");
  if (base64 !== undefined && base64 !== "1") return invalidField("base64", "must be 1", base64);
  const message = given.get("message");
  if (message === undefined) return invalidField("message", "must be given", undefined);
  const sent = base64 === "1" ? fromBase64(message.toString("latin1")) : message;
  if (sent === undefined) return invalidField("message", "must be base64 as URLs have it", undefined);
  const format = encoding === "proto" ? PROTO : JSON_TEXT;
  const bytes = await readMessage(call, format, sent, text("compression"), bytesMax);
  return "code" in bytes && bytes.code === "MALFORMED_MESSAGE"
    ? { ...bytes, part: "message in the query" }
    : bytes;
}

const PARAMETERS: ReadonlySet<string> = new Set(["connect", "encoding", "message", "base64", "compression"]);

/** Bytes from base64 in the alphabet of URLs, padded or not; Node.js alone would drop what is none. */
function fromBase64(encoded: string): Buffer | undefined {
  const digits = encoded.replace(/={1,2}$/, "");
  const whole = /^[A-Za-z0-9_-]*$/.test(digits) && digits.length % 4 !== 1;
  return whole ? Buffer.from(digits, "base64url") : undefined;
}

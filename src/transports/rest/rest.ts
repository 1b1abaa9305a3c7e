import type { IncomingMessage, ServerResponse } from "node:http";
import { type DescMethodUnary, fromBinary, getOption, type JsonObject, toJson } from "@bufbuild/protobuf";
import { http as httpOption } from "../../../gen/google/api/annotations_pb.ts";
import type { HttpRule } from "../../../gen/google/api/http_pb.ts";
import { type Refusal, TallyError } from "../../core/errors.ts";
import type { Log } from "../../telemetry.ts";
import type { CallContext, Refused, UnaryCall } from "../calls/call.ts";
import { invalidField } from "../calls/shape.ts";
import type { HttpRoute } from "../http.ts";
import { readBody, sendJson, sendRefusal, targetOf } from "../http-message.ts";
import { type Json, JsonError, parseJson } from "../json/parse.ts";
import { encodeJson, fieldOf } from "../json/request.ts";
import { refusalOf } from "../status.ts";
import { readQuery } from "./query.ts";
import { matchTemplate, type PathFields, parseTemplate, patternOf } from "./template.ts";

export interface RestLimits {
  /** The largest body, in bytes. */
  readonly batchBytesMax: number;
}

/**
 * REST, by a table made of the google.api.http annotations in the .proto files: a path and a body become the
 * request message of a call, and its response becomes JSON.
 */
export function restRoute(calls: readonly UnaryCall[], limits: RestLimits, log: Log): HttpRoute {
  const table = calls.flatMap(bindingsOf);
  return async (request, response) => {
    const { path, query } = targetOf(request);
    const matches = table.flatMap((binding) => {
      const fields = matchTemplate(binding.template, path);
      return fields === undefined ? [] : [{ binding, fields }];
    });
    if (matches.length === 0) return false;
    const method = request.method === "HEAD" ? "GET" : request.method;
    // A verb behind a ":" is one only for its own method: to any other, it is part of the name.
    const match =
      matches.find(({ binding }) => binding.method === method && binding.template.verb !== "") ??
      matches.find(({ binding }) => binding.method === method);
    if (match === undefined) {
      const allow = [...new Set(matches.map(({ binding }) => binding.method))].join(", ");
      const refusal: Refusal = { code: "METHOD_NOT_ALLOWED", expected: `use ${allow}`, got: `${method}` };
      sendRefusal(response, refusal, { allow });
      return true;
    }
    const { binding, fields } = match;
    const bytes = await requestBytes(binding, fields, query, request, limits);
    if ("code" in bytes) sendRefusal(response, bytes);
    else await answerCall(binding.call, bytes, response, log);
    return true;
  };
}

/** A path that leads to a method. */
interface Binding {
  readonly call: UnaryCall;
  readonly method: string;
  readonly template: ReturnType<typeof parseTemplate>;
  /** Whether the body is the rest of the message; without it the query is. */
  readonly hasBody: boolean;
}

function bindingsOf(call: UnaryCall): Binding[] {
  const rule = getOption(call.method, httpOption);
  return [rule, ...rule.additionalBindings].map((each) => bindingOf(call, each));
}

function bindingOf(call: UnaryCall, rule: HttpRule): Binding {
  if (rule.body !== "" && rule.body !== "*")
    throw new TypeError(`expected body "*" or none, got ${rule.body}`);
  const [method, path] = patternOf(rule);
  return { call, method, template: parseTemplate(path), hasBody: rule.body === "*" };
}

/** The request message of a call, or why there is none. */
async function requestBytes(
  { call: { method }, hasBody }: Binding,
  fields: PathFields,
  query: URLSearchParams,
  request: IncomingMessage,
  { batchBytesMax }: RestLimits,
): Promise<Buffer | Refusal> {
  const given = hasBody ? await readJsonBody(request, batchBytesMax) : readQuery(method.input, query);
  if ("code" in given) return given;
  if (hasBody && query.size > 0) {
    return invalidField([...query.keys()][0]!, "is not a parameter here; send it in the body", undefined);
  }
  const json: Record<string, Json> = { ...given.json };
  for (const [name, value] of [...Object.entries(fields), ...headerFields(method, request)]) {
    const field = fieldOf(method.input, name)!;
    const other = json[field.jsonName] ?? json[field.name];
    if (other !== undefined && other !== value) {
      return invalidField(name, `must be the same in the path or header (${JSON.stringify(value)})`, other);
    }
    delete json[field.name];
    json[field.jsonName] = value;
  }
  return encodeJson(method.input, json);
}

/** A body of JSON; none is an empty message. */
export async function readJsonBody(
  request: IncomingMessage,
  bytesMax: number,
): Promise<{ json: { readonly [key: string]: Json } } | Refusal> {
  const body = await readBody(request, bytesMax);
  if ("code" in body) return body;
  if (body.length === 0) return { json: {} };
  const type = request.headers["content-type"] ?? "";
  if (!/^application\/json *(;|$)/i.test(type)) {
    return { code: "MEDIA_TYPE_NOT_SUPPORTED", expected: "must be application/json", got: type || "none" };
  }
  try {
    const json = parseJson(body);
    if (typeof json !== "object" || json === null || Array.isArray(json) || "source" in json) {
      return { code: "MALFORMED_MESSAGE", expected: "must be a JSON object" };
    }
    return { json: json as { readonly [key: string]: Json } };
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return { code: "MALFORMED_MESSAGE", expected: error.message };
  }
}

/** Fields that have a header of HTTP: Idempotency-Key, and If-Match for the etag that a method takes. */
function headerFields({ input }: DescMethodUnary, { headers }: IncomingMessage): [string, string][] {
  const fields: [string, string][] = [];
  const key = headers["idempotency-key"];
  if (typeof key === "string" && fieldOf(input, "request_id")) fields.push(["request_id", unquoted(key)]);
  const etag = ["etag", "settings_etag"].find((name) => fieldOf(input, name));
  const match = headers["if-match"];
  if (match !== undefined && match !== "*" && etag !== undefined) fields.push([etag, unquoted(match)]);
  return fields;
}

/** As draft-ietf-httpapi-idempotency-key-header and RFC 9110 quote them; many clients do not. */
function unquoted(text: string): string {
  return /^"(.*)"$/.exec(text)?.[1] ?? text;
}

/** Have a call answered, and send what it says. */
async function answerCall(call: UnaryCall, bytes: Buffer, response: ServerResponse, log: Log): Promise<void> {
  const result = await runCall(call, bytes, response, log);
  if (!(result instanceof Uint8Array)) {
    sendRefusal(response, result);
    return;
  }
  const json = toJson(call.method.output, fromBinary(call.method.output, result), {
    alwaysEmitImplicit: true,
  }) as JsonObject;
  sendJson(response, 200, json, etagHeader(json));
}

/** Have a call answered; whatever goes wrong is a refusal. */
export async function runCall(
  call: UnaryCall,
  bytes: Buffer,
  response: ServerResponse,
  log: Log,
): Promise<Uint8Array | Refused> {
  const context: CallContext = {
    caller: "",
    deadline: Number.POSITIVE_INFINITY,
    cancelled: () => response.destroyed,
  };
  try {
    return await call.answer(bytes, context);
  } catch (err) {
    if (!(err instanceof TallyError)) log("http.handler_failed", { method: call.method.name, err });
    return refusalOf(err, call.changes);
  }
}

/** The etag of the counter that an answer is about. */
function etagHeader(json: JsonObject): Record<string, string> {
  const about = (json.counter ?? json.outcome) as JsonObject | undefined;
  return typeof about?.etag === "string" ? { etag: `"${about.etag}"` } : {};
}

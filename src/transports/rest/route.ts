import type { IncomingMessage, ServerResponse } from "node:http";
import type { DescMessage } from "@bufbuild/protobuf";
import { type Refusal, TallyError } from "../../core/errors.ts";
import type { Log } from "../../telemetry.ts";
import type { CallContext, Refused, UnaryCall } from "../calls/call.ts";
import type { HttpRoute } from "../http.ts";
import { allowOf, type BodyLimits, sendJson, sendRefusal } from "../http-message.ts";
import { targetOf } from "../http-target.ts";
import { refusalOf } from "../status.ts";
import { type Given, readGiven, requestBytes } from "./request.ts";
import { matchTemplate, type PathFields, type parseTemplate, segmentsOf } from "./template.ts";

/** A path that leads to a method. */
export interface Binding {
  readonly method: string;
  readonly template: ReturnType<typeof parseTemplate>;
  /** Whether the body is the rest of the message; without it the query is. */
  readonly hasBody: boolean;
  /** What the body is of; undefined when what is in it decides that. */
  readonly input: DescMessage | undefined;
  /** The call that is asked for. */
  call(body: Given["fields"]): UnaryCall;
  /** What is answered. */
  toJson(call: UnaryCall, response: Uint8Array): { json: unknown; headers?: Record<string, string> };
}

/** A path and a body become the request message of a call, and its response becomes JSON. */
export function bindingsRoute(table: readonly Binding[], limits: BodyLimits, log: Log): HttpRoute {
  return (request, response) => {
    const segments = segmentsOf(targetOf(request).path);
    const matches: { binding: Binding; fields: PathFields }[] = [];
    for (const binding of table) {
      const fields = matchTemplate(binding.template, segments);
      if (fields !== undefined) matches.push({ binding, fields });
    }
    if (matches.length === 0) return false;
    const method = request.method === "HEAD" ? "GET" : request.method;
    // A verb behind a ":" is one only for its own method: to any other, it is part of the name.
    const match =
      matches.find(({ binding }) => binding.method === method && binding.template.verb !== "") ??
      matches.find(({ binding }) => binding.method === method);
    if (match === undefined) {
      const allow = allowOf(matches.map(({ binding }) => binding.method));
      const refusal: Refusal = { code: "METHOD_NOT_ALLOWED", expected: `use ${allow}`, got: `${method}` };
      sendRefusal(response, refusal, { allow });
      return true;
    }
    return answer(match.binding, match.fields, request, response, limits, log).then(() => true);
  };
}

async function answer(
  binding: Binding,
  path: PathFields,
  request: IncomingMessage,
  response: ServerResponse,
  limits: BodyLimits,
  log: Log,
): Promise<void> {
  const ahead = binding.call(NO_FIELDS).refusalAhead();
  if (ahead !== undefined) {
    sendRefusal(response, ahead); // Node.js drops the body as it comes.
    return;
  }
  const given = await readGiven(request, binding.hasBody, binding.input, limits);
  if ("code" in given) {
    sendRefusal(response, given);
    return;
  }
  const call = binding.call(given.fields);
  const bytes = requestBytes(call, path, given, request.headers, binding.hasBody);
  const result = "code" in bytes ? bytes : await run(call, bytes, response, log);
  if (result instanceof Uint8Array) {
    const { json, headers } = binding.toJson(call, result);
    sendJson(response, 200, json, headers);
  } else {
    sendRefusal(response, result);
  }
}

/** For calls of which nothing is known but their path. */
const NO_FIELDS: Given["fields"] = () => ({});

/** Have a call answered; whatever goes wrong is a refusal. */
async function run(
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

import type { IncomingMessage } from "node:http";
import { type DescMessage, fromBinary } from "@bufbuild/protobuf";
import {
  CounterService,
  DecrementResponseSchema,
  GetCounterResponseSchema,
  IncrementResponseSchema,
  ResetResponseSchema,
  SetResponseSchema,
} from "../../../gen/tally/v1/counter_service_pb.ts";
import type { Refusal } from "../../core/errors.ts";
import type { Log } from "../../telemetry.ts";
import type { UnaryCall } from "../calls/call.ts";
import { invalidField } from "../calls/shape.ts";
import type { HttpRoute } from "../http.ts";
import { sendJson, sendRefusal, targetOf } from "../http-message.ts";
import type { Json } from "../json/parse.ts";
import { encodeJson } from "../json/request.ts";
import { type RestLimits, readJsonBody, runCall } from "./rest.ts";
import { matchTemplate, parseTemplate } from "./template.ts";

/**
 * The small API that many counter services have, and their clients call already:
 *
 *     POST /counters/NAME/increment      POST /counters/NAME/decrement
 *     GET  /counters/NAME                PUT  /counters/NAME    (resets; sets with {"value": 7})
 *
 * Each answers `{"name": "page-views", "value": 1}`, the value as a JSON number; beyond 2^53-1, where that would
 * lose digits, as a string.
 */
export function articleRoute(calls: readonly UnaryCall[], limits: RestLimits, log: Log): HttpRoute {
  const { increment, decrement, getCounter, set, reset } = CounterService.method;
  const callOf = (method: UnaryCall["method"]) => calls.find((call) => call.method === method)!;
  const paths: readonly Path[] = [
    { method: "POST", template: parseTemplate("/counters/{name}/increment"), call: () => callOf(increment) },
    { method: "POST", template: parseTemplate("/counters/{name}/decrement"), call: () => callOf(decrement) },
    { method: "GET", template: parseTemplate("/counters/{name}"), call: () => callOf(getCounter) },
    {
      method: "PUT",
      template: parseTemplate("/counters/{name}"),
      call: (body) => callOf("value" in body ? set : reset),
    },
  ];
  return async (request, response) => {
    const matches = paths.flatMap((path) => {
      const name = matchTemplate(path.template, targetOf(request).path)?.name;
      return name === undefined ? [] : [{ path, name }];
    });
    if (matches.length === 0) return false;
    const method = request.method === "HEAD" ? "GET" : request.method;
    const match = matches.find(({ path }) => path.method === method);
    if (match === undefined) {
      const allow = matches.map(({ path }) => path.method).join(", ");
      const refusal: Refusal = { code: "METHOD_NOT_ALLOWED", expected: `use ${allow}`, got: `${method}` };
      sendRefusal(response, refusal, { allow });
      return true;
    }
    const { path, name } = match;
    const body = await readJsonBody(request, limits.batchBytesMax);
    if ("code" in body) {
      sendRefusal(response, body);
      return true;
    }
    const call = path.call(body.json);
    if ("name" in body.json) {
      sendRefusal(response, invalidField("name", "is in the path, and not to be in the body", undefined));
      return true;
    }
    const bytes = encodeJson(call.method.input, { ...body.json, ...requestIdOf(request), name });
    const result = "code" in bytes ? bytes : await runCall(call, bytes, response, log);
    if (result instanceof Uint8Array) sendJson(response, 200, { name, value: shown(valueIn(call, result)) });
    else sendRefusal(response, result);
    return true;
  };
}

interface Path {
  readonly method: string;
  readonly template: ReturnType<typeof parseTemplate>;
  readonly call: (body: { readonly [key: string]: Json }) => UnaryCall;
}

function requestIdOf({ headers, method }: IncomingMessage): { requestId?: string } {
  const key = headers["idempotency-key"];
  return typeof key === "string" && method !== "GET" ? { requestId: key.replace(/^"(.*)"$/, "$1") } : {};
}

function valueIn({ method: { output } }: UnaryCall, bytes: Uint8Array): bigint {
  if ((output as DescMessage) === GetCounterResponseSchema) {
    return fromBinary(GetCounterResponseSchema, bytes).counter!.value;
  }
  const schema = CHANGES.find((each) => (each as DescMessage) === output)!;
  return fromBinary(schema, bytes).outcome!.value;
}

const CHANGES = [
  IncrementResponseSchema,
  DecrementResponseSchema,
  SetResponseSchema,
  ResetResponseSchema,
] as const;

function shown(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : `${value}`;
}

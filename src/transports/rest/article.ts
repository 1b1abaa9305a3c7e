import { type DescMessage, fromBinary } from "@bufbuild/protobuf";
import {
  CounterService,
  DecrementResponseSchema,
  GetCounterResponseSchema,
  IncrementResponseSchema,
  ResetResponseSchema,
  SetResponseSchema,
} from "../../../gen/tally/v1/counter_service_pb.ts";
import type { UnaryCall } from "../calls/call.ts";
import type { HttpCallOptions } from "../http/call.ts";
import type { BodyLimits, HttpRoute } from "../http/engine.ts";
import { isFleeting } from "../http/etags.ts";
import { hasKey } from "../json/request.ts";
import type { Binding } from "./binding.ts";
import { bindingsRoute } from "./route.ts";
import { parseTemplate } from "./template.ts";

/**
 * The small API that many counter services have, and their clients call already:
 *
 *     POST /counters/NAME/increment      POST /counters/NAME/decrement
 *     GET  /counters/NAME                PUT  /counters/NAME    (resets; sets with {"value": 7})
 *
 * Each answers `{"name": "page-views", "value": 1}`, the value as a JSON number; beyond 2^53-1, where that would
 * lose digits, as a string.
 */
export function articleRoute(
  calls: readonly UnaryCall[],
  options: HttpCallOptions & { limits: BodyLimits },
): HttpRoute {
  const { increment, decrement, getCounter, set, reset } = CounterService.method;
  const callOf = (method: UnaryCall["method"]) => calls.find((call) => call.method === method)!;
  const path = (
    verb: string,
    template: string,
    method: UnaryCall["method"],
    call = (_: Buffer) => callOf(method),
  ): Binding => ({
    method: verb,
    template: parseTemplate(template),
    input: method.input,
    hasBody: verb !== "GET",
    call,
    toJson: nameAndValue,
  });
  const table = [
    path("POST", "/counters/{name}/increment", increment),
    path("POST", "/counters/{name}/decrement", decrement),
    path("GET", "/counters/{name}", getCounter),
    // What a Reset takes, a Set takes too.
    path("PUT", "/counters/{name}", set, (body) => callOf(hasKey(body, "value") ? set : reset)),
  ];
  return bindingsRoute(table, "short", options);
}

function nameAndValue({ method: { output } }: UnaryCall, response: Uint8Array) {
  const { name, value, etag, isFleeting } = countIn(output, response);
  const number = Number(value);
  return {
    json: { name, value: Number.isSafeInteger(number) ? number : `${value}` },
    named: { etag, isFleeting },
  };
}

function countIn(output: DescMessage, response: Uint8Array) {
  if (output === (GetCounterResponseSchema as DescMessage)) {
    const { counter, past } = fromBinary(GetCounterResponseSchema, response);
    if (counter === undefined) return { ...past!, etag: undefined, isFleeting: false };
    return { ...counter, isFleeting: isFleeting(counter) };
  }
  const schema = CHANGES.find((each) => (each as DescMessage) === output)!;
  return { ...fromBinary(schema, response).outcome!, isFleeting: false };
}

const CHANGES = [
  IncrementResponseSchema,
  DecrementResponseSchema,
  SetResponseSchema,
  ResetResponseSchema,
] as const;

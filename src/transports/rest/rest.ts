import { fromBinary, getOption } from "@bufbuild/protobuf";
import { http as httpOption } from "../../../gen/google/api/annotations_pb.ts";
import type { HttpRule } from "../../../gen/google/api/http_pb.ts";
import type { UnaryCall } from "../calls/call.ts";
import type { HttpCallOptions } from "../http/call.ts";
import type { BodyLimits, HttpRoute } from "../http/engine.ts";
import { namedIn } from "../http/etags.ts";
import { limitsTold } from "../http/limit-fields.ts";
import { answerJson } from "../json/answer.ts";
import type { Answered, Binding } from "./binding.ts";
import { bindingsRoute } from "./route.ts";
import { parseTemplate, patternOf } from "./template.ts";

/** REST, by a table made of the google.api.http annotations in the .proto files. */
export function restRoute(
  calls: readonly UnaryCall[],
  options: HttpCallOptions & { limits: BodyLimits },
): HttpRoute {
  return bindingsRoute(calls.flatMap(bindingsOf), "rest", options);
}

function bindingsOf(call: UnaryCall): Binding[] {
  const rule = getOption(call.method, httpOption);
  return [rule, ...rule.additionalBindings].map((each) => bindingOf(call, each));
}

function bindingOf(call: UnaryCall, rule: HttpRule): Binding {
  if (rule.body !== "" && rule.body !== "*")
    throw new TypeError(`expected body "*" or none, got ${rule.body}`);
  const [method, path] = patternOf(rule);
  return {
    method,
    template: parseTemplate(path),
    input: call.method.input,
    hasBody: rule.body === "*",
    call: () => call,
    toJson: toProtoJson,
  };
}

function toProtoJson({ method: { output } }: UnaryCall, response: Uint8Array): Answered {
  const message = fromBinary(output, response);
  return { json: answerJson(output, message), named: namedIn(message), told: limitsTold(message) };
}

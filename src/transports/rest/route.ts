import type { Refused } from "../calls/call.ts";
import { admitOverHttp, answerOverHttp, type HttpCallOptions } from "../http/call.ts";
import { isGet, judgeConditions } from "../http/conditions.ts";
import type { BodyLimits, HttpRequest, HttpResponse, HttpRoute } from "../http/engine.ts";
import { allowOf, sendJson, sendNotModified, sendRefusal } from "../http/message.ts";
import { targetOf } from "../http/target.ts";
import type { Binding, Match } from "./binding.ts";
import { EMPTY, readGiven, requestBytes } from "./request.ts";
import { matchTemplate, segmentsOf } from "./template.ts";
import { isNoVerbHere, methodsSentence } from "./verbs.ts";

/** A path and a body become the request message of a call, and its response becomes JSON. */
export function bindingsRoute(
  table: readonly Binding[],
  options: HttpCallOptions & { limits: BodyLimits },
): HttpRoute {
  return (request, response) => {
    const segments = segmentsOf(targetOf(request).path);
    const matches: Match[] = [];
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
      const expected = methodsSentence(table, segments, method, allow);
      sendRefusal(response, { code: "METHOD_NOT_ALLOWED", expected, got: request.method }, { allow });
      return true;
    }
    return answer(match, request, response, options)
      .then((refused) => {
        if (refused !== undefined) sendRefusal(response, isNoVerbHere(refused, match, matches));
      })
      .then(() => true);
  };
}

/** @returns  the refusal that is to be answered; undefined when an answer was sent */
async function answer(
  { binding, fields }: Match,
  request: HttpRequest,
  response: HttpResponse,
  options: HttpCallOptions & { limits: BodyLimits },
): Promise<Refused | undefined> {
  const admitted = await admitOverHttp(binding.call(EMPTY), request, response, options);
  if ("code" in admitted) return admitted;
  const given = await readGiven(request, binding.hasBody, options.limits);
  if ("code" in given) return given;
  const call = binding.call(given.body);
  const message = requestBytes(call, fields, given, binding.hasBody);
  const result = await answerOverHttp(call, admitted, message, request, response, options.log);
  if (!(result instanceof Uint8Array)) return result;
  const { json, named, told } = binding.toJson(call, result);
  const headers = { ...(named.etag !== undefined && { etag: `"${named.etag}"` }), ...told?.headers };
  const verdict = isGet(request) ? judgeConditions(request, named) : "send";
  if (verdict === "send") sendJson(response, told?.status ?? 200, json, headers);
  else if (verdict === "not modified") sendNotModified(response, headers);
  else return verdict;
  return undefined;
}

import type { CallParts } from "../../telemetry/call-parts.ts";
import type { Door } from "../../telemetry/series.ts";
import type { Ended } from "../calls/meter.ts";
import { admitOverHttp, admittedFor, answerOverHttp, type HttpCallOptions } from "../http/call.ts";
import { isGet, judgeConditions } from "../http/conditions.ts";
import type { BodyLimits, HttpRequest, HttpResponse, HttpRoute } from "../http/engine.ts";
import { allowOf, sendJson, sendNotModified, sendRefusal } from "../http/message.ts";
import { targetOf } from "../http/target.ts";
import type { Binding, Match } from "./binding.ts";
import { EMPTY, readGiven, requestBytes, unfitType } from "./request.ts";
import { matchTemplate, segmentsOf } from "./template.ts";
import { isNoVerbHere, methodsSentence } from "./verbs.ts";

/** A path and a body become the request message of a call, and its response becomes JSON. */
export function bindingsRoute(
  table: readonly Binding[],
  door: Door,
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
    const unfit = unfitType(request, match.binding.hasBody);
    if (unfit !== undefined) {
      sendRefusal(response, unfit);
      return true;
    }
    const answered = async (parts: CallParts | undefined): Promise<Ended> => {
      const { method, refused, access } = await answer(match, request, response, options, parts);
      const told = refused && isNoVerbHere(refused, match, matches);
      if (told !== undefined) sendRefusal(response, told);
      return { method, refused: told, access };
    };
    const { method: unread } = match.binding.call(EMPTY);
    const headerOf = (name: string) => request.header(name);
    return options.meter.measured(unread, door, headerOf, answered).then(() => true);
  };
}

/** @returns  with the refusal that is to be answered; without one when an answer was sent */
async function answer(
  { binding, fields }: Match,
  request: HttpRequest,
  response: HttpResponse,
  options: HttpCallOptions & { limits: BodyLimits },
  parts: CallParts | undefined,
): Promise<Ended> {
  const unread = binding.call(EMPTY);
  const admitted = await admitOverHttp(unread, request, options, parts);
  if ("code" in admitted) return { method: unread.method, refused: admitted };
  const { access } = admitted.permit;
  const { headers: unfit } = admitted;
  if ("code" in unfit) return { method: unread.method, refused: unfit, access };
  const given = await readGiven(request, binding, fields, options.limits);
  if ("code" in given) return { method: unread.method, refused: given, access };
  const call = binding.call(given);
  const message = requestBytes(call.method.input, fields, given);
  const of = call === unread ? admitted : admittedFor(call, admitted, request);
  const result = await answerOverHttp(call, of, message, request, response, options.log);
  const { method } = call;
  if (!(result instanceof Uint8Array)) return { method, refused: result, access };
  const { json, named, told } = binding.toJson(call, result);
  const headers = { ...(named.etag !== undefined && { etag: `"${named.etag}"` }), ...told?.headers };
  const verdict = isGet(request) ? judgeConditions(request, named) : "send";
  if (verdict === "send") sendJson(response, told?.status ?? 200, json, headers);
  else if (verdict === "not modified") sendNotModified(response, headers);
  else return { method, refused: verdict, access };
  return { method, refused: undefined, access };
}

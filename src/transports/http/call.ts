import type { DescMethod } from "@bufbuild/protobuf";
import type { Clock } from "../../core/clock.ts";
import { type Refusal, TallyError } from "../../core/errors.ts";
import { countIn } from "../../http2/fields.ts";
import { type CallParts, traceFieldOf } from "../../telemetry/call-parts.ts";
import type { Log } from "../../telemetry.ts";
import type { CallHead, Permit } from "../calls/authorise.ts";
import type { CallContext, Refused, UnaryCall } from "../calls/call.ts";
import type { CallMeter } from "../calls/meter.ts";
import { refusalOf } from "../status.ts";
import { timeoutOf } from "../timeout.ts";
import { isGet } from "./conditions.ts";
import type { HttpRequest, HttpResponse } from "./engine.ts";
import { type HeaderFields, headerFieldsOf, NO_HEADER_FIELDS, withHeaders } from "./header-fields.ts";

/** What it takes to have calls answered. */
export interface HttpCallOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly meter: CallMeter;
}

/** A request that is to be answered. */
export interface Admitted {
  readonly permit: Permit;
  /** When its headers were there: milliseconds since the Unix epoch. */
  readonly arrived: number;
  /** How long the caller waits, in milliseconds, and what their headers say for the request; or why these are none. */
  readonly headers: { readonly timeoutMs: number; readonly fields: HeaderFields } | Refusal;
  readonly parts: CallParts | undefined;
}

/**
 * Judge a request by its headers alone, before its body is read: whether there is time for it, who calls, and what else
 * they say, the same at every door of HTTP.
 *
 * @param parts  what is to be noted of it as it goes on
 */
export async function admitOverHttp(
  call: UnaryCall,
  request: HttpRequest,
  { clock, log }: HttpCallOptions,
  parts?: CallParts,
): Promise<Admitted | Refusal> {
  const arrived = clock.now();
  const ahead = call.refusalAhead();
  if (ahead !== undefined) {
    request.drop(); // Who is overloaded by calls has no use for as many new connections.
    return ahead;
  }
  const permit = await permitOverHttp(call, request, log, parts);
  return "code" in permit ? permit : { permit, arrived, headers: headersOf(call, request), parts };
}

/** The same of a request whose body says that it is for another call. */
export function admittedFor(call: UnaryCall, admitted: Admitted, request: HttpRequest): Admitted {
  return { ...admitted, headers: headersOf(call, request) };
}

function headersOf(call: UnaryCall, request: HttpRequest): Admitted["headers"] {
  const headerOf = (name: string) => request.header(name);
  const timeoutMs = timeoutOf(headerOf);
  if (typeof timeoutMs !== "number") return timeoutMs;
  const fields = isGet(request) ? NO_HEADER_FIELDS : headerFieldsOf(call, headerOf);
  return "code" in fields ? fields : { timeoutMs, fields };
}

/** Who calls, by the headers alone. */
export async function permitOverHttp(
  call: Pick<UnaryCall, "method" | "authorise">,
  request: HttpRequest,
  log: Log,
  parts?: CallParts,
): Promise<Permit | Refusal> {
  try {
    return await call.authorise(callHeadOf(call.method, request, parts));
  } catch (error) {
    return failure(call, error, false, log, { headerOf: (name) => request.header(name), parts });
  }
}

/** What is known of a call before its body. */
export function callHeadOf(method: DescMethod, request: HttpRequest, parts?: CallParts): CallHead {
  return {
    method,
    headerOf: (name) => request.header(name),
    countOf: (name) => countIn(request.rawHeaders, name),
    overGrpc: false,
    peer: () => request.peer,
    parts,
  };
}

/**
 * Have a call answered for a request over HTTP, with what its headers say; whatever goes wrong is a refusal.
 *
 * @param message  what the request has for the call; or why it has nothing
 * @param attach   of a door whose answers carry metadata
 */
export async function answerOverHttp(
  call: UnaryCall,
  { permit, arrived, headers, parts }: Admitted,
  message: Buffer | Refusal,
  request: HttpRequest,
  response: HttpResponse,
  log: Log,
  attach?: CallContext["attach"],
): Promise<Uint8Array | Refused> {
  if ("code" in headers) return headers;
  if ("code" in message) return message;
  const headerOf = (name: string) => request.header(name);
  const bytes = withHeaders(call, message, headers.fields);
  if ("code" in bytes) return bytes;
  const context = {
    ...permit,
    deadline: arrived + headers.timeoutMs,
    cancelled: () => response.over,
    attach,
    parts,
  };
  let begun = false;
  try {
    const answer = call.answer(bytes, context);
    begun = true;
    return await answer;
  } catch (error) {
    return failure(call, error, begun && call.changes, log, { headerOf, parts });
  }
}

/** What was thrown, as a refusal. A TallyError is the world's doing; who found it has logged it once, not once a call. */
function failure(
  { method }: Pick<UnaryCall, "method">,
  err: unknown,
  mayHaveApplied: boolean,
  log: Log,
  caller: Parameters<typeof traceFieldOf>[0],
): Refusal {
  if (!(err instanceof TallyError))
    log("http.handler_failed", { method: method.name, err, ...traceFieldOf(caller) });
  return refusalOf(err, mayHaveApplied);
}

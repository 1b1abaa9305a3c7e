import type { DescMethod } from "@bufbuild/protobuf";
import type { Clock } from "../../core/clock.ts";
import { type Refusal, TallyError } from "../../core/errors.ts";
import { type CallParts, traceFieldOf } from "../../telemetry/call-parts.ts";
import type { Log } from "../../telemetry.ts";
import type { CallHead, Permit } from "../calls/authorise.ts";
import type { CallContext, Refused, UnaryCall } from "../calls/call.ts";
import type { CallMeter } from "../calls/meter.ts";
import { countIn } from "../fields.ts";
import { refusalOf } from "../status.ts";
import { timeoutOf } from "../timeout.ts";
import { isGet } from "./conditions.ts";
import type { HttpRequest, HttpResponse } from "./engine.ts";
import { withHeaders } from "./header-fields.ts";

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
  readonly parts: CallParts | undefined;
}

/**
 * Judge a request by its headers alone, before its body is read: whether there is time for it, and who calls.
 *
 * @param parts  what is to be noted of it as it goes on
 */
export async function admitOverHttp(
  call: UnaryCall,
  request: HttpRequest,
  response: HttpResponse,
  { clock, log }: HttpCallOptions,
  parts?: CallParts,
): Promise<Admitted | Refusal> {
  const arrived = clock.now();
  const ahead = call.refusalAhead();
  if (ahead !== undefined) return ahead; // The body is dropped as it comes.
  const permit = await permitOverHttp(call, request, response, log, parts);
  return "code" in permit ? permit : { permit, arrived, parts };
}

/**
 * Who calls, by the headers alone. Who is refused is not heard any further: their connection ends with the answer, if
 * some of their body has yet to come.
 */
export async function permitOverHttp(
  call: Pick<UnaryCall, "method" | "authorise">,
  request: HttpRequest,
  response: HttpResponse,
  log: Log,
  parts?: CallParts,
): Promise<Permit | Refusal> {
  let permit: Permit | Refusal;
  try {
    permit = await call.authorise(callHeadOf(call.method, request, parts));
  } catch (error) {
    permit = failure(call, error, false, log, { headerOf: (name) => request.header(name), parts });
  }
  if ("code" in permit && request.isArriving) response.setHeader("connection", "close");
  return permit;
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
  { permit, arrived, parts }: Admitted,
  message: Buffer | Refusal,
  request: HttpRequest,
  response: HttpResponse,
  log: Log,
  attach?: CallContext["attach"],
): Promise<Uint8Array | Refused> {
  if ("code" in message) return message;
  const headerOf = (name: string) => request.header(name);
  const timeoutMs = timeoutOf(headerOf);
  if (typeof timeoutMs !== "number") return timeoutMs;
  const bytes = isGet(request) ? message : withHeaders(call, message, headerOf);
  if ("code" in bytes) return bytes;
  const context = { ...permit, deadline: arrived + timeoutMs, cancelled: () => response.over, attach, parts };
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

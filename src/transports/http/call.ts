import type { Clock } from "../../core/clock.ts";
import { type Refusal, TallyError } from "../../core/errors.ts";
import type { Log } from "../../telemetry.ts";
import type { Refused, UnaryCall } from "../calls/call.ts";
import { refusalOf } from "../status.ts";
import { timeoutOf } from "../timeout.ts";
import { isGet } from "./conditions.ts";
import type { HttpRequest, HttpResponse } from "./engine.ts";
import { withHeaders } from "./header-fields.ts";

/** What it takes to have calls answered. */
export interface HttpCallOptions {
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Have a call answered for a request over HTTP, with what its headers say; whatever goes wrong is a refusal.
 *
 * @param message  what the request has for the call; or why it has nothing
 * @param arrived  when the request did: milliseconds since the Unix epoch
 */
export async function answerOverHttp(
  call: UnaryCall,
  message: Buffer | Refusal,
  request: HttpRequest,
  response: HttpResponse,
  arrived: number,
  log: Log,
): Promise<Uint8Array | Refused> {
  if ("code" in message) return message;
  const headerOf = (name: string) => request.header(name);
  const timeoutMs = timeoutOf(headerOf);
  if (typeof timeoutMs !== "number") return timeoutMs;
  const bytes = isGet(request) ? message : withHeaders(call, message, headerOf);
  if ("code" in bytes) return bytes;
  const context = {
    caller: "",
    deadline: arrived + timeoutMs,
    cancelled: () => response.over,
  };
  try {
    return await call.answer(bytes, context);
  } catch (err) {
    if (!(err instanceof TallyError)) log("http.handler_failed", { method: call.method.name, err });
    return refusalOf(err, call.changes);
  }
}

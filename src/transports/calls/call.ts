import type { ErrorCode, Refusal } from "../../core/errors.ts";
import type { Settled } from "../../service/writer.ts";

/** Who calls, and how long the answer is of use. The same for every door. */
export interface CallContext {
  /** "" until credentials exist. */
  readonly caller: string;
  /** When the caller stops waiting: milliseconds since the Unix epoch by the server's clock, Infinity for never. */
  readonly deadline: number;
  /** Whether the caller has gone. Asked when the call's batch is cut; from then on it applies. */
  cancelled(): boolean;
}

/** A refusal as the door answers it: with the counter it is about, which the door knows. */
export interface Refused extends Refusal {
  /** The counter's name. */
  readonly name?: string;
}

/**
 * A unary method: the answer to a message, or why there is none.
 *
 * Rejects with a TallyError for a failure of the world, and with anything else for a defect.
 */
export type Handler<Request, Response> = (
  request: Request,
  context: CallContext,
) => Promise<Response | Refused>;

/** True for a writer's answer that is a refusal. */
export function isRefused(settled: Settled | Refusal): settled is Refusal {
  return "code" in settled;
}

/** The refusal with the counter that it is about, for the codes that are about one. */
export function about(name: string, refusal: Refusal): Refused {
  return ABOUT_A_COUNTER.has(refusal.code) ? { ...refusal, name } : refusal;
}

const ABOUT_A_COUNTER: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "COUNTER_NOT_FOUND",
  "COUNTER_EXISTS",
  "ETAG_MISMATCH",
  "MONOTONIC",
  "ABOVE_MAX",
  "BELOW_MIN",
  "VALUE_OUTSIDE_BOUNDS",
  "ROW_CORRUPT",
]);

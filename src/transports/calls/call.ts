import type { DescMethodUnary } from "@bufbuild/protobuf";
import type { Status } from "../../../gen/google/rpc/status_pb.ts";
import type { ErrorCode, Refusal } from "../../core/errors.ts";
import type { Waiter } from "../../service/queue.ts";
import type { CallParts } from "../../telemetry/call-parts.ts";
import type { Authorise, Permit } from "./authorise.ts";

/** Who calls, and how long the answer is of use. The same for every door. */
export interface CallContext extends Permit, Waiter {
  /**
   * Have the answer carry metadata, a refusal too. Once, before it is there. Undefined where answers have none: REST.
   */
  readonly attach?: ((metadata: AnswerMetadata) => void) | undefined;
  /** To be told how far it has come; undefined: nobody asks. */
  readonly parts?: CallParts | undefined;
  /** Whether the request was there as soon as it was known who calls, in the same turn; undefined: that is not known. */
  readonly atOnce?: boolean | undefined;
}

/** What an answer carries beside its messages. */
export interface AnswerMetadata {
  readonly headers: readonly MetadataField[];
  readonly trailers: readonly MetadataField[];
}

/** A name in lower case, and a value; of a name that ends in "-bin" it is base64. A name may be there again. */
export type MetadataField = readonly [name: string, value: string];

/** A unary method from bytes to bytes: all of it but the door. */
export interface UnaryCall extends UnaryMethod {
  /** Who calls. For doors to ask with the headers, before they read a message; what they are told is the context's. */
  readonly authorise: Authorise;
  /**
   * Why it would be refused just now, whatever it asks for; undefined: it would not be. For doors to ask when they know
   * no more than what is called: a message that is not read costs nothing.
   */
  refusalAhead(): Refusal | undefined;
}

/** The same before it is known how many of its calls can be taken at a time. */
export interface UnaryMethod {
  readonly method: DescMethodUnary;
  /** False when nothing can have been applied, whatever went wrong. */
  readonly changes: boolean;
  /** The largest request, in bytes of the encoded message: a door that knows the size beforehand need not read it. */
  readonly requestBytesMax: number;
  /**
   * Answer a request.
   *
   * Rejects with a TallyError for a failure of the world, and with anything else for a defect; throws only for a
   * defect, and before anything was applied.
   *
   * @param request  an encoded message of the method's input type; checked here, its size included
   * @returns        an encoded message of its output type, or why there is none
   */
  answer(request: Buffer, context: CallContext): Promise<Uint8Array | Refused>;
}

/** A refusal as the door answers it: with the name of the counter that it is about, which the door knows. */
export interface Refused extends Refusal {
  /** The status of a service that has reasons of its own, whole; it is told in the place of this refusal's. */
  readonly status?: Status;
}

/** The refusal with the counter that it is about, for the codes that are about one. */
export function about(name: string, refusal: Refusal): Refused {
  return ABOUT_A_COUNTER.has(refusal.code) ? { ...refusal, name } : refusal;
}

const ABOUT_A_COUNTER: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "COUNTER_NOT_FOUND",
  "COUNTER_EXISTS",
  "ETAG_MISMATCH",
  "ZONE_UNKNOWN",
  "SETTINGS_CONFLICT",
  "POLICY_NOT_FOUND",
  "MONOTONIC",
  "ABOVE_MAX",
  "BELOW_MIN",
  "VALUE_OUTSIDE_BOUNDS",
  "CONSTRAINT_VIOLATED",
  "ROW_CORRUPT",
  "PERMISSION_DENIED",
  "LIMIT_NOT_FOUND",
]);

/** @param size  in bytes; undefined when it was not read to its end */
export function tooLarge(size: number | undefined, max: number): Refusal {
  const requested = size === undefined ? {} : { requested: BigInt(size) };
  return { code: "MESSAGE_TOO_LARGE", ...requested, max: BigInt(max) };
}

/** @param requestMs  how long a request, or a message of one that streams, may take to arrive, in milliseconds */
export function lateRequest(requestMs: number): Refusal {
  const expected = `did not arrive whole within ${requestMs / 1_000} s (request-timeout)`;
  return { code: "DEADLINE_PASSED", expected };
}

/** What every call of gRPC needs, whichever engine carries it. */
import { toBinary } from "@bufbuild/protobuf";
import { StatusSchema } from "../../../gen/google/rpc/status_pb.ts";
import type { Clock } from "../../core/clock.ts";
import type { Refusal } from "../../core/errors.ts";
import type { Log } from "../../telemetry.ts";
import type { Refused, UnaryCall } from "../calls/call.ts";
import type { CallMeter } from "../calls/meter.ts";
import type { StreamCall } from "../calls/stream.ts";
import { toStatus } from "../status.ts";

/** What the calls of one server share. */
export interface GrpcDoor {
  readonly clock: Clock;
  readonly log: Log;
  readonly meter: CallMeter;
  /** Calls that were taken and not yet answered. */
  inFlight: number;
  /** Answers that wait for what is to leave before them; undefined: none waits. */
  held: (() => void)[] | undefined;
}

/** Where a method is called. */
export function pathOf({ method }: Pick<UnaryCall | StreamCall, "method">): string {
  return `/${method.parent.typeName}/${method.name}`;
}

/** How a call ends that was refused, before it is put into an engine's own form. */
export interface GrpcStatus {
  /** A code of gRPC's, never OK. */
  readonly code: number;
  readonly message: string;
  /** google.rpc.Status: the value of grpc-status-details-bin, before base64. */
  readonly details: Uint8Array;
  /** After how many milliseconds gRPC's own retries try again; undefined where there is no such time. */
  readonly pushbackMs: number | undefined;
}

/** The status of a refusal. */
export function statusOf(refused: Refused): GrpcStatus {
  const { retryAfterMs } = refused;
  const status = toStatus(refused);
  return {
    code: status.code,
    message: status.message,
    details: toBinary(StatusSchema, status),
    pushbackMs: retryAfterMs === undefined ? undefined : Math.min(retryAfterMs, INT32_MAX),
  };
}

/** Base64 as gRPC asks servers to send it. */
export function unpadded(base64: string): string {
  return base64.replace(/=+$/, "");
}

/** Answers to calls that cannot be answered in time, which differ in their delay alone: each is made once. */
export function madeOnce<Answer>(make: (refusal: Refusal) => Answer): (refusal: Refusal) => Answer {
  const answers = new Map<number, Answer>(); // Of some hundred delays each.
  return (refusal) => {
    const { retryAfterMs = 0 } = refusal;
    let answer = answers.get(retryAfterMs);
    if (answer === undefined) {
      answer = make(refusal);
      answers.set(retryAfterMs, answer);
    }
    return answer;
  };
}

/** As gRPC has it: what is larger would be taken for never. */
const INT32_MAX = 2 ** 31 - 1;

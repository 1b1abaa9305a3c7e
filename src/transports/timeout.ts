import type { Refusal } from "../core/errors.ts";
import type { HeaderOf } from "./calls/authorise.ts";
import { invalidField } from "./calls/shape.ts";

/**
 * How long the caller waits, in milliseconds: Infinity when it does not say. Both headers are taken at every door of
 * HTTP, and the shorter time counts. Read here and not by connect-node, whose timers take a timeout of more than 24 days
 * for one of no time at all.
 */
export function timeoutOf(headerOf: HeaderOf): number | Refusal {
  const connect = headerOf("connect-timeout-ms");
  if (connect !== undefined && !/^[0-9]{1,10}$/.test(connect)) {
    return invalidField("Connect-Timeout-Ms", "must be 1 to 10 digits", connect);
  }
  const grpc = headerOf("grpc-timeout");
  const ofGrpc = grpc === undefined ? undefined : grpcTimeoutOf(grpc);
  if (typeof ofGrpc === "object") return ofGrpc;
  return Math.min(
    connect === undefined ? Number.POSITIVE_INFINITY : Number(connect),
    ofGrpc ?? Number.POSITIVE_INFINITY,
  );
}

/** The same, of gRPC's own header. */
export function grpcTimeoutOf(timeout: string): number | Refusal {
  const [, count, unit] = /^([0-9]{1,8})([HMSmun])$/.exec(timeout) ?? [];
  if (unit === undefined)
    return invalidField("grpc-timeout", "must be 1 to 8 digits and a unit (HMSmun)", timeout);
  return Number(count) * UNIT_MS[unit]!;
}

const UNIT_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

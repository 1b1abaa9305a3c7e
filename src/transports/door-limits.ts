import type { StreamLimits } from "./calls/stream.ts";
import { type CallLimits, DEFAULT_CALL_LIMITS } from "./calls/unary.ts";
import type { GrpcLimits } from "./grpc/limits.ts";
import type { ListenerLimits } from "./listener.ts";
import type { HttpLimits } from "./node-http/server.ts";

/** What callers may ask of all doors. */
export interface DoorLimits extends CallLimits, GrpcLimits, HttpLimits, ListenerLimits, StreamLimits {
  /** Requests that are still arriving, of all connections together, in bytes. */
  readonly arrivingBytesMax: number;
  /** Counters that /metrics/counters gives at a time. */
  readonly metricsCountersMax: number;
  /** Answers that cannot leave yet because their callers do not take them, over HTTP/2 of our own, the same. */
  readonly leavingBytesMax: number;
}

/** The limits of a server that is told none. */
export const DEFAULT_DOOR_LIMITS: DoorLimits = {
  ...DEFAULT_CALL_LIMITS,
  streamsMax: 256,
  openStreamsMax: 10_000,
  metricsCountersMax: 1_000,
  grpcIdleMs: 1_800_000,
  grpcAgeMs: undefined,
  grpcAgeGraceMs: 10_000,
  connectionsMax: 10_000,
  firstBytesMs: 10_000,
  headersMs: 10_000,
  requestMs: 10_000,
  idleMs: 60_000,
  headerBytesMax: 16 * 1024,
  streamResetsBurst: 10_000,
  streamResetsRate: 1_000,
  connectionBytesMax: 32 * 2 ** 20,
  arrivingBytesMax: 256 * 2 ** 20,
  leavingBytesMax: 256 * 2 ** 20,
};

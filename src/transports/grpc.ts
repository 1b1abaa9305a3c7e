import type { Socket } from "node:net";
import * as grpc from "@grpc/grpc-js";
import { file_google_rpc_error_details } from "../../gen/google/rpc/error_details_pb.ts";
import { file_google_rpc_status } from "../../gen/google/rpc/status_pb.ts";
import { Health as HealthService } from "../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { CounterService } from "../../gen/tally/v1/counter_service_pb.ts";
import { file_tally_v1_error_reason } from "../../gen/tally/v1/error_reason_pb.ts";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../telemetry.ts";
import type { UnaryCall } from "./calls/call.ts";
import type { MessageLimits } from "./calls/unary.ts";
import { healthHandlers, type OpenStreams, reflectionHandlers } from "./grpc-extras.ts";
import { refuseAhead } from "./grpc-refusing.ts";
import { toDefinition } from "./grpc-service.ts";
import { answering, type UnaryDoor } from "./grpc-unary.ts";
import type { Health } from "./health.ts";
import { Reflector } from "./reflection.ts";

/** The services that gRPC answers. */
export const SERVICES = [CounterService, HealthService, ServerReflection, ServerReflectionAlpha];

export interface GrpcLimits extends MessageLimits {
  /** Calls at a time on one connection. */
  readonly streamsMax: number;
  /** How long a connection may be without a call before it is told to go away, in milliseconds. */
  readonly grpcIdleMs: number;
}

/** gRPC without a port of its own: whoever accepts connections hands them in. */
export interface GrpcServer {
  serve(socket: Socket): void;
  /** Calls that were taken and not yet answered. */
  readonly inFlight: number;
  /** Tell every stream and connection that it is over; after the grace, end what is left. */
  drain(graceMs: number): void;
}

/** Serve gRPC: CounterService, health and reflection. */
export function openGrpcServer(
  calls: readonly UnaryCall[],
  { clock, health, log, limits }: { clock: Clock; health: Health; log: Log; limits: GrpcLimits },
): GrpcServer {
  const reflector = new Reflector(SERVICES, [
    file_google_rpc_error_details,
    file_google_rpc_status,
    file_tally_v1_error_reason,
  ]);
  const streams: OpenStreams = new Set();
  const door: UnaryDoor = { clock, log, inFlight: 0 };
  const server = new grpc.Server({ ...serverOptions(limits), interceptors: [answering(calls, door)] });
  refuseAhead(server, calls);
  server.addService(toDefinition(CounterService), {}); // Every method is answered before it gets to a handler.
  server.addService(toDefinition(HealthService), healthHandlers(health, streams));
  server.addService(toDefinition(ServerReflection), reflectionHandlers(reflector, streams));
  server.addService(toDefinition(ServerReflectionAlpha), reflectionHandlers(reflector, streams));
  const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
  return {
    serve: (socket) => injector.injectConnection(socket),
    get inFlight() {
      return door.inFlight;
    },
    drain: (graceMs) => {
      for (const stream of streams) stream.end();
      injector.drain(graceMs);
    },
  };
}

function serverOptions({
  streamsMax,
  grpcIdleMs,
  batchBytesMax,
  unaryBytesMax,
}: GrpcLimits): grpc.ServerOptions {
  return {
    // Beyond this grpc-js answers by itself; up to it our own check does, with a reason and the numbers.
    "grpc.max_receive_message_length": Math.max(batchBytesMax, unaryBytesMax) + RECEIVE_SLACK_BYTES,
    "grpc.max_send_message_length": -1,
    "grpc.max_concurrent_streams": streamsMax,
    "grpc.max_connection_idle_ms": grpcIdleMs,
    // A peer that vanished without a word is noticed within two minutes and a half.
    "grpc.keepalive_time_ms": 120_000,
    "grpc.keepalive_timeout_ms": 20_000,
    // Statistics of every call that nobody reads.
    "grpc.enable_channelz": 0,
  };
}

const RECEIVE_SLACK_BYTES = 2 ** 20;

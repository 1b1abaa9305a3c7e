import { once } from "node:events";
import { type AddressInfo, createServer, type Server as NetServer, type Socket } from "node:net";
import * as grpc from "@grpc/grpc-js";
import { file_google_rpc_error_details } from "../../gen/google/rpc/error_details_pb.ts";
import { file_google_rpc_status } from "../../gen/google/rpc/status_pb.ts";
import { Health as HealthService } from "../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { CounterService } from "../../gen/tally/v1/counter_service_pb.ts";
import { file_tally_v1_error_reason } from "../../gen/tally/v1/error_reason_pb.ts";
import type { Clock } from "../core/clock.ts";
import type { Store } from "../service/store.ts";
import type { Writer } from "../service/writer.ts";
import type { Log } from "../telemetry.ts";
import { DEFAULT_MESSAGE_LIMITS, type MessageLimits, openCalls } from "./calls/unary.ts";
import { healthHandlers, type OpenStreams, reflectionHandlers } from "./grpc-extras.ts";
import { toDefinition } from "./grpc-service.ts";
import { answering, type UnaryDoor } from "./grpc-unary.ts";
import { Health } from "./health.ts";
import { Reflector } from "./reflection.ts";

export interface GrpcOptions {
  /** Where to listen; port 0 takes a free one. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly store: Store;
  readonly writer: Writer;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits?: Partial<GrpcLimits>;
}

export interface GrpcLimits extends MessageLimits {
  /** Calls at a time on one connection. */
  readonly streamsMax: number;
}

export const DEFAULT_GRPC_LIMITS: GrpcLimits = { ...DEFAULT_MESSAGE_LIMITS, streamsMax: 256 };

/** A gRPC server that listens. */
export interface GrpcDoor {
  readonly port: number;
  /** What health checks are told; false at first. */
  setServing(serving: boolean): void;
  /**
   * Close: health says NOT_SERVING, connections are told to go away, calls in flight are answered.
   *
   * @param graceMs  when to cut what is still there, in milliseconds
   * @returns        once every connection is closed
   */
  drain(graceMs: number): Promise<void>;
}

/**
 * Serve gRPC: CounterService, health and reflection.
 *
 * @throws Error when the address cannot be listened on; `cause` is the system's error, with its code (EADDRINUSE, say)
 */
export async function openGrpc(options: GrpcOptions): Promise<GrpcDoor> {
  const { host, port } = options.listen;
  const server = openGrpcServer(options);
  const sockets = new Set<Socket>();
  const listener = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    server.serve(socket);
  });
  await listen(listener, host, port);
  let drained: Promise<void> | undefined;
  const drain = async (graceMs: number): Promise<void> => {
    const closed = once(listener, "close");
    listener.close();
    server.drain(graceMs);
    const cut = setTimeout(() => {
      if (server.inFlight > 0) options.log("grpc.drain_forced", { calls: server.inFlight });
      for (const socket of sockets) socket.destroy();
    }, graceMs);
    await closed; // Which it is when every connection is.
    clearTimeout(cut);
  };
  return {
    port: (listener.address() as AddressInfo).port,
    setServing: (serving) => server.setServing(serving),
    drain: (graceMs) => {
      drained ??= drain(graceMs);
      return drained;
    },
  };
}

/** gRPC without a port of its own: whoever accepts connections hands them in. */
export interface GrpcServer {
  serve(socket: Socket): void;
  setServing(serving: boolean): void;
  /** Calls that were taken and not yet answered. */
  readonly inFlight: number;
  /** Tell health watchers and every connection that it is over; after the grace, end what is left. */
  drain(graceMs: number): void;
}

export function openGrpcServer({
  store,
  writer,
  clock,
  log,
  limits: given = {},
}: Omit<GrpcOptions, "listen">): GrpcServer {
  const limits = { ...DEFAULT_GRPC_LIMITS, ...given };
  const services = [CounterService, HealthService, ServerReflection, ServerReflectionAlpha];
  const health = new Health(services.map(({ typeName }) => typeName));
  const reflector = new Reflector(services, [
    file_google_rpc_error_details,
    file_google_rpc_status,
    file_tally_v1_error_reason,
  ]);
  const streams: OpenStreams = new Set();
  const door: UnaryDoor = { clock, log, inFlight: 0 };
  const calls = openCalls(store, writer, clock, limits);
  const server = new grpc.Server({ ...serverOptions(limits), interceptors: [answering(calls, door)] });
  server.addService(toDefinition(CounterService), {}); // Every method is answered before it gets to a handler.
  server.addService(toDefinition(HealthService), healthHandlers(health, streams));
  server.addService(toDefinition(ServerReflection), reflectionHandlers(reflector, streams));
  server.addService(toDefinition(ServerReflectionAlpha), reflectionHandlers(reflector, streams));
  const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
  return {
    serve: (socket) => injector.injectConnection(socket),
    setServing: (serving) => health.setServing(serving),
    get inFlight() {
      return door.inFlight;
    },
    drain: (graceMs) => {
      health.setServing(false);
      for (const stream of streams) stream.end();
      injector.drain(graceMs);
    },
  };
}

function serverOptions({ streamsMax, batchBytesMax, unaryBytesMax }: GrpcLimits): grpc.ServerOptions {
  return {
    // Beyond this grpc-js answers by itself; up to it our own check does, with a reason and the numbers.
    "grpc.max_receive_message_length": Math.max(batchBytesMax, unaryBytesMax) + RECEIVE_SLACK_BYTES,
    "grpc.max_send_message_length": -1,
    "grpc.max_concurrent_streams": streamsMax,
    // A peer that vanished without a word is noticed within two minutes and a half.
    "grpc.keepalive_time_ms": 120_000,
    "grpc.keepalive_timeout_ms": 20_000,
    // Statistics of every call that nobody reads.
    "grpc.enable_channelz": 0,
  };
}

const RECEIVE_SLACK_BYTES = 2 ** 20;

async function listen(listener: NetServer, host: string, port: number): Promise<void> {
  listener.listen(port, host);
  try {
    await once(listener, "listening");
  } catch (cause) {
    throw new Error(`Cannot listen on ${host}:${port}: ${(cause as Error).message}`, { cause });
  }
}

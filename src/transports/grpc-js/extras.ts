/** Health and reflection as grpc-js handlers: bytes in, bytes out. */
import { once } from "node:events";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import {
  type HealthCheckRequest,
  HealthCheckRequestSchema,
  HealthCheckResponseSchema,
  HealthListResponseSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../../gen/grpc/health/v1/health_pb.ts";
import type { Reflector } from "../grpc/reflection.ts";
import type { Health } from "../health.ts";

/** Streams that stay open as long as their callers like: a drain ends them, for it would wait forever. */
export type OpenStreams = Set<{ end(): void }>;

/** grpc.health.v1, whole: Check and Watch. */
export function healthHandlers(health: Health, streams: OpenStreams): grpc.UntypedServiceImplementation {
  const check: grpc.handleUnaryCall<Buffer, Uint8Array> = (call, respond) => {
    const request = decode(call.request);
    const status = request && health.check(request.service);
    if (status === undefined) respond(MALFORMED);
    else if (status === ServingStatus.SERVICE_UNKNOWN) respond(UNKNOWN);
    else respond(null, responseOf(status));
  };
  const list: grpc.handleUnaryCall<Buffer, Uint8Array> = (_, respond) => {
    const statuses = health.list();
    respond(null, toBinary(HealthListResponseSchema, create(HealthListResponseSchema, { statuses })));
  };
  const watch: grpc.handleServerStreamingCall<Buffer, Uint8Array> = (call) => {
    const request = decode(call.request);
    if (request === undefined) {
      call.emit("error", MALFORMED);
      return;
    }
    streams.add(call);
    const forget = health.watch(request.service, (status) => call.write(responseOf(status)));
    call.on("close", () => {
      streams.delete(call);
      forget();
    });
  };
  return { check, list, watch };
}

const MALFORMED = {
  code: grpc.status.INVALID_ARGUMENT,
  details: "The bytes are not a grpc.health.v1.HealthCheckRequest.",
};
const UNKNOWN = { code: grpc.status.NOT_FOUND, details: "No such service here; List tells which there are." };

function decode(bytes: Buffer): HealthCheckRequest | undefined {
  try {
    return fromBinary(HealthCheckRequestSchema, bytes, { readUnknownFields: false });
  } catch {
    return undefined;
  }
}

function responseOf(status: ServingStatus): Uint8Array {
  return toBinary(HealthCheckResponseSchema, create(HealthCheckResponseSchema, { status }));
}

/** Of either version of reflection. */
export function reflectionHandlers(
  reflector: Reflector,
  streams: OpenStreams,
): grpc.UntypedServiceImplementation {
  const serverReflectionInfo: grpc.handleBidiStreamingCall<Buffer, Uint8Array> = (call) => {
    streams.add(call);
    const end = () => {
      streams.delete(call);
      call.end();
    };
    reflect(call, reflector).then(end, end); // A caller that goes away rejects: nothing is owed to it.
  };
  return { serverReflectionInfo };
}

/** One answer at a time, and the next only when it was taken: answers are much larger than requests. */
async function reflect(
  call: grpc.ServerDuplexStream<Buffer, Uint8Array>,
  reflector: Reflector,
): Promise<void> {
  // Left as it is at its end: Node.js 26 would destroy it before its status is sent.
  for await (const bytes of call.iterator({ destroyOnReturn: false })) {
    if (!call.write(reflector.answer(bytes as Buffer))) await once(call, "drain");
  }
}

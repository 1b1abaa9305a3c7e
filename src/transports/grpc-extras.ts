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
} from "../../gen/grpc/health/v1/health_pb.ts";
import type { Health } from "./health.ts";
import type { Reflector } from "./reflection.ts";

export function healthHandlers(health: Health): grpc.UntypedServiceImplementation {
  const check: grpc.handleUnaryCall<Buffer, Uint8Array> = (call, respond) => {
    const request = decode(call.request);
    if (request === undefined) {
      respond(MALFORMED);
      return;
    }
    const status = health.check(request.service);
    if (status === ServingStatus.SERVICE_UNKNOWN) {
      const details = `no service "${request.service}" here`;
      respond({ code: grpc.status.NOT_FOUND, details: details.slice(0, 200).toWellFormed() });
      return;
    }
    respond(null, responseOf(status));
  };
  const list: grpc.handleUnaryCall<Buffer, Uint8Array> = (_, respond) =>
    respond(
      null,
      toBinary(HealthListResponseSchema, create(HealthListResponseSchema, { statuses: health.list() })),
    );
  const watch: grpc.handleServerStreamingCall<Buffer, Uint8Array> = (call) => {
    const request = decode(call.request);
    if (request === undefined) {
      call.emit("error", MALFORMED);
      return;
    }
    const end = health.watch(request.service, (status) => call.write(responseOf(status)));
    call.on("close", end);
    call.on("cancelled", end);
  };
  return { check, list, watch };
}

const MALFORMED = {
  code: grpc.status.INVALID_ARGUMENT,
  details: "The bytes are not a grpc.health.v1.HealthCheckRequest.",
};

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

/** Both versions of reflection. */
export function reflectionHandlers(reflector: Reflector): grpc.UntypedServiceImplementation {
  const serverReflectionInfo: grpc.handleBidiStreamingCall<Buffer, Uint8Array> = (call) => {
    reflect(call, reflector).then(
      () => call.end(),
      () => call.end(),
    );
  };
  return { serverReflectionInfo };
}

/** One answer at a time, none before the last was taken: answers are much larger than requests. */
async function reflect(
  call: grpc.ServerDuplexStream<Buffer, Uint8Array>,
  reflector: Reflector,
): Promise<void> {
  for await (const bytes of call) {
    if (!call.write(reflector.answer(bytes as Buffer))) await once(call, "drain");
  }
}

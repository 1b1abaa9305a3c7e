/** What gRPC answers beside the API: health and reflection, as calls like any other. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { file_google_rpc_error_details } from "../../../gen/google/rpc/error_details_pb.ts";
import { file_google_rpc_status } from "../../../gen/google/rpc/status_pb.ts";
import {
  HealthCheckRequestSchema,
  HealthCheckResponseSchema,
  HealthListResponseSchema,
  Health as HealthService,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { file_tally_v1_error_reason } from "../../../gen/tally/v1/error_reason_pb.ts";
import type { Refusal } from "../../core/errors.ts";
import { type Authorise, allowAll } from "../calls/authorise.ts";
import type { UnaryCall } from "../calls/call.ts";
import { onlyMessage, type StreamCall, type StreamContext, until } from "../calls/stream.ts";
import type { Health } from "../health.ts";
import { Reflector } from "./reflection.ts";
import { SERVICES } from "./services.ts";

/** The calls of grpc.health.v1, which anybody may make at any time, and of both versions of reflection. */
export interface Extras {
  readonly unary: readonly UnaryCall[];
  /** Reflection among them. */
  readonly streams: readonly StreamCall[];
  readonly reflection: readonly StreamCall[];
}

/**
 * @param requestBytesMax  the largest request of each
 * @param authorise        who may ask reflection
 */
export function extraCalls(health: Health, requestBytesMax: number, authorise: Authorise = allowAll): Extras {
  const anybody = { requestBytesMax, authorise: allowAll };
  const unary = { ...anybody, changes: false, refusalAhead: () => undefined };
  const files = [file_google_rpc_error_details, file_google_rpc_status, file_tally_v1_error_reason];
  const reflector = new Reflector(SERVICES, files);
  const { check, list, watch } = HealthService.method;
  const reflection = [ServerReflection, ServerReflectionAlpha].map(
    ({ method: { serverReflectionInfo: method } }) => ({
      requestBytesMax,
      authorise,
      method,
      open: (requests: AsyncIterable<Buffer>, context: StreamContext) =>
        reflect(reflector, requests, context),
    }),
  );
  return {
    reflection,
    unary: [
      { ...unary, method: check, answer: async (bytes) => answerCheck(health, bytes) },
      { ...unary, method: list, answer: async () => answerList(health) },
    ],
    streams: [
      { ...anybody, method: watch, open: (requests, context) => watchHealth(health, requests, context) },
      ...reflection,
    ],
  };
}

const MALFORMED: Refusal = {
  code: "MALFORMED_MESSAGE",
  expected: "must be a grpc.health.v1.HealthCheckRequest",
};
const UNKNOWN: Refusal = {
  code: "PATH_NOT_FOUND",
  expected: "List tells which services there are",
};

function answerCheck(health: Health, bytes: Buffer): Uint8Array | Refusal {
  const service = serviceIn(bytes);
  if (service === undefined) return MALFORMED;
  const status = health.check(service);
  return status === ServingStatus.SERVICE_UNKNOWN ? UNKNOWN : responseOf(status);
}

function answerList(health: Health): Uint8Array {
  return toBinary(HealthListResponseSchema, create(HealthListResponseSchema, { statuses: health.list() }));
}

/** The state now, and each that it changes to; of those that a slow caller did not take in time, the last. */
async function* watchHealth(
  health: Health,
  requests: AsyncIterable<Buffer>,
  { signal, draining }: StreamContext,
): AsyncGenerator<Uint8Array, Refusal | undefined> {
  const bytes = await onlyMessage(requests);
  if ("code" in bytes) return bytes;
  const service = serviceIn(bytes);
  if (service === undefined) return MALFORMED;
  let now: ServingStatus | undefined;
  let wake = () => {};
  const woken = () => wake();
  const forget = health.watch(service, (status) => {
    now = status;
    wake();
  });
  signal.addEventListener("abort", woken);
  draining.addEventListener("abort", woken);
  try {
    for (let told: ServingStatus | undefined; ; ) {
      if (now !== told) {
        told = now!;
        yield responseOf(told);
      } else if (signal.aborted || draining.aborted) {
        return undefined; // A watch ends by nothing else: a stop would wait for it forever.
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    forget();
    draining.removeEventListener("abort", woken); // Which lives on.
  }
}

/** One answer at a time, and the next only when it was taken: answers are much larger than requests. */
async function* reflect(
  reflector: Reflector,
  requests: AsyncIterable<Buffer>,
  { draining }: StreamContext,
): AsyncGenerator<Uint8Array, undefined> {
  for await (const bytes of until(draining, requests)) yield reflector.answer(bytes);
}

function serviceIn(bytes: Buffer): string | undefined {
  try {
    return fromBinary(HealthCheckRequestSchema, bytes, { readUnknownFields: false }).service;
  } catch {
    return undefined;
  }
}

function responseOf(status: ServingStatus): Uint8Array {
  return toBinary(HealthCheckResponseSchema, create(HealthCheckResponseSchema, { status }));
}

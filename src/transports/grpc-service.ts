/** How grpc-js is told about services: bytes in, bytes out, so that what is in them is judged by us. */
import type { DescService } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { messageOf, TallyError } from "../core/errors.ts";
import type { Log } from "../telemetry.ts";
import type { CallContext, Refused, UnaryCall } from "./calls/call.ts";
import { refusalOf, STATUS, statusBytes } from "./status.ts";

/** The definition of a service whose requests and responses stay bytes. */
export function toDefinition(service: DescService): grpc.ServiceDefinition {
  return Object.fromEntries(
    service.methods.map((method) => [
      method.localName,
      {
        path: `/${service.typeName}/${method.name}`,
        requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
        responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
        requestSerialize: asBuffer,
        requestDeserialize: asIs,
        responseSerialize: asBuffer,
        responseDeserialize: asIs,
        originalName: method.localName,
      },
    ]),
  );
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * The handler of a unary method. Whatever happens in it ends in a status: nothing that is thrown or rejected
 * leaves it, because grpc-js would let it end the process.
 */
export function unaryHandler(
  { method, changes, answer }: UnaryCall,
  clock: () => number,
  log: Log,
): grpc.handleUnaryCall<Buffer, Uint8Array> {
  const fail = (error: unknown, mayHaveApplied: boolean): Refused => {
    const refusal = refusalOf(error, mayHaveApplied);
    // A TallyError is the world's doing, and its finder has logged it once, not once a call.
    if (!(error instanceof TallyError)) log("grpc.handler_failed", { method: method.name, err: error });
    return refusal;
  };
  return (call, respond) => {
    const settle = (result: Uint8Array | Refused): void => {
      if (result instanceof Uint8Array) respond(null, result);
      else respond(toServiceError(result));
    };
    let answered: Promise<Uint8Array | Refused>;
    try {
      answered = answer(call.request, contextOf(call, clock));
    } catch (error) {
      settle(fail(error, false));
      return;
    }
    answered.then(settle).catch((error: unknown) => settle(fail(error, changes)));
  };
}

function contextOf(call: grpc.ServerUnaryCall<Buffer, Uint8Array>, clock: () => number): CallContext {
  const deadline = Number(call.getDeadline());
  return {
    caller: "",
    // grpc-js reckons by Date.now(); the service by its own clock.
    deadline: deadline === Number.POSITIVE_INFINITY ? deadline : deadline - Date.now() + clock(),
    cancelled: () => call.cancelled,
  };
}

function toServiceError(refused: Refused): Partial<grpc.StatusObject> {
  const metadata = new grpc.Metadata();
  metadata.set("grpc-status-details-bin", asBuffer(statusBytes(refused)));
  return { code: STATUS[refused.code].grpc as number, details: messageOf(refused), metadata };
}

import {
  type DescMethodUnary,
  fromBinary,
  fromJson,
  type JsonObject,
  type JsonValue,
  type MessageShape,
  toJson,
} from "@bufbuild/protobuf";
import { type Code, CodeSchema } from "../../../gen/google/rpc/code_pb.ts";
import { type Status, StatusSchema } from "../../../gen/google/rpc/status_pb.ts";
import { API } from "../../../src/transports/calls/services.ts";
import { DETAILS } from "../../transports/details.ts";
import type { Opened } from "../../transports/door.ts";

/** A way in, with the client that people use there. */
export interface ParityDoor {
  readonly name: string;
  /** Whether its server is to speak TLS. */
  readonly tls?: true;
  open(opened: Opened): CallMethod & { close?(): void };
}

/** The same way in, over TLS. */
export function overTls(door: ParityDoor): ParityDoor {
  return { ...door, name: `${door.name}, TLS`, tls: true };
}

/** Call a method by its name, with a request in ProtoJSON. */
export type CallMethod = {
  call(method: string, request: JsonObject): Promise<Answer>;
};

/** What came back, whole, in a form that does not tell which door it came through. */
export type Answer = { readonly ok: JsonValue } | { readonly error: Refusal } | typeof NO_SUCH_REQUEST;

export interface Refusal {
  /** The name of the status: "OUT_OF_RANGE". */
  readonly status: string;
  readonly message: string;
  /** Every detail, as AIP-193 shows them. */
  readonly details: readonly JsonObject[];
}

/** The request cannot be put into words at this door (an empty name has no path, say). */
export const NO_SUCH_REQUEST = "no such request here";

export function methodOf(name: string): DescMethodUnary {
  const method = API.flatMap(({ methods }) => methods).find((each) => each.name === name);
  if (method?.methodKind !== "unary") throw new TypeError(`expected a unary RPC of the API, got ${name}`);
  return method as DescMethodUnary;
}

/** The request message of a method, read as leniently as a client's own library does. */
export function requestOf(name: string, request: JsonObject): MessageShape<DescMethodUnary["input"]> {
  return fromJson(methodOf(name).input, request);
}

/** A response as every door shows it: zeros are there to be read, but of what was refused there are none. */
export function okOf(name: string, response: MessageShape<DescMethodUnary["output"]>): Answer {
  const ok = toJson(methodOf(name).output, response, { alwaysEmitImplicit: true }) as JsonObject;
  for (const outcome of (ok.outcomes as JsonObject[] | undefined) ?? []) {
    if (outcome.refusal === undefined) continue;
    for (const field of ["value", "previous", "revision"]) delete outcome[field];
  }
  return { ok };
}

/** An error from google.rpc.Status, as bytes or read already. */
export function errorOf(bytes: Uint8Array | Status): Answer {
  const status = bytes instanceof Uint8Array ? fromBinary(StatusSchema, bytes) : bytes;
  const { message = "", details = [] } = toJson(StatusSchema, status, { registry: DETAILS }) as JsonObject;
  return {
    error: {
      status: CodeSchema.value[status.code as Code]!.name,
      message: message as string,
      details: details as JsonObject[],
    },
  };
}

import { create, type DescMethod, toBinary } from "@bufbuild/protobuf";
import {
  BatchApplyRequestSchema,
  CounterService,
  IncrementRequestSchema,
} from "../gen/tally/v1/counter_service_pb.ts";
import { counterName } from "./names.ts";
import { UUID_PLACEHOLDER } from "./uuidv7.ts";

/** The paths of a method, and of those under most loads. */
export const pathOf = ({ parent, name }: DescMethod) => `/${parent.typeName}/${name}`;
export const INCREMENT_PATH = pathOf(CounterService.method.increment);
export const BATCH_APPLY_PATH = pathOf(CounterService.method.batchApply);

/** What a gRPC call says beside its path. */
export const GRPC_HEADERS = { "content-type": "application/grpc", te: "trailers" };

/** A framed gRPC message, and where in it to write what differs from call to call. */
export type Template = { bytes: Buffer; nameAt: number; requestIdAt: number };

/** @returns an Increment by 1 of some counter, with a request id to be overwritten. */
export function incrementTemplate(): Template {
  const name = counterName(0);
  const bytes = framed(
    toBinary(IncrementRequestSchema, create(IncrementRequestSchema, { name, requestId: UUID_PLACEHOLDER })),
  );
  return { bytes, nameAt: bytes.indexOf(name), requestIdAt: bytes.indexOf(UUID_PLACEHOLDER) };
}

/** @returns an Increment by 1 of `name`, without a request id: what h2load repeats. */
export function incrementOf(name: string): Buffer {
  return framed(toBinary(IncrementRequestSchema, create(IncrementRequestSchema, { name })));
}

/** @returns a BatchApply of increments by 1 of these counters, with a request id to be overwritten. */
export function batchTemplate(indices: number[]): Omit<Template, "nameAt"> {
  const request = create(BatchApplyRequestSchema, {
    operations: indices.map((index) => ({
      name: counterName(index),
      action: { case: "increment" as const, value: 1n },
    })),
    requestId: UUID_PLACEHOLDER,
  });
  const bytes = framed(toBinary(BatchApplyRequestSchema, request));
  return { bytes, requestIdAt: bytes.lastIndexOf(UUID_PLACEHOLDER) };
}

/** gRPC's frame: a byte for "not compressed", four for the length, the message. */
export function framed(message: Uint8Array): Buffer {
  const bytes = Buffer.alloc(5 + message.length);
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, 5);
  return bytes;
}

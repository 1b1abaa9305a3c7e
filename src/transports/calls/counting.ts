/** From a request that is one operation on one counter to the writer, and back. */
import type { DescMessage, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import { CounterService } from "../../../gen/tally/v1/counter_service_pb.ts";
import type { Refusal } from "../../core/errors.ts";
import { type Op, Verb } from "../../core/op.ts";
import type { Settled } from "../../service/call.ts";
import type { Writer } from "../../service/writer.ts";
import { readPlainChange, type SingleChange, writeOutcomeResponse } from "../../wire/change.ts";
import { asPermitted, opDenial, toCall } from "./by-caller.ts";
import { about, type Refused, tooLarge, type UnaryMethod } from "./call.ts";
import { permissionOf } from "./permissions.ts";
import { ifMissingOf } from "./setting-fields.ts";
import { readRequest } from "./shape.ts";

const { increment, decrement, set, reset } = CounterService.method;

/** Increment, Decrement, Set and Reset: one operation each, answered by its Outcome. */
export const COUNTING = [
  opMethod({
    method: increment,
    toOp: ({ name, amount, mustExist, ifMissing }) => {
      const settings = ifMissingOf(ifMissing);
      if (settings !== undefined && "code" in settings) return settings;
      return { verb: Verb.INCREMENT, name, amount: amount ?? 1n, mustExist, settings };
    },
    readPlain: (bytes) => readPlainChange(bytes, Verb.INCREMENT),
    respond: ({ name }, settled) => writeOutcomeResponse(name, settled),
  }),
  opMethod({
    method: decrement,
    toOp: ({ name, amount }) => ({ verb: Verb.DECREMENT, name, amount: amount ?? 1n, mustExist: false }),
    readPlain: (bytes) => readPlainChange(bytes, Verb.DECREMENT),
    respond: ({ name }, settled) => writeOutcomeResponse(name, settled),
  }),
  opMethod({
    method: set,
    toOp: ({ name, value, mustExist, etag, note, ifMissing }) => {
      const settings = ifMissingOf(ifMissing);
      if (settings !== undefined && "code" in settings) return settings;
      return {
        verb: Verb.SET,
        name,
        amount: value ?? 0n,
        mustExist,
        etag,
        note: note || undefined,
        settings,
      };
    },
    respond: ({ name }, settled) => writeOutcomeResponse(name, settled),
  }),
  opMethod({
    method: reset,
    toOp: ({ name, etag, note }) => {
      return { verb: Verb.RESET, name, amount: 0n, mustExist: false, etag, note: note || undefined };
    },
    respond: ({ name }, settled) => writeOutcomeResponse(name, settled),
  }),
];

/** A method that is one operation on one counter: what it asks for, and what it answers. */
interface OpMethodInit<I extends DescMessage, O extends DescMessage> {
  readonly method: DescMethodUnary<I, O>;
  /** The operation that a request asks for, its shape checked; or why it asks for none. */
  toOp(request: MessageShape<I>): Op | Refusal;
  /** The same from the bytes of a request, where that is fast; undefined leaves it to toOp. */
  readPlain?(bytes: Buffer): SingleChange | undefined;
  /** The encoded response to the operation, applied. */
  respond(op: Op, settled: Settled): Uint8Array;
}

/** Such a method, once there is a writer. */
export type OpMethod = (writer: Writer, requestBytesMax: number) => UnaryMethod;

/** A method that is one operation on one counter. */
export function opMethod<I extends DescMessage, O extends DescMessage>(init: OpMethodInit<I, O>): OpMethod {
  const { method } = init;
  const needed = permissionOf(method);
  return (writer, requestBytesMax) => ({
    method,
    changes: true,
    requestBytesMax,
    answer(bytes, context) {
      if (bytes.length > requestBytesMax) return Promise.resolve(tooLarge(bytes.length, requestBytesMax));
      const asked = init.readPlain?.(bytes) ?? read(init, bytes);
      if ("code" in asked) return Promise.resolve(asked);
      const { access } = context;
      const denied = opDenial(access, needed, asked.op);
      if (denied !== undefined) return Promise.resolve(denied);
      const { requestId } = asked;
      const call = toCall(context, { requestId, ops: asPermitted(asked.op, access), allOrNothing: false });
      return writer
        .submit(call)
        .then((settled): Uint8Array | Refused =>
          "code" in settled ? about(asked.op.name, settled) : init.respond(asked.op, settled),
        );
    },
  });
}

function read<I extends DescMessage, O extends DescMessage>(
  { method, toOp }: OpMethodInit<I, O>,
  bytes: Buffer,
): SingleChange | Refusal {
  const request = readRequest(method.input, bytes);
  if ("code" in request) return request;
  const { requestId } = request.message as { requestId?: string };
  const op = toOp(request.message);
  return "code" in op ? op : { op, requestId };
}

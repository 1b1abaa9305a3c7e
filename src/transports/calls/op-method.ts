import type { DescMessage, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import type { Refusal } from "../../core/errors.ts";
import type { Op } from "../../core/op.ts";
import type { Settled, Writer } from "../../service/writer.ts";
import type { Asked } from "../../wire/change.ts";
import { asPermitted, opDenial, toCall } from "./by-caller.ts";
import { about, type Refused, tooLarge, type UnaryMethod } from "./call.ts";
import { permissionOf } from "./permissions.ts";
import { readRequest } from "./shape.ts";

/** A method that is one operation on one counter: what it asks for, and what it answers. */
interface OpMethodInit<I extends DescMessage, O extends DescMessage> {
  readonly method: DescMethodUnary<I, O>;
  /** The operation that a request asks for, its shape checked; or why it asks for none. */
  toOp(request: MessageShape<I>): Op | Refusal;
  /** The same from the bytes of a request, where that is fast; undefined leaves it to toOp. */
  readPlain?(bytes: Buffer): Asked | undefined;
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
): Asked | Refusal {
  const request = readRequest(method.input, bytes);
  if ("code" in request) return request;
  const { requestId } = request.message as { requestId?: string };
  const op = toOp(request.message);
  return "code" in op ? op : { op, requestId };
}

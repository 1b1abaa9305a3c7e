import { type DescMessage, type DescMethodUnary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { CounterService, OperationSchema } from "../../../gen/tally/v1/counter_service_pb.ts";
import type { Clock } from "../../core/clock.ts";
import type { Store } from "../../service/store.ts";
import type { Writer } from "../../service/writer.ts";
import { batchCall } from "./batch.ts";
import type { CallContext, Handler, Refused } from "./call.ts";
import { counterCalls } from "./counters.ts";
import { countingCalls } from "./counting.ts";
import { Reads } from "./reads.ts";
import { readRequest, warmUp } from "./shape.ts";

/** A unary method from bytes to bytes: all of it but the door. */
export interface BytesCall {
  readonly method: DescMethodUnary;
  /** The largest request taken, in bytes of the encoded message. */
  readonly requestBytesMax: number;
  /** False when nothing can have been applied, whatever went wrong. */
  readonly changes: boolean;
  readonly answer: Handler<Uint8Array, Uint8Array>;
}

export interface MessageLimits {
  /** The largest request of a unary call, in bytes. */
  readonly unaryBytesMax: number;
  /** The largest request of BatchApply, in bytes. */
  readonly batchBytesMax: number;
}

export const DEFAULT_MESSAGE_LIMITS: MessageLimits = { unaryBytesMax: 64 * 1024, batchBytesMax: 4 * 2 ** 20 };

/** Every method of CounterService, ready to be called: what takes long on first use has been done. */
export function openCalls(
  store: Store,
  writer: Writer,
  clock: Clock,
  limits: MessageLimits = DEFAULT_MESSAGE_LIMITS,
): readonly BytesCall[] {
  const { createCounter, getCounter, increment, decrement, set, reset } = CounterService.method;
  const counting = countingCalls(writer);
  const counters = counterCalls(writer, new Reads(store, clock));
  const { unaryBytesMax, batchBytesMax } = limits;
  warmUp([...CounterService.methods.map(({ input }) => input), OperationSchema]);
  return [
    messageCall(createCounter, counters.createCounter, unaryBytesMax),
    messageCall(getCounter, counters.getCounter, unaryBytesMax, false),
    messageCall(increment, counting.increment, unaryBytesMax),
    messageCall(decrement, counting.decrement, unaryBytesMax),
    messageCall(set, counting.set, unaryBytesMax),
    messageCall(reset, counting.reset, unaryBytesMax),
    {
      method: CounterService.method.batchApply,
      requestBytesMax: batchBytesMax,
      changes: true,
      answer: sized(batchBytesMax, batchCall(writer)),
    },
  ];
}

/** Decode, check the shape, call, encode. */
function messageCall<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  handle: Handler<MessageShape<I>, MessageShape<O>>,
  requestBytesMax: number,
  changes = true,
): BytesCall {
  const { input, output } = method;
  const answer = async (bytes: Uint8Array, context: CallContext): Promise<Uint8Array | Refused> => {
    const request = readRequest(input, bytes);
    if ("code" in request) return request;
    const response = await handle(request.message, context);
    return "$typeName" in response ? toBinary(output, response as MessageShape<O>) : response;
  };
  return { method, requestBytesMax, changes, answer: sized(requestBytesMax, answer) };
}

function sized(max: number, answer: Handler<Uint8Array, Uint8Array>): Handler<Uint8Array, Uint8Array> {
  return (bytes, context) =>
    bytes.length > max
      ? Promise.resolve({ code: "MESSAGE_TOO_LARGE", requested: BigInt(bytes.length), max: BigInt(max) })
      : answer(bytes, context);
}

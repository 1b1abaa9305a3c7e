/** What both services are made of: methods of any protos, mounted on the product's doors. */
import { setTimeout } from "node:timers/promises";
import {
  create,
  type DescMessage,
  type DescMethodStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { type Status, StatusSchema } from "../../../gen/google/rpc/status_pb.ts";
import type { Authorise } from "../../../src/transports/calls/authorise.ts";
import {
  type AnswerMetadata,
  type Refused,
  tooLarge,
  type UnaryCall,
} from "../../../src/transports/calls/call.ts";
import type { StreamCall, StreamContext } from "../../../src/transports/calls/stream.ts";

/** The calls of a service, for `openDoors`. */
export interface Served {
  readonly unaryCalls: readonly UnaryCall[];
  readonly streamCalls: readonly StreamCall[];
}

/** Who calls a method of these. */
export interface Caller {
  /** Those of the headers by which it was asked that the service knows, by name. */
  readonly headers: Readonly<Record<string, string>>;
  /** When the caller stops waiting: milliseconds since the Unix epoch, Infinity for never. */
  readonly deadline: number;
  attach(metadata: AnswerMetadata): void;
  /** Resolves after so long, or sooner if nobody waits any more. */
  sleep(ms: number): Promise<void>;
}

/** How large a message may be, and of which headers a service is told. */
export interface Rules {
  readonly bytesMax: number;
  readonly headers: readonly string[];
}

/** A method that takes a message and answers one. */
export function unaryCall<Method extends DescMethodUnary>(
  method: Method,
  { bytesMax, headers }: Rules,
  answer: (
    request: MessageShape<Method["input"]>,
    caller: Caller,
    bytes: Uint8Array,
  ) => Promise<MessageInitShape<Method["output"]> | Refused>,
): UnaryCall {
  return {
    method,
    changes: false,
    requestBytesMax: bytesMax,
    authorise: telling(headers),
    refusalAhead: () => undefined,
    async answer(bytes, context) {
      if (bytes.length > bytesMax) return tooLarge(bytes.length, bytesMax);
      const { deadline, attach } = context;
      let late = false; // The doors leave it to a unary call to heed its deadline.
      const caller: Caller = {
        headers: JSON.parse(context.caller),
        deadline,
        attach: (metadata) => attach?.call(context, metadata),
        sleep(ms) {
          const leftMs = deadline - Date.now();
          late = ms >= leftMs;
          return setTimeout(Math.max(0, Math.min(ms, leftMs)));
        },
      };
      const answered = await answer(fromBinary(method.input, bytes) as never, caller, bytes);
      if (late) return refusedWith({ code: 4, message: "too late" });
      return isRefused(answered) ? answered : toBinary(method.output, create(method.output, answered));
    },
  };
}

/** A method of which requests, answers or both stream. */
export function streamCall<Method extends DescMethodStreaming>(
  method: Method,
  { bytesMax, headers }: Rules,
  open: (
    requests: AsyncIterable<Buffer>,
    caller: Caller,
  ) => AsyncGenerator<MessageInitShape<Method["output"]>, Refused | undefined>,
): StreamCall {
  return {
    method,
    attaches: true,
    requestBytesMax: bytesMax,
    authorise: telling(headers),
    async *open(requests, context) {
      const answers = open(requests, callerOf(context));
      for (;;) {
        const next = await answers.next();
        if (next.done) return next.value;
        yield toBinary(method.output, create(method.output as DescMessage, next.value));
      }
    },
  };
}

function callerOf({ caller, deadline, signal, attach }: StreamContext): Caller {
  const sleep = (ms: number) => setTimeout(ms, undefined, { signal }).catch(() => {});
  return { headers: JSON.parse(caller), deadline, attach, sleep };
}

/** Has the headers that a service knows go along as the name of who calls. */
function telling(names: readonly string[]): Authorise {
  return ({ headerOf }) => ({
    caller: JSON.stringify(Object.fromEntries(names.map((name) => [name, headerOf(name)]))),
  });
}

/** A refusal with a status of the service's own. */
export function refusedWith(status: MessageInitShape<typeof StatusSchema>): Refused & { status: Status } {
  return { code: "INTERNAL_ERROR", status: create(StatusSchema, status) };
}

function isRefused(answered: object): answered is Refused {
  return "code" in answered;
}

/**
 * gRPC's TestService, for its interop cases.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md
 */
import { fromBinary } from "@bufbuild/protobuf";
import type { Refused } from "../../../src/transports/calls/call.ts";
import { onlyMessage } from "../../../src/transports/calls/stream.ts";
import { type Caller, refusedWith, type Served, streamCall, unaryCall } from "./calls.ts";
import {
  type EchoStatus,
  type ResponseParameters,
  StreamingInputCallRequestSchema,
  StreamingOutputCallRequestSchema,
} from "./gen/grpc/testing/messages_pb.ts";
import { TestService } from "./gen/grpc/testing/test_pb.ts";

const ECHO_HEADER = "x-grpc-test-echo-initial";
const ECHO_TRAILER = "x-grpc-test-echo-trailing-bin";
const RULES = { bytesMax: 4 * 2 ** 20, headers: [ECHO_HEADER, ECHO_TRAILER] };

export function testService(): Served {
  const {
    emptyCall,
    unaryCall: unary,
    streamingOutputCall,
    streamingInputCall,
    fullDuplexCall,
  } = TestService.method;
  return {
    unaryCalls: [
      unaryCall(emptyCall, RULES, async () => ({})),
      unaryCall(unary, RULES, async ({ responseSize, responseStatus }, caller) => {
        attach(caller);
        return refused(responseStatus) ?? { payload: payloadOf(responseSize) };
      }),
    ],
    streamCalls: [
      streamCall(streamingOutputCall, RULES, async function* (requests, caller) {
        const bytes = await onlyMessage(requests);
        if ("code" in bytes) return bytes;
        yield* answers(fromBinary(StreamingOutputCallRequestSchema, bytes).responseParameters, caller);
        return undefined;
      }),
      streamCall(streamingInputCall, RULES, async function* (requests) {
        let aggregatedPayloadSize = 0;
        for await (const bytes of requests)
          aggregatedPayloadSize += fromBinary(StreamingInputCallRequestSchema, bytes).payload!.body.length;
        yield { aggregatedPayloadSize };
        return undefined;
      }),
      streamCall(fullDuplexCall, RULES, async function* (requests, caller) {
        attach(caller);
        for await (const bytes of requests) {
          const { responseStatus, responseParameters } = fromBinary(StreamingOutputCallRequestSchema, bytes);
          const refusal = refused(responseStatus);
          if (refusal !== undefined) return refusal;
          yield* answers(responseParameters, caller);
        }
        return undefined;
      }),
    ],
  };
}

async function* answers(parameters: readonly ResponseParameters[], caller: Caller) {
  for (const { size, intervalUs } of parameters) {
    await caller.sleep(intervalUs / 1_000);
    yield { payload: payloadOf(size) };
  }
}

function payloadOf(size: number) {
  return { body: new Uint8Array(size) };
}

function refused(status: EchoStatus | undefined): Refused | undefined {
  return status && status.code !== 0
    ? refusedWith({ code: status.code, message: status.message })
    : undefined;
}

/** Metadata comes back as it came. */
function attach({ headers, attach: answerWith }: Caller): void {
  const { [ECHO_HEADER]: header, [ECHO_TRAILER]: trailer } = headers;
  if (header === undefined && trailer === undefined) return;
  answerWith({
    headers: header === undefined ? [] : [[ECHO_HEADER, header]],
    trailers: trailer === undefined ? [] : [[ECHO_TRAILER, trailer]],
  });
}

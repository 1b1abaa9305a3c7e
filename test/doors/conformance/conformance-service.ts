/** Connect's ConformanceService, as its .proto describes each method. */
import { create, type DescMessage, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { type Any, AnySchema, anyPack } from "@bufbuild/protobuf/wkt";
import type { MetadataField, Refused } from "../../../src/transports/calls/call.ts";
import { onlyMessage } from "../../../src/transports/calls/stream.ts";
import { type Caller, type Rules, refusedWith, type Served, streamCall, unaryCall } from "./calls.ts";
import {
  BidiStreamRequestSchema,
  ClientStreamRequestSchema,
  type ConformancePayloadSchema,
  ConformanceService,
  type Error as ErrorDefinition,
  type Header,
  type ConformancePayload_RequestInfo as RequestInfo,
  ConformancePayload_RequestInfoSchema as RequestInfoSchema,
  ServerStreamRequestSchema,
  type StreamResponseDefinition,
  type UnaryResponseDefinition,
} from "./gen/connectrpc/conformance/v1/service_pb.ts";

type Payload = MessageInitShape<typeof ConformancePayloadSchema>;

/** @param bytesMax  the largest message, in bytes */
export function conformanceService(bytesMax: number): Served {
  const { unary, idempotentUnary, clientStream, serverStream, bidiStream } = ConformanceService.method;
  const rules: Rules = { bytesMax, headers: ["x-conformance-test"] };
  return {
    unaryCalls: [unary, idempotentUnary].map((method) =>
      unaryCall(method, rules, ({ responseDefinition }, caller, bytes) =>
        answerOnce(responseDefinition, caller, infoOf(caller, [packed(method.input, bytes)])),
      ),
    ),
    streamCalls: [
      streamCall(clientStream, rules, async function* (requests, caller) {
        const seen: Any[] = [];
        let definition: UnaryResponseDefinition | undefined;
        for await (const bytes of requests) {
          if (seen.length === 0) definition = fromBinary(ClientStreamRequestSchema, bytes).responseDefinition;
          seen.push(packed(ClientStreamRequestSchema, bytes));
        }
        const answer = await answerOnce(definition, caller, infoOf(caller, seen));
        if ("code" in answer) return answer;
        yield answer;
        return undefined;
      }),
      streamCall(serverStream, rules, async function* (requests, caller) {
        const bytes = await onlyMessage(requests);
        if ("code" in bytes) return bytes;
        const { responseDefinition } = fromBinary(ServerStreamRequestSchema, bytes);
        const told = infoOf(caller, [packed(ServerStreamRequestSchema, bytes)]);
        return yield* answerRest(responseDefinition, caller, 0, told);
      }),
      streamCall(bidiStream, rules, async function* (requests, caller) {
        let seen: Any[] = [];
        let definition: StreamResponseDefinition | undefined;
        let fullDuplex = false;
        let answered = 0;
        for await (const bytes of requests) {
          if (seen.length === 0 && answered === 0)
            ({ responseDefinition: definition, fullDuplex } = fromBinary(BidiStreamRequestSchema, bytes));
          seen.push(packed(BidiStreamRequestSchema, bytes));
          if (!fullDuplex) continue;
          if (answered === 0) attach(definition, caller);
          const data = definition?.responseData[answered];
          if (data === undefined) break; // There is nothing left to say but the error.
          await caller.sleep(definition!.responseDelayMs);
          yield {
            payload: { data, requestInfo: answered === 0 ? infoOf(caller, seen) : { requests: seen } },
          };
          answered++;
          seen = [];
        }
        return yield* answerRest(definition, caller, answered, infoOf(caller, seen));
      }),
    ],
  };
}

/** The answer of a method that has one. */
async function answerOnce(
  definition: UnaryResponseDefinition | undefined,
  caller: Caller,
  requestInfo: RequestInfo,
): Promise<{ payload: Payload } | Refused> {
  attach(definition, caller);
  await caller.sleep(definition?.responseDelayMs ?? 0);
  const response = definition?.response;
  if (response?.case === "error") return refused(response.value, requestInfo);
  return { payload: { requestInfo, ...(response?.case === "responseData" && { data: response.value }) } };
}

/** The answers of a stream from one on, and how it ends. @param info  told with the first of all */
async function* answerRest(
  definition: StreamResponseDefinition | undefined,
  caller: Caller,
  from: number,
  info: RequestInfo,
): AsyncGenerator<{ payload: Payload }, Refused | undefined> {
  if (definition === undefined) return undefined;
  if (from === 0) attach(definition, caller);
  for (const [i, data] of definition.responseData.entries()) {
    if (i < from) continue;
    await caller.sleep(definition.responseDelayMs);
    yield { payload: { data, ...(i === 0 && { requestInfo: info }) } };
  }
  const { error, responseData } = definition;
  return error && refused(error, responseData.length === 0 ? info : undefined);
}

function attach(
  definition: UnaryResponseDefinition | StreamResponseDefinition | undefined,
  caller: Caller,
): void {
  const fields = (headers: readonly Header[]) =>
    headers.flatMap(({ name, value }) => value.map((each): MetadataField => [name.toLowerCase(), each]));
  const headers = fields(definition?.responseHeaders ?? []);
  const trailers = fields(definition?.responseTrailers ?? []);
  if (headers.length + trailers.length > 0) caller.attach({ headers, trailers });
}

/** @param info  told with an error that comes before any answer */
function refused({ code, message, details }: ErrorDefinition, info: RequestInfo | undefined): Refused {
  const told = info === undefined ? [] : [anyPack(RequestInfoSchema, info)];
  return refusedWith({ code, message: message ?? "", details: [...details, ...told] });
}

function infoOf({ headers, deadline }: Caller, requests: Any[]): RequestInfo {
  const left = deadline - Date.now();
  return create(RequestInfoSchema, {
    requests,
    requestHeaders: Object.entries(headers).map(([name, value]) => ({ name, value: [value] })),
    ...(left < Number.POSITIVE_INFINITY && { timeoutMs: BigInt(Math.max(0, Math.floor(left))) }),
  });
}

function packed({ typeName }: DescMessage, value: Uint8Array): Any {
  return create(AnySchema, { typeUrl: `type.googleapis.com/${typeName}`, value });
}

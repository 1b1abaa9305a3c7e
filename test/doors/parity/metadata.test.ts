/**
 * Goal: what a method says beside its messages, and a status of its own, is the same at every door that has such.
 *
 * Method: the services of the suites of Connect and gRPC, which are told what to answer, and clients of connect-node. Their
 * own clients are in test/doors/conformance.
 */
import { type CallOptions, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { describe, expect, it } from "vitest";
import { open } from "../../transports/door.ts";
import { HTTP_VERSION } from "../../transports/engine.ts";
import { conformanceService } from "../conformance/conformance-service.ts";
import {
  ConformancePayload_RequestInfoSchema,
  ConformanceService,
} from "../conformance/gen/connectrpc/conformance/v1/service_pb.ts";
import { TestService } from "../conformance/gen/grpc/testing/test_pb.ts";
import { testService } from "../conformance/test-service.ts";

const DOORS: readonly [name: string, transport: (baseUrl: string) => Transport][] = [
  ["gRPC", (baseUrl) => createGrpcTransport({ baseUrl })],
  [
    "Connect",
    (baseUrl) => createConnectTransport({ baseUrl, httpVersion: HTTP_VERSION, useBinaryFormat: true }),
  ],
  ["gRPC-Web", (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: HTTP_VERSION })],
];

const METADATA = {
  responseHeaders: [
    { name: "x-told", value: ["a", "b"] },
    { name: "x-told-bin", value: ["AAEC"] },
  ],
  responseTrailers: [
    { name: "x-last", value: ["c"] },
    { name: "x-last-bin", value: ["/v8A"] },
  ],
};
const TOLD = [
  ["x-told", "a, b"],
  ["x-told-bin", "AAEC"],
];
const LAST = [
  ["x-last", "c"],
  ["x-last-bin", "/v8A"],
];
const REFUSAL = { code: Code.DataLoss, message: "50 % ☺\n" };

async function opened(transportTo: (baseUrl: string) => Transport) {
  const services = [conformanceService(10_000), testService()];
  const door = await open({
    unaryCalls: services.flatMap(({ unaryCalls }) => unaryCalls),
    streamCalls: services.flatMap(({ streamCalls }) => streamCalls),
  });
  return { door, transport: transportTo(`http://127.0.0.1:${door.door.port}`) };
}

/** What of some headers the tests know. */
function known(headers: Headers | undefined): string[][] {
  return [...(headers ?? [])].filter(([name]) => /^x-(told|last)/.test(name));
}

/** Headers and trailers as they come. */
function listening() {
  const heard: { headers?: Headers; trailers?: Headers } = {};
  const options: CallOptions = {
    onHeader(headers) {
      heard.headers = headers;
    },
    onTrailer(trailers) {
      heard.trailers = trailers;
    },
  };
  return { options, told: () => [known(heard.headers), known(heard.trailers)] };
}

async function errorOf(promise: Promise<unknown>): Promise<ConnectError> {
  return ConnectError.from(
    await promise.then(
      () => "no error",
      (error: unknown) => error,
    ),
  );
}

describe.each(DOORS)("over %s", (_, transportTo) => {
  it("one message comes with metadata", async () => {
    const { door, transport } = await opened(transportTo);
    await using _door = door;
    const { options, told } = listening();
    const response = { case: "responseData", value: Buffer.from("x") } as const;
    const { payload } = await createClient(ConformanceService, transport).unary(
      { responseDefinition: { ...METADATA, response } },
      options,
    );
    expect([payload?.data, told()]).toEqual([Uint8Array.of(120), [TOLD, LAST]]);
  });

  it("so does a refusal with a status of the service's own", async () => {
    const { door, transport } = await opened(transportTo);
    await using _door = door;
    const response = { case: "error", value: REFUSAL } as const;
    const error = await errorOf(
      createClient(ConformanceService, transport).unary({ responseDefinition: { ...METADATA, response } }),
    );
    expect([error.code, error.rawMessage]).toEqual([REFUSAL.code, REFUSAL.message]);
    expect(error.findDetails(ConformancePayload_RequestInfoSchema)).toHaveLength(1);
    expect(known(error.metadata)).toEqual(expect.arrayContaining(LAST));
  });

  it.each([0, 2])("so do %i messages of a stream, and how it ends", async (messages) => {
    const { door, transport } = await opened(transportTo);
    await using _door = door;
    const { options, told } = listening();
    const responseData = Array.from({ length: messages }, () => Buffer.from("x"));
    const stream = createClient(ConformanceService, transport).serverStream(
      { responseDefinition: { ...METADATA, responseData, error: REFUSAL } },
      options,
    );
    let came = 0;
    const error = await errorOf(
      (async () => {
        for await (const _message of stream) came++;
      })(),
    );
    expect([came, error.code, error.rawMessage]).toEqual([messages, REFUSAL.code, REFUSAL.message]);
    expect(told()[0]).toEqual(TOLD);
    expect(known(error.metadata)).toEqual(expect.arrayContaining(LAST));
  });

  it("a stream that is answered ends with trailers", async () => {
    const { door, transport } = await opened(transportTo);
    await using _door = door;
    const { options, told } = listening();
    const stream = createClient(ConformanceService, transport).serverStream(
      { responseDefinition: { ...METADATA, responseData: [Buffer.from("x")] } },
      options,
    );
    for await (const _message of stream) expect(told()[0]).toEqual(TOLD);
    expect(told()).toEqual([TOLD, LAST]);
  });

  it("metadata in bytes is told in base64", async () => {
    const { door, transport } = await opened(transportTo);
    await using _door = door;
    const name = "x-grpc-test-echo-trailing-bin";
    let trailers: Headers | undefined;
    await createClient(TestService, transport).unaryCall(
      {},
      { headers: { [name]: "/v8A" }, onTrailer: (came) => (trailers = came) },
    );
    expect(trailers?.get(name)).toBe("/v8A");
  });
});

it.each(DOORS.slice(0, 2))("a stream of requests has one answer over %s", async (_, transportTo) => {
  const { door, transport } = await opened(transportTo);
  await using _door = door;
  async function* requests() {
    for (const size of [3, 0, 4]) yield { payload: { body: new Uint8Array(size) } };
  }
  const { aggregatedPayloadSize } = await createClient(TestService, transport).streamingInputCall(requests());
  expect(aggregatedPayloadSize).toBe(7);
});

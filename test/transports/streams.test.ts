/**
 * Goal: a method that streams is served alike at every door, and what a caller does not take, does not say or breaks off
 * holds nothing of the server.
 *
 * Method: streams that echo, over gRPC, Connect and gRPC-Web, with clients of connect-node; by hand where a client would
 * not do what is tried.
 */
import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { type CallOptions, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { describe, expect, it } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { open } from "./door.ts";
import { echoCalls, Seen } from "./echo/calls.ts";
import { EchoService, RepeatRequestSchema, TalkRequestSchema } from "./echo/echo_pb.ts";
import { HTTP_VERSION } from "./engine.ts";
import { send } from "./http.ts";
import { framed } from "./raw.ts";

const DOORS: readonly [name: string, transport: (baseUrl: string) => Transport][] = [
  ["gRPC", (baseUrl) => createGrpcTransport({ baseUrl })],
  [
    "Connect",
    (baseUrl) => createConnectTransport({ baseUrl, httpVersion: HTTP_VERSION, useBinaryFormat: true }),
  ],
  [
    "Connect, JSON",
    (baseUrl) => createConnectTransport({ baseUrl, httpVersion: HTTP_VERSION, useBinaryFormat: false }),
  ],
  ["gRPC-Web", (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: HTTP_VERSION })],
  [
    "gRPC-Web, JSON",
    (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: HTTP_VERSION, useBinaryFormat: false }),
  ],
];
const BIDI = DOORS.filter(([name]) => !name.startsWith("gRPC-Web"));

async function opened(
  transportTo: (baseUrl: string) => Transport,
  options: Parameters<typeof echoCalls>[1] = undefined,
) {
  const seen = new Seen();
  const door = await open({ streamCalls: echoCalls(seen, options) });
  const client = createClient(EchoService, transportTo(`http://127.0.0.1:${door.door.port}`));
  return { seen, door, client };
}

/** The texts that came, and the error that ended them. */
async function all(
  stream: AsyncIterable<{ readonly text: string }>,
): Promise<{ texts: string[]; error: ConnectError | undefined }> {
  const texts: string[] = [];
  try {
    for await (const { text } of stream) texts.push(text);
    return { texts, error: undefined };
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    return { texts, error };
  }
}

const reasonOf = (error: ConnectError | undefined) => error?.findDetails(ErrorInfoSchema)[0]?.reason;

describe.each(DOORS)("a stream of answers over %s", (_, transport) => {
  it("comes whole and in order, and ends", async () => {
    const { door, client, seen } = await opened(transport);
    await using _door = door;
    expect(await all(client.repeat({ text: "é", times: 500n }))).toEqual({
      texts: Array.from({ length: 500 }, () => "é"),
      error: undefined,
    });
    await seen.over;
    expect(seen.answers).toBe(500);
  });

  it("may have nothing in it", async () => {
    const { door, client } = await opened(transport);
    await using _door = door;
    expect(await all(client.repeat({ text: "a", times: 0n }))).toEqual({ texts: [], error: undefined });
  });

  it("ends in a refusal midway, with its reason and what came before", async () => {
    const { door, client } = await opened(transport);
    await using _door = door;
    const { texts, error } = await all(client.repeat({ text: "is refused", times: 9n }));
    expect(texts).toHaveLength(2);
    expect([error?.code, reasonOf(error)]).toEqual([Code.ResourceExhausted, "QUEUE_FULL"]);
  });

  it("ends in INTERNAL_ERROR at a defect, which is logged once", async () => {
    const { door, client } = await opened(transport);
    await using _door = door;
    const { texts, error } = await all(client.repeat({ text: "throws", times: 9n }));
    expect(texts).toHaveLength(2);
    expect([error?.code, reasonOf(error)]).toEqual([Code.Internal, "INTERNAL_ERROR"]);
    expect(door.logged.map(({ event }) => event)).toEqual(["stream.handler_failed"]);
  });

  it("ends when its caller goes away in the middle", async () => {
    const { door, client, seen } = await opened(transport);
    await using _door = door;
    const gone = new AbortController();
    const options: CallOptions = { signal: gone.signal };
    const stream = client.repeat({ text: "waits", times: 9n }, options)[Symbol.asyncIterator]();
    await stream.next();
    await stream.next();
    gone.abort();
    await expect(stream.next()).rejects.toThrow();
    await seen.over;
    expect(seen.contexts[0]!.signal.aborted).toBe(true);
  });

  it("holds little of what its caller does not take", async () => {
    const { door, client, seen } = await opened(transport);
    await using _door = door;
    const text = "x".repeat(100_000);
    const gone = new AbortController();
    const stream = client.repeat({ text, times: 10_000n }, { signal: gone.signal })[Symbol.asyncIterator]();
    await stream.next();
    // Until no more answers are asked for, by all the buffers between being full.
    for (let before = -1; before !== seen.answers; ) {
      before = seen.answers;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect(seen.answers).toBeLessThan(300); // Of 10,000: 30 MB, nearly all of it the kernel's and the client's.
    gone.abort();
    await seen.over;
  });

  it("may say goodbye when the server stops", async () => {
    const { door, client, seen } = await opened(transport);
    const stream = client.repeat({ text: "says goodbye", times: 9n })[Symbol.asyncIterator]();
    await stream.next();
    await stream.next();
    const drained = door.door.drain(5_000);
    expect((await stream.next()).value?.text).toBe("goodbye");
    expect((await stream.next()).done).toBe(true);
    await drained;
    await seen.over;
    await door[Symbol.asyncDispose]();
  });

  it("is ended by a server that stops, if it does not end by itself", async () => {
    const { door, client, seen } = await opened(transport);
    const told = all(client.repeat({ text: "waits", times: 9n }));
    while (seen.answers < 2) await new Promise((resolve) => setImmediate(resolve));
    await door.door.drain(4_000);
    const { error } = await told;
    expect([error?.code, reasonOf(error)]).toEqual([Code.Unavailable, "DRAINING"]);
    await seen.over;
    await door[Symbol.asyncDispose]();
  });

  it("is refused to who is unknown, before a message is read", async () => {
    const { door, client, seen } = await opened(transport, () => ({
      code: "CREDENTIAL_MISSING",
      expected: "send a key",
    }));
    await using _door = door;
    const { texts, error } = await all(client.repeat({ text: "a", times: 1n }));
    expect([texts, error?.code, reasonOf(error)]).toEqual([[], Code.Unauthenticated, "CREDENTIAL_MISSING"]);
    expect(seen.contexts).toEqual([]);
  });
});

describe.each(BIDI)("a stream both ways over %s", (_, transport) => {
  it("answers each message, and after the last says so", async () => {
    const { door, client } = await opened(transport);
    await using _door = door;
    async function* requests() {
      for (const text of ["a", "b", "c"]) yield { text };
    }
    expect(await all(client.talk(requests()))).toEqual({
      texts: ["a", "b", "c", "that was all"],
      error: undefined,
    });
  });

  it("refuses a message that is too large", async () => {
    const { door, client } = await opened(transport);
    await using _door = door;
    async function* requests() {
      yield { text: "a" };
      yield { text: "x".repeat(2_000) };
    }
    const { error } = await all(client.talk(requests()));
    expect([error?.code, reasonOf(error)]).toEqual([Code.ResourceExhausted, "MESSAGE_TOO_LARGE"]);
  });
});

it("a stream both ways over gRPC answers before the next message is sent", async () => {
  const { door, client } = await opened(DOORS[0]![1]);
  await using _door = door;
  let answered = () => {};
  async function* requests() {
    for (const text of ["a", "b", "c"]) {
      const { promise, resolve } = Promise.withResolvers<void>();
      answered = resolve;
      yield { text };
      await promise;
    }
  }
  const texts: string[] = [];
  for await (const { text } of client.talk(requests())) {
    texts.push(text);
    answered();
  }
  expect(texts).toEqual(["a", "b", "c", "that was all"]);
});

const CONNECT_TYPE = "application/connect+proto";
const repeat = (text: string, times: bigint) =>
  toBinary(RepeatRequestSchema, create(RepeatRequestSchema, { text, times }));

describe("by hand", () => {
  const path = "/echo.EchoService/Repeat";
  const post = async (headers: Record<string, string>, body: Uint8Array, text = path) => {
    const seen = new Seen();
    const door = await open({ streamCalls: echoCalls(seen) });
    return { seen, door, got: send(door.door.port, { method: "POST", path: text, headers, body }) };
  };

  it.each([
    [{ "content-type": CONNECT_TYPE, "connect-timeout-ms": "40" }, '"code":"deadline_exceeded"'],
    [{ "content-type": "application/grpc-web+proto", "grpc-timeout": "40m" }, "grpc-status: 4"],
  ])("a deadline ends a stream: %j", async (headers, says) => {
    const { door, got, seen } = await post(headers, framed(Buffer.from(repeat("waits", 9n))));
    await using _door = door;
    while (seen.answers < 2) await new Promise((resolve) => setImmediate(resolve));
    door.clock.advance(1_000);
    expect((await got).text).toContain(says);
    await seen.over;
  });

  it.each([
    ["no message", Buffer.alloc(0), "unimplemented", "NOT_ONE_MESSAGE"],
    [
      "two messages",
      Buffer.concat([framed(Buffer.from("")), framed(Buffer.from(""))]),
      "unimplemented",
      "NOT_ONE_MESSAGE",
    ],
    ["half a head", Buffer.from([0, 0, 0]), "invalid_argument", "MALFORMED_MESSAGE"],
    [
      "half a message",
      framed(Buffer.from(repeat("a", 1n))).subarray(0, 7),
      "invalid_argument",
      "MALFORMED_MESSAGE",
    ],
    ["flags of nobody", Buffer.from([4, 0, 0, 0, 0]), "invalid_argument", "MALFORMED_MESSAGE"],
    [
      "a message that is compressed, nobody says how",
      framed(Buffer.from(repeat("a", 1n)), 1),
      "internal",
      "COMPRESSION_UNSAID",
    ],
  ])("a request of %s is none", async (_, body, code, reason) => {
    const { door, got } = await post({ "content-type": CONNECT_TYPE }, body);
    await using _door = door;
    const { text } = await got;
    expect(text).toContain(`"code":"${code}"`);
    expect(text).toContain(`"reason":"${reason}"`);
  });

  it("takes a message a byte at a time", async () => {
    const seen = new Seen();
    await using door = await open({ streamCalls: echoCalls(seen) });
    const socket = connectTcp(door.door.port, "127.0.0.1");
    const talk = (text: string) =>
      framed(Buffer.from(toBinary(TalkRequestSchema, create(TalkRequestSchema, { text }))));
    const body = Buffer.concat([talk("abc"), talk(""), talk("de")]);
    socket.write(
      `POST /echo.EchoService/Talk HTTP/1.1\r\nHost: x\r\nContent-Type: ${CONNECT_TYPE}\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    let got = "";
    socket.on("data", (data) => {
      got += data;
    });
    for (const byte of body) {
      socket.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    while (!got.includes("{}")) await once(socket, "data");
    socket.destroy();
    expect(seen.requests).toBe(3);
    expect(got).toMatch(/abc[\s\S]*de[\s\S]*that was all/);
  });

  it("a message that is too large is refused by its head", async () => {
    await using door = await open({ streamCalls: echoCalls(new Seen()) });
    const socket = connectTcp(door.door.port, "127.0.0.1");
    socket.write(
      `POST /echo.EchoService/Talk HTTP/1.1\r\nHost: x\r\nContent-Type: ${CONNECT_TYPE}\r\nContent-Length: 9000\r\n\r\n`,
    );
    socket.write(Buffer.from([0, 0, 0, 8, 0]));
    let got = "";
    socket.on("data", (data) => {
      got += data;
    });
    while (!got.includes("MESSAGE_TOO_LARGE")) await once(socket, "data");
    socket.destroy();
  });

  it.each([
    ["GET", { "content-type": CONNECT_TYPE }, 405],
    ["POST", { "content-type": "application/json" }, 415],
  ])("%s with %j is status %i", async (method, headers, status) => {
    await using door = await open({ streamCalls: echoCalls(new Seen()) });
    expect((await send(door.door.port, { method, path, headers })).status).toBe(status);
  });

  it("gRPC-Web has no streams of requests", async () => {
    const { door, got } = await post(
      { "content-type": "application/grpc-web" },
      Buffer.alloc(0),
      "/echo.EchoService/Talk",
    );
    await using _door = door;
    expect((await got).status).toBe(415);
  });
});

/**
 * What a caller sends over HTTP/2, judged as it arrives: by its headers, by the first five bytes of a message, by how
 * long it takes and by how much of it is there at a time. The memory that this saves is measured in test/proofs/memory.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  type IncomingHttpHeaders,
} from "node:http2";
import { connect, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { fc } from "@fast-check/vitest";
import { afterEach, describe, expect, it, vi } from "vitest";
import { BatchApplyRequestSchema, IncrementRequestSchema } from "../../gen/tally/v1/counter_service_pb.ts";
import type { Authorise } from "../../src/transports/calls/authorise.ts";
import { Arriving, Room, takeAll } from "../../src/transports/room.ts";
import { Client, gate, type Opened, open } from "./door.ts";
import { echoCalls, Seen } from "./echo/calls.ts";
import { RepeatRequestSchema } from "./echo/echo_pb.ts";
import { byEngine } from "./engine.ts";
import { begin, ended, exchange, framed } from "./raw.ts";

const HOST = "127.0.0.1";
const INCREMENT = "/tally.v1.CounterService/Increment";
const BATCH = "/tally.v1.CounterService/BatchApply";
const CHECK = "/grpc.health.v1.Health/Check";
const WATCH = "/grpc.health.v1.Health/Watch";
const REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const REPEAT = "/echo.EchoService/Repeat";
const TALK = "/echo.EchoService/Talk";
const ENDLESS = framed(
  toBinary(RepeatRequestSchema, create(RepeatRequestSchema, { text: "x".repeat(20_000), times: 1_000_000n })),
);
const increment = framed(toBinary(IncrementRequestSchema, create(IncrementRequestSchema, { name: "a" })));
const KIB = 1024;

/** Closed after each test, whatever became of it. */
const sessions: ClientHttp2Session[] = [];
afterEach(() => {
  for (const session of sessions.splice(0)) session.destroy();
});

/** A connection of HTTP/2 that has taken the server's settings. */
async function http2(port: number): Promise<ClientHttp2Session> {
  const session = connectHttp2(`http://${HOST}:${port}`, { maxSendHeaderBlockLength: 2 ** 20 });
  sessions.push(session);
  session.on("error", () => {});
  await once(session, "remoteSettings");
  return session;
}

function request(session: ClientHttp2Session, path: string, headers = {}): ClientHttp2Stream {
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
  stream.on("error", () => {});
  return stream;
}

function headOf(bytes: number): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes, 1);
  return head;
}

async function nothingCounted({ store }: Opened): Promise<void> {
  expect(await store.get(["a"])).toEqual([undefined]);
}

describe("the content type", () => {
  it.for([
    "application/grpc",
    "application/grpc+proto",
    "Application/GRPC",
    "application/grpc; charset=utf-8",
    "application/grpc+proto ;x=y",
  ])("%s is gRPC", async (type) => {
    await using opened = await open();
    expect(await exchange(opened.door.port, INCREMENT, [increment], { "content-type": type })).toMatchObject({
      status: "OK",
    });
  });

  it.for([
    ...byEngine({
      "grpc-js": ["application/grpc-web", "application/grpc-web+proto", "application/proto"],
      own: [],
    }),
    "application/grpc-web-text",
    "application/grpc+json",
    "application/grpcfoo",
    "application/grpc/x",
    "application/grpc, application/grpc",
    "application/grpc application/grpc-web",
    "text/plain; application/grpc",
    "",
  ])("%j is not: 415 that says what to do, and nothing is applied", async (type) => {
    await using opened = await open();
    const session = await http2(opened.door.port);
    const [status, body] = await textOf(request(session, INCREMENT, { "content-type": type }), increment);
    expect(status).toBe(415);
    const { error } = JSON.parse(body);
    expect(error.message).toContain(
      byEngine({
        "grpc-js": "must be application/grpc; REST, Connect and gRPC-Web are over HTTP/1.1",
        own: "must be application/proto, application/json or application/grpc-web+proto", // As over HTTP/1.1.
      }),
    );
    expect(error.details[0]).toMatchObject({ reason: "MEDIA_TYPE_NOT_SUPPORTED", domain: "tally" });
    await nothingCounted(opened);
  });

  it.for(["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "post", "FOO"])(
    "of gRPC does not make a %s a call",
    async (method) => {
      await using opened = await open();
      const session = await http2(opened.door.port);
      const [status, body] = await textOf(request(session, INCREMENT, { ":method": method }), increment);
      expect(status).toBe(405);
      // Node.js ends a request by the others at once, and lets go of what is answered.
      if (["PUT", "OPTIONS", "FOO"].includes(method)) expect(body).toContain("METHOD_NOT_ALLOWED");
      await nothingCounted(opened);
    },
  );

  it.for([
    [{ "x-http-method-override": "GET" }, "INVALID_ARGUMENT"],
    [{ "content-encoding": "gzip" }, "UNIMPLEMENTED"],
  ] as const)("with %j is refused, and nothing is applied", async ([headers, status]) => {
    await using opened = await open();
    expect(await exchange(opened.door.port, INCREMENT, [increment], headers)).toMatchObject({ status });
    await nothingCounted(opened);
  });

  it("is not, where there is none or there are two", async () => {
    await using opened = await open();
    const { port } = opened.door;
    const none = await rawAnswer(port, [[":path", INCREMENT]]);
    const two = await rawAnswer(port, [
      [":path", INCREMENT],
      ["content-type", "application/grpc"],
      ["content-type", "application/grpc-web"],
    ]);
    expect([none, two].map((text) => /got none|got 2 of them|must be given once/.exec(text)?.[0])).toEqual([
      "got none",
      byEngine({ "grpc-js": "got 2 of them", own: "must be given once" }), // As over HTTP/1.1.
    ]);
    await nothingCounted(opened);
  });
});

it("two credentials are two for who judges them, and nothing is applied", async () => {
  const authorise: Authorise = (head) =>
    head.countOf("authorization") === 2 ? { code: "CREDENTIAL_AMBIGUOUS" } : { caller: "" };
  await using opened = await open({ authorise });
  const session = connectHttp2(`http://${HOST}:${opened.door.port}`, {
    strictSingleValueFields: false, // Which its types do not know yet.
  } as object);
  sessions.push(session);
  const stream = request(session, INCREMENT, { authorization: ["Bearer a", "Bearer b"] });
  stream.end(increment);
  expect(await ended(stream)).toMatchObject({
    status: "UNAUTHENTICATED",
    reason: "CREDENTIAL_AMBIGUOUS",
  });
  await nothingCounted(opened);
});

describe("the deadline", () => {
  const LONG = [
    "720H",
    "99999999H",
    "99999999M",
    "99999999S",
    "2147484S",
    "2147483S",
    "99999999m",
    "99999999u",
  ];
  it.for([INCREMENT, CHECK].flatMap((path) => LONG.map((timeout) => [path, timeout] as const)))(
    "of a call may be long: %s, %s",
    async ([path, timeout]) => {
      await using opened = await open();
      const message = path === INCREMENT ? increment : framed(Buffer.alloc(0));
      const answer = await exchange(opened.door.port, path, [message], { "grpc-timeout": timeout });
      expect(answer.status).toBe("OK");
    },
  );

  it("is told with its reason, by us: what waits for a commit is dropped, and nothing else says so", async () => {
    let held: ReturnType<typeof gate>;
    await using opened = await open({
      store: (real) => {
        held = gate(real);
        return held.store;
      },
    });
    const first = exchange(opened.door.port, INCREMENT, [increment]);
    await expect.poll(() => held.count()).toBe(1);
    const second = begin(opened.door.port, INCREMENT, [increment], { "grpc-timeout": "50m" });
    second.end();
    const answer = ended(second);
    await taken(opened);
    await new Promise((resolve) => setTimeout(resolve, 200)); // Longer than its time.
    expect(second.closed).toBe(false);
    opened.clock.advance(1_000);
    held!.open();
    expect((await first).status).toBe("OK");
    expect(await answer).toMatchObject({ status: "DEADLINE_EXCEEDED", reason: "DEADLINE_PASSED" });
    expect(await opened.store.get(["a"])).toMatchObject([{ value: 1n }]);
  });

  it.for([WATCH, REFLECTION])("of a stream may be long: %s", async (path) => {
    await using opened = await open();
    const stream = begin(opened.door.port, path, [framed(path === WATCH ? Buffer.alloc(0) : LIST_SERVICES)], {
      "grpc-timeout": "720H",
    });
    if (path === WATCH) stream.end();
    await once(stream, "data");
    expect(stream.closed).toBe(false);
    stream.close();
  });

  it.for(["123456789S", "1D", "-1S", "1.5S", "1", "S", "1 S", "0x1S", "1S, 1S"])(
    "%s is none: refused as over HTTP/1.1",
    async (timeout) => {
      await using opened = await open();
      const answer = await exchange(opened.door.port, INCREMENT, [increment], { "grpc-timeout": timeout });
      expect(answer).toMatchObject({ status: "INVALID_ARGUMENT", reason: "INVALID_FIELD" });
      await nothingCounted(opened);
    },
  );
});

const LIST_SERVICES = Buffer.from([0x3a, 0]);

describe("headers", () => {
  const ENHANCE_YOUR_CALM = 11;
  it.for([
    ["of 15 KB pass", 15_000, 0],
    ["of 20 KB are refused", 20_000, ENHANCE_YOUR_CALM],
    ["of 60 KB are refused", 60_000, ENHANCE_YOUR_CALM],
  ] as const)("%s", async ([, bytes, code]) => {
    await using opened = await open();
    const session = await http2(opened.door.port);
    const stream = request(session, INCREMENT, { "x-large": "v".repeat(bytes) });
    stream.resume().end(increment);
    await new Promise((resolve) => stream.once("close", resolve));
    expect(stream.rstCode).toBe(code);
    if (code !== 0) await nothingCounted(opened);
  });

  it("are bounded before a client has taken the server's settings", async () => {
    await using opened = await open({ limits: { headerBytesMax: 4 * KIB } });
    const frames = await framesOf(opened.door.port, [
      [":path", INCREMENT],
      ["content-type", "application/grpc"],
      ["x-large", "v".repeat(5_000)],
    ]);
    const reset = frames.find(({ type }) => type === RST_STREAM);
    expect(reset?.payload.readUInt32BE(0)).toBe(ENHANCE_YOUR_CALM);
    await nothingCounted(opened);
  });
});

describe("a message", () => {
  it.for([
    [INCREMENT, 4_000_000, 64 * KIB],
    [INCREMENT, 64 * KIB + 1, 64 * KIB],
    [INCREMENT, 2 ** 32 - 1, 64 * KIB],
    [BATCH, 4 * KIB * KIB + 1, 4 * KIB * KIB],
    [CHECK, 64 * KIB + 1, 64 * KIB],
    [WATCH, 2 ** 32 - 1, 64 * KIB],
    [REFLECTION, 2 ** 32 - 1, 64 * KIB],
  ] as const)("%s of %d bytes is refused by its first five", async ([path, size, max]) => {
    await using opened = await open();
    const answer = await ended(begin(opened.door.port, path, [headOf(size)]));
    expect(answer).toMatchObject({
      status: "RESOURCE_EXHAUSTED",
      reason: "MESSAGE_TOO_LARGE",
      metadata: { size: `${size}`, max_size: `${max}` },
    });
  });

  it.for([
    ["bytes behind it", [increment, Buffer.from([0, 0])], {}, "UNIMPLEMENTED", "NOT_ONE_MESSAGE"],
    [
      "bytes behind it, in one piece",
      [Buffer.concat([increment, Buffer.from([0])])],
      {},
      "UNIMPLEMENTED",
      "NOT_ONE_MESSAGE",
    ],
    [
      "a flag that there is not",
      [framed(increment.subarray(5), 2)],
      {},
      "INVALID_ARGUMENT",
      "MALFORMED_MESSAGE",
    ],
    [
      "compressed, nobody knows how",
      [framed(increment.subarray(5), 1)],
      {},
      "INTERNAL",
      "COMPRESSION_UNSAID",
    ],
    [
      "compressed, and is not",
      [framed(Buffer.from("nonsense"), 1)],
      { "grpc-encoding": "gzip" },
      "INVALID_ARGUMENT",
      "MALFORMED_MESSAGE",
    ],
    [
      "cut short within its compression",
      [framed(gzipSync(increment.subarray(5)).subarray(0, 12), 1)],
      { "grpc-encoding": "gzip" },
      "INVALID_ARGUMENT",
      "MALFORMED_MESSAGE",
    ],
    [
      "a bomb",
      [framed(gzipSync(Buffer.alloc(20_000_000)), 1)],
      { "grpc-encoding": "gzip" },
      "RESOURCE_EXHAUSTED",
      "MESSAGE_TOO_LARGE",
    ],
  ] as const)(
    "with %s is refused with a reason, not applied",
    async ([, frames, headers, status, reason]) => {
      await using opened = await open();
      const answer = await exchange(opened.door.port, INCREMENT, frames, headers);
      expect(answer).toMatchObject({ status, reason });
      await nothingCounted(opened);
    },
  );

  it("in many pieces and of any size is put together", async () => {
    await using opened = await open();
    for (const notes of [1, 60, 3_000]) {
      const names = Array.from({ length: notes }, (_, i) => `n${i}`);
      const operations = names.map((name) => ({ name, action: { case: "increment" as const, value: 1n } }));
      const bytes = framed(
        toBinary(BatchApplyRequestSchema, create(BatchApplyRequestSchema, { operations })),
      );
      const stream = begin(opened.door.port, BATCH, [bytes.subarray(0, 3), bytes.subarray(3, 9)]);
      stream.write(bytes.subarray(9, bytes.length - 1));
      stream.end(bytes.subarray(bytes.length - 1));
      expect((await ended(stream)).status).toBe("OK");
      expect((await opened.store.get([names.at(-1)!]))[0]).toBeDefined();
    }
  });
});

describe("a request that never becomes whole", () => {
  it.for([
    ["its headers alone", INCREMENT, []],
    ["half a head", INCREMENT, [increment.subarray(0, 3)]],
    ["half a message", INCREMENT, [increment.subarray(0, 6)]],
    ["a message, and no end", INCREMENT, [increment]],
    ["half a message to health", CHECK, [headOf(10)]],
    ["half a message to a stream", WATCH, [headOf(10)]],
    ["half a message to reflection", REFLECTION, [headOf(10)]],
  ] as const)("is cut with a reason (%s)", async ([, path, frames]) => {
    await using opened = await open();
    const stream = begin(opened.door.port, path, frames);
    const answer = ended(stream);
    await taken(opened);
    opened.clock.advance(10_001);
    expect(await answer).toMatchObject({
      status: "DEADLINE_EXCEEDED",
      reason: "DEADLINE_PASSED",
      message: "The request did not arrive whole within 10 s (request-timeout); it was not applied.",
    });
    await nothingCounted(opened);
  });

  it("is not cut before its time, and a stream that is open may be silent", async () => {
    await using opened = await open();
    const slow = begin(opened.door.port, INCREMENT, [increment.subarray(0, 6)]);
    const silent = begin(opened.door.port, REFLECTION, []);
    await taken(opened);
    opened.clock.advance(9_999);
    await new Promise((resolve) => setTimeout(resolve, 1_100)); // Longer than between two looks.
    slow.end(increment.subarray(6));
    expect((await ended(slow)).status).toBe("OK");
    opened.clock.advance(60_000);
    silent.write(framed(LIST_SERVICES));
    await once(silent, "data");
    silent.close();
  });

  it("is timed by the message, in a stream that is older", async () => {
    await using opened = await open();
    const stream = begin(opened.door.port, REFLECTION, [framed(LIST_SERVICES)]);
    await once(stream, "data");
    opened.clock.advance(60_000);
    const message = framed(LIST_SERVICES);
    for (let part = 0; part < 3; part++) {
      stream.write(message.subarray(0, 3));
      await look();
      opened.clock.advance(9_999);
      await look();
      stream.write(message.subarray(3));
      await once(stream, "data");
    }
    const answer = ended(stream);
    stream.write(message.subarray(0, 3));
    await taken(opened);
    opened.clock.advance(10_001);
    expect(await answer).toMatchObject({ status: "DEADLINE_EXCEEDED", reason: "DEADLINE_PASSED" });
  });

  it("is not cut while it is the server that does not read on", async () => {
    const read = Promise.withResolvers<void>();
    const [repeat, talk] = echoCalls(new Seen());
    async function* slow(requests: AsyncIterable<Buffer>): AsyncGenerator<Uint8Array, undefined> {
      for await (const message of requests) {
        await read.promise;
        yield message;
      }
    }
    await using opened = await open({ streamCalls: [repeat!, { ...talk!, open: slow }] });
    const message = framed(Buffer.from("\n\u0001a"));
    const both = Buffer.concat([message, message.subarray(0, 3)]);
    const stream = begin(opened.door.port, TALK, [both]);
    await taken(opened);
    for (let times = 0; times < 3; times++) {
      opened.clock.advance(9_999);
      await look();
    }
    read.resolve();
    stream.end(message.subarray(3));
    expect((await ended(stream)).status).toBe("OK");
  });

  it("goes with its connection, that a client only closed on its side; calls in flight are answered", async () => {
    let held: ReturnType<typeof gate>;
    await using opened = await open({
      store: (real) => {
        held = gate(real);
        return held.store;
      },
    });
    const socket = connect({ port: opened.door.port, host: HOST, allowHalfOpen: true });
    await once(socket, "connect");
    const session = connectHttp2(`http://${HOST}`, { createConnection: () => socket });
    sessions.push(session);
    session.on("error", () => {});
    await once(session, "remoteSettings");
    const half = request(session, BATCH);
    half.resume().write(headOf(100));
    const whole = request(session, INCREMENT);
    whole.end(increment);
    await expect.poll(() => held.count()).toBe(1);
    socket.end();
    await new Promise((resolve) => half.once("close", resolve));
    expect(half.rstCode).toBe(8);
    const answered = once(whole, "data");
    held!.open();
    await answered;
    await new Promise((resolve) => session.once("close", resolve));
    expect((await opened.store.get(["a"]))[0]).toMatchObject({ value: 1n });
  });
});

describe("room for what arrives", () => {
  it("of a connection: a call that finds none is refused with a delay, and it comes back", async () => {
    await using opened = await open({ limits: { connectionBytesMax: 100 * KIB } });
    const session = await http2(opened.door.port);
    const first = request(session, BATCH);
    first.resume().write(Buffer.concat([headOf(64 * KIB), Buffer.alloc(60 * KIB)]));
    const second = request(session, BATCH);
    second.write(Buffer.concat([headOf(64 * KIB), Buffer.alloc(60 * KIB)]));
    expect(await ended(second)).toMatchObject({
      status: "RESOURCE_EXHAUSTED",
      reason: "QUEUE_FULL",
      retryMs: 1_000,
    });
    expect((await exchange(opened.door.port, INCREMENT, [increment])).status).toBe("OK"); // Needs none.
    first.close();
    await new Promise((resolve) => first.once("close", resolve));
    const third = request(session, BATCH);
    third.write(Buffer.concat([headOf(64 * KIB), Buffer.alloc(60 * KIB)]));
    third.end(Buffer.alloc(4 * KIB));
    expect((await ended(third)).reason).toBe("MALFORMED_MESSAGE"); // It was read whole.
  });

  it("of all connections, over HTTP/1.1 too", async () => {
    await using opened = await open({ limits: { arrivingBytesMax: 100 * KIB } });
    const { port } = opened.door;
    const head =
      "POST /v1/counters:batchApply HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    const first = connect(port, HOST);
    first.write(`${head}Content-Length: 70000\r\n\r\n${"x".repeat(60_000)}`);
    await taken(opened);
    const refused = await vi.waitFor(async () => {
      const socket = connect(port, HOST);
      socket.write(`${head}Content-Length: 70000\r\n\r\n${"x".repeat(60_000)}`);
      const [answer] = (await once(socket, "data")) as [Buffer];
      socket.destroy();
      return `${answer}`;
    });
    expect(refused).toMatch(/^HTTP\/1.1 429 .*\r\nretry-after: 1\r\n.*QUEUE_FULL/is);
    const grpc = begin(port, BATCH, [headOf(70_000), Buffer.alloc(60_000)]);
    expect((await ended(grpc)).reason).toBe("QUEUE_FULL");
    first.destroy();
    await vi.waitFor(async () => {
      const answer = await exchange(port, BATCH, [framed(Buffer.alloc(70_000))]);
      expect(answer.reason).toBe("MALFORMED_MESSAGE");
    });
  });

  it("is taken of every room or of none, and grows with what has come", () => {
    const [one, all] = [new Room(100), new Room(1_000)];
    expect([takeAll([one, all], 101), one.taken, all.taken]).toEqual([false, 0, 0]);
    expect([takeAll([all, one], 101), one.taken, all.taken]).toEqual([false, 0, 0]);
    const arriving = new Arriving([one, all], 80);
    const bytes = Buffer.from(Array.from({ length: 80 }, (_, i) => i));
    for (const byte of bytes) expect(arriving.add(Buffer.from([byte]))).toBe(true);
    expect([one.taken, all.taken]).toEqual([80, 80]);
    expect(arriving.bytes.equals(bytes)).toBe(true);
    expect(new Arriving([one, all], 80).add(bytes)).toBe(false);
    arriving.free();
    expect([one.taken, all.taken]).toEqual([0, 0]);
  });

  it("is no more than what has come and a block, however pieces fall, and all of them are there", () => {
    void fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 100_000 }), { maxLength: 12 }),
        fc.integer({ min: 0, max: 200_000 }),
        (sizes, missing) => {
          const length = sizes.reduce((sum, size) => sum + size, 0);
          const room = new Room(2 ** 30);
          const arriving = new Arriving([room], length + missing);
          const pieces = sizes.map((size, i) => Buffer.alloc(size, i + 1));
          for (const piece of pieces) expect(arriving.add(piece)).toBe(true);
          expect(arriving.length).toBe(length);
          expect(arriving.bytes.equals(Buffer.concat(pieces))).toBe(true);
          expect(room.taken).toBeGreaterThanOrEqual(length);
          expect(room.taken).toBeLessThanOrEqual(length + Math.min(missing, 64 * KIB));
          arriving.free();
          expect(room.taken).toBe(0);
        },
      ),
    );
  });
});

describe("calls that their caller resets", () => {
  it("end the connection beyond the limit, when those in flight are answered", async () => {
    let held: ReturnType<typeof gate>;
    await using opened = await open({
      limits: { streamResetsBurst: 20, streamResetsRate: 1 },
      store: (real) => {
        held = gate(real);
        return held.store;
      },
    });
    const session = await http2(opened.door.port);
    const inFlight = request(session, INCREMENT);
    inFlight.end(increment);
    await expect.poll(() => held.count()).toBe(1);
    const goaway = once(session, "goaway");
    for (let i = 0; i < 22; i++) {
      const stream = request(session, INCREMENT);
      stream.write(increment);
      stream.close(8);
      await new Promise((resolve) => stream.once("close", resolve));
    }
    expect((await goaway)[0]).toBe(0);
    const answered = ended(inFlight);
    held!.open();
    expect((await answered).status).toBe("OK");
    await new Promise((resolve) => session.once("close", resolve));
    expect((await opened.store.get(["a"]))[0]).toMatchObject({ value: 1n });
  });

  it.for([0, 8])(
    "are not applied where the reset comes instead of the end of the request (code %d)",
    async (code) => {
      await using opened = await open();
      const socket = connect(opened.door.port, HOST);
      const fields: [string, string][] = [
        [":path", INCREMENT],
        ["content-type", "application/grpc"],
      ];
      const begun = [frame(HEADERS, END_HEADERS, 1, blockOf(fields)), frame(DATA, 0, 1, increment)];
      socket.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0), ...begun]));
      await taken(opened);
      socket.write(frame(RST_STREAM, 0, 1, Buffer.from([0, 0, 0, code])));
      await taken(opened);
      await nothingCounted(opened);
      socket.destroy();
    },
  );

  it("are many by default, also when many come together", async () => {
    await using opened = await open();
    const program = fileURLToPath(new URL("resetting.ts", import.meta.url));
    const client = spawn(process.execPath, [program, `${opened.door.port}`], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let told = "";
    client.stderr.on("data", (chunk) => {
      told += chunk;
    });
    expect([(await once(client, "close"))[0], told]).toEqual([0, ""]);
  });
});

describe("connections without a call", () => {
  it("that sent the preface alone are closed", async () => {
    await using opened = await open();
    const socket = connect(opened.door.port, HOST);
    socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    await once(socket, "data"); // The server's settings.
    const closed = closing(socket);
    opened.clock.advance(10_001);
    await closed;
  });

  it("make room for others, the oldest first; those with calls do not", async () => {
    await using opened = await open({ limits: { connectionsMax: 3 } });
    await opened.client.increment({ name: "a" });
    const early = await http2(opened.door.port);
    const later = await http2(opened.door.port);
    const told = once(early, "goaway");
    const other = new Client(opened.door.port, { "grpc.use_local_subchannel_pool": 1 });
    expect((await other.increment({ name: "a" })).outcome?.value).toBe(2n);
    expect((await told)[0]).toBe(0);
    expect(later.closed).toBe(false);
    expect((await opened.client.increment({ name: "a" })).outcome?.value).toBe(3n);
    other.close();
  });
});

describe("an answer that nobody takes", () => {
  it("is dropped with its call after the idle time", async () => {
    await using opened = await open();
    await opened.client.increment({ name: "a" });
    const session = connectHttp2(`http://${HOST}:${opened.door.port}`, {
      settings: { initialWindowSize: 0 },
    });
    sessions.push(session);
    session.on("error", () => {});
    await once(session, "remoteSettings");
    const stream = request(session, INCREMENT);
    stream.end(increment);
    await once(stream, "response");
    opened.clock.advance(10_001);
    await new Promise((resolve) => setTimeout(resolve, 1_500)); // A look at it, from which its time is counted.
    const closed = new Promise((resolve) => stream.once("close", resolve));
    opened.clock.advance(60_001);
    await closed;
    expect(stream.rstCode).toBe(8);
  });
});

describe("answers of a stream", () => {
  it.for([
    ["of health", WATCH, framed(Buffer.alloc(0))],
    ["of reflection", REFLECTION, framed(LIST_SERVICES)],
    ["of another", REPEAT, ENDLESS],
  ] as const)("that nobody takes end it after the idle time (%s)", async ([, path, message]) => {
    await using opened = await open({ streamCalls: echoCalls(new Seen()) });
    const session = connectHttp2(`http://${HOST}:${opened.door.port}`, {
      settings: { initialWindowSize: 0 },
    });
    sessions.push(session);
    session.on("error", () => {});
    await once(session, "remoteSettings");
    const stream = request(session, path);
    if (path === REFLECTION) stream.write(message);
    else stream.end(message);
    await once(stream, "response");
    opened.clock.advance(10_001);
    await look();
    const closed = new Promise((resolve) => stream.once("close", resolve));
    opened.clock.advance(60_001);
    await closed;
    expect(stream.rstCode).toBe(8);
  });

  it("that are taken slowly do not, nor does a stream that is silent", async () => {
    await using opened = await open({ streamCalls: echoCalls(new Seen()) });
    const silent = begin(opened.door.port, WATCH, [framed(Buffer.alloc(0))]);
    silent.end();
    silent.resume();
    const slow = begin(opened.door.port, REPEAT, [ENDLESS]);
    slow.end();
    await once(slow, "readable");
    opened.clock.advance(10_001);
    for (let times = 0; times < 4; times++) {
      await look();
      opened.clock.advance(40_000);
      await look();
      for (let bytes = 0; bytes < 500_000; ) {
        const piece: Buffer | null = slow.read();
        if (piece === null) await once(slow, "readable");
        else bytes += piece.length;
      }
    }
    await look();
    expect([slow.closed, silent.closed]).toEqual([false, false]);
    silent.close();
    slow.destroy();
  });
});

/** Longer than between two looks at who takes too long. */
function look(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1_100));
}

/** Resolves when what was sent before has been taken in: a call on a connection of its own has been answered. */
async function taken({ door }: Opened): Promise<void> {
  await exchange(door.port, CHECK, [framed(Buffer.alloc(0))]);
}

async function textOf(stream: ClientHttp2Stream, body: Buffer): Promise<[number, string]> {
  let answer: IncomingHttpHeaders = {};
  let text = "";
  stream.on("response", (headers) => {
    answer = headers;
  });
  stream.on("data", (chunk) => {
    text += chunk;
  });
  stream.end(body);
  await new Promise((resolve) => stream.once("close", resolve));
  return [Number(answer[":status"]), text];
}

async function closing(socket: Socket): Promise<void> {
  socket.on("error", () => {}).resume();
  await once(socket, "close");
}

const [DATA, HEADERS, RST_STREAM, SETTINGS] = [0, 1, 3, 4] as const;
const [END_STREAM, END_HEADERS] = [1, 4];
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** What a server sends to a call made by hand, whose client never acknowledges settings; until the call is over. */
async function framesOf(port: number, fields: readonly (readonly [string, string])[]): Promise<Frame[]> {
  const socket = connect(port, HOST);
  const call = [frame(HEADERS, END_HEADERS, 1, blockOf(fields)), frame(DATA, END_STREAM, 1, increment)];
  socket.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0), ...call]));
  const frames: Frame[] = [];
  for await (const each of framesFrom(socket)) {
    frames.push(each);
    const { type, flags } = each;
    if (type === RST_STREAM || ((type === DATA || type === HEADERS) && (flags & END_STREAM) !== 0)) break;
  }
  socket.destroy();
  return frames;
}

async function* framesFrom(socket: Socket): AsyncGenerator<Frame> {
  let bytes: Buffer = Buffer.alloc(0);
  socket.on("error", () => {});
  for await (const chunk of socket) {
    bytes = Buffer.concat([bytes, chunk]);
    while (bytes.length >= 9 && bytes.length >= 9 + bytes.readUIntBE(0, 3)) {
      const end = 9 + bytes.readUIntBE(0, 3);
      const [type, flags] = [bytes[3]!, bytes[4]!];
      yield { type, flags, stream: bytes.readUInt32BE(5), payload: bytes.subarray(9, end) };
      bytes = bytes.subarray(end);
    }
  }
}

/** Headers of a POST as HPACK has them, none of it compressed. */
function blockOf(fields: readonly (readonly [string, string])[]): Buffer {
  const all = [[":method", "POST"], [":scheme", "http"], [":authority", "x"], ...fields] as [
    string,
    string,
  ][];
  return Buffer.concat(all.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}

async function rawAnswer(port: number, fields: readonly (readonly [string, string])[]): Promise<string> {
  const frames = await framesOf(port, fields);
  return frames
    .filter(({ type }) => type === DATA)
    .map(({ payload }) => `${payload}`)
    .join("");
}

function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A string of HPACK, as it is: up to 16,510 bytes. */
function text(value: string): Buffer {
  const { length } = value;
  const size = length < 127 ? [length] : [127, 0x80 | ((length - 127) & 127), (length - 127) >> 7];
  return Buffer.concat([Buffer.from(size), Buffer.from(value)]);
}

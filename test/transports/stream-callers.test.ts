/**
 * Goal: what callers of streams do wrong or leave undone is noticed at every door, and what is only slow is not cut.
 *
 * Method: streams that echo, spoken to by hand: over gRPC with node:http2, over Connect and gRPC-Web on a connection of
 * TCP, whose bytes a test sends and ends as it likes.
 */
import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { Worker } from "node:worker_threads";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, describe, expect, it } from "vitest";
import type { Authorise } from "../../src/transports/calls/authorise.ts";
import type { StreamCall } from "../../src/transports/calls/stream.ts";
import { type Opened, open } from "./door.ts";
import { echoCalls, Seen } from "./echo/calls.ts";
import { RepeatRequestSchema, TalkRequestSchema } from "./echo/echo_pb.ts";
import { send } from "./http.ts";
import { begin, ended, framed } from "./raw.ts";
import { type Talk, talk } from "./talk.ts";

const REPEAT = "/echo.EchoService/Repeat";
const TALK = "/echo.EchoService/Talk";
const repeat = (text: string, times: bigint) =>
  framed(toBinary(RepeatRequestSchema, create(RepeatRequestSchema, { text, times })));
const say = (text: string) => framed(toBinary(TalkRequestSchema, create(TalkRequestSchema, { text })));

const sockets: Talk[] = [];
const streams: ClientHttp2Stream[] = [];
afterEach(() => {
  for (const { socket } of sockets.splice(0)) socket.destroy();
  for (const stream of streams.splice(0)) stream.close();
});

/** A stream over gRPC whose request goes on. */
function overGrpc({ door }: Opened, path: string, ...frames: Buffer[]): ClientHttp2Stream {
  const stream = begin(door.port, path, frames);
  streams.push(stream);
  return stream;
}

/** A request over HTTP/1.1 whose body goes on, each part of it in a chunk of its own. */
async function overHttp({ door }: Opened, type: string, path: string, ...parts: Buffer[]) {
  const there = await talk(door.port);
  sockets.push(there);
  let got = "";
  there.socket.on("data", (data: Buffer) => {
    got += data.toString("latin1");
  });
  const chunk = (bytes: Buffer) => there.send(`${bytes.length.toString(16)}\r\n`, bytes, "\r\n");
  there.send(
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n`,
  );
  for (const part of parts) chunk(part);
  return {
    socket: there.socket,
    chunk,
    endRequest: () => there.send("0\r\n\r\n"),
    async says(text: string) {
      while (!got.includes(text)) await once(there.socket, "data");
    },
    got: () => got,
  };
}

const CONNECT = "application/connect+proto";
const WEB = "application/grpc-web+proto";

/** Resolves when what was sent before has been taken in. */
async function taken({ door }: Opened): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await send(door.port, { path: "/livez" });
}

async function openEcho(seen: Seen, authorise?: Authorise, limits = {}): Promise<Opened> {
  return open({ streamCalls: echoCalls(seen, authorise), limits });
}

describe("a caller who goes away while it is found out who calls is answered nothing", () => {
  const GOES: readonly [string, (opened: Opened) => Promise<() => Promise<unknown>>][] = [
    [
      "gRPC, the call",
      async (opened) => {
        const stream = overGrpc(opened, REPEAT, repeat("a", 10n));
        stream.end();
        return async () => stream.close(8);
      },
    ],
    [
      "gRPC, the connection",
      async (opened) => {
        const stream = overGrpc(opened, REPEAT, repeat("a", 10n));
        stream.end();
        return async () => stream.session!.destroy();
      },
    ],
    ...[CONNECT, WEB].flatMap((type) =>
      (["resetAndDestroy", "end"] as const).map(
        (way) =>
          [
            `${type}, ${way}`,
            async (opened: Opened) => {
              const there = await overHttp(opened, type, REPEAT, repeat("a", 10n));
              there.endRequest();
              return async () => there.socket[way]();
            },
          ] as [string, (opened: Opened) => Promise<() => Promise<unknown>>],
      ),
    ),
  ];

  it.each(GOES)("over %s", async (_, begun) => {
    const asked = Promise.withResolvers<void>();
    const known = Promise.withResolvers<{ caller: string }>();
    const seen = new Seen();
    const calls = echoCalls(seen, () => {
      asked.resolve();
      return known.promise;
    });
    let pulled = 0;
    async function* answers(): AsyncGenerator<Uint8Array, undefined> {
      for (; pulled < 100_000; pulled++) yield Buffer.alloc(0);
    }
    await using opened = await open({ streamCalls: [{ ...calls[0]!, open: answers }] });
    const go = await begun(opened);
    await asked.promise;
    await go();
    await taken(opened);
    known.resolve({ caller: "" });
    await taken(opened);
    expect(pulled).toBe(0);
  });
});

describe("a caller over HTTP/1.1 who goes away while nothing is said", () => {
  it.each([CONNECT, WEB])(
    "is noticed by the end of its side, before the first answer too (%s)",
    async (type) => {
      const seen = new Seen();
      const [call] = echoCalls(seen);
      const begun = Promise.withResolvers<AbortSignal>();
      async function* silent(
        _: unknown,
        { signal }: { signal: AbortSignal },
      ): AsyncGenerator<Uint8Array, undefined> {
        begun.resolve(signal);
        await once(signal, "abort");
        yield* [];
      }
      await using opened = await open({ streamCalls: [{ ...call!, open: silent } as StreamCall] });
      const there = await overHttp(opened, type, REPEAT, repeat("a", 1n));
      there.endRequest();
      const signal = await begun.promise;
      there.socket.end();
      if (!signal.aborted) await once(signal, "abort");
      expect(signal.aborted).toBe(true);
    },
  );
});

it("a caller over gRPC who ends its side of the connection while nothing is said has gone, too", async () => {
  const seen = new Seen();
  await using opened = await openEcho(seen);
  const socket = connect({ port: opened.door.port, host: "127.0.0.1", allowHalfOpen: true });
  const session = connectHttp2("http://127.0.0.1", { createConnection: () => socket });
  session.on("error", () => {});
  const stream = session.request({ ":method": "POST", ":path": REPEAT, "content-type": "application/grpc" });
  stream.on("error", () => {}).resume();
  stream.end(repeat("waits", 9n));
  await once(stream, "response");
  socket.end();
  await seen.over;
  expect(seen.contexts[0]!.signal.aborted).toBe(true);
  session.destroy();
});

describe("what comes on a stream over HTTP/1.1 is timed by the message", () => {
  const limits = { headersMs: 1_500, requestMs: 1_500 };

  it("half a message ends it, however old it is", async () => {
    await using opened = await openEcho(new Seen(), undefined, limits);
    const there = await overHttp(opened, CONNECT, TALK, say("first"));
    await there.says("first");
    there.chunk(say("second").subarray(0, 3));
    await there.says("did not arrive whole within 1.5 s (request-timeout)");
    expect(there.got()).toContain('"reason":"DEADLINE_PASSED"');
  });

  it("so does half of a head and no message at all, where there is to be one", async () => {
    await using opened = await openEcho(new Seen(), undefined, limits);
    const parts = [[], [repeat("a", 1n).subarray(0, 3)], [repeat("a", 1n)]];
    for (const part of parts) {
      const there = await overHttp(opened, WEB, REPEAT, ...part);
      await there.says("grpc-status: 4");
    }
  });

  it("silence does not, nor does a message in pieces", async () => {
    await using opened = await openEcho(new Seen(), undefined, limits);
    const there = await overHttp(opened, CONNECT, TALK);
    await new Promise((resolve) => setTimeout(resolve, 3_600)); // Longer than Node.js takes to find it late, twice.
    for (const text of ["first", "second"]) {
      const message = say(text);
      there.chunk(message.subarray(0, 3));
      await taken(opened);
      there.chunk(message.subarray(3));
      await there.says(text);
    }
    there.endRequest();
    await there.says("that was all");
    // And the connection goes on: its request has become whole.
    there.socket.write("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    await there.says("HTTP/1.1 200 OK\r\nContent-Type: application/json".slice(0, 15));
    await expect.poll(() => there.got().split("HTTP/1.1 ").length).toBe(3);
  });

  it("a request that goes on behind its answer ends the connection", async () => {
    await using opened = await openEcho(new Seen(), undefined, limits);
    const there = await overHttp(opened, CONNECT, TALK, say("a"));
    await there.says("a");
    there.chunk(Buffer.from([9, 0, 0, 0, 0])); // No flags of anybody.
    await there.says("MALFORMED_MESSAGE");
    await once(there.socket, "end");
  });
});

it("a condition behind the body of a stream is refused: it came too late to be kept", async () => {
  await using opened = await openEcho(new Seen());
  const there = await overHttp(opened, CONNECT, TALK, say("a"));
  await there.says("a");
  there.socket.write("0\r\nIf-Match: x\r\n\r\n");
  await there.says("must be a header, before the body; it came behind it");
});

it("an answer that streams over HTTP/1.1 and is not taken is cut after idle-timeout, one that is silent is not", async () => {
  const seen = new Seen();
  await using opened = await openEcho(seen, undefined, { idleMs: 1_500 });
  const untaken = await overHttp(opened, CONNECT, REPEAT, repeat("x".repeat(100_000), 1_000n));
  untaken.endRequest();
  untaken.socket.pause();
  await seen.over;
  const seenSilent = new Seen();
  await using other = await openEcho(seenSilent, undefined, { idleMs: 1_500 });
  // Much at once, so that some of it waits at the next look, and then nothing.
  const large = await overHttp(
    other,
    CONNECT,
    TALK,
    ...Array.from({ length: 2_000 }, () => say("y".repeat(900))),
  );
  large.socket.pause();
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  large.socket.resume();
  await new Promise((resolve) => setTimeout(resolve, 3_500));
  large.chunk(say("still there"));
  await large.says("still there");
});

it.each([CONNECT, WEB])("a stop ends a call whose answers are not taken (%s)", async (type) => {
  const seen = new Seen();
  await using opened = await openEcho(seen);
  const there = await overHttp(opened, type, REPEAT, repeat("x".repeat(100_000), 1_000_000n));
  there.socket.pause();
  there.endRequest();
  await expect.poll(() => seen.answers).toBeGreaterThan(1);
  for (let before = -1; before !== seen.answers; ) {
    before = seen.answers;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const drained = opened.door.drain(3_000);
  await seen.over; // And not when it is cut, at the end of the grace.
  expect(opened.logged).toEqual([]);
  there.socket.destroy();
  await drained;
});

it("a stream that its reader takes at once leaves the process its turns", async () => {
  const [call] = echoCalls(new Seen());
  let turns = 0;
  let turning = true;
  const turn = () => {
    turns++;
    if (turning) setImmediate(turn);
  };
  const over = Promise.withResolvers<void>();
  async function* many(): AsyncGenerator<Uint8Array, undefined> {
    turn();
    for (let pulled = 0; pulled < 20_000; pulled++) yield Buffer.alloc(4_000);
    over.resolve();
  }
  await using opened = await open({ streamCalls: [{ ...call!, open: many }] });
  // On a thread of its own, or it could take nothing while the server has no turn.
  const reader = new Worker(READER, {
    eval: true,
    workerData: { port: opened.door.port, body: repeat("a", 1n) },
  });
  await over.promise;
  turning = false;
  await reader.terminate();
  expect(turns).toBeGreaterThan(500); // Of 80 MB, 64 KiB wait at most.
});

const READER = `
  const { workerData: { port, body } } = require("node:worker_threads");
  const socket = require("node:net").connect(port, "127.0.0.1");
  socket.write("POST ${REPEAT} HTTP/1.1\\r\\nHost: x\\r\\nContent-Type: ${CONNECT}\\r\\nContent-Length: " + body.length + "\\r\\n\\r\\n");
  socket.write(body);
  socket.resume();
`;

describe("streams beyond open-streams-max", () => {
  it("are refused at every door, and let in when another has ended", async () => {
    const seen = new Seen();
    await using opened = await openEcho(seen, undefined, { openStreamsMax: 2 });
    const first = overGrpc(opened, TALK, say("a"));
    await once(first, "data");
    const second = await overHttp(opened, CONNECT, TALK, say("b"));
    await second.says("b");
    const refused = await ended(overGrpc(opened, TALK));
    expect(refused).toMatchObject({ status: "RESOURCE_EXHAUSTED", reason: "QUEUE_FULL", retryMs: 1_000 });
    const connect = await overHttp(opened, CONNECT, TALK);
    await connect.says('"reason":"QUEUE_FULL"');
    const web = await overHttp(opened, WEB, REPEAT, repeat("a", 1n));
    await web.says("grpc-status: 8");
    expect(seen.contexts).toHaveLength(2);
    first.close();
    await seen.over;
    await taken(opened);
    const third = overGrpc(opened, TALK, say("c"));
    await once(third, "data");
  });
});

it("streams that a stop has to cut are counted, at every door", async () => {
  const hang = Promise.withResolvers<void>();
  const [call] = echoCalls(new Seen());
  let begun = 0;
  async function* hanging(): AsyncGenerator<Uint8Array, undefined> {
    begun++;
    await hang.promise;
    yield* [];
  }
  const opened = await open({ streamCalls: [{ ...call!, open: hanging }] });
  const session = sessionWithoutWindow(opened);
  const stream = session.request({ ":method": "POST", ":path": REPEAT, "content-type": "application/grpc" });
  stream.on("error", () => {});
  stream.end(repeat("a", 1n));
  const web = await overHttp(opened, WEB, REPEAT, repeat("a", 1n));
  web.endRequest();
  await expect.poll(() => begun).toBe(2);
  web.socket.pause();
  const drained = opened.door.drain(200);
  await drained;
  hang.resolve();
  expect(opened.logged.filter(({ event }) => event === "doors.drain_forced")).toMatchObject([
    { fields: { calls: expect.toSatisfy((calls) => calls >= 1) } },
  ]);
  await opened[Symbol.asyncDispose]();
});

function sessionWithoutWindow({ door }: Opened): ClientHttp2Session {
  const session = connectHttp2(`http://127.0.0.1:${door.port}`);
  session.on("error", () => {});
  return session;
}

describe("a deadline over gRPC is told with its reason", () => {
  it.each([
    ["a stream", REPEAT, repeat("waits", 9n)],
    ["a stream both ways that is silent", TALK, undefined],
  ])("of %s", async (_, path, message) => {
    const seen = new Seen();
    await using opened = await openEcho(seen);
    const stream = begin(opened.door.port, path, message === undefined ? [] : [message], {
      "grpc-timeout": "60m",
    });
    if (message !== undefined) stream.end();
    const answer = ended(stream);
    await expect.poll(() => seen.contexts).toHaveLength(1); // Its time has begun.
    opened.clock.advance(1_000);
    expect(await answer).toMatchObject({ status: "DEADLINE_EXCEEDED", reason: "DEADLINE_PASSED" });
  });
});

/** What is on a connection of HTTP/2 of our own, beside one another, and what only there can be asked. */
import { once } from "node:events";
import {
  type ClientHttp2Session,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from "node:http2";
import { connect as connectTcp } from "node:net";
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, describe, expect, it } from "vitest";
import { IncrementRequestSchema } from "../../gen/tally/v1/counter_service_pb.ts";
import type { ServerStream } from "../../src/http2/stream.ts";
import type { Permit } from "../../src/transports/calls/authorise.ts";
import { Pieces } from "../../src/transports/http2/pieces.ts";
import {
  block,
  data,
  END_HEADERS,
  END_STREAM,
  type Frame,
  frame,
  framesIn,
  get,
  headers,
  opening,
  ping,
  post,
  reset,
} from "../http2/wire.ts";
import { gate, type Opened, open } from "./door.ts";
import { framed } from "./raw.ts";
import { talk } from "./talk.ts";

const INCREMENT = "/tally.v1.CounterService/Increment";
const message = framed(toBinary(IncrementRequestSchema, create(IncrementRequestSchema, { name: "a" })));
const GRPC = { "content-type": "application/grpc", te: "trailers" };

/** Closed after each test, whatever became of it. */
const sessions: ClientHttp2Session[] = [];
afterEach(() => {
  for (const session of sessions.splice(0)) session.destroy();
});

const openOwn = (options: Parameters<typeof open>[0] = {}) => open({ http2Engine: "own", ...options });

function sessionTo({ door }: Opened, port = door.port): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on("error", () => {});
  sessions.push(session);
  return session;
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders;
  readonly text: string;
  readonly reset: number;
}

/** A request, whole; a body is sent as a POST. */
async function ask(
  session: ClientHttp2Session,
  path: string,
  headers: OutgoingHttpHeaders = {},
  body?: string | Buffer,
): Promise<Answer> {
  const method = body === undefined ? "GET" : "POST";
  const stream = session.request({ ":method": method, ":path": path, ...headers }, { endStream: false });
  let answered: IncomingHttpHeaders = {};
  let trailers: IncomingHttpHeaders = {};
  let text = "";
  stream.on("response", (each) => {
    answered = each;
  });
  stream.on("trailers", (each) => {
    trailers = each;
  });
  stream.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
  });
  stream.on("error", () => {});
  stream.end(body);
  await new Promise((resolve) => stream.once("close", resolve));
  const { ":status": status, ...rest } = answered;
  return { status: status as number | undefined, headers: rest, trailers, text, reset: stream.rstCode };
}

describe("whether a request was there with its head", () => {
  it.each([
    ["at once", (permit: Permit) => permit],
    ["after a while", async (permit: Permit) => new Promise<Permit>((done) => setImmediate(done, permit))],
  ])("is said when it is asked whether who calls still may, who was judged %s", async (_, judged) => {
    const said: (boolean | undefined)[] = [];
    const calls = Array.from({ length: 2 }, () => Promise.withResolvers<void>());
    let begun = 0;
    await using opened = await openOwn({
      authorise: () => {
        calls[begun++]!.resolve();
        return judged({ caller: "", lapsed: (atOnce) => void said.push(atOnce) });
      },
    });
    const socket = connectTcp(opened.door.grpcPort, "127.0.0.1").resume();
    const head = (id: number) => headers(id, post(INCREMENT, ...Object.entries(GRPC)), END_HEADERS);
    socket.write(Buffer.concat([opening(), head(1), data(1, message, END_STREAM)]));
    await expect.poll(() => said).toEqual([true]);
    socket.write(head(3));
    await calls[1]!.promise;
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    socket.write(data(3, message, END_STREAM));
    await expect.poll(() => said).toEqual([true, false]);
    socket.destroy();
  });
});

describe("one connection of HTTP/2", () => {
  it("has gRPC, Connect, gRPC-Web, REST, the short path, health and the pages at once", async () => {
    await using opened = await openOwn();
    const session = sessionTo(opened);
    const json = { "content-type": "application/json" };
    const asked: Record<string, Promise<Answer>> = {
      grpc: ask(session, INCREMENT, GRPC, message),
      connect: ask(session, INCREMENT, json, '{"name":"a"}'),
      web: ask(session, INCREMENT, { "content-type": "application/grpc-web+proto" }, message),
      rest: ask(session, "/v1/counters/a:increment", json, "{}"),
      short: ask(session, "/counters/a/increment", {}, ""),
      health: ask(session, "/readyz"),
      page: ask(session, "/"),
      docs: ask(session, "/docs"),
      openapi: ask(session, "/openapi.json"),
      none: ask(session, "/nowhere"),
    };
    const got = Object.fromEntries(
      await Promise.all(Object.entries(asked).map(async ([name, answer]) => [name, await answer] as const)),
    );
    const statuses = Object.fromEntries(Object.entries(got).map(([name, { status }]) => [name, status]));
    expect(statuses).toEqual({
      ...{ grpc: 200, connect: 200, web: 200, rest: 200, short: 200, health: 200 },
      ...{ page: 200, docs: 200, openapi: 200, none: 404 },
    });
    expect(got.grpc!.trailers["grpc-status"]).toBe("0");
    expect(got.web!.text).toContain("grpc-status: 0");
    expect(got.health!.text).toBe("ok\n");
    expect((await opened.store.get(["a"]))[0]).toMatchObject({ value: 5n });
    expect(opened.logged).toEqual([]);
  });

  it("goes by the type, and not by the path: gRPC anywhere is answered as gRPC", async () => {
    await using opened = await openOwn();
    const session = sessionTo(opened);
    for (const path of ["/v1/counters/a:increment", "/", "/nowhere", "/grpc.health.v1.Health/None"]) {
      const { status, headers } = await ask(session, path, GRPC, message);
      expect([path, status, headers["grpc-status"]]).toEqual([path, 200, "12"]);
    }
    expect((await ask(session, "/livez", { "content-type": "application/grpc" })).text).toBe("ok\n"); // No POST.
    expect((await opened.store.get(["a"]))[0]).toBeUndefined();
  });

  it("is not closed by a request whose headers are doubtful, nor told so in a header of HTTP/1.1", async () => {
    await using opened = await openOwn();
    const session = sessionTo(opened);
    const refused = await ask(session, "/v1/counters/a:increment", { "x-http-method-override": "GET" }, "{}");
    expect([refused.status, refused.headers.connection]).toEqual([400, undefined]);
    const other = await ask(session, "/readyz", { ":authority": "evil example" });
    expect(other.status ?? other.reset).toBe(1); // PROTOCOL_ERROR: it is no authority.
    expect((await ask(session, "/readyz")).status).toBe(200);
  });

  it("heeds by which name it was asked, and whose page asks", async () => {
    await using opened = await openOwn({ hostNames: [] });
    const session = sessionTo(opened);
    const path = "/v1/counters/a:increment";
    const json = { "content-type": "application/json" };
    const rebound = await ask(session, path, { ...json, ":authority": "evil.example" }, "{}");
    expect([rebound.status, rebound.text]).toEqual([403, expect.stringContaining("HOST_NOT_ALLOWED")]);
    const foreign = await ask(session, path, { ...json, origin: "https://evil.example" }, "{}");
    expect([foreign.status, foreign.text]).toEqual([403, expect.stringContaining("ORIGIN_NOT_ALLOWED")]);
    expect((await opened.store.get(["a"]))[0]).toBeUndefined();
  });

  it("answers with the date, and a HEAD without a body but with its length", async () => {
    await using opened = await openOwn();
    const session = sessionTo(opened);
    const get = await ask(session, "/openapi.json");
    const head = session.request({ ":method": "HEAD", ":path": "/openapi.json" });
    const [answered] = (await once(head, "response")) as [IncomingHttpHeaders];
    head.resume();
    await once(head, "close");
    expect(answered["content-length"]).toBe(get.headers["content-length"]);
    expect(get.text).toHaveLength(Number(get.headers["content-length"]));
    expect(get.headers.date).toBe(new Date(Math.floor(opened.clock.now() / 1_000) * 1_000).toUTCString());
  });

  it("has requests refused by their headers alone that are too large: each door in its own way", async () => {
    await using opened = await openOwn();
    const session = sessionTo(opened);
    const large = { "x-large": "v".repeat(20_000) };
    expect((await ask(session, "/livez", large)).status).toBe(431);
    expect((await ask(session, INCREMENT, { ...GRPC, ...large }, message)).reset).toBe(11); // ENHANCE_YOUR_CALM.
    expect((await ask(session, "/livez")).status).toBe(200);
  });

  it("gives up a body that does not come in time, in the words of its door, and nothing is applied", async () => {
    await using opened = await openOwn();
    const session = sessionTo(opened);
    const stream = session.request(
      { ":method": "POST", ":path": "/v1/counters/a:increment", "content-type": "application/json" },
      { endStream: false },
    );
    stream.on("error", () => {});
    stream.write('{"amount":');
    const answered = once(stream, "response") as Promise<[IncomingHttpHeaders]>;
    expect((await ask(session, "/livez")).status).toBe(200); // By then it has been read.
    opened.clock.advance(10_001);
    expect((await answered)[0][":status"]).toBe(504);
    expect((await opened.store.get(["a"]))[0]).toBeUndefined();
  });

  it("drops a change whose caller resets it before its batch is cut, over REST too", async () => {
    let held: ReturnType<typeof gate>;
    await using opened = await openOwn({
      store: (real) => {
        held = gate(real);
        return held.store;
      },
    });
    const session = sessionTo(opened);
    const path = "/v1/counters/a:increment";
    const first = ask(session, path, {}, "");
    await expect.poll(() => held.count()).toBe(1);
    const second = session.request({ ":method": "POST", ":path": path });
    second.on("error", () => {});
    second.end();
    expect((await ask(session, "/livez")).status).toBe(200); // By then it waits for the next batch.
    second.close(8);
    expect((await ask(session, "/livez")).status).toBe(200);
    held!.open();
    expect((await first).status).toBe(200);
    expect((await ask(session, "/counters/a")).text).toBe('{"name":"a","value":1}\n');
  });
});

/** What a client hears that sends these frames, until it is answered a PING behind them or the connection ends. */
async function heard({ door }: Opened, ...frames: Buffer[]): Promise<Frame[]> {
  const { socket, send } = await talk(door.port);
  send(opening(), ...frames, ping());
  let read = Buffer.alloc(0);
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    read = Buffer.concat([read, chunk]);
    if (framesIn(read).frames.some(({ type }) => type === "PING")) break;
  }
  return framesIn(read).frames;
}

it("work on calls that were reset is bounded, also while their messages are taken apart", async () => {
  await using opened = await openOwn({ limits: { streamsMax: 2 } });
  const packed = framed(gzipSync(Buffer.alloc(60_000)), 1);
  const fields = post(INCREMENT, ["content-type", "application/grpc"], ["grpc-encoding", "gzip"]);
  const calls = [1, 3, 5, 7, 9, 11].flatMap((id) => [
    headers(id, fields, END_HEADERS),
    data(id, packed, END_STREAM),
    reset(id, 8),
  ]);
  const frames = await heard(opened, ...calls);
  // Twice as many as there may be at a time; each began before the first was taken apart.
  expect(frames.filter(({ type }) => type === "RST_STREAM").map(({ stream }) => stream)).toEqual([9, 11]);
});

it("pieces of a body that nobody asks for are copied and put together, and all of them given back", async () => {
  const consumed: number[] = [];
  const stream = { consumed: (bytes: number) => consumed.push(bytes), drop: () => {} };
  const pieces = new Pieces(stream as unknown as ServerStream);
  const read = Buffer.from("abcdef");
  const first = pieces.next();
  for (let at = 0; at < 6; at++) pieces.push(read.subarray(at, at + 1));
  read.fill("x"); // As if it was read to once more.
  expect([(await first).value, (await pieces.next()).value]).toEqual([
    Buffer.from("a"),
    Buffer.from("bcdef"),
  ]);
  expect(consumed).toEqual([1]);
  const third = pieces.next();
  pieces.end();
  expect([await third, consumed]).toEqual([{ done: true, value: undefined }, [1, 5]]);
});

it("headers may be as large as is set, in however many frames, and a block four times as large", async () => {
  await using opened = await openOwn({ limits: { headerBytesMax: 200 * 1024 } });
  const sent = (bytes: number) => {
    const whole = block(get("/livez", [":authority", "127.0.0.1"], ["x-large", "v".repeat(bytes)]));
    const pieces = Array.from({ length: Math.ceil(whole.length / 16_384) }, (_, at) =>
      whole.subarray(at * 16_384, (at + 1) * 16_384),
    );
    const last = pieces.length - 1;
    return pieces.map((piece, at) =>
      frame(
        at === 0 ? "HEADERS" : "CONTINUATION",
        (at === 0 ? END_STREAM : 0) | (at === last ? END_HEADERS : 0),
        1,
        piece,
      ),
    );
  };
  const told = async (bytes: number) =>
    (await heard(opened, ...sent(bytes)))
      .filter(({ type }) => type === "HEADERS" || type === "GOAWAY")
      .map(({ type, payload }) => `${type} ${payload.includes("431") ? 431 : ""}`);
  expect(await told(195_000)).toEqual(["HEADERS "]);
  expect(await told(800_000)).toEqual(["HEADERS 431"]);
  expect(await told(820_000)).toEqual(["GOAWAY "]);
});

it.each([
  ["a key", "idempotency-key", "k1"],
  ["a condition", "if-match", '"stale.1"'],
])(
  "%s behind the message of gRPC is refused, as at every door, and nothing is applied",
  async (_, name, value) => {
    await using opened = await openOwn();
    const stream = sessionTo(opened).request(
      { ":method": "POST", ":path": INCREMENT, ...GRPC },
      { waitForTrailers: true },
    );
    stream.on("wantTrailers", () => stream.sendTrailers({ [name]: value }));
    stream.end(message);
    const [answered] = (await once(stream, "response")) as [IncomingHttpHeaders];
    expect(answered).toMatchObject({ "grpc-status": "3", "grpc-message": expect.stringContaining(name) });
    expect(await opened.store.get(["a"])).toEqual([undefined]);
  },
);

it("gRPC takes no notice of what is expected of it, and nobody is told to go on", async () => {
  await using opened = await openOwn();
  const stream = sessionTo(opened).request({
    ...{ ":method": "POST", ":path": INCREMENT, ...GRPC, expect: "100-continue" },
  });
  const toldToGoOn: unknown[] = [];
  stream.on("continue", () => toldToGoOn.push("continue"));
  stream.write(message.subarray(0, 3)); // Its body is wanted by then, and has not come.
  stream.end(message.subarray(3));
  const [trailers] = (await once(stream.resume(), "trailers")) as [IncomingHttpHeaders];
  expect([trailers["grpc-status"], toldToGoOn]).toEqual(["0", []]);
});

it("what ends a connection is told by the setting that it goes by, or as fixed", async () => {
  await using opened = await openOwn();
  const told = async (...sent: Buffer[]) =>
    (await heard(opened, ...sent))
      .filter(({ type }) => type === "GOAWAY")
      .map(({ payload }) => `${payload.subarray(8)}`);
  expect(await told(...Array.from({ length: 1_100 }, () => ping()))).toEqual([
    "too many control frames: 1000 at once, 100 a second, which is fixed",
  ]);
  const pieces = Array.from({ length: 20 }, () => frame("CONTINUATION", 0, 1, Buffer.of(0)));
  expect(await told(frame("HEADERS", 0, 1, Buffer.of(0x82)), ...pieces)).toEqual([
    "a header block in too many frames: 8 at most, by header-bytes-max",
  ]);
});

describe("with a port of its own for gRPC", () => {
  it("each port has HTTP/2: the one gRPC alone, the other all but gRPC, and each says where it is", async () => {
    await using opened = await openOwn({ grpcListen: { host: "127.0.0.1", port: 0 } });
    const [http, grpc] = [sessionTo(opened), sessionTo(opened, opened.door.grpcPort)];
    expect((await ask(http, "/livez")).text).toBe("ok\n");
    const elsewhere = await ask(http, INCREMENT, GRPC, message);
    expect([elsewhere.headers["grpc-status"], elsewhere.headers["grpc-message"]]).toEqual([
      "12",
      expect.stringContaining("grpc-listen"),
    ]);
    expect((await ask(grpc, INCREMENT, GRPC, message)).trailers["grpc-status"]).toBe("0");
    const refused = await ask(grpc, "/v1/counters/a:increment", { "content-type": "application/json" }, "{}");
    expect([refused.status, refused.text]).toEqual([415, expect.stringContaining("on this port")]);
    expect((await opened.store.get(["a"]))[0]).toMatchObject({ value: 1n });
  });
});

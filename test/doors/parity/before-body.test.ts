/**
 * Goal: what is judged before the body is told without it, at every door: to who announces one and never sends it, and to who
 * asks first whether to (Expect), who then is not told to go on.
 *
 * Method: the head of a call alone, with a fault for each step; over HTTP/1.1 by hand, which says whether the connection ends,
 * and over HTTP/2 where our own engine has the same.
 */
import { once } from "node:events";
import { Agent, type IncomingHttpHeaders, request } from "node:http";
import {
  connect,
  type IncomingHttpHeaders as IncomingHttp2Headers,
  type OutgoingHttpHeaders,
} from "node:http2";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Authorise } from "../../../src/transports/calls/authorise.ts";
import { type Opened, open } from "../../transports/door.ts";
import { ENGINE } from "../../transports/engine.ts";
import { type Got, gotOf } from "../../transports/http.ts";
import { begin, ended } from "../../transports/raw.ts";
import { saidIn } from "./with-headers.ts";

const authorise: Authorise = ({ headerOf }) => {
  const caller = headerOf("x-caller");
  return caller === undefined ? { code: "CREDENTIAL_MISSING" } : { caller };
};

type Headers = Readonly<Record<string, string | string[]>>;

interface Fault {
  readonly headers: Headers;
  readonly said: string;
  readonly method?: string;
  readonly path?: string;
  readonly query?: string;
  /** What it cannot be told of: gRPC's own client hides it, or its engine tells it otherwise. */
  readonly notByGrpc?: true;
  /** Where alone it is one; undefined: everywhere. */
  readonly at?: readonly string[];
}

const REST = ["REST", "the short paths"];
const ONE_MESSAGE = [...REST, "Connect, JSON", "Connect, Protobuf", "gRPC-Web"];

/** In the order in which they are judged. */
const FAULTS: Readonly<Record<string, Fault>> = {
  "a second method": {
    headers: { "x-http-method-override": "PUT" },
    said: "INVALID_FIELD x-http-method-override",
  },
  "another page": {
    headers: { origin: "https://evil.example" },
    said: "ORIGIN_NOT_ALLOWED",
    notByGrpc: true,
  },
  "no such path": { headers: {}, path: "/nowhere", said: "PATH_NOT_FOUND", notByGrpc: true },
  "another method": { headers: {}, method: "PUT", said: "METHOD_NOT_ALLOWED", notByGrpc: true },
  "another content type": {
    headers: { "content-type": "text/plain" },
    said: "MEDIA_TYPE_NOT_SUPPORTED",
    notByGrpc: true,
  },
  "no credential": { headers: { "x-caller": "" }, said: "CREDENTIAL_MISSING" },
  "a deadline that is none": { headers: { "grpc-timeout": "soon" }, said: "INVALID_FIELD grpc-timeout" },
  "a condition that is not taken": {
    headers: { "if-none-match": '"x"' },
    said: "INVALID_FIELD If-None-Match",
  },
  "an encoding that there is not": {
    headers: { "content-encoding": "zoo", "grpc-encoding": "zoo" },
    said: "ENCODING_NOT_SUPPORTED",
    notByGrpc: true, // Of messages, each of which says whether it is.
  },
  // A stream takes none.
  "a key that is too long": {
    headers: { "idempotency-key": "k".repeat(65) },
    said: "INVALID_FIELD request_id",
    at: ONE_MESSAGE,
  },
  "a key that is empty": {
    headers: { "idempotency-key": '""' },
    said: "INVALID_FIELD request_id",
    at: ONE_MESSAGE,
  },
  "two keys": {
    headers: { "idempotency-key": ["one", "two"] },
    said: "INVALID_FIELD request_id",
    at: ONE_MESSAGE,
  },
  "a query beside the body": {
    headers: {},
    query: "?amount=2",
    said: "INVALID_FIELD amount",
    notByGrpc: true,
    at: REST,
  },
  "a query that is none": {
    headers: {},
    query: "?amount=%2",
    said: "MALFORMED_MESSAGE",
    notByGrpc: true,
    at: REST,
  },
};

interface Door {
  readonly kind: "gRPC" | "one message" | "stream";
  readonly path: string;
  readonly type: string;
}

const DOORS: Readonly<Record<string, Door>> = {
  REST: { kind: "one message", path: "/v1/counters/a:increment", type: "application/json" },
  "the short paths": { kind: "one message", path: "/counters/a/increment", type: "application/json" },
  "Connect, JSON": {
    kind: "one message",
    path: "/tally.v1.CounterService/Increment",
    type: "application/json",
  },
  "Connect, Protobuf": {
    kind: "one message",
    path: "/tally.v1.CounterService/Increment",
    type: "application/proto",
  },
  "gRPC-Web": {
    kind: "one message",
    path: "/tally.v1.CounterService/Increment",
    type: "application/grpc-web+proto",
  },
  "REST, a stream": { kind: "one message", path: "/v1/counters:reset", type: "application/json" },
  // Its answer begins with a head of 200 before anybody is judged, and what comes then is dropped.
  "Connect, a stream": {
    kind: "stream",
    path: "/tally.v1.BulkService/ResetCounters",
    type: "application/connect+json",
  },
};

const EXPECTING: Headers = { expect: "100-continue" };

let opened: Opened;
beforeAll(async () => {
  opened = await open({ authorise });
});
afterAll(() => opened[Symbol.asyncDispose]());

function headersOf({ type }: Door, { headers }: Fault): Headers {
  const all: Headers = { "content-type": type, "x-caller": "c", ...headers };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ""));
}

function pathOf(door: Door, { path = door.path, query = "" }: Fault): string {
  return `${path}${query}`;
}

/** The head of a request alone. @returns  what it was answered, and whether it was told to go on */
async function headOf(door: Door, fault: Fault, more: Headers) {
  const agent = new Agent({ keepAlive: true }); // Or the client itself would ask for the end.
  const asked = request({
    ...{ host: "127.0.0.1", port: opened.door.port, agent },
    ...{ method: fault.method ?? "POST", path: pathOf(door, fault) },
    headers: { ...headersOf(door, fault), "content-length": "90", ...more },
  });
  let wentOn = false;
  asked.on("continue", () => {
    wentOn = true;
  });
  asked.on("error", () => {}); // It is given up in the end.
  asked.flushHeaders();
  const [response] = await once(asked, "response");
  const bytes = Buffer.concat(await response.toArray());
  asked.destroy();
  const headers = response.headers as IncomingHttpHeaders;
  const got = gotOf(response.statusCode, headers, bytes);
  return { told: { said: saidIn(got), wentOn }, ends: headers.connection === "close", got };
}

/** The same over HTTP/2, where a connection goes on whatever comes of a request. */
async function headOver2(door: Door, fault: Fault, more: Headers) {
  const session = connect(`http://127.0.0.1:${opened.door.port}`);
  const asked = session.request(
    {
      ...{ ":method": fault.method ?? "POST", ":path": pathOf(door, fault) },
      ...({ ...headersOf(door, fault), "content-length": "90", ...more } as OutgoingHttpHeaders),
    },
    { endStream: false },
  );
  let wentOn = false;
  asked.on("continue", () => {
    wentOn = true;
  });
  asked.on("error", () => {}); // It is given up in the end.
  const [headers] = (await once(asked, "response")) as [IncomingHttp2Headers];
  const pieces: Buffer[] = [];
  asked.on("data", (piece: Buffer) => pieces.push(piece));
  await once(asked, "end");
  session.destroy();
  const { ":status": status, ...rest } = headers;
  const got = gotOf(status!, rest as IncomingHttpHeaders, Buffer.concat(pieces));
  return { told: { said: saidIn(got), wentOn }, got };
}

const CASES = Object.entries(FAULTS).flatMap(([what, fault]) =>
  Object.entries(DOORS)
    // Where there is nothing, an answer in JSON has the reason.
    .filter(([, { type }]) => fault.path === undefined || type === "application/json")
    .filter(([name]) => fault.at?.includes(name) ?? true)
    .map(([name, door]) => ({ what, name, fault, door })),
);

describe("is told by the head alone", () => {
  it.each(CASES)("$what, $name", async ({ fault, door }) => {
    const begins = door.kind === "stream" && !BEFORE_STREAMS.has(fault);
    const told = { said: fault.said, wentOn: false };
    expect(await headOf(door, fault, {})).toMatchObject({ told, ends: !begins });
    expect(await headOf(door, fault, EXPECTING)).toMatchObject({ told, ends: true });
    if (ENGINE === "grpc-js") return; // It has gRPC alone.
    for (const more of [{}, EXPECTING]) expect(await headOver2(door, fault, more)).toMatchObject({ told });
  });

  it.each(Object.entries(FAULTS).filter(([, { notByGrpc }]) => !notByGrpc))("%s, gRPC", async (_, fault) => {
    const headers = headersOf({ kind: "gRPC", path: "", type: "application/grpc" }, fault);
    const call = await ended(begin(opened.door.port, "/tally.v1.CounterService/Increment", [], headers));
    const { reason, metadata } = call;
    expect([reason, metadata.field].filter((each) => each !== undefined).join(" ")).toBe(fault.said);
  });
});

describe("of a body that is announced to be too large, by the head alone", () => {
  const TEXT = 4 * 2 ** 20;
  const METHOD = 64 * 1024;
  /** The longest body that each door lets come of a method that is as good as any other, and what it says that is. */
  const LONGEST: Readonly<Record<string, readonly [body: number, max: number]>> = {
    REST: [TEXT, TEXT],
    "the short paths": [TEXT, TEXT],
    "Connect, JSON": [TEXT, TEXT], // As text: what it becomes is told when it is there.
    "Connect, Protobuf": [METHOD, METHOD],
    "gRPC-Web": [METHOD + 5, METHOD],
    "REST, a stream": [METHOD, METHOD],
  };
  const NONE: Fault = { headers: {}, said: "" };
  const lengths = (bytes: number) => ({ "content-length": `${bytes}` });

  it.each(Object.entries(LONGEST))("%s", async (name, [body, max]) => {
    const door = DOORS[name]!;
    for (const over of [1, 99_999_999 - body]) {
      const size = max + over; // Without what stands in front of it.
      for (const more of [{}, EXPECTING]) {
        const headers = { ...lengths(body + over), ...more };
        const answers = [
          await headOf(door, NONE, headers),
          ...(ENGINE === "own" ? [await headOver2(door, NONE, headers)] : []),
        ];
        for (const { told, got } of answers) {
          expect(told).toEqual({ said: "MESSAGE_TOO_LARGE", wentOn: false });
          expect(sizesIn(got)).toBe(`The message has ${size} bytes and this method accepts ${max};`);
        }
        expect(answers[0]).toMatchObject({ ends: more === EXPECTING }); // The rest is dropped as it comes.
      }
    }
  });

  it("what a batch takes is more", async () => {
    const path = "/tally.v1.CounterService/BatchApply";
    for (const name of ["Connect, Protobuf", "gRPC-Web"]) {
      const answer = await headOf({ ...DOORS[name]!, path }, NONE, lengths(99_999_999));
      expect(sizesIn(answer.got)).toMatch(` this method accepts ${TEXT};`);
    }
  });

  function sizesIn({ bytes, headers }: Got): string | undefined {
    const text = decodeURIComponent(`${headers["grpc-message"] ?? bytes.toString("latin1")}`);
    return /The message (?:has \d+ bytes and|is above).*?;/.exec(text)?.[0];
  }
});

describe("of a frame of gRPC-Web, by its first five bytes", () => {
  const web = DOORS["gRPC-Web"]!;
  const headers = { "content-type": web.type, "x-caller": "c" };
  const head = (flags: number, size: number) => {
    const bytes = Buffer.from([flags, 0, 0, 0, 0]);
    bytes.writeUInt32BE(size, 1);
    return bytes;
  };

  it.each<[string, Buffer[], string]>([
    ["that announce too much", [head(0, 65_537)], "MESSAGE_TOO_LARGE"],
    ["that announce all there can be", [head(0, 2 ** 32 - 1)], "MESSAGE_TOO_LARGE"],
    ["that come one by one", [...head(0, 4_000_000)].map((byte) => Buffer.from([byte])), "MESSAGE_TOO_LARGE"],
    ["that are none", [head(2, 3)], "MALFORMED_MESSAGE"],
    ["that announce compression, nobody knows how", [head(1, 3)], "COMPRESSION_UNSAID"],
    ["that announce less than there is", [head(0, 3), Buffer.alloc(4)], "NOT_ONE_MESSAGE"],
  ])("%s", async (_, pieces, said) => {
    // Without a length, and without an end.
    const asked = request({
      ...{ host: "127.0.0.1", port: opened.door.port, agent: false, method: "POST", path: web.path },
      headers,
    });
    asked.on("error", () => {});
    asked.setNoDelay(true);
    for (const piece of pieces) await new Promise((sent) => asked.write(piece, sent));
    const [response] = await once(asked, "response");
    const bytes = Buffer.concat(await response.toArray());
    asked.destroy();
    expect(saidIn(gotOf(response.statusCode, response.headers, bytes))).toBe(said);
    if (ENGINE === "grpc-js") return;
    const session = connect(`http://127.0.0.1:${opened.door.port}`);
    const stream = session.request({ ":method": "POST", ":path": web.path, ...headers });
    stream.on("error", () => {});
    for (const piece of pieces) stream.write(piece);
    const [{ ":status": status, ...rest }] = await once(stream, "response");
    const answer: Buffer[] = [];
    stream.on("data", (piece: Buffer) => answer.push(piece));
    await once(stream, "end");
    session.destroy();
    expect(saidIn(gotOf(status, rest, Buffer.concat(answer)))).toBe(said);
  });
});

/** What is judged before such an answer begins. */
const BEFORE_STREAMS: ReadonlySet<Fault> = new Set(
  ["a second method", "another page", "no such path", "another method", "another content type"].map(
    (each) => FAULTS[each]!,
  ),
);

it("a call without a fault is told to go on, once", async () => {
  for (const door of Object.values(DOORS).filter(({ kind }) => kind === "one message")) {
    const asked = request({
      ...{ host: "127.0.0.1", port: opened.door.port, agent: false, method: "POST", path: door.path },
      headers: { "content-type": door.type, "x-caller": "c", "content-length": "2", expect: "100-continue" },
    });
    asked.on("error", () => {});
    asked.flushHeaders();
    await once(asked, "continue");
    asked.destroy();
  }
});

it("a stream whose answer has begun reads what comes of its body all the same", async () => {
  const { path, type } = DOORS["Connect, a stream"]!;
  const message = Buffer.from('{"prefix":"none."}');
  const agent = new Agent({ keepAlive: true });
  const asked = request({
    ...{ host: "127.0.0.1", port: opened.door.port, agent, method: "POST", path },
    headers: {
      "content-type": type,
      "x-caller": "c",
      "content-length": `${message.length + 5}`,
      ...EXPECTING,
    },
  });
  asked.flushHeaders();
  const [response] = await once(asked, "response");
  asked.end(Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]));
  const bytes = Buffer.concat(await response.toArray());
  expect([saidIn(gotOf(response.statusCode, response.headers, bytes)), bytes.includes('"error"')]).toEqual([
    "OK",
    false,
  ]);
  agent.destroy();
});

describe("Expect", () => {
  it.each([
    ["GET", {}],
    ["POST", { "content-length": "0" }],
  ])("100-continue of a %s without a body is as if it were not said", async (method, headers) => {
    const path = method === "GET" ? "/livez" : "/counters/expected/increment";
    const asked = { method, path, headers: { ...headers, "x-caller": "c", ...EXPECTING } };
    const one = request({ host: "127.0.0.1", port: opened.door.port, agent: false, ...asked });
    const interim: number[] = [];
    one.on("information", ({ statusCode }) => interim.push(statusCode));
    one.flushHeaders();
    one.end();
    const [response] = await once(one, "response");
    response.resume();
    expect([response.statusCode, interim]).toEqual([200, []]);
    if (ENGINE === "grpc-js") return;
    const session = connect(`http://127.0.0.1:${opened.door.port}`);
    const two = session.request({ ":method": method, ":path": path, ...asked.headers });
    let wentOn = false;
    two.on("continue", () => {
      wentOn = true;
    });
    const [{ ":status": status }] = await once(two, "response");
    session.destroy();
    expect([status, wentOn]).toEqual([200, false]);
  });

  it.each(["tea", "100-continue, tea", "100-continue;q=1"])(
    "%j is known to nobody: 417",
    async (expected) => {
      const none: Fault = { headers: { expect: expected }, said: "OK" };
      for (const name of ["REST", "Connect, Protobuf", "gRPC-Web", "Connect, a stream"]) {
        const { got, told, ends } = await headOf(DOORS[name]!, none, {});
        expect([got.status, got.text, told.wentOn, ends]).toEqual([417, "", false, true]);
        if (ENGINE === "grpc-js") continue;
        const over2 = await headOver2(DOORS[name]!, none, {});
        expect([over2.got.status, over2.got.text, over2.told.wentOn]).toEqual([417, "", false]);
      }
    },
  );
});

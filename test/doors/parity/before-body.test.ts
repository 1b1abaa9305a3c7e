/**
 * Goal: what is judged before the body is told without it, at every door: to who announces one and never sends it, and to who
 * asks first whether to (Expect), who then is not told to go on.
 *
 * Method: the head of a call alone, with a fault for each step; over HTTP/1.1 by hand, which says whether the connection ends.
 */
import { once } from "node:events";
import { Agent, type IncomingHttpHeaders, request } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Authorise } from "../../../src/transports/calls/authorise.ts";
import { type Opened, open } from "../../transports/door.ts";
import { gotOf } from "../../transports/http.ts";
import { begin, ended } from "../../transports/raw.ts";
import { saidIn } from "./with-headers.ts";

const authorise: Authorise = ({ headerOf }) => {
  const caller = headerOf("x-caller");
  return caller === undefined ? { code: "CREDENTIAL_MISSING" } : { caller };
};

type Headers = Readonly<Record<string, string>>;

interface Fault {
  readonly headers: Headers;
  readonly said: string;
  readonly method?: string;
  readonly path?: string;
  /** What it cannot be told of: gRPC's own client hides it, or its engine tells it otherwise. */
  readonly notByGrpc?: true;
}

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

let opened: Opened;
beforeAll(async () => {
  opened = await open({ authorise });
});
afterAll(() => opened[Symbol.asyncDispose]());

function headersOf({ type }: Door, { headers }: Fault): Headers {
  const all: Headers = { "content-type": type, "x-caller": "c", ...headers };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ""));
}

/** The head of a request alone. @returns  what it was answered, and whether it was told to go on */
async function headOf(door: Door, fault: Fault, more: Headers) {
  const agent = new Agent({ keepAlive: true }); // Or the client itself would ask for the end.
  const asked = request({
    ...{ host: "127.0.0.1", port: opened.door.port, agent },
    ...{ method: fault.method ?? "POST", path: fault.path ?? door.path },
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
  return {
    said: saidIn(gotOf(response.statusCode, headers, bytes)),
    ends: headers.connection === "close",
    wentOn,
  };
}

const CASES = Object.entries(FAULTS).flatMap(([what, fault]) =>
  Object.entries(DOORS)
    // Where there is nothing, an answer in JSON has the reason.
    .filter(([, { type }]) => fault.path === undefined || type === "application/json")
    .map(([name, door]) => ({ what, name, fault, door })),
);

describe("is told by the head alone", () => {
  it.each(CASES)("$what, $name", async ({ fault, door }) => {
    const begins = door.kind === "stream" && !BEFORE_STREAMS.has(fault);
    const told = { said: fault.said, wentOn: false };
    expect(await headOf(door, fault, {})).toEqual({ ...told, ends: !begins });
    expect(await headOf(door, fault, { expect: "100-continue" })).toEqual({ ...told, ends: true });
  });

  it.each(Object.entries(FAULTS).filter(([, { notByGrpc }]) => !notByGrpc))("%s, gRPC", async (_, fault) => {
    const headers = headersOf({ kind: "gRPC", path: "", type: "application/grpc" }, fault);
    const call = await ended(begin(opened.door.port, "/tally.v1.CounterService/Increment", [], headers));
    const { reason, metadata } = call;
    expect([reason, metadata.field].filter((each) => each !== undefined).join(" ")).toBe(fault.said);
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

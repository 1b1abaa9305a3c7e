/**
 * Goal: what is judged before the body is told without it, at every door: to who announces one and never sends it, and to who
 * asks first whether to (Expect), who then is not told to go on.
 *
 * Method: the head of a call alone, with a fault for each step; over HTTP/1.1 by hand, which says whether the connection ends, and
 * over HTTP/2 where our own engine has the same.
 */
import { once } from "node:events";
import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Opened, open } from "../../transports/door.ts";
import { begin, ended } from "../../transports/raw.ts";
import { authorise, DOORS, EXPECTING, everywhere, type Fault, headOf } from "./head-alone.ts";

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

let opened: Opened;
beforeAll(async () => {
  opened = await open({ authorise });
});
afterAll(() => opened[Symbol.asyncDispose]());

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
    for (const [more, ends] of [
      [{}, !begins],
      [EXPECTING, true],
    ] as const) {
      const [one, two = one] = await everywhere(opened.door.port, headOf(door, fault, more));
      expect([one, two]).toMatchObject([{ told, ends }, { told }]);
    }
  });

  it.each(Object.entries(FAULTS).filter(([, { notByGrpc }]) => !notByGrpc))("%s, gRPC", async (_, fault) => {
    const { "content-length": _length, ...headers } = headOf(GRPC, fault).headers as Record<string, string[]>;
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

const GRPC = { kind: "gRPC", path: "", type: "application/grpc" } as const;

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

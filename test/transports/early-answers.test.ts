/**
 * Requests over HTTP/2 that are answered before they have ended, frame by frame: what is left of them is dropped before
 * they are reset, for a client may lose an answer that its reset comes with (curl 7.88, exit code 92).
 */
import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import {
  data,
  END_HEADERS,
  END_STREAM,
  type Fields,
  type Frame,
  framesIn,
  headers,
  opening,
  ping,
  post,
} from "../http2/wire.ts";
import { open } from "./door.ts";
import { byEngine } from "./engine.ts";
import { framed } from "./raw.ts";
import { type Talk, talk } from "./talk.ts";

const AUTHORITY: Fields[number] = [":authority", "127.0.0.1"];
const INCREMENT = "/tally.v1.CounterService/Increment";
const REST = "/v1/counters/a:increment";
const JSON_TYPE = "application/json";
const grpc = (path: string, ...more: Fields) =>
  post(path, AUTHORITY, ["content-type", "application/grpc"], ["te", "trailers"], ...more);
const typed = (path: string, type: string, ...more: Fields) =>
  post(path, AUTHORITY, ["content-type", type], ...more);

/** By their headers alone. */
const REFUSED: Readonly<Record<string, Fields>> = {
  "of no known content type": typed(INCREMENT, "application/grpc-web-not+proto"),
  "of gRPC, for a method that there is not": grpc("/tally.v1.CounterService/None"),
  "of gRPC, by a header": grpc(INCREMENT, ["grpc-timeout", "never"]),
  "of gRPC, with another method in a header": grpc(INCREMENT, ["x-http-method-override", "PUT"]),
  ...byEngine<Record<string, Fields>>({
    "grpc-js": {}, // There is nothing else over HTTP/2.
    own: {
      "of REST, from another origin": typed(REST, JSON_TYPE, ["origin", "http://evil.test"]),
      "of Connect, from another origin": typed(INCREMENT, JSON_TYPE, ["origin", "http://evil.test"]),
      "with headers that are too large": typed(REST, JSON_TYPE, ["x", "v".repeat(16_200)]),
    },
  }),
};

const talks: Talk[] = [];
afterEach(() => {
  for (const { socket } of talks.splice(0)) socket.destroy();
});

/** A connection, frame by frame. */
async function connected(port: number) {
  const talked = await talk(port);
  talks.push(talked);
  const { socket, send } = talked;
  let bytes = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
  });
  const find = (matches: (frame: Frame) => boolean) => framesIn(bytes).frames.find(matches);
  const until = async (matches: (frame: Frame) => boolean) => {
    while (find(matches) === undefined) await once(socket, "data");
  };
  send(opening());
  return {
    send,
    until,
    /** What was sent is heard, and so is all that it was answered with. */
    async heard(mark: string) {
      send(ping(mark));
      await until(({ type, payload }) => type === "PING" && `${payload}` === mark);
    },
    reset: (id: number) => find(({ type, stream }) => type === "RST_STREAM" && stream === id),
    end: () => find(({ type }) => type === "GOAWAY"),
  };
}

const isEnd =
  (id: number) =>
  ({ type, flags, stream }: Frame): boolean =>
    stream === id && (type === "HEADERS" || type === "DATA") && (flags & END_STREAM) !== 0;

describe.each(Object.entries(REFUSED))("a request %s", (_, fields) => {
  it("is answered by its headers, may end, and is not reset", async () => {
    await using opened = await open();
    const { send, until, heard, reset, end } = await connected(opened.door.port);
    send(headers(1, fields, END_HEADERS));
    await until(isEnd(1));
    await heard("answered");
    send(data(1, framed(Buffer.from("\n\x03gwt"))), data(1, "", END_STREAM));
    await heard("is ended");
    send(headers(3, fields, END_HEADERS), data(3, "more", END_STREAM));
    await until(isEnd(3));
    await heard("at once.");
    expect([reset(1), reset(3), end()]).toEqual([undefined, undefined, undefined]);
    expect(await opened.store.get(["gwt"])).toEqual([undefined]);
  });
});

it("one that goes on is reset in the end, without an error, and others are answered meanwhile", async () => {
  await using opened = await open();
  const { send, until, heard, reset, end } = await connected(opened.door.port);
  send(headers(1, grpc("/tally.v1.CounterService/None"), END_HEADERS));
  await until(isEnd(1));
  for (let sent = 0; sent < 3; sent++) send(data(1, Buffer.alloc(16_384)));
  send(headers(3, grpc(INCREMENT), END_HEADERS), data(3, framed(Buffer.from("\n\x03one")), END_STREAM));
  await until(isEnd(3));
  expect(reset(1)).toBeUndefined();
  opened.clock.advance(1_000); // grpc-js has the time of Node.js, and passes it.
  await until(({ type, stream }) => type === "RST_STREAM" && stream === 1);
  expect(reset(1)!.payload.readUInt32BE(0)).toBe(0);
  await heard("no error");
  expect([end(), await opened.store.get(["one"])]).toMatchObject([undefined, [{ value: 1n }]]);
});

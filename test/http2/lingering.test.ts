/** What still comes of requests that were answered before their ends: RFC 9113, sections 5.1 and 8.1. */
import { describe, expect, test } from "vitest";
import { OK, Peer, type PeerOptions, type Seen } from "./peer.ts";
import {
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  get,
  headers,
  PADDED,
  ping,
  post,
  reset,
  settings,
  windowUpdate,
} from "./wire.ts";

const answering: PeerOptions = { accept: ({ stream }: Seen) => stream.answer(OK, [Buffer.from("no")]) };
const OPEN = headers(1, post(), END_HEADERS);
const ANSWER = ["HEADERS 1", "DATA 1 no END"];
const KIB = 1_024;

/** A peer whose request was answered by its headers. */
function early(limits: PeerOptions["limits"] = {}): Peer {
  const peer = new Peer({ ...answering, limits });
  peer.send(OPEN);
  expect(peer.told()).toEqual(ANSWER);
  expect([peer.engine.inFlight, peer.arriving.taken, peer.leaving.taken]).toEqual([0, 0, 0]);
  return peer;
}

describe("a request that was answered by its headers", () => {
  test.each<[string, Buffer[]]>([
    ["by a body", [data(1, "x", END_STREAM)]],
    ["by several pieces", [data(1, "x"), data(1, Buffer.alloc(16_000)), data(1, "", END_STREAM)]],
    ["by trailers", [data(1, "x"), headers(1, [["a", "b"]])]],
    [
      "by as much as there may be",
      [...new Array<Buffer>(8).fill(data(1, Buffer.alloc(16_384))), data(1, "", END_STREAM)],
    ],
  ])("may end %s, and is not reset", (_, rest) => {
    const peer = early();
    peer.send(...rest, ping());
    expect(peer.told()).toEqual(["PING ACK"]);
    peer.time.pass(5);
    expect(peer.told()).toEqual([]);
    peer.send(data(1, "x")); // Nothing may come now.
    expect(peer.told()).toEqual(["GOAWAY 1 STREAM_CLOSED"]);
  });

  test("in one piece with its headers is not reset either", () => {
    const peer = new Peer(answering);
    peer.send(OPEN, data(1, "x", END_STREAM));
    peer.time.pass(5);
    expect(peer.told()).toEqual(ANSWER);
  });

  test("may send what its window had room for, and has no more", () => {
    const peer = early();
    for (let sent = 0; sent < 8; sent++) peer.send(data(1, Buffer.alloc(16_384)));
    expect(peer.told()).toEqual([]);
    peer.send(data(1, "x"), ping());
    expect(peer.told()).toEqual(["RST_STREAM 1 FLOW_CONTROL_ERROR", "PING ACK"]);
  });

  test.each<[string, string, Buffer[]]>([
    ["is longer than was announced", "3", [data(1, "1234")]],
    ["is longer in several pieces", "3", [data(1, "12"), data(1, "34", END_STREAM)]],
    ["is shorter", "3", [data(1, "12", END_STREAM)]],
    ["is shorter, with trailers behind it", "3", [data(1, "12"), headers(1, [["a", "b"]])]],
  ])("that %s is malformed", (_, length, rest) => {
    const peer = new Peer(answering);
    peer.send(headers(1, [...post(), ["content-length", length]], END_HEADERS));
    expect(peer.told()).toEqual(ANSWER);
    peer.send(...rest, ping());
    expect(peer.told()).toEqual(["RST_STREAM 1 PROTOCOL_ERROR", "PING ACK"]);
  });

  test("may be as long as was announced, padding not counted", () => {
    const peer = new Peer(answering);
    peer.send(headers(1, [...post(), ["content-length", "3"]], END_HEADERS));
    peer.send(frame("DATA", PADDED | END_STREAM, 1, Buffer.from("\x02123pp")), ping());
    expect(peer.told()).toEqual([...ANSWER, "PING ACK"]);
  });

  test("has windows within their bound, moved by settings too", () => {
    const grown = early();
    grown.send(windowUpdate(1, 0x7fff_ffff), ping());
    expect(grown.told()).toEqual(["RST_STREAM 1 FLOW_CONTROL_ERROR", "PING ACK"]);
    const moved = early();
    moved.send(settings([4, 0]), windowUpdate(1, 0x7fff_ffff), ping());
    expect(moved.told()).toEqual(["SETTINGS ACK", "PING ACK"]);
    moved.send(settings([4, 100]));
    expect(moved.told().at(-1)).toBe("GOAWAY 1 FLOW_CONTROL_ERROR");
  });

  test("is reset after a second, to the second, and stays nowhere", () => {
    const peer = early();
    peer.send(data(1, "x"));
    expect(peer.told()).toEqual([]);
    peer.time.pass(2);
    expect(peer.told()).toEqual(["RST_STREAM 1 NO_ERROR"]);
    peer.time.pass(5);
    expect(peer.told()).toEqual([]);
  });

  test("after that is dropped, its window given back, and the connection lives", () => {
    const peer = early({ streamResetsBurst: 3, controlBurst: 10 }); // Nor does it count as a fault.
    peer.time.pass(2);
    for (let sent = 0; sent < 20; sent++) peer.send(data(1, Buffer.alloc(16_000)));
    peer.send(data(1, "x", END_STREAM), ping());
    expect(peer.told()).toEqual(["RST_STREAM 1 NO_ERROR", "PING ACK"]);
    expect([peer.arriving.taken, peer.errors]).toEqual([0, []]);
  });

  test("the same, however many other calls were answered since", () => {
    const peer = early();
    peer.time.pass(2);
    for (let id = 3; id < 3 + 2 * 1_000; id += 2) peer.send(headers(id, get()));
    peer.take();
    peer.send(data(1, "late"), headers(1, [["a", "b"]]), ping());
    expect(peer.told()).toEqual(["PING ACK"]);
  });

  test("may be reset, and then has nothing more", () => {
    const peer = early();
    peer.send(reset(1, 8), ping());
    peer.time.pass(5);
    expect(peer.told()).toEqual(["PING ACK"]);
  });

  test("may be reset behind our reset, too", () => {
    const peer = early();
    peer.time.pass(2);
    peer.take();
    peer.send(reset(1, 8), ping());
    expect(peer.told()).toEqual(["PING ACK"]);
  });

  test.each([
    ["trailers that are not its end", headers(1, [["a", "b"]], END_HEADERS)],
    ["a window opened by nothing", windowUpdate(1, 0)],
  ])("that goes on by %s is reset by that error, once", (_, fault) => {
    const peer = early();
    peer.send(fault);
    peer.time.pass(5);
    expect(peer.told()).toEqual(["RST_STREAM 1 PROTOCOL_ERROR"]);
  });

  test("may go on though it had used up its window", () => {
    const peer = new Peer({ accept: () => {}, limits: { streamWindowBytes: 20_000 } });
    peer.send(OPEN, data(1, Buffer.alloc(16_000)));
    peer.seen[0]!.stream.answer(OK);
    expect(peer.told()).toEqual(["HEADERS 1 END", `WINDOW_UPDATE 1 ${64 * KIB - 4_000}`]);
    expect(peer.arriving.taken).toBe(0);
  });
});

describe("requests that were answered by their headers, and do not end", () => {
  test("are as many as streams may be: of more the oldest is reset, and none is refused for them", () => {
    const peer = new Peer({ ...answering, limits: { streamsMax: 3 } });
    for (let id = 1; id < 11; id += 2) peer.send(headers(id, post(), END_HEADERS));
    const told = peer.told();
    expect(told.filter((line) => line.startsWith("DATA"))).toHaveLength(5);
    expect(told.filter((line) => line.startsWith("RST_STREAM"))).toEqual([
      "RST_STREAM 1 NO_ERROR",
      "RST_STREAM 3 NO_ERROR",
    ]);
    peer.time.pass(2);
    expect(peer.told()).toEqual([5, 7, 9].map((id) => `RST_STREAM ${id} NO_ERROR`));
  });

  test("do not hold up the end of their connection", () => {
    const peer = early();
    peer.engine.drain(100_000);
    expect(peer.told()).toEqual(["GOAWAY 2147483647 NO_ERROR", "PING"]);
    peer.time.pass(1);
    expect([peer.told(), peer.ended]).toEqual([["GOAWAY 1 NO_ERROR"], true]);
  });

  test("are no reason to keep one that nobody uses", () => {
    const peer = early({ connectionIdleMs: 500 });
    peer.time.pass(1);
    expect(peer.told()).toContain("GOAWAY 2147483647 NO_ERROR");
  });

  test("leave nothing behind when it is gone", () => {
    const peer = early();
    peer.socket.emit("close");
    peer.time.pass(5);
    expect([peer.defects, peer.engine.held.connections]).toEqual([[], 0]);
  });
});

test("the window of the connection is given back of what is dropped as if it were read", () => {
  const peer = new Peer(answering);
  const told: string[] = [];
  for (let id = 1; id < 80; id += 2) {
    peer.send(headers(id, post(), END_HEADERS), data(id, Buffer.alloc(16_384)));
    told.push(...peer.told());
  }
  expect(told.filter((line) => line.startsWith("WINDOW_UPDATE"))).toEqual(["WINDOW_UPDATE 0 524288"]);
});

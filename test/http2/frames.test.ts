/** Frame by frame, rule by rule: RFC 9113, sections 3.4, 4 to 6. */
import { describe, expect, test } from "vitest";
import { OK, Peer, type PeerOptions, type Seen } from "./peer.ts";
import {
  ACK,
  block,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  get,
  headers,
  integer,
  opening,
  PADDED,
  PREFACE,
  PRIORITY,
  ping,
  post,
  reset,
  settings,
  windowUpdate,
  word,
} from "./wire.ts";

const answering: PeerOptions = { accept: ({ stream }: Seen) => stream.answer(OK) };
/** A request whose body is still coming, on stream 1. */
const OPEN = headers(1, post(), END_HEADERS);
const WHOLE = headers(1, get());
const PRIO = Buffer.from([0, 0, 0, 0, 16]);

describe("a connection begins", () => {
  test("with our settings and a larger window, in one write", () => {
    const peer = new Peer({ unopened: true });
    expect(peer.take()).toMatchObject([
      {
        type: "SETTINGS",
        payload: Buffer.from("000300000100" + "000400020000" + "000600004000" + "000900000001", "hex"),
      },
      { type: "WINDOW_UPDATE", stream: 0, payload: word(1024 * 1024 - 65_535) },
    ]);
    expect(peer.socket.writes).toHaveLength(1);
    peer.send(opening());
    expect(peer.told()).toEqual(["SETTINGS ACK"]);
  });

  test.each([
    ["another preface", Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r!")],
    ["HTTP/1.1", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
    ["one octet that is wrong", Buffer.from("X")],
    ["no SETTINGS", Buffer.concat([PREFACE, ping()])],
    ["an ACK of settings", Buffer.concat([PREFACE, frame("SETTINGS", ACK, 0)])],
    ["a request before SETTINGS", Buffer.concat([PREFACE, WHOLE])],
  ])("not with %s", (_, bytes) => {
    const peer = new Peer({ ...answering, unopened: true });
    peer.take();
    peer.send(bytes);
    expect(peer.told()).toEqual(["GOAWAY 0 PROTOCOL_ERROR"]);
    expect(peer.ended).toBe(true);
    expect(peer.seen).toEqual([]);
  });

  test("byte by byte as in one piece", () => {
    const peer = new Peer({ ...answering, unopened: true });
    peer.take();
    peer.sendBytewise(opening(), frame("SETTINGS", ACK, 0), WHOLE, ping());
    expect(peer.told()).toEqual(["SETTINGS ACK", "HEADERS 1 END", "PING ACK"]);
    expect(peer.arriving.taken).toBe(0);
  });
});

/** What ends the connection, and by which code. */
const CONNECTION_ERRORS: Record<string, readonly [code: string, ...frames: Buffer[]]> = {
  "a frame of 16,385 bytes": ["FRAME_SIZE_ERROR", OPEN, data(1, Buffer.alloc(16_385))],
  "a frame of 16,385 bytes of no known type": ["FRAME_SIZE_ERROR", frame(0xef, 0, 0, Buffer.alloc(16_385))],
  "DATA of no stream": ["PROTOCOL_ERROR", data(0, "x")],
  "DATA of an idle stream": ["PROTOCOL_ERROR", data(1, "x")],
  "DATA of a stream that a server opens": ["PROTOCOL_ERROR", WHOLE, data(2, "x")],
  "DATA with more padding than it has": [
    "PROTOCOL_ERROR",
    OPEN,
    frame("DATA", PADDED, 1, Buffer.from("\x03abc").subarray(0, 3)),
  ],
  "padded DATA without its length": ["FRAME_SIZE_ERROR", OPEN, frame("DATA", PADDED, 1)],
  "DATA of a stream that both have ended": ["STREAM_CLOSED", WHOLE, data(1, "x", END_STREAM)],
  "HEADERS of no stream": ["PROTOCOL_ERROR", headers(0, get())],
  "HEADERS of a stream that a server opens": ["PROTOCOL_ERROR", headers(2, get())],
  "HEADERS of an older stream": ["PROTOCOL_ERROR", headers(5, get()), headers(3, get())],
  "HEADERS of a stream that both have ended": ["STREAM_CLOSED", WHOLE, headers(1, get())],
  "HEADERS with more padding than they have": [
    "PROTOCOL_ERROR",
    frame("HEADERS", END_HEADERS | PADDED, 1, Buffer.from("\x05\x82")),
  ],
  "HEADERS with a priority that is cut": [
    "FRAME_SIZE_ERROR",
    frame("HEADERS", END_HEADERS | PRIORITY, 1, Buffer.alloc(4)),
  ],
  "HEADERS that cannot be decoded": [
    "COMPRESSION_ERROR",
    frame("HEADERS", END_HEADERS, 1, Buffer.from([0x80])),
  ],
  "a header block with another frame in it": ["PROTOCOL_ERROR", frame("HEADERS", 0, 1, block(get())), ping()],
  "a header block with a frame of no known type in it": [
    "PROTOCOL_ERROR",
    frame("HEADERS", 0, 1, block(get())),
    frame(0xef, 0, 0),
  ],
  "a header block with HEADERS in it": [
    "PROTOCOL_ERROR",
    frame("HEADERS", 0, 1, block(get())),
    headers(3, get()),
  ],
  "CONTINUATION of another stream": [
    "PROTOCOL_ERROR",
    frame("HEADERS", 0, 1, block(get())),
    frame("CONTINUATION", END_HEADERS, 3),
  ],
  "CONTINUATION of nothing": ["PROTOCOL_ERROR", WHOLE, frame("CONTINUATION", END_HEADERS, 1)],
  "PRIORITY of an idle stream on itself": [
    "PROTOCOL_ERROR",
    frame("PRIORITY", 0, 1, Buffer.concat([word(1), Buffer.from([16])])),
  ],
  "PRIORITY of four octets of an idle stream": ["FRAME_SIZE_ERROR", frame("PRIORITY", 0, 1, Buffer.alloc(4))],
  "PRIORITY of four octets of a stream that a server opens": [
    "FRAME_SIZE_ERROR",
    headers(5, get()),
    frame("PRIORITY", 0, 2, Buffer.alloc(4)),
  ],
  "PRIORITY of no stream": ["PROTOCOL_ERROR", frame("PRIORITY", 0, 0, PRIO)],
  "RST_STREAM of no stream": ["PROTOCOL_ERROR", reset(0, 8)],
  "RST_STREAM of an idle stream": ["PROTOCOL_ERROR", reset(1, 8)],
  "RST_STREAM of three octets": ["FRAME_SIZE_ERROR", OPEN, frame("RST_STREAM", 0, 1, Buffer.alloc(3))],
  "SETTINGS of a stream": ["PROTOCOL_ERROR", frame("SETTINGS", 0, 1)],
  "SETTINGS of five octets": ["FRAME_SIZE_ERROR", frame("SETTINGS", 0, 0, Buffer.alloc(5))],
  "an ACK of settings with some": ["FRAME_SIZE_ERROR", frame("SETTINGS", ACK, 0, Buffer.alloc(6))],
  "ENABLE_PUSH of 2": ["PROTOCOL_ERROR", settings([2, 2])],
  "INITIAL_WINDOW_SIZE of 2^31": ["FLOW_CONTROL_ERROR", settings([4, 2 ** 31])],
  "MAX_FRAME_SIZE below 16,384": ["PROTOCOL_ERROR", settings([5, 16_383])],
  "MAX_FRAME_SIZE of 2^24": ["PROTOCOL_ERROR", settings([5, 2 ** 24])],
  "INITIAL_WINDOW_SIZE that overflows a stream's window": [
    "FLOW_CONTROL_ERROR",
    OPEN,
    windowUpdate(1, 2 ** 31 - 1 - 65_535),
    settings([4, 65_536]),
  ],
  PUSH_PROMISE: ["PROTOCOL_ERROR", OPEN, frame("PUSH_PROMISE", END_HEADERS, 1, word(2))],
  "PING of a stream": ["PROTOCOL_ERROR", frame("PING", 0, 1, Buffer.alloc(8))],
  "PING of seven octets": ["FRAME_SIZE_ERROR", frame("PING", 0, 0, Buffer.alloc(7))],
  "GOAWAY of a stream": ["PROTOCOL_ERROR", frame("GOAWAY", 0, 1, Buffer.alloc(8))],
  "GOAWAY of seven octets": ["FRAME_SIZE_ERROR", frame("GOAWAY", 0, 0, Buffer.alloc(7))],
  "WINDOW_UPDATE of three octets": ["FRAME_SIZE_ERROR", frame("WINDOW_UPDATE", 0, 0, Buffer.alloc(3))],
  "WINDOW_UPDATE of an idle stream": ["PROTOCOL_ERROR", windowUpdate(1, 1)],
  "WINDOW_UPDATE of the connection by nothing": ["PROTOCOL_ERROR", windowUpdate(0, 0)],
  "a window of the connection beyond 2^31-1": ["FLOW_CONTROL_ERROR", windowUpdate(0, 2 ** 31 - 65_535)],
};

test.each(Object.entries(CONNECTION_ERRORS))("%s ends the connection", (_, [code, ...frames]) => {
  const peer = new Peer({
    accept: ({ stream }: Seen) => (stream.requestEnded ? stream.answer(OK) : stream.body(1_000)),
  });
  peer.send(...frames, ping()); // What comes behind it is not heard.
  const told = peer.told();
  expect(told.at(-1)).toMatch(new RegExp(`^GOAWAY \\d ${code}$`));
  expect(peer.ended).toBe(true);
  expect(peer.defects).toEqual([]);
  expect([peer.arriving.taken, peer.leaving.taken]).toEqual([0, 0]);
  const before = peer.seen.length;
  peer.send(headers(99, get()));
  expect([peer.seen.length, peer.told()]).toEqual([before, []]);
});

/** What ends a stream alone. Stream 1 is open, and its body comes whole. */
const STREAM_ERRORS: Record<string, readonly [code: string, ...frames: Buffer[]]> = {
  "DATA behind the end": ["STREAM_CLOSED", data(1, "x", END_STREAM), data(1, "y")],
  "DATA beyond its window": [
    "FLOW_CONTROL_ERROR",
    ...Array.from({ length: 9 }, () => data(1, Buffer.alloc(16_000))),
  ],
  "HEADERS that depend on themselves": [
    "PROTOCOL_ERROR",
    frame(
      "HEADERS",
      END_HEADERS | END_STREAM | PRIORITY,
      1,
      Buffer.concat([word(1), Buffer.from([16]), block([["a", "b"]])]),
    ),
  ],
  "PRIORITY on itself": [
    "PROTOCOL_ERROR",
    frame("PRIORITY", 0, 1, Buffer.concat([word(1), Buffer.from([16])])),
  ],
  "PRIORITY of four octets": ["FRAME_SIZE_ERROR", frame("PRIORITY", 0, 1, Buffer.alloc(4))],
  "WINDOW_UPDATE by nothing": ["PROTOCOL_ERROR", windowUpdate(1, 0)],
  "a window beyond 2^31-1": ["FLOW_CONTROL_ERROR", windowUpdate(1, 2 ** 31 - 65_535)],
  "a body that somebody wants to be shorter": [
    "PROTOCOL_ERROR",
    headers(1, [["content-length", "9"]], END_HEADERS),
  ],
};

test.each(Object.entries(STREAM_ERRORS))("%s ends the stream", (what, [code, ...frames]) => {
  const held: PeerOptions = what.includes("its window") ? { accept: () => {} } : {};
  const peer = new Peer(held);
  peer.send(OPEN, ...frames, ping());
  expect(peer.told()).toEqual([`RST_STREAM 1 ${code}`, "PING ACK"]);
  expect(peer.seen[0]!.calls.at(-1)).toBe("reset");
  expect(peer.ended).toBe(false);
  expect(peer.arriving.taken).toBe(0);
});

/** What is taken as if it were not there, or is answered as it should be. */
const HARMLESS: Record<string, readonly [told: string[], ...frames: Buffer[]]> = {
  "a frame of no known type": [[], frame(0xef, 0xff, 7, Buffer.from("x"))],
  "flags of no known meaning": [["PING ACK"], frame("PING", 0xfe, 0, Buffer.alloc(8))],
  "PRIORITY of an idle stream": [[], frame("PRIORITY", 0, 9, PRIO)],
  "PRIORITY of a closed stream": [["HEADERS 1 END"], WHOLE, frame("PRIORITY", 0, 1, PRIO)],
  "a PING with the same data back": [["PING ACK"], ping("abcdefgh")],
  "an ACK of a PING that nobody sent": [[], frame("PING", ACK, 0, Buffer.alloc(8))],
  GOAWAY: [[], frame("GOAWAY", 0, 0, Buffer.alloc(20))],
  "settings of no known meaning": [["SETTINGS ACK"], settings([0xff, 1], [9, 0], [8, 1])],
  "empty SETTINGS": [["SETTINGS ACK"], settings()],
  "HEADERS with priority and padding": [
    ["HEADERS 1 END"],
    frame(
      "HEADERS",
      END_HEADERS | END_STREAM | PRIORITY | PADDED,
      1,
      Buffer.concat([Buffer.from([3]), PRIO, block(get()), Buffer.alloc(3)]),
    ),
  ],
  "a header block in pieces, some empty": [
    ["HEADERS 1 END"],
    frame("HEADERS", END_STREAM, 1),
    frame("CONTINUATION", 0, 1, block(get()).subarray(0, 5)),
    frame("CONTINUATION", 0, 1),
    frame("CONTINUATION", END_HEADERS, 1, block(get()).subarray(5)),
  ],
  "WINDOW_UPDATE of a stream that has closed": [["HEADERS 1 END"], WHOLE, windowUpdate(1, 5)],
  "RST_STREAM of a stream that has closed": [["HEADERS 1 END"], WHOLE, reset(1, 8)],
  "the reserved bit of a stream": [
    ["HEADERS 1 END"],
    frame("HEADERS", END_HEADERS | END_STREAM, 0x8000_0001, block(get())),
  ],
  "a stream that others were skipped for": [["HEADERS 9 END"], headers(9, get())],
  "the last of all streams": [["HEADERS 2147483647 END"], headers(0x7fff_ffff, get())],
};

test.each(Object.entries(HARMLESS))("%s is no error", (_, [told, ...frames]) => {
  const peer = new Peer(answering);
  peer.send(...frames);
  expect(peer.told()).toEqual(told);
  peer.send(ping());
  expect(peer.told()).toEqual(["PING ACK"]);
});

test("a table that the client makes smaller is said to be, once, before the next header block", () => {
  const peer = new Peer(answering);
  peer.send(settings([1, 100], [1, 4_096]), headers(1, get()), headers(3, get()));
  const [, first, second] = peer.take();
  expect(first!.payload).toEqual(Buffer.concat([integer(0x20, 5, 0), OK.block]));
  expect(second!.payload).toEqual(OK.block);
});

describe("what still comes for a stream that was answered before its end", () => {
  const early = (limits: PeerOptions["limits"] = {}) => {
    const peer = new Peer({ ...answering, limits });
    peer.send(OPEN);
    expect(peer.told()).toEqual(["HEADERS 1 END", "RST_STREAM 1 NO_ERROR"]);
    return peer;
  };

  test("is dropped, its window given back, and the connection lives", () => {
    const peer = early({ streamResetsBurst: 3, controlBurst: 10 }); // Nor does it count as a fault.
    for (let sent = 0; sent < 20; sent++) peer.send(data(1, Buffer.alloc(16_000)));
    peer.send(data(1, "x", END_STREAM), ping());
    expect(peer.told()).toEqual(["PING ACK"]);
    expect([peer.arriving.taken, peer.errors]).toEqual([0, []]);
  });

  test("however many other calls were answered since", () => {
    const peer = early();
    for (let id = 3; id < 3 + 2 * 1_000; id += 2) peer.send(headers(id, get()));
    peer.take();
    peer.send(data(1, "late"), headers(1, [["a", "b"]]), ping());
    expect(peer.told()).toEqual(["PING ACK"]);
  });

  test("the window of the connection is given back as if it were read", () => {
    const peer = new Peer(answering);
    const told: string[] = [];
    for (let id = 1; id < 80; id += 2) {
      peer.send(headers(id, post(), END_HEADERS), data(id, Buffer.alloc(16_384)));
      told.push(...peer.told());
    }
    expect(told.filter((line) => line.startsWith("WINDOW_UPDATE"))).toEqual(["WINDOW_UPDATE 0 524288"]);
  });

  test("may be a reset, and the other way round too", () => {
    const peer = early();
    peer.send(reset(1, 8), ping());
    expect(peer.told()).toEqual(["PING ACK"]);
  });
});

test("DATA of a stream that nobody remembers is a stream error", () => {
  const peer = new Peer(answering);
  for (let id = 1; id < 400; id += 2) peer.send(headers(id, get()));
  peer.take();
  peer.send(data(1, "x"), ping());
  expect(peer.told()).toEqual(["RST_STREAM 1 STREAM_CLOSED", "PING ACK"]);
});

// Netty's client does so with calls that are given up; to end the connection would end all others on it.
test.each([
  ["DATA", [data(1, "x"), data(1, "", END_STREAM)]],
  ["HEADERS", [headers(1, []), headers(1, [])]],
])("%s behind a RST_STREAM of the client are a stream error, and the connection lives", (_, frames) => {
  const peer = new Peer();
  peer.send(OPEN, reset(1, 8));
  expect(peer.seen[0]!.calls).toEqual(["reset"]);
  peer.send(...frames, headers(3, get()), ping());
  expect(peer.told()).toEqual(["RST_STREAM 1 STREAM_CLOSED", "PING ACK"]);
  expect(peer.seen).toHaveLength(2);
});

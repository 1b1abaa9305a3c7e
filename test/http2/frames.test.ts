/** Frame by frame, rule by rule: RFC 9113, sections 3.4, 4 to 6. */
import { describe, expect, test } from "vitest";
import { CONNECTION_ERRORS, HARMLESS, OPEN, STREAM_ERRORS, WHOLE } from "./faulty.ts";
import { OK, Peer, type PeerOptions, type Seen } from "./peer.ts";
import {
  ACK,
  data,
  END_STREAM,
  frame,
  get,
  headers,
  integer,
  opening,
  PREFACE,
  ping,
  reset,
  settings,
  word,
} from "./wire.ts";

const answering: PeerOptions = { accept: ({ stream }: Seen) => stream.answer(OK) };

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

test.each(Object.entries(STREAM_ERRORS))("%s ends the stream", (what, [code, ...frames]) => {
  const held: PeerOptions = what.includes("its window") ? { accept: () => {} } : {};
  const peer = new Peer(held);
  peer.send(OPEN, ...frames, ping());
  expect(peer.told()).toEqual([`RST_STREAM 1 ${code}`, "PING ACK"]);
  expect(peer.seen[0]!.calls.at(-1)).toBe("reset");
  expect(peer.ended).toBe(false);
  expect(peer.arriving.taken).toBe(0);
});

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

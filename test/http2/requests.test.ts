/** What a request is, field by field: RFC 9113, sections 8.1 to 8.3. */
import { describe, expect, test } from "vitest";
import { headBlock } from "../../src/http2/block.ts";
import { MALFORMED } from "./faulty.ts";
import { OK, Peer, type Seen } from "./peer.ts";
import {
  block,
  data,
  END_HEADERS,
  END_STREAM,
  type Fields,
  frame,
  get,
  headers,
  indexedBlock,
  integer,
  post,
} from "./wire.ts";

const answering = { accept: ({ stream }: Seen) => stream.answer(OK) };

test("a request has its fields in their order, and its pseudo-headers apart", () => {
  const peer = new Peer();
  const fields: Fields = [
    ["accept", "b"],
    ["cookie", "c=1"],
    ["x-empty", ""],
    ["accept", "a\xe4"],
    ["cookie", "d=2"],
  ];
  peer.send(headers(1, get("/a?b=c", ...fields)));
  const { head } = peer.seen[0]!.stream;
  expect(head).toMatchObject({ method: "GET", scheme: "http", path: "/a?b=c", authority: "tally.test" });
  expect(head.fields).toEqual(fields.flat());
  expect(["accept", "cookie", "x-empty", "none"].map((name) => head.field(name))).toEqual([
    "b, a\xe4",
    "c=1; d=2",
    "",
    undefined,
  ]);
  expect(head.contentLength).toBe(-1);
  const sizes = [...get("/a?b=c"), ...fields].map(([name, value]) => name.length + value.length + 32);
  expect(head.listBytes).toBe(sizes.reduce((sum, size) => sum + size));
});

test("the host is what :authority is without one", () => {
  const peer = new Peer();
  const without = get().filter(([name]) => name !== ":authority");
  peer.send(headers(1, [...without, ["host", "other.test"]]), headers(3, without));
  peer.send(headers(5, get("/", ["host", "TALLY.test"])));
  expect(peer.seen.map(({ stream }) => stream.head.authority)).toEqual(["other.test", "", "tally.test"]);
});

/** Few bytes that count as more than a header list may have. */
const MANY: Fields = Array.from({ length: 500 }, () => ["a", "b"] as const);

test.each(Object.entries(MALFORMED))(
  "%s is malformed: a stream error, and the next request is answered",
  (_, fields) => {
    const peer = new Peer(answering);
    peer.send(headers(1, fields), headers(3, get()));
    expect(peer.told()).toEqual(["RST_STREAM 1 PROTOCOL_ERROR", "HEADERS 3 END"]);
    expect(peer.seen.map(({ stream }) => stream.id)).toEqual([3]);
  },
);

test("what the table took in of a malformed request stays malformed", () => {
  const peer = new Peer(answering);
  const smuggling = Buffer.concat([block(get()), indexedBlock([["a", "b\r\nc: d"]])]);
  const referring = Buffer.concat([block(get()), integer(0x80, 7, 62)]);
  peer.send(frame("HEADERS", END_HEADERS | END_STREAM, 1, smuggling));
  peer.send(frame("HEADERS", END_HEADERS | END_STREAM, 3, referring));
  expect(peer.told()).toEqual(["RST_STREAM 1 PROTOCOL_ERROR", "RST_STREAM 3 PROTOCOL_ERROR"]);
});

test.each<[string, Fields]>([
  ["te: trailers", get("/", ["te", "trailers"])],
  ["a :path of *", [[":method", "OPTIONS"], ...get("*").slice(1)]],
  ["a :path with octets above 127", get("/\xe4")],
  ["a content-length of nothing", get("/", ["content-length", "0"])],
  ["an :authority with a port", [...get().slice(0, 2), [":authority", "[::1]:8080"], [":path", "/"]]],
  ["another method", [[":method", "M-SEARCH"], ...get().slice(1)]],
])("%s is well-formed", (_, fields) => {
  const peer = new Peer(answering);
  peer.send(headers(1, fields));
  expect(peer.told()).toEqual(["HEADERS 1 END"]);
});

test("a CONNECT is not for us, and nobody is asked", () => {
  const peer = new Peer(answering);
  peer.send(
    headers(1, [
      [":method", "CONNECT"],
      [":authority", "tally.test:1"],
    ]),
  );
  const [answer] = peer.take();
  expect(answer?.payload).toEqual(headBlock(501, []).block);
  expect(peer.seen).toEqual([]);
});

describe("a body's length is what was announced", () => {
  test.each([
    ["as long", "5", ["12", "345"], "body 12345"],
    ["in one frame", "5", ["12345"], "body 12345"],
    ["longer", "5", ["123", "456"], "reset"],
    ["longer in one frame", "5", ["123456"], "reset"],
    ["shorter", "5", ["123", "4"], "reset"],
    ["none", "0", ["1"], "reset"],
  ])("%s", (_, length, pieces, told) => {
    const peer = new Peer();
    const body = pieces.map((piece, at) => data(1, piece, at === pieces.length - 1 ? END_STREAM : 0));
    peer.send(headers(1, post("/", ["content-length", length]), END_HEADERS), ...body);
    expect(peer.seen[0]!.calls.at(-1)).toBe(told);
    expect(peer.told()).toEqual(told === "reset" ? ["RST_STREAM 1 PROTOCOL_ERROR"] : []);
  });

  test("padding is none of it", () => {
    const peer = new Peer();
    peer.send(headers(1, post("/", ["content-length", "2"]), END_HEADERS));
    peer.send(frame("DATA", END_STREAM | 8, 1, Buffer.from("\x03abppp")));
    expect(peer.seen[0]!.calls).toEqual(["body ab"]);
  });
});

describe("trailers", () => {
  const opened = () => {
    const peer = new Peer();
    peer.send(headers(1, post(), END_HEADERS), data(1, "x"));
    return peer;
  };

  test("end a request, and are told", () => {
    const peer = opened();
    peer.send(headers(1, [["a", "b"]]));
    const [{ calls, stream }] = peer.seen as [Seen];
    expect(calls).toEqual(["body x"]);
    expect([stream.trailers, stream.requestEnded]).toEqual([["a", "b"], true]);
  });

  test.each<[string, Fields, number]>([
    ["that do not end it", [["a", "b"]], END_HEADERS],
    ["with a pseudo-header", [[":path", "/"]], END_HEADERS | END_STREAM],
    ["with a field of connections", [["connection", "close"]], END_HEADERS | END_STREAM],
    ["with an end of line", [["a", "b\nc"]], END_HEADERS | END_STREAM],
    ["larger than a header list", MANY, END_HEADERS | END_STREAM],
  ])("%s are malformed", (_, fields, flags) => {
    const peer = opened();
    peer.send(headers(1, fields, flags));
    expect(peer.told()).toEqual(["RST_STREAM 1 PROTOCOL_ERROR"]);
    expect(peer.seen[0]!.calls).toEqual(["reset"]);
  });

  test("behind a request that has ended are an error", () => {
    const peer = new Peer();
    peer.send(headers(1, post()), headers(1, [["a", "b"]]));
    expect(peer.told()).toEqual(["RST_STREAM 1 STREAM_CLOSED"]);
  });

  test("end a body that is shorter than was announced", () => {
    const peer = new Peer();
    peer.send(
      headers(1, post("/", ["content-length", "2"]), END_HEADERS),
      data(1, "x"),
      headers(1, [["a", "b"]]),
    );
    expect(peer.told()).toEqual(["RST_STREAM 1 PROTOCOL_ERROR"]);
  });
});

describe("a header list that is too large", () => {
  const large = get("/where", ["a", "b".repeat(9_000)], ["c", "d".repeat(9_000)]);
  const sent = (id: number) => {
    const whole = block(large);
    return Buffer.concat([
      frame("HEADERS", END_STREAM, id, whole.subarray(0, 16_000)),
      frame("CONTINUATION", END_HEADERS, id, whole.subarray(16_000)),
    ]);
  };

  test("is answered 431, and the connection lives", () => {
    const peer = new Peer(answering);
    peer.send(sent(1), headers(3, get()));
    const answers = peer.take();
    expect(answers[0]!.payload).toEqual(headBlock(431, []).block);
    expect(answers[1]!.stream).toBe(3);
    expect(peer.seen.map(({ stream }) => stream.id)).toEqual([3]);
  });

  test("or as somebody else wants to", () => {
    const paths: string[] = [];
    const peer = new Peer({
      ...answering,
      acceptOversized(stream) {
        paths.push(stream.head.path);
        stream.reset(11);
      },
    });
    peer.send(sent(1));
    expect(peer.told()).toEqual(["RST_STREAM 1 ENHANCE_YOUR_CALM"]);
    expect(paths).toEqual(["/where"]);
  });

  test("is malformed all the same if it is so within its bounds", () => {
    const peer = new Peer(answering);
    peer.send(frame("HEADERS", END_STREAM, 1, block([...get("/"), ["A", ""]])));
    peer.send(frame("CONTINUATION", END_HEADERS, 1, block(MANY)));
    expect(peer.told()).toEqual(["RST_STREAM 1 PROTOCOL_ERROR"]);
  });

  test("of exactly so many bytes is none", () => {
    const peer = new Peer(answering);
    const used = get().reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
    const value = (bytes: number) => get("/", ["a", "b".repeat(bytes - used - 33)]);
    peer.send(headers(1, value(16_384)));
    const whole = block(value(16_385));
    peer.send(
      frame("HEADERS", END_STREAM, 3, whole.subarray(0, 100)),
      frame("CONTINUATION", END_HEADERS, 3, whole.subarray(100)),
    );
    expect(peer.seen.map(({ stream }) => stream.id)).toEqual([1]);
    expect(peer.told()).toEqual(["HEADERS 1 END", "HEADERS 3 END"]);
  });
});

test("requests in the same bytes have the same head, for as long as the table stays as it is", () => {
  const peer = new Peer(answering);
  peer.send(headers(1, get("/a")), headers(3, get("/a")), headers(5, get("/b")));
  peer.send(
    frame("HEADERS", END_HEADERS | END_STREAM, 7, Buffer.concat([block(get()), indexedBlock([["x", "1"]])])),
  );
  peer.send(headers(9, get("/a")));
  const heads = peer.seen.map(({ stream }) => stream.head);
  expect(heads[1]).toBe(heads[0]);
  expect(heads[2]).not.toBe(heads[0]);
  expect(heads[4]).not.toBe(heads[0]);
  expect(heads[4]!.path).toBe("/a");
});

test("the same bytes right behind each other have another head when the table has changed between", () => {
  const peer = new Peer(answering);
  const newest = Buffer.concat([block(get()), Buffer.from([0x80 | 62])]); // The newest of the dynamic table, whatever it is.
  const send = (id: number, payload: Buffer) =>
    peer.send(frame("HEADERS", END_HEADERS | END_STREAM, id, payload));
  send(1, Buffer.concat([block(get()), indexedBlock([["x", "1"]])]));
  for (const id of [3, 5]) send(id, newest);
  send(7, Buffer.concat([block(get()), indexedBlock([["x", "2"]])]));
  for (const id of [9, 11]) send(id, newest);
  const heads = peer.seen.map(({ stream }) => stream.head);
  expect(heads.map((head) => head.field("x"))).toEqual(["1", "1", "1", "2", "2", "2"]);
  expect([heads[2] === heads[1], heads[5] === heads[4], heads[4] === heads[1]]).toEqual([true, true, false]);
});

test("blocks of one length are told apart, whichever came last, and one that a longer one begins with", () => {
  const peer = new Peer(answering);
  const paths = ["/a", "/b", "/ab", "/a", "/ab", "/b", "/b", "/a"];
  for (const [i, path] of paths.entries()) peer.send(headers(2 * i + 1, get(path)));
  expect(peer.seen.map(({ stream }) => stream.head.path)).toEqual(paths);
  expect(new Set(peer.seen.map(({ stream }) => stream.head)).size).toBe(3);
});

test("so have requests with a token of some length, and not those in which it differs by a character", () => {
  const peer = new Peer(answering);
  const token = "x".repeat(1_500);
  const sends = (id: number, value: string) => peer.send(headers(id, get("/a", ["authorization", value])));
  for (const id of [1, 3]) sends(id, token);
  sends(5, `${token.slice(1)}y`);
  sends(7, token);
  const heads = peer.seen.map(({ stream }) => stream.head);
  expect(heads[1]).toBe(heads[0]);
  expect(heads[3]).toBe(heads[0]);
  expect(heads[2]).not.toBe(heads[0]);
  expect(heads[2]!.field("authorization")).toBe(`${token.slice(1)}y`);
});

test("heads are remembered in 16 KiB of blocks and lists, and not those of a block beyond 2 KiB", () => {
  const peer = new Peer(answering);
  const large = (n: number) => get("/a", ["x", String(n).repeat(1_900)]); // Some 4,000 bytes with its list.
  const isKnown = (id: number, fields: Fields) => {
    peer.send(headers(id, fields), headers(id + 2, fields));
    const [first, again] = peer.seen.slice(-2);
    return first!.stream.head === again!.stream.head;
  };
  const sent = [1, 2, 3, 4].map((n) => isKnown(4 * n - 3, large(n)));
  expect(sent).toEqual([true, true, true, true]);
  peer.send(headers(101, large(1)));
  expect(peer.seen.at(-1)!.stream.head).toBe(peer.seen[0]!.stream.head);
  expect(isKnown(103, large(5))).toBe(true); // In the place of all others.
  peer.send(headers(107, large(1)));
  expect(peer.seen.at(-1)!.stream.head).not.toBe(peer.seen[0]!.stream.head);
  expect(isKnown(109, get("/a", ["x", "1".repeat(2_048)]))).toBe(false);
});

test("a head of which a few bytes have made more than that is not remembered", () => {
  const peer = new Peer({ ...answering, limits: { headerListBytesMax: 64 * 1024 } });
  const send = (id: number, payload: Buffer) =>
    peer.send(frame("HEADERS", END_HEADERS | END_STREAM, id, payload));
  send(1, Buffer.concat([block(get()), indexedBlock([["x", "1".repeat(1_000)]])]));
  const referring = (times: number) => Buffer.concat([block(get()), Buffer.alloc(times, 0x80 | 62)]);
  for (const [index, times] of [20, 20, 10, 10].entries()) send(2 * index + 3, referring(times));
  const [, first, again, less, lessAgain] = peer.seen.map(({ stream }) => stream.head);
  expect([first === again, less === lessAgain]).toEqual([false, true]);
});

test("the same bytes are another field when the table has changed", () => {
  const peer = new Peer(answering);
  const referring = Buffer.concat([block(get()), integer(0x80, 7, 62)]);
  const sends = (id: number, payload: Buffer) =>
    peer.send(frame("HEADERS", END_HEADERS | END_STREAM, id, payload));
  sends(1, Buffer.concat([block(get()), indexedBlock([["x", "1"]])]));
  sends(3, referring);
  sends(5, referring);
  sends(7, Buffer.concat([block(get()), indexedBlock([["x", "2"]])]));
  sends(9, referring);
  expect(peer.seen.map(({ stream }) => stream.head.field("x"))).toEqual(["1", "1", "1", "2", "2"]);
});

test("a block that changes the table does so each time that it is sent", () => {
  const peer = new Peer(answering);
  const changing = Buffer.concat([block(get()), indexedBlock([["x", "1"]])]);
  const both = Buffer.concat([block(get()), Buffer.from([0x80 | 62, 0x80 | 63])]);
  for (const id of [1, 3]) peer.send(frame("HEADERS", END_HEADERS | END_STREAM, id, changing));
  peer.send(frame("HEADERS", END_HEADERS | END_STREAM, 5, both));
  expect(peer.seen.at(-1)!.stream.head.fields).toEqual(["x", "1", "x", "1"]);
});

/** Requests as they come and answers as they leave: RFC 9113, sections 5.2, 6.9 and 8.1. */
import { describe, expect, test } from "vitest";
import { headBlock } from "../../src/http2/block.ts";
import { CountingRoom, OK, Peer, type Seen, TAIL } from "./peer.ts";
import {
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  get,
  headers,
  ping,
  post,
  reset,
  settings,
  windowUpdate,
} from "./wire.ts";

const KIB = 1_024;
const OPEN = headers(1, post(), END_HEADERS);
const bytes = (length: number) => Buffer.alloc(length, "x");
/** DATA frames with so many bytes in all. */
const body = (id: number, length: number, flags = END_STREAM) => {
  const frames: Buffer[] = [];
  for (let at = 0; at < length; at += 16 * KIB) {
    const last = at + 16 * KIB >= length;
    frames.push(data(id, bytes(Math.min(16 * KIB, length - at)), last ? flags : 0));
  }
  return Buffer.concat(frames);
};
const dataIn = (told: string[]) => told.filter((line) => line.startsWith("DATA"));

describe("a body that is wanted whole", () => {
  test("comes in one call, and is where it was read if one frame holds it", () => {
    let sameMemory: boolean | undefined;
    const chunk = Buffer.concat([OPEN, data(1, "abc", END_STREAM)]);
    const peer = new Peer({
      accept(seen) {
        seen.stream.body(10);
        seen.on.onBody = ({ buffer, byteOffset }) => {
          sameMemory = buffer === chunk.buffer && byteOffset - chunk.byteOffset === chunk.length - 3;
        };
      },
    });
    peer.socket.emit("data", chunk);
    expect(peer.seen[0]!.calls).toEqual(["body abc"]);
    expect(sameMemory).toBe(true);
  });

  test("is put together out of its frames, and charged until it is", () => {
    const peer = new Peer();
    peer.send(OPEN, data(1, "ab"), data(1, ""), data(1, "c"));
    expect(peer.arriving.taken).toBe(256);
    peer.send(data(1, bytes(1_000)));
    expect(peer.arriving.taken).toBe(1_003);
    peer.send(data(1, "", END_STREAM));
    expect(peer.seen[0]!.body).toEqual(Buffer.concat([Buffer.from("abc"), bytes(1_000)]));
    expect(peer.arriving.taken).toBe(0);
  });

  test("gives its window back as it comes", () => {
    const peer = new Peer();
    peer.send(OPEN, body(1, 96 * KIB, 0));
    expect(peer.told()).toEqual(["WINDOW_UPDATE 1 65536"]);
  });

  test.each([
    ["in one frame", [data(1, "123456", END_STREAM)]],
    ["in two", [data(1, "123"), data(1, "456")]],
  ])("is refused when it is too large, %s, and the answer is sent at once", (_, frames) => {
    const peer = new Peer({
      accept(seen) {
        seen.stream.body(5);
        seen.on.onUnread = () => seen.stream.answer(headBlock(413, []));
      },
    });
    peer.send(OPEN, ...frames);
    expect(peer.seen[0]!.calls).toEqual(["too-large", "answered"]);
    expect(peer.told()[0]).toBe("HEADERS 1 END");
    expect(peer.arriving.taken).toBe(0);
  });

  test("is refused by its content-length before it comes", () => {
    const peer = new Peer({ accept: ({ stream }) => stream.body(5) });
    peer.send(headers(1, post("/", ["content-length", "6"]), END_HEADERS));
    expect(peer.seen[0]!.calls).toEqual(["too-large"]);
  });

  test("is refused when all of them find no room, or those of its connection", () => {
    for (const options of [
      { arriving: new CountingRoom(1_000) },
      { limits: { connectionBytesMax: 1_000 } },
    ]) {
      const peer = new Peer(options);
      peer.send(OPEN, data(1, bytes(800)));
      peer.send(headers(3, post(), END_HEADERS), data(3, bytes(300)));
      expect(peer.seen.map(({ calls }) => calls)).toEqual([[], ["no-room"]]);
      peer.send(data(1, bytes(100), END_STREAM)); // Has to grow, by as much as is left.
      expect(peer.seen[0]!.calls).toEqual(["body of 900"]);
    }
  });

  test("takes room for what has come of it, and not for what was announced", () => {
    const peer = new Peer();
    for (let id = 1; id < 201; id += 2) {
      peer.send(headers(id, post("/", ["content-length", "1000000"]), END_HEADERS), data(id, "x"));
    }
    expect(peer.arriving.taken).toBe(100 * 256);
    peer.socket.destroy();
    expect(peer.arriving.taken).toBe(0);
  });

  test.each([65_536, 100_000])("of %i bytes stays what it is for who was given it", (length) => {
    const given: Buffer[] = [];
    const peer = new Peer({
      accept(seen) {
        seen.on.onBody = seen.on.onPiece = (bytes) => given.push(bytes);
        if (seen.stream.head.path === "/whole") seen.stream.body(length);
      },
    });
    const send = (id: number, path: string, fill: string) => {
      peer.send(headers(id, post(path), END_HEADERS));
      for (let left = length; left > 0; left -= 16_000)
        peer.send(data(id, Buffer.alloc(Math.min(left, 16_000), fill)));
      if (path !== "/whole") peer.seen.at(-1)!.stream.pieces();
      peer.send(data(id, "", END_STREAM));
    };
    const paths = ["/whole", "/pieces", "/whole", "/pieces"];
    for (const [at, path] of paths.entries()) send(1 + 2 * at, path, String(at));
    expect(given.map((bytes) => bytes.equals(Buffer.alloc(length, bytes[0])))).toEqual(
      new Array(4).fill(true),
    );
    expect(given.map((bytes) => bytes.toString("latin1", 0, 1))).toEqual(["0", "1", "2", "3"]);
  });

  test("leaves no garbage behind when it is dropped", () => {
    const peer = new Peer();
    const piece = data(1, Buffer.alloc(16_000));
    for (let id = 1; id < 201; id += 2) {
      peer.send(headers(id, post(), END_HEADERS));
      piece.writeUInt32BE(id, 5);
      for (let sent = 0; sent < 20; sent++) peer.send(piece);
    }
    expect(peer.arriving.taken).toBeGreaterThanOrEqual(32_000_000);
    const held = process.memoryUsage().arrayBuffers;
    peer.socket.destroy();
    expect(held - process.memoryUsage().arrayBuffers).toBeGreaterThanOrEqual(32_000_000);
  });

  test("shows its beginning to who asks, once, and may be refused by it", () => {
    const peer = new Peer({
      accept(seen) {
        seen.stream.body(1_000, 5);
        seen.on.onStart = (start) => {
          if (start[0] === 0x21) seen.stream.answer(OK);
        };
      },
    });
    peer.send(OPEN, data(1, "123"), data(1, "45"), data(1, "6"), data(1, "7", END_STREAM));
    peer.send(headers(3, post(), END_HEADERS), data(3, "!2345"), data(3, "6", END_STREAM));
    peer.send(headers(5, post(), END_HEADERS), data(5, "12345", END_STREAM));
    expect(peer.seen.map(({ calls }) => calls)).toEqual([
      ["start 12345", "body 1234567"],
      ["start !2345", "answered"],
      ["body 12345"],
    ]);
  });
});

describe("a body that its beginning says to be shorter", () => {
  const shortened = (bytesMax: number) =>
    new Peer({
      accept(seen) {
        seen.stream.body(1_000, 5);
        seen.on.onStart = () => seen.stream.body(bytesMax, 5);
      },
    });

  test("takes room for so much and no more, and is too large at the first byte behind it", () => {
    const peer = shortened(300);
    peer.send(OPEN, data(1, bytes(260)), data(1, bytes(5)));
    expect(peer.arriving.taken).toBe(300);
    peer.send(data(1, bytes(35), END_STREAM));
    peer.send(headers(3, post(), END_HEADERS), data(3, bytes(300)), data(3, "x"));
    expect(peer.seen.map(({ calls }) => calls.slice(1))).toEqual([["body of 300"], ["too-large"]]);
  });

  test("may be longer already, and never becomes longer than it might have been", () => {
    const shorter = shortened(3);
    shorter.send(OPEN, data(1, "12345"));
    expect(shorter.seen[0]!.calls).toEqual(["start 12345", "too-large"]);
    const longer = shortened(10_000);
    longer.send(OPEN, data(1, bytes(999)), data(1, "xx"));
    expect(longer.seen[0]!.calls.at(-1)).toBe("too-large");
  });
});

describe("a body that nobody has asked for yet", () => {
  test("is held within its window, and told when it is asked for", () => {
    const peer = new Peer({ accept: () => {} });
    peer.send(OPEN, body(1, 112 * KIB, 0));
    const [seen] = peer.seen as [Seen];
    expect([seen.calls, peer.told()]).toEqual([[], []]); // No window is given back.
    expect(peer.arriving.taken).toBe(128 * KIB);
    seen.stream.body(1_000_000);
    expect(peer.told()).toEqual(["WINDOW_UPDATE 1 114688"]);
    peer.send(data(1, "!", END_STREAM));
    expect(seen.calls).toEqual(["body of 114689"]);
    expect(peer.arriving.taken).toBe(0);
  });

  test("may be whole by then", () => {
    const peer = new Peer({ accept: () => {} });
    peer.send(OPEN, data(1, "abc", END_STREAM));
    const [{ stream, calls }] = peer.seen as [Seen];
    stream.body(10);
    expect(calls).toEqual(["body abc"]);
    expect(peer.arriving.taken).toBe(0);
  });

  test("may be larger than it may be by then", () => {
    const peer = new Peer({ accept: () => {} });
    peer.send(OPEN, data(1, "abc", END_STREAM));
    const [{ stream, calls }] = peer.seen as [Seen];
    stream.body(2);
    expect(calls).toEqual(["too-large"]);
  });

  test("does not hold up those of other streams", () => {
    const peer = new Peer({
      accept: ({ stream }) => (stream.head.path === "/held" ? undefined : stream.body(1_000)),
    });
    let told: string[] = [];
    for (let id = 1; id < 41; id += 2) {
      peer.send(headers(id, post("/held"), END_HEADERS), body(id, 128 * KIB, 0)); // 2.5 MiB in all.
      told = told.concat(peer.told());
    }
    expect(told).toEqual(new Array(5).fill("WINDOW_UPDATE 0 524288").slice(0, told.length));
    expect(told.length).toBeGreaterThanOrEqual(4);
    peer.send(headers(99, post(), END_HEADERS), data(99, "x", END_STREAM));
    expect(peer.seen.at(-1)!.calls).toEqual(["body x"]);
  });

  test("may be dropped, and then comes to nobody", () => {
    const peer = new Peer({ accept: () => {} });
    peer.send(OPEN, body(1, 64 * KIB, 0));
    peer.seen[0]!.stream.drop();
    expect(peer.told()).toEqual(["WINDOW_UPDATE 1 65536"]);
    peer.send(body(1, 64 * KIB));
    expect(peer.seen[0]!.calls).toEqual([]);
    expect(peer.arriving.taken).toBe(0);
  });
});

test("a request that nobody listens to has its body dropped, and may be answered", () => {
  const peer = new Peer({ accept: () => "nobody" });
  peer.send(OPEN, body(1, 200 * KIB));
  expect(peer.told()).toEqual(["WINDOW_UPDATE 1 65536", "WINDOW_UPDATE 1 65536", "WINDOW_UPDATE 1 65536"]);
  expect(peer.arriving.taken).toBe(0);
  peer.seen[0]!.stream.answer(OK);
  expect(peer.told()).toEqual(["HEADERS 1 END"]);
});

describe("a body in pieces", () => {
  const inPieces = { accept: ({ stream }: Seen) => stream.pieces() };

  test("comes as it comes, and ends", () => {
    const peer = new Peer(inPieces);
    peer.send(OPEN, data(1, "a"), data(1, "b"));
    peer.send(headers(1, [["t", "v"]]));
    const [{ calls, stream }] = peer.seen as [Seen];
    expect(calls).toEqual(["piece a", "piece b", "end"]);
    expect(stream.trailers).toEqual(["t", "v"]);
    peer.send(headers(3, post()));
    expect(peer.seen[1]!.calls).toEqual(["end"]);
  });

  test("is sent ahead of its reader by a window and no more", () => {
    const peer = new Peer(inPieces);
    peer.send(OPEN, body(1, 128 * KIB, 0));
    expect(peer.told()).toEqual([]);
    expect(peer.arriving.taken).toBe(128 * KIB);
    const { stream } = peer.seen[0]!;
    stream.consumed(60 * KIB);
    expect(peer.told()).toEqual([]);
    stream.consumed(4 * KIB);
    expect(peer.told()).toEqual(["WINDOW_UPDATE 1 65536"]);
    expect(peer.arriving.taken).toBe(64 * KIB);
    peer.send(body(1, 64 * KIB, 0), ping());
    expect(peer.told()).toEqual(["PING ACK"]);
    peer.send(data(1, "x"));
    expect(peer.told()).toEqual(["RST_STREAM 1 FLOW_CONTROL_ERROR"]);
    expect(peer.arriving.taken).toBe(0);
  });

  test.each(["reset", "answer", "drop"] as const)("has no end for who has had enough of it: %s", (what) => {
    const peer = new Peer({
      accept(seen) {
        if (seen.stream.id === 1) seen.stream.pieces();
        seen.on.onPiece = () => {
          if (what === "reset") seen.stream.reset(8);
          else if (what === "answer") seen.stream.answer(OK);
          else seen.stream.drop();
        };
      },
    });
    peer.send(OPEN, data(1, "a", END_STREAM), headers(3, post(), END_HEADERS), data(3, "a", END_STREAM));
    peer.seen[1]!.stream.pieces();
    const after = what === "reset" ? ["reset"] : what === "answer" ? ["answered"] : [];
    expect(peer.seen.map(({ calls }) => calls)).toEqual([
      ["piece a", ...after],
      ["piece a", ...after],
    ]);
    expect(peer.arriving.taken).toBe(0);
  });

  test("ends for who finds no room", () => {
    const peer = new Peer({ ...inPieces, arriving: new CountingRoom(1_000) });
    peer.send(OPEN, data(1, bytes(800)), data(1, bytes(300)), data(1, "x", END_STREAM));
    expect(peer.seen[0]!.calls).toEqual(["piece of 800", "no-room"]);
    expect(peer.arriving.taken).toBe(0);
  });

  test("has the window back of its padding, which nobody consumes", () => {
    const peer = new Peer({
      accept(seen) {
        seen.stream.pieces();
        seen.on.onPiece = ({ length }) => seen.stream.consumed(length);
      },
    });
    const padded = frame("DATA", 8, 1, Buffer.concat([Buffer.from([254, 0x78]), Buffer.alloc(254)]));
    peer.send(OPEN);
    for (let sent = 0; sent < 1_000; sent++) peer.send(padded);
    expect(peer.told()).toEqual(new Array(3).fill("WINDOW_UPDATE 1 65536"));
  });

  test("more is not consumed than came", () => {
    const peer = new Peer(inPieces);
    peer.send(OPEN, data(1, "abc"));
    peer.seen[0]!.stream.consumed(1_000_000);
    expect(peer.arriving.taken).toBe(0);
    expect(peer.told()).toEqual([]);
  });
});

test("who waits to be told to go on is told when the body is asked for, and not before", () => {
  const peer = new Peer({ accept: () => {} });
  peer.send(headers(1, post("/", ["expect", "100-continue"]), END_HEADERS));
  expect(peer.told()).toEqual([]);
  peer.seen[0]!.stream.body(10);
  expect(peer.take().map(({ payload }) => payload)).toEqual([headBlock(100, []).block]);
  peer.send(data(1, "abc"));
  peer.seen[0]!.stream.body(5); // Which says once more how much of it is wanted.
  expect(peer.told()).toEqual([]);
});

test.each<[string, string, Buffer[]]>([
  ["in capitals", "100-Continue", []],
  ["and sends it all the same", "100-continue", [data(1, "abc")]],
])("who waits to be told to go on, %s", (_, expected, sent) => {
  const peer = new Peer({ accept: () => {} });
  peer.send(headers(1, post("/", ["expect", expected]), END_HEADERS), ...sent);
  peer.seen[0]!.stream.body(10);
  expect(peer.told()).toEqual(sent.length === 0 ? ["HEADERS 1"] : []);
});

describe("an answer", () => {
  const answered = (length: number, tail = true) => ({
    accept: ({ stream }: Seen) =>
      stream.answer(OK, [Buffer.from("ab"), bytes(length)], tail ? TAIL : undefined),
  });

  test("leaves whole in one write, with those of all other requests of a turn", () => {
    const peer = new Peer(answered(3));
    const before = peer.socket.writes.length;
    peer.send(headers(1, get()), headers(3, get()), ping());
    expect(peer.told()).toEqual([
      "HEADERS 1",
      "DATA 1 abxxx",
      "HEADERS 1 END",
      "HEADERS 3",
      "DATA 3 abxxx",
      "HEADERS 3 END",
      "PING ACK",
    ]);
    expect(peer.socket.writes).toHaveLength(before + 1);
    expect(peer.seen.map(({ calls }) => calls)).toEqual([["answered"], ["answered"]]);
  });

  test("ends with its head, its data or its trailers", () => {
    const peer = new Peer({
      accept({ stream }) {
        if (stream.id === 1) stream.answer(OK);
        if (stream.id === 3) stream.answer(OK, [Buffer.alloc(0)], TAIL);
        if (stream.id === 5) stream.answer(OK, [Buffer.from("x")]);
      },
    });
    peer.send(headers(1, get()), headers(3, get()), headers(5, get()));
    expect(peer.told()).toEqual(["HEADERS 1 END", "HEADERS 3", "HEADERS 3 END", "HEADERS 5", "DATA 5 x END"]);
  });

  test("is sent in frames of 16 KiB, and large ones from where they lie", () => {
    const peer = new Peer(answered(40 * KIB));
    const before = peer.socket.writes.length;
    peer.send(headers(1, get()));
    expect(peer.told()).toEqual([
      "HEADERS 1",
      "DATA 1 16384",
      "DATA 1 16384",
      "DATA 1 8194",
      "HEADERS 1 END",
    ]);
    expect(peer.socket.writes).toHaveLength(before + 1);
  });

  test.each([true, false])("waits for its stream's window, with trailers: %s", (tail) => {
    const peer = new Peer(answered(10, tail));
    peer.send(settings([4, 5]), headers(1, get()));
    expect(peer.told()).toEqual(["SETTINGS ACK", "HEADERS 1", "DATA 1 abxxx"]);
    expect(peer.leaving.taken).toBe(10); // A piece is kept until the last of it is sent.
    peer.send(windowUpdate(1, 6));
    expect(peer.told()).toEqual(["DATA 1 xxxxxx"]);
    expect(peer.seen[0]!.calls).toEqual([]);
    peer.send(windowUpdate(1, 100));
    expect(peer.told()).toEqual(tail ? ["DATA 1 x", "HEADERS 1 END"] : ["DATA 1 x END"]);
    expect(peer.leaving.taken).toBe(0);
    expect(peer.seen[0]!.calls).toEqual(["answered"]);
  });

  test("waits for the connection's window, and all have their turn at it", () => {
    const peer = new Peer(answered(64 * KIB - 2, false));
    peer.send(settings([4, 2 ** 20]), headers(1, get()), headers(3, get()), headers(5, get()));
    expect(dataIn(peer.told())).toEqual(["DATA 1 16384", "DATA 1 16384", "DATA 1 16384", "DATA 1 16383"]);
    peer.send(windowUpdate(0, 48 * KIB));
    expect(peer.told()).toEqual(["DATA 1 x END", "DATA 3 16384", "DATA 5 16384", "DATA 3 16383"]);
    expect(peer.leaving.taken).toBe(2 * (64 * KIB - 2));
  });

  test("goes on when a setting enlarges all windows, and waits when it shrinks them below nothing", () => {
    const peer = new Peer(answered(98, false));
    peer.send(settings([4, 60]), headers(1, get()));
    expect(dataIn(peer.told())).toEqual([`DATA 1 ab${"x".repeat(58)}`]);
    peer.send(settings([4, 50]));
    peer.send(windowUpdate(1, 10)); // To nothing.
    expect(dataIn(peer.told())).toEqual([]);
    peer.send(settings([4, 70]));
    expect(dataIn(peer.told())).toEqual([`DATA 1 ${"x".repeat(20)}`]);
    peer.send(windowUpdate(1, 20));
    expect(dataIn(peer.told())).toEqual([`DATA 1 ${"x".repeat(20)} END`]);
  });

  test("is not sent while the socket takes nothing, nor is more read", () => {
    const peer = new Peer(answered(64 * KIB, false));
    peer.openWindows();
    peer.send(settings([4, 2 ** 20]));
    peer.take();
    peer.socket.stuck = true;
    for (let id = 1; id < 61; id += 2) peer.send(headers(id, get()));
    const sent = dataIn(peer.told()).length;
    expect(sent).toBeGreaterThanOrEqual(16 * 4);
    expect(sent).toBeLessThanOrEqual(17 * 5);
    expect(peer.socket.paused).toBe(true);
    expect(peer.leaving.taken).toBeGreaterThan(12 * 64 * KIB);
    peer.socket.unstick();
    expect(peer.socket.paused).toBe(false);
    expect(sent + dataIn(peer.told()).length).toBe(30 * 5);
    peer.socket.emit("drain"); // Of this, too.
    expect(peer.leaving.taken).toBe(0);
  });

  test("that is given before its request has ended has nobody wait for that", () => {
    const peer = new Peer({
      accept(seen) {
        seen.stream.body(10_000);
        seen.on.onUnread = () => seen.stream.reset(8);
      },
    });
    peer.send(settings([4, 0]), OPEN, data(1, "abc"));
    const [{ stream, calls }] = peer.seen as [Seen];
    stream.answer(OK, [bytes(5)]);
    expect(peer.arriving.taken).toBe(0);
    peer.send(data(1, bytes(16_000)));
    peer.time.pass(15);
    peer.send(data(1, "x", END_STREAM), windowUpdate(1, 100));
    expect(calls).toEqual(["answered"]);
    expect(peer.told().at(-1)).toBe("DATA 1 xxxxx END");
  });

  test("beyond the room there is, is reset and not called refused", () => {
    for (const options of [{ leaving: new CountingRoom(1_000) }, { limits: { leavingBytesMax: 1_000 } }]) {
      const peer = new Peer({ ...options, ...answered(598) });
      peer.send(settings([4, 0]), headers(1, get()), headers(3, get()));
      expect(peer.told()).toEqual(["SETTINGS ACK", "HEADERS 1", "HEADERS 3", "RST_STREAM 3 CANCEL"]);
      expect(peer.seen.map(({ calls }) => calls)).toEqual([[], ["reset"]]);
      peer.socket.destroy();
      expect(peer.leaving.taken).toBe(0);
      expect(peer.seen[0]!.calls).toEqual(["gone"]);
    }
  });

  test("takes room for what the socket has of it, but for a little, and gives that back when it is taken", () => {
    const room = new CountingRoom(300 * KIB);
    const peer = new Peer({ leaving: room, accept: ({ stream }) => stream.answer(OK, [bytes(16 * KIB)]) });
    peer.openWindows();
    peer.socket.stuck = true;
    for (let id = 1; id < 101; id += 2) peer.send(headers(id, get()));
    const told = peer.told();
    expect(dataIn(told)).toHaveLength((64 + 16 + 288) / 16);
    expect(told.filter((line) => line.endsWith("CANCEL"))).toHaveLength(50 - 23);
    expect(room.taken).toBeGreaterThan(288 * KIB);
    peer.socket.unstick();
    expect(room.taken).toBe(0);
    peer.send(headers(101, get()));
    expect(dataIn(peer.told())).toHaveLength(1);
    peer.socket.stuck = true;
    for (let id = 103; id < 121; id += 2) peer.send(headers(id, get()));
    expect(room.taken).toBeGreaterThan(0);
    peer.socket.destroy();
    expect(room.taken).toBe(0);
  });

  test("goes on within a second when the socket took what nobody is told of", () => {
    const peer = new Peer({
      leaving: new CountingRoom(40 * KIB), // For the last of it to wait, and for no frame more before that.
      accept: ({ stream }) => stream.answer(OK, [bytes(7 * 16 * KIB), bytes(8_000)]),
    });
    peer.openWindows();
    peer.send(settings([4, 2 ** 20]));
    peer.take();
    peer.socket.stuck = true;
    peer.send(headers(1, get()));
    expect(dataIn(peer.told())).toHaveLength(7);
    peer.socket.stuck = false;
    peer.socket.writableLength = 0;
    peer.time.pass(1);
    expect(peer.told()).toEqual(["DATA 1 8000 END"]);
    expect(peer.leaving.taken).toBe(0);
  });

  test("that comes when its request was reset is dropped", () => {
    const peer = new Peer({ accept: () => {} });
    peer.send(headers(1, get()), reset(1, 8));
    const { stream, calls } = peer.seen[0]!;
    expect(stream.over).toBe(true);
    stream.answer(OK, [Buffer.from("x")]);
    stream.respond(OK);
    expect(stream.write(Buffer.from("x"))).toBe(true);
    stream.end();
    stream.reset(8);
    stream.body(10);
    stream.pieces();
    stream.drop();
    stream.consumed(1);
    expect(peer.told()).toEqual([]);
    expect(calls).toEqual(["reset"]);
  });

  test("with a long head is sent in HEADERS and CONTINUATIONs of its stream", () => {
    const long = headBlock(200, ["a", "b".repeat(40_000)]);
    const peer = new Peer({ accept: ({ stream }) => stream.answer(long, [Buffer.from("x")]) });
    peer.send(headers(1, get()), headers(3, get()));
    const frames = peer.take();
    expect(frames.map(({ type, flags, stream }) => `${type} ${stream} ${flags}`)).toEqual(
      [1, 3].flatMap((id) => [
        `HEADERS ${id} 0`,
        `CONTINUATION ${id} 0`,
        `CONTINUATION ${id} 4`,
        `DATA ${id} 1`,
      ]),
    );
    expect(Buffer.concat(frames.slice(0, 3).map(({ payload }) => payload))).toEqual(long.block);
  });
});

describe("an answer in pieces", () => {
  const begun = () => {
    const peer = new Peer({ accept: ({ stream }) => stream.respond(OK) });
    peer.send(headers(1, get()));
    return { peer, ...peer.seen[0]!, seen: peer.seen[0]! };
  };

  test("is sent as it is written, and ends", () => {
    const { peer, stream, calls } = begun();
    expect(stream.write(Buffer.from("a"))).toBe(true);
    expect(stream.write(Buffer.alloc(0))).toBe(true);
    stream.end(TAIL);
    expect(peer.told()).toEqual(["HEADERS 1", "DATA 1 a", "HEADERS 1 END"]);
    expect(calls).toEqual(["answered"]);
    expect(stream.over).toBe(true);
  });

  test("ends without trailers by an empty frame, or by the last that waits", () => {
    const { peer, stream } = begun();
    stream.end();
    expect(peer.told()).toEqual(["HEADERS 1", "DATA 1  END"]);
    const other = begun();
    other.peer.send(settings([4, 1]));
    other.stream.write(bytes(65_536));
    other.stream.end();
    other.peer.openWindows(1);
    expect(other.peer.told().at(-1)).toBe("DATA 1 16383 END");
  });

  test("asks for more when a window is full, and when it is not", () => {
    const { peer, stream, calls } = begun();
    expect(stream.write(bytes(60_000))).toBe(true);
    peer.time.endTurns();
    expect(stream.write(bytes(6_000))).toBe(false);
    expect(peer.leaving.taken).toBe(6_000);
    peer.time.endTurns();
    expect(calls).toEqual([]);
    peer.send(windowUpdate(0, 10_000), windowUpdate(1, 10_000));
    expect(calls).toEqual(["writable"]);
    expect(peer.leaving.taken).toBe(0);
  });

  test("asks for more in another turn when it wrote much in this", () => {
    const { peer, stream, calls } = begun();
    peer.openWindows(1);
    let written = 0;
    while (stream.write(bytes(10 * KIB))) written++;
    expect(written).toBe(6);
    expect(calls).toEqual([]);
    peer.time.endTurn();
    expect(calls).toEqual(["writable"]);
    expect(stream.write(bytes(10 * KIB))).toBe(true);
  });

  test("that goes on out of order is a defect of who writes it", () => {
    const peer = new Peer({ accept: () => {} });
    peer.send(settings([4, 0]), headers(1, get()));
    const { stream } = peer.seen[0]!;
    expect(() => stream.write(bytes(1))).toThrow(/not begun/);
    expect(() => stream.end()).toThrow(/not begun/);
    stream.answer(OK, [bytes(5)]);
    expect(() => stream.answer(OK)).toThrow(/once more/);
    expect(() => stream.write(bytes(1))).toThrow(/has ended/);
  });

  test("has no word of status 1xx behind its head", () => {
    const { stream } = begun();
    expect(() => stream.respond(headBlock(103, []))).toThrow(/has begun/);
  });

  test("may have a word of status 1xx before it", () => {
    const peer = new Peer({
      accept({ stream }) {
        stream.respond(headBlock(103, []));
        stream.answer(OK);
      },
    });
    peer.send(headers(1, get()));
    expect(peer.told()).toEqual(["HEADERS 1", "HEADERS 1 END"]);
  });
});

describe("a reset", () => {
  test("of the client ends what waits, and the room for it", () => {
    const peer = new Peer({ accept: ({ stream }) => stream.answer(OK, [bytes(100)], TAIL) });
    peer.send(settings([4, 5]), headers(1, get()), reset(1, 8), windowUpdate(1, 100));
    expect(peer.told()).toEqual(["SETTINGS ACK", "HEADERS 1", "DATA 1 xxxxx"]);
    expect(peer.leaving.taken).toBe(0);
    expect(peer.seen[0]!.calls).toEqual(["reset"]);
  });

  test("in the middle of a withheld body is RST_STREAM, and no second header block", () => {
    const peer = new Peer({ accept: ({ stream }) => stream.answer(OK, [bytes(100)], TAIL) });
    peer.send(settings([4, 5]), headers(1, get()));
    const { stream, calls } = peer.seen[0]!;
    expect(() => stream.answer(TAIL)).toThrow(); // As a deadline would have, that does not look.
    stream.reset(8);
    peer.send(windowUpdate(1, 1_000));
    expect(peer.told()).toEqual(["SETTINGS ACK", "HEADERS 1", "DATA 1 xxxxx", "RST_STREAM 1 CANCEL"]);
    expect(calls).toEqual(["reset"]);
  });

  test("of ours leaves what still comes without an error", () => {
    const peer = new Peer({ accept: ({ stream }) => stream.reset(8) });
    peer.send(OPEN, data(1, "x"), data(1, "y", END_STREAM), ping());
    expect(peer.told()).toEqual(["RST_STREAM 1 CANCEL", "PING ACK"]);
  });

  test("work that goes on behind it counts until it is done", () => {
    const peer = new Peer({ accept: ({ stream }) => stream.begin(), limits: { workMax: 3 } });
    for (const id of [1, 3, 5]) peer.send(headers(id, get()), reset(id, 8));
    expect([peer.engine.inFlight, peer.engine.held.streams]).toEqual([3, 0]);
    peer.send(headers(7, get()));
    expect(peer.told()).toEqual(["RST_STREAM 7 REFUSED_STREAM"]);
    peer.seen[0]!.stream.finish();
    peer.seen[0]!.stream.finish();
    expect(peer.engine.inFlight).toBe(2);
    peer.send(headers(9, get()));
    expect(peer.told()).toEqual([]);
    peer.seen[3]!.stream.finish();
    expect(peer.engine.inFlight).toBe(3);
  });
});

test("who is told of one end may end others, and each is told of its own once", () => {
  for (const end of ["destroy", "end", "time"]) {
    const peer = new Peer({
      accept(seen) {
        if (seen.stream.id < 7) seen.stream.body(10);
        seen.on.onClose = seen.on.onUnread = () => {
          for (const { stream } of peer.seen) stream.reset(8);
        };
        seen.stream.begin();
      },
    });
    for (const id of [1, 3, 5]) peer.send(headers(id, post(), END_HEADERS));
    if (end === "time") peer.time.pass(11);
    else if (end === "end") peer.socket.emit("end");
    else peer.socket.destroy();
    for (const { calls } of peer.seen) {
      expect(calls.filter((call) => call === "reset" || call === "gone")).toHaveLength(1);
      expect(calls.at(-1)).toMatch(/reset|gone/);
    }
    expect([peer.engine.inFlight, peer.defects]).toEqual([end === "destroy" ? 0 : 3, []]);
    for (const { stream } of peer.seen) stream.finish();
    expect(peer.engine.inFlight).toBe(0);
  }
});

test("beyond so many at a time requests are refused, and nobody is asked", () => {
  const peer = new Peer({ limits: { streamsMax: 2 } });
  peer.send(
    headers(1, post(), END_HEADERS),
    headers(3, get()),
    headers(5, post(), END_HEADERS),
    data(5, "x"),
  );
  expect(peer.told()).toEqual(["RST_STREAM 5 REFUSED_STREAM"]);
  peer.seen[1]!.stream.answer(OK);
  peer.send(headers(7, get()));
  expect(peer.seen.map(({ stream }) => stream.id)).toEqual([1, 3, 7]);
});

test("headers that are large take room for as long as their requests are open, and are refused without it", () => {
  const room = new CountingRoom(5_000);
  const peer = new Peer({ arriving: room, accept: ({ stream }) => stream.body(10) });
  const large = post("/", ["a", "b".repeat(2_800)]);
  const sizes = large.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
  peer.send(headers(1, post(), END_HEADERS));
  expect(room.taken).toBe(0);
  for (const id of [3, 5, 7]) peer.send(headers(id, large, END_HEADERS));
  expect([room.taken, peer.told()]).toEqual([2 * (sizes - KIB), ["RST_STREAM 7 REFUSED_STREAM"]]);
  peer.seen[1]!.stream.answer(OK);
  peer.send(headers(9, large, END_HEADERS), reset(9, 8));
  expect(room.taken).toBe(sizes - KIB);
  peer.socket.destroy();
  expect([room.taken, peer.seen.map(({ stream }) => stream.id)]).toEqual([0, [1, 3, 5, 9]]);
});

test("what listens and throws is a defect: it is told, and ends its connection alone", () => {
  const peer = new Peer({
    accept(seen) {
      seen.stream.body(10);
      seen.on.onBody = () => {
        throw new Error("defect");
      };
    },
  });
  peer.send(OPEN, data(1, "x", END_STREAM));
  expect(peer.defects).toEqual([new Error("defect")]);
  expect(peer.told()).toEqual(["GOAWAY 1 INTERNAL_ERROR"]);
  expect(peer.seen[0]!.calls).toEqual(["body x", "gone"]);
  expect(peer.ended).toBe(true);
});

test("a frame that is cut short is held as it comes, and charged", () => {
  const peer = new Peer();
  peer.send(OPEN, data(1, bytes(16_000), END_STREAM).subarray(0, 1_000));
  expect(peer.arriving.taken).toBe(1_000);
  peer.send(data(1, bytes(16_000), END_STREAM).subarray(1_000, 1_500));
  expect(peer.arriving.taken).toBe(2_000);
  peer.send(data(1, bytes(16_000), END_STREAM).subarray(1_500));
  expect(peer.arriving.taken).toBe(0);
  expect(peer.seen[0]!.calls).toEqual(["body of 16000"]);
});

test("a frame that finds no room while it is cut short ends its connection", () => {
  const peer = new Peer({ arriving: new CountingRoom(500) });
  peer.send(OPEN, data(1, bytes(16_000)).subarray(0, 1_000));
  expect(peer.told()).toEqual(["GOAWAY 1 ENHANCE_YOUR_CALM"]);
  expect(peer.arriving.taken).toBe(0);
});

test("a header block that finds no room ends its connection", () => {
  const peer = new Peer({ arriving: new CountingRoom(500) });
  peer.send(frame("HEADERS", 0, 1, bytes(400)), frame("CONTINUATION", 0, 1, bytes(400)));
  expect(peer.told()).toEqual(["GOAWAY 0 ENHANCE_YOUR_CALM"]);
  expect(peer.arriving.taken).toBe(0);
});

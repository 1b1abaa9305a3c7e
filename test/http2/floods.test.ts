/** What is too much, and how many is not yet: each published attack has a line in docs/http2-weaknesses.md. */
import { describe, expect, test } from "vitest";
import { FakeSocket } from "./fake-socket.ts";
import { OK, Peer, type Seen, TAIL, toldOf } from "./peer.ts";
import {
  ACK,
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
  opening,
  ping,
  post,
  reset,
  settings,
  windowUpdate,
  word,
} from "./wire.ts";

const answering = { accept: ({ stream }: Seen) => stream.answer(OK) };
const OPEN = headers(1, post(), END_HEADERS);
const times = (count: number, ...frames: Buffer[]) =>
  Buffer.concat(Array.from({ length: count }, () => frames).flat());

/**
 * Control frames: so many at once, and four that a request allows. The peer has spent one on its settings and one on their
 * ACK when it is opened.
 */
const LEFT = 1_002;
const CONTROL: Record<string, Buffer> = {
  PINGs: ping(),
  "ACKs of PINGs": frame("PING", ACK, 0, Buffer.alloc(8)),
  SETTINGS: settings([4, 1_000]),
  "ACKs of SETTINGS": frame("SETTINGS", ACK, 0),
  PRIORITYs: frame("PRIORITY", 0, 9, Buffer.from([0, 0, 0, 0, 16])),
  "WINDOW_UPDATEs of the connection": windowUpdate(0, 1),
  "WINDOW_UPDATEs of a stream": windowUpdate(1, 1),
  "empty DATA": data(1, ""),
  "DATA of padding": frame("DATA", 8, 1, Buffer.from("\x02  ")),
  GOAWAYs: frame("GOAWAY", 0, 0, Buffer.alloc(8)),
  "frames of no known type": frame(0xee, 0, 0),
};

describe.each(Object.entries(CONTROL))("%s", (_, one) => {
  test("may be many, and end the connection when they are more", () => {
    const peer = new Peer();
    peer.send(OPEN, times(LEFT, one));
    expect(peer.told().filter((told) => told.startsWith("GOAWAY"))).toEqual([]);
    peer.send(one);
    expect(peer.told()).toEqual(["GOAWAY 1 ENHANCE_YOUR_CALM"]);
    expect(peer.ended).toBe(true);
  });

  test("may be so many more each second", () => {
    const peer = new Peer();
    peer.send(OPEN, times(LEFT, one));
    peer.time.pass(2); // None of what was allowed is left.
    peer.send(times(200, one));
    expect(peer.ended).toBe(false);
    peer.send(one);
    expect(peer.ended).toBe(true);
  });
});

test.each([20_000, 10])("a PING and two window updates may go with each answer of %i bytes", (length) => {
  const peer = new Peer({ accept: ({ stream }) => stream.answer(OK, [Buffer.alloc(length)], TAIL) });
  for (let id = 1; id < 5_000; id += 2) {
    peer.send(headers(id, get()), ping(), windowUpdate(0, length), windowUpdate(id, length));
  }
  expect([peer.ended, peer.seen.length]).toEqual([false, 2_500]);
});

describe("a client that behaves has its control frames", () => {
  // gRPC's C core says two things to each call that it gives up; Go's client sends a PING with each reset.
  test("with calls that it gives up, as many as there may be", () => {
    const peer = new Peer({ accept: () => {}, limits: { streamResetsBurst: 20_000 } });
    for (let id = 1; id < 20_000; id += 2)
      peer.send(
        headers(id, post(), END_HEADERS),
        ...[windowUpdate(id, 5), windowUpdate(0, 5), data(id, "x", END_STREAM), reset(id, 8), ping()],
      );
    expect([peer.ended, peer.seen.length, peer.errors]).toEqual([false, 10_000, []]);
  });

  test("with calls that are refused for there being too many", () => {
    const peer = new Peer({ accept: () => {}, limits: { streamsMax: 1 } });
    for (let id = 1; id < 5_000; id += 2)
      peer.send(headers(id, get()), windowUpdate(id, 5), windowUpdate(0, 5));
    expect([peer.ended, peer.errors]).toEqual([false, []]);
  });

  test("to answers that it reads in pieces of 4 KiB, as Go's does, and long after they came", () => {
    const peer = new Peer({ accept: ({ stream }) => stream.answer(OK, [Buffer.alloc(16_384)], TAIL) });
    peer.openWindows();
    for (let id = 1; id < 2_000; id += 2) peer.send(headers(id, get()));
    peer.send(times(8_000, windowUpdate(0, 4_096)), times(4_000, ping()));
    expect([peer.ended, peer.errors]).toEqual([false, []]);
  });

  test("to one that goes on and on", () => {
    const peer = new Peer({ accept: ({ stream }) => stream.answer(OK, [Buffer.alloc(10_000_000)]) });
    peer.openWindows();
    peer.send(settings([4, 16_384]), headers(1, get()));
    for (let n = 0; n < 600; n++) {
      peer.send(times(4, windowUpdate(0, 4_096), windowUpdate(1, 4_096)));
      peer.socket.emit("drain");
    }
    expect([peer.ended, peer.errors]).toEqual([false, []]);
  });

  test.each([0, 8])(
    "where it wants no more of a call which was answered (gRPC's clients; code %i)",
    (code) => {
      const peer = new Peer({ ...answering, limits: { streamResetsBurst: 10 } });
      for (let id = 1; id < 5_000; id += 2) peer.send(headers(id, post(), END_HEADERS), reset(id, code));
      expect([peer.ended, peer.errors]).toEqual([false, []]);
    },
  );

  test("and none with requests to a connection that takes no more", () => {
    const peer = new Peer({ accept: () => {} });
    peer.send(headers(1, get()));
    peer.engine.drain(100_000);
    peer.time.pass(2);
    for (let id = 3; id < 3_000; id += 2) peer.send(headers(id, get()), ping());
    expect(peer.ended).toBe(true);
  });
});

test("who goes beyond a limit is told which, by the name that it has where it is set", () => {
  const names = { controlBurst: "control-burst", controlRate: (frames: number) => `${frames} a second` };
  const peer = new Peer({ limitNames: names });
  peer.send(times(1_000, ping()));
  const told = "too many control frames: control-burst 1000, 100 a second";
  expect(`${peer.take().at(-1)!.payload.subarray(8)}`).toBe(told);
  expect(peer.errors).toEqual([told]);
});

describe("resets (CVE-2023-44487)", () => {
  const limits = { streamResetsBurst: 100, streamResetsRate: 10 };
  const TOO_MANY = "too many resets: streamResetsBurst 100, streamResetsRate 10";
  const pair = (id: number) => Buffer.concat([headers(id, get()), reset(id, 8)]);

  test("so many may be, and more end the connection after what is in flight on it", () => {
    const peer = new Peer({ accept: () => {}, limits });
    peer.send(headers(1, get()));
    for (let n = 1; n <= 100; n++) peer.send(pair(1 + 2 * n));
    expect(peer.told()).toEqual([]);
    peer.send(pair(203));
    const [end] = peer.take();
    expect([toldOf(end!), `${end!.payload.subarray(8)}`]).toEqual(["GOAWAY 203 NO_ERROR", TOO_MANY]);
    expect(peer.ended).toBe(false);
    peer.send(pair(205));
    expect(peer.told()).toEqual(["RST_STREAM 205 REFUSED_STREAM"]);
    peer.seen[0]!.stream.answer(OK);
    expect([peer.told(), peer.ended]).toEqual([["HEADERS 1 END"], true]);
    expect(peer.errors).toEqual([TOO_MANY]);
  });

  test("so many more may be each second", () => {
    const peer = new Peer({ accept: () => {}, limits });
    for (let n = 0; n < 100; n++) peer.send(pair(1 + 2 * n));
    peer.time.pass(1);
    for (let n = 100; n < 110; n++) peer.send(pair(1 + 2 * n));
    expect(peer.told()).toEqual([]);
    peer.send(pair(301));
    expect(peer.told()).toEqual(["GOAWAY 301 NO_ERROR"]);
  });

  test("the connection ends soon, whatever is in flight", () => {
    const peer = new Peer({ accept: () => {}, limits });
    peer.send(headers(1, get()));
    for (let n = 1; n <= 101; n++) peer.send(pair(1 + 2 * n));
    peer.time.pass(10);
    expect(peer.socket.destroyed).toBe(true);
  });

  test("by default a client may hedge ten thousand calls at once", () => {
    const peer = new Peer(answering);
    for (let n = 0; n < 10_000; n++) peer.send(pair(1 + 2 * n));
    expect(peer.ended).toBe(false);
    expect(peer.errors).toEqual([]);
    peer.send(pair(20_001));
    expect(peer.errors).toEqual(["too many resets: streamResetsBurst 10000, streamResetsRate 1000"]);
  });

  test.each<[string, (id: number) => Buffer]>([
    ["malformed requests", (id) => headers(id, [])],
    ["window updates by nothing", (id) => Buffer.concat([headers(id, get()), windowUpdate(id, 0)])],
    ["windows that overflow", (id) => Buffer.concat([headers(id, get()), windowUpdate(id, 2 ** 31 - 1)])],
    ["bodies behind their end", (id) => Buffer.concat([headers(id, get()), data(id, "x")])],
    ["trailers behind their end", (id) => Buffer.concat([headers(id, get()), headers(id, [["a", "b"]])])],
    [
      "bodies longer than was announced",
      (id) => Buffer.concat([headers(id, post("/", ["content-length", "1"]), END_HEADERS), data(id, "xy")]),
    ],
    [
      "priorities on themselves",
      (id) =>
        Buffer.concat([
          headers(id, get()),
          frame("PRIORITY", 0, id, Buffer.concat([word(id), Buffer.alloc(1)])),
        ]),
    ],
  ])("that we send for %s count as well (CVE-2025-8671)", (_, faulty) => {
    const peer = new Peer({ accept: () => {}, limits });
    for (let n = 0; n < 100; n++) peer.send(faulty(1 + 2 * n));
    expect(peer.errors).toEqual([]);
    peer.send(faulty(201));
    expect(peer.errors).toEqual([TOO_MANY]);
  });

  test("who has too many and goes on is cut off", () => {
    const peer = new Peer({ accept: () => {}, limits });
    peer.send(headers(1, get()));
    for (let n = 1; n < 3_000; n++) peer.send(pair(1 + 2 * n), ping());
    expect(peer.ended).toBe(true);
  });
});

describe("header blocks", () => {
  test("in so many frames, and no more (CVE-2024-27316)", () => {
    const peer = new Peer(answering);
    const pieces = (id: number, count: number) =>
      Buffer.concat([
        frame("HEADERS", END_STREAM, id, block(get())),
        times(count - 1, frame("CONTINUATION", 0, id)),
        frame("CONTINUATION", END_HEADERS, id),
      ]);
    peer.send(pieces(1, 8));
    expect(peer.told()).toEqual(["HEADERS 1 END"]);
    peer.send(pieces(3, 9));
    expect(peer.told()).toEqual(["GOAWAY 1 ENHANCE_YOUR_CALM"]);
    expect(peer.arriving.taken).toBe(0);
  });

  test("of so many bytes, and no more", () => {
    const peer = new Peer(answering);
    peer.send(frame("HEADERS", END_STREAM, 1, Buffer.alloc(16_384)));
    peer.send(times(3, frame("CONTINUATION", 0, 1, Buffer.alloc(16_384))));
    expect([peer.ended, peer.arriving.taken]).toEqual([false, 65_536]);
    peer.send(frame("CONTINUATION", 0, 1, Buffer.alloc(1)));
    expect(peer.told()).toEqual(["GOAWAY 0 ENHANCE_YOUR_CALM"]);
    expect(peer.arriving.taken).toBe(0);
  });

  test("that become much are refused, and nothing is kept of them (HPACK bomb, CVE-2016-6581)", () => {
    const peer = new Peer(answering);
    peer.send(
      frame(
        "HEADERS",
        END_HEADERS,
        1,
        Buffer.concat([block(get()), indexedBlock([["a", "b".repeat(4_000)]])]),
      ),
    );
    const bomb = Buffer.concat([block(get()), Buffer.alloc(16_000, 0x80 | 62)]); // 64 MB of them.
    for (let id = 3; id < 103; id += 2) peer.send(frame("HEADERS", END_HEADERS | END_STREAM, id, bomb));
    const [, ...answers] = peer.take();
    expect(answers.map(({ payload }) => payload.toString("latin1"))).toEqual(
      new Array(50).fill("\x08\x03431"),
    );
    expect(peer.seen).toHaveLength(1);
  });

  test("that churn the table leave no more in it than it has room for", () => {
    const peer = new Peer(answering);
    for (let id = 1; id < 400; id += 2) {
      const fields: Fields = Array.from({ length: 100 }, (_, n) => [`n${id}-${n}`, "v"]);
      peer.send(
        frame("HEADERS", END_HEADERS | END_STREAM, id, Buffer.concat([block(get()), indexedBlock(fields)])),
      );
    }
    expect(peer.seen).toHaveLength(200);
    peer.send(
      frame("HEADERS", END_HEADERS | END_STREAM, 999, Buffer.concat([block(get()), integer(0x80, 7, 62)])),
    );
    expect(peer.seen.at(-1)!.stream.head.fields).toEqual(["n399-99", "v"]);
    peer.send(
      frame("HEADERS", END_HEADERS | END_STREAM, 1_001, Buffer.concat([block(get()), integer(0x80, 7, 200)])),
    );
    expect(peer.told().at(-1)).toBe("GOAWAY 999 COMPRESSION_ERROR");
  });
});

describe("windows", () => {
  test("opened byte by byte end the connection (data dribble, CVE-2019-9511)", () => {
    const peer = new Peer({ accept: ({ stream }) => stream.answer(OK, [Buffer.alloc(100_000)], TAIL) });
    peer.send(settings([4, 0]), headers(1, get()));
    for (let n = 0; n < 1_100 && !peer.ended; n++) peer.send(windowUpdate(1, 1));
    expect(peer.told().at(-1)).toBe("GOAWAY 1 ENHANCE_YOUR_CALM");
    expect(peer.leaving.taken).toBe(0);
  });

  test("given back frame by frame, in which answers have cut them small, end no connection", () => {
    const answer = (of: Seen) => of.stream.answer(OK, [Buffer.alloc(747_189)], TAIL);
    const peer = new Peer({ accept: answer });
    const open = new Set<number>();
    let [next, done, small] = [1, 0, 0];
    while (done < 30 && !peer.ended) {
      for (; open.size < 2; next += 2) {
        open.add(next);
        peer.send(headers(next, get()));
      }
      for (const { type, flags, stream, payload } of peer.take()) {
        if ((flags & END_STREAM) !== 0 && open.delete(stream)) done++;
        if (type !== "DATA") continue;
        if (payload.length < 512) small++;
        peer.send(windowUpdate(0, payload.length));
        if (open.has(stream)) peer.send(windowUpdate(stream, payload.length));
      }
    }
    expect([peer.ended, done, small]).toEqual([false, 30, expect.any(Number)]);
    expect(small).toBeLessThanOrEqual(30); // The ends of answers alone.
  });

  test.each([64, 100, 255, 1_023])("of %i bytes are given back as they are used up", (bytes) => {
    const peer = new Peer({ accept: ({ stream }) => stream.answer(OK, [Buffer.alloc(bytes * 3_000)], TAIL) });
    peer.send(settings([4, bytes]), headers(1, get()));
    for (let n = 0; n < 3_000 && !peer.ended; n++) {
      const came = peer.take().filter(({ type }) => type === "DATA");
      for (const { payload } of came)
        peer.send(windowUpdate(0, payload.length), windowUpdate(1, payload.length));
    }
    expect([peer.ended, peer.engine.held.streams]).toEqual([false, 0]);
  });

  test("of which the last is too little for a frame are used up within a second", () => {
    const peer = new Peer({ accept: ({ stream }) => stream.answer(OK, [Buffer.alloc(100_000)], TAIL) });
    peer.send(windowUpdate(0, 1_000_000), settings([4, 16_384 + 100]), headers(1, get()));
    const bytes = () =>
      peer.take().reduce((sum, { type, payload }) => sum + (type === "DATA" ? payload.length : 0), 0);
    expect(bytes()).toBe(16_384);
    peer.time.pass(1);
    expect(bytes()).toBe(100);
  });

  test("closed to a thousand answers hold what they may, and no more (internal data buffering, CVE-2019-9517)", () => {
    const peer = new Peer({ accept: ({ stream }) => stream.answer(OK, [Buffer.alloc(1_000_000)], TAIL) });
    peer.send(settings([4, 0]));
    for (let id = 1; id < 2_000; id += 2) peer.send(headers(id, get()));
    expect(peer.leaving.taken).toBe(16_000_000);
    expect(peer.told().filter((told) => told.includes("CANCEL"))).toHaveLength(1_000 - 16);
  });

  test("that take all of each answer but a byte are charged for what is kept of it", () => {
    const peer = new Peer({ accept: ({ stream }) => stream.answer(OK, [Buffer.alloc(1_000_000)]) });
    peer.openWindows();
    peer.send(settings([4, 999_999]));
    for (let id = 1; id < 201; id += 2) {
      peer.send(headers(id, get()));
      peer.socket.emit("drain"); // It takes what it may.
    }
    // One more would be 16 MiB with what is on its way through the socket.
    expect([peer.engine.held.streams, peer.leaving.taken]).toEqual([15, 15_000_000]);
  });
});

describe("bodies", () => {
  test("of a connection are held within its bounds", () => {
    const peer = new Peer({ limits: { connectionBytesMax: 1_000_000 } });
    for (let id = 1; id < 400; id += 2)
      peer.send(headers(id, post(), END_HEADERS), data(id, Buffer.alloc(16_000)));
    expect(peer.arriving.taken).toBeLessThanOrEqual(1_000_000);
    expect(peer.seen.filter(({ calls }) => calls.includes("no-room"))).toHaveLength(200 - 62);
  });

  test("byte by byte are put together in what grows with them", () => {
    const peer = new Peer();
    peer.send(OPEN);
    for (let n = 0; n < 10_000; n++) peer.send(data(1, "x"));
    expect(peer.arriving.taken).toBe(16_384);
    peer.send(data(1, "x", END_STREAM));
    expect(peer.seen[0]!.calls).toEqual(["body of 10001"]);
  });
});

describe("a connection has its share of a turn", () => {
  test("of frames, and the rest in the next, in order and one write a turn", () => {
    const peer = new Peer({ ...answering, limits: { turnFramesMax: 160, streamsMax: 1_000 } });
    const before = peer.socket.writes.length;
    const requests = Buffer.concat(Array.from({ length: 35 }, (_, n) => headers(1 + 2 * n, get())));
    peer.socket.emit("data", requests);
    expect(peer.seen).toHaveLength(10);
    expect(peer.socket.paused).toBe(true);
    peer.time.endTurn();
    expect(peer.seen).toHaveLength(20);
    expect(peer.socket.paused).toBe(true); // Or its end could come before what is left.
    expect(peer.time.endTurns()).toBe(3);
    expect(peer.socket.paused).toBe(false);
    expect(peer.seen.map(({ stream }) => stream.id)).toEqual(Array.from({ length: 35 }, (_, n) => 1 + 2 * n));
    expect(peer.socket.writes).toHaveLength(before + 4);
  });

  test("which several share that have more to read", () => {
    const peer = new Peer({ ...answering, limits: { turnFramesMax: 160, streamsMax: 1_000 } });
    const other = new FakeSocket();
    peer.engine.serve(other.socket);
    other.emit("data", opening());
    peer.time.endTurns();
    const requests = Buffer.concat(Array.from({ length: 40 }, (_, n) => headers(1 + 2 * n, get())));
    for (const socket of [peer.socket, other]) socket.emit("data", requests);
    const inTurns = [peer.seen.length];
    for (; inTurns.at(-1)! < 80; inTurns.push(peer.seen.length)) peer.time.endTurn();
    expect(inTurns).toEqual([20, 30, 40, 50, 60, 70, 80]);
    peer.time.endTurns();
    peer.socket.emit(
      "data",
      Buffer.concat(Array.from({ length: 20 }, (_, n) => headers(101 + 2 * n, get()))),
    );
    expect(peer.seen).toHaveLength(90); // Nobody shares it any more.
  });

  test("of bytes, whatever frames they are in", () => {
    const peer = new Peer({ limits: { turnBytesMax: 50_000 } });
    peer.socket.emit(
      "data",
      Buffer.concat([OPEN, times(8, data(1, Buffer.alloc(16_000))), data(1, "", END_STREAM)]),
    );
    expect(peer.seen[0]!.calls).toEqual([]);
    expect(peer.time.endTurns()).toBe(3);
    expect(peer.seen[0]!.calls).toEqual(["body of 128000"]);
  });

  test("in which a large header list counts as many frames", () => {
    const peer = new Peer({ ...answering, limits: { turnFramesMax: 70 } });
    const large = headers(1, get("/", ["a", "b".repeat(10_000)]));
    peer.socket.emit("data", Buffer.concat([large, headers(3, get()), headers(5, get(), END_HEADERS)]));
    expect(peer.seen).toHaveLength(3);
    peer.time.endTurns();
    peer.socket.emit(
      "data",
      Buffer.concat([7, 9, 11].map((id) => headers(id, get("/", ["a", "b".repeat(10_000)])))),
    );
    expect(peer.seen).toHaveLength(5);
    peer.time.endTurns();
    expect(peer.seen).toHaveLength(6);
  });

  test("and hears others in between", () => {
    const peer = new Peer({ ...answering, limits: { turnFramesMax: 10 } });
    peer.socket.emit("data", Buffer.concat([times(30, ping()), headers(1, get())]));
    peer.socket.emit("data", headers(3, get())); // Came though it was paused.
    peer.time.endTurns();
    expect(peer.seen.map(({ stream }) => stream.id)).toEqual([1, 3]);
  });
});

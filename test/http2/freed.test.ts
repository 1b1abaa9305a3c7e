/** What was read, and what waits to be written, keeps nothing beside itself in memory, nor longer than it is needed. */
import { expect, onTestFinished, test, vi } from "vitest";
import { OK, Peer, type Seen } from "./peer.ts";
import { block, data, END_HEADERS, END_STREAM, frame, get, headers, ping, post } from "./wire.ts";

/** As Node.js reads: into memory of its own. */
function asRead(...frames: Buffer[]): Buffer {
  const bytes = Buffer.concat(frames);
  const read = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(read);
  return read;
}

const large = (id: number, last = 0) => data(id, Buffer.alloc(10_000, "x"), last);

test("what was read is freed when its frames are taken", () => {
  const peer = new Peer();
  const read = asRead(headers(1, post(), END_HEADERS), large(1), large(1, END_STREAM));
  peer.socket.emit("data", read);
  expect(read.length).toBe(0);
  expect(peer.seen[0]!.calls).toEqual(["body of 20000"]);
});

test("and what has to wait for its turn, when that is over", () => {
  const peer = new Peer({ limits: { turnBytesMax: 15_000 } });
  const read = asRead(headers(1, post(), END_HEADERS), large(1), large(1), large(1, END_STREAM));
  peer.socket.emit("data", read);
  expect(read.length).toBeGreaterThan(30_000);
  peer.time.endTurns();
  expect(read.length).toBe(0);
  expect(peer.seen[0]!.calls).toEqual(["body of 30000"]);
});

test("what has to wait goes with its connection", () => {
  const peer = new Peer({ limits: { turnBytesMax: 15_000 } });
  const read = asRead(headers(1, post(), END_HEADERS), large(1), large(1), large(1, END_STREAM));
  peer.socket.emit("data", read);
  peer.socket.destroy();
  peer.time.endTurns();
  expect(peer.seen[0]!.calls).toEqual(["gone"]);
});

test("a body that came in one frame is there for as long as somebody is told of it, and no longer", () => {
  const told: [string, number][] = [];
  let body: Buffer | undefined;
  const peer = new Peer({
    accept(seen) {
      seen.on.onBody = (bytes) => {
        body = bytes;
        told.push([bytes.toString("latin1", 0, 2), bytes.length]);
      };
      seen.stream.body(20_000);
    },
  });
  peer.socket.emit("data", asRead(headers(1, post(), END_HEADERS), large(1, END_STREAM)));
  expect([told, body!.length]).toEqual([[["xx", 10_000]], 0]);
});

test("frames that are cut short are freed when they are whole", () => {
  let body: Buffer | undefined;
  const accept = (seen: Seen) => {
    seen.on.onBody = (bytes) => {
      body = bytes;
    };
    seen.stream.body(20_000);
  };
  const peer = new Peer({ accept });
  const frame = large(1, END_STREAM);
  peer.send(headers(1, post(), END_HEADERS), frame.subarray(0, 6_000));
  peer.send(frame.subarray(6_000));
  expect([peer.seen[0]!.calls, body!.length, peer.arriving.taken]).toEqual([["body of 10000"], 0, 0]);
});

test("a part of a larger memory is left alone: it may be anybody's", () => {
  const peer = new Peer();
  const memory = Buffer.concat([
    asRead(headers(1, post(), END_HEADERS), large(1, END_STREAM)),
    Buffer.from("theirs"),
  ]);
  peer.socket.emit("data", memory.subarray(0, -6));
  expect(memory.toString("latin1", memory.length - 6)).toBe("theirs");
});

test("a word in each of a thousand turns keeps little in a socket that takes nothing", () => {
  const kept: ArrayBufferLike[] = [];
  const peer = new Peer({ accept: ({ stream }: Seen) => stream.answer(OK) });
  const { socket } = peer;
  const write = socket.write.bind(socket);
  socket.stuck = true;
  socket.write = (bytes) => {
    kept.push(bytes.buffer);
    return write(bytes);
  };
  for (let n = 0; n < 1_000; n++) peer.send(n % 2 === 0 ? ping() : headers(n, get()));
  const keptBytes = [...new Set(kept)].reduce((sum, { byteLength }) => sum + byteLength, 0);
  expect([kept.length, keptBytes]).toEqual([1_000, expect.any(Number)]);
  expect(keptBytes - 16 * 1024).toBeLessThanOrEqual(2 * socket.writableLength); // The first had nothing to wait for.
  socket.unstick();
  expect(peer.told()).toHaveLength(1_000); // Each as it was, whatever was written to the buffers since.
});

test("what the socket has taken of many frames, and of large ones, was written in the same few buffers", () => {
  const memory = new Set<ArrayBufferLike>();
  const [large, small] = [Buffer.alloc(5_000, "l"), Buffer.alloc(3_000, "s")];
  const accept = ({ stream }: Seen) => stream.answer(OK, [stream.id % 10 === 1 ? large : small]);
  const peer = new Peer({ accept });
  const write = peer.socket.write.bind(peer.socket);
  peer.socket.write = (bytes) => {
    if (bytes.buffer !== large.buffer) memory.add(bytes.buffer);
    return write(bytes);
  };
  peer.openWindows();
  for (let first = 1; first < 1_001; first += 20)
    peer.send(...Array.from({ length: 10 }, (_, n) => headers(first + 2 * n, get())));
  expect(peer.told().filter((told) => told.startsWith("DATA"))).toHaveLength(500);
  expect(memory.size).toBeLessThanOrEqual(4); // Of 16 KiB, where each turn wrote 31,000 bytes and more.
});

test("header blocks in pieces are freed when they are whole", () => {
  const peer = new Peer({ accept: ({ stream }: Seen) => stream.answer(OK) });
  const memory = Buffer.concat([Buffer.alloc(1), inPieces(1, block([["a", "b".repeat(60_000)]]))]);
  const freed = vi.spyOn(ArrayBuffer.prototype, "transfer");
  onTestFinished(() => freed.mockRestore());
  peer.socket.emit("data", memory.subarray(1)); // A part of something, which stays.
  peer.time.endTurns();
  expect(freed).toHaveBeenCalledTimes(5); // Its four pieces, and what they were put together to.
  expect(peer.told()).toEqual(["HEADERS 1 END"]);
});

/** A request with a block that takes four frames. */
function inPieces(id: number, field: Buffer): Buffer {
  const whole = Buffer.concat([block(get()), field]);
  const pieces = [0, 1, 2, 3].map((n) => whole.subarray(n * 16_000, (n + 1) * 16_000));
  return Buffer.concat(
    pieces.map((piece, n) =>
      n === 0
        ? frame("HEADERS", END_STREAM, id, piece)
        : frame("CONTINUATION", n === 3 ? END_HEADERS : 0, id, piece),
    ),
  );
}

test("pieces that wait behind others in a socket are what they were", () => {
  const body = (fill: string) => Buffer.alloc(5_000, fill);
  const peer = new Peer({ accept: ({ stream }: Seen) => stream.answer(OK, [body("a"), body("b")]) });
  peer.openWindows();
  peer.socket.stuck = true;
  for (let id = 1; id < 20; id += 2) peer.send(headers(id, get()));
  peer.socket.unstick();
  const bodies = peer.take().filter(({ type }) => type === "DATA");
  expect(bodies.map(({ payload }) => payload.toString("latin1"))).toEqual(
    Array.from({ length: 10 }, () => "a".repeat(5_000) + "b".repeat(5_000)),
  );
});

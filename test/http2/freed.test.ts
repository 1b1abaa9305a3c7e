/** What waits to be written keeps nothing beside itself in memory. */
import { expect, test } from "vitest";
import { OK, Peer, type Seen } from "./peer.ts";
import { get, headers, ping } from "./wire.ts";

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
  expect(kept).toHaveLength(1_000);
  expect(keptBytes).toBeLessThan(1_000_000); // With what others have in the memory that Node.js shares out to small buffers.
  socket.unstick();
  expect(peer.told()).toHaveLength(1_000); // Each as it was, whatever was written to the buffers since.
});

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

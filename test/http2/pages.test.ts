/** Memory for what is held of requests: what nobody holds any more is the system's again. */
import { expect, test } from "vitest";
import { PAGE_BYTES, Pages } from "../../src/http2/pages.ts";
import { OK, Peer, type Seen } from "./peer.ts";
import { data, END_HEADERS, END_STREAM, headers, post } from "./wire.ts";

const STRETCH_BYTES = 32 * 2 ** 20;
const STRETCH_PAGES = STRETCH_BYTES / PAGE_BYTES;

function takenOf(pages: Pages, count: number): Buffer[] {
  return Array.from({ length: count }, () => pages.take());
}

test("pages are each one's own, and lie side by side", () => {
  const pages = new Pages();
  expect(pages.bytes).toBe(0);
  const taken = takenOf(pages, STRETCH_PAGES + 1);
  for (const [n, page] of taken.entries()) page.fill(n % 251);
  expect(taken.every((page, n) => page.length === PAGE_BYTES && page.every((byte) => byte === n % 251))).toBe(
    true,
  );
  expect(pages.bytes).toBe(2 * STRETCH_BYTES);
});

test("the first stretch is filled before the next, so that the last become empty", () => {
  const pages = new Pages();
  const taken = takenOf(pages, 2 * STRETCH_PAGES);
  for (const page of [taken[7]!, ...taken.slice(STRETCH_PAGES)]) pages.give(page);
  expect(pages.take().buffer).toBe(taken[0]!.buffer);
  pages.look();
  expect(pages.bytes).toBe(2 * STRETCH_BYTES); // It was held since the last look.
  pages.look();
  expect(pages.bytes).toBe(STRETCH_BYTES);
  expect(taken.map(({ length }) => length)).toEqual(
    taken.map((_, n) => (n < STRETCH_PAGES ? PAGE_BYTES : 0)),
  );
});

test("a page is given back once, and to whom it is from", () => {
  const pages = new Pages();
  const [page] = takenOf(pages, 2);
  pages.give(page!);
  expect(() => pages.give(page!)).toThrow("twice");
  expect(() => pages.give(Buffer.alloc(PAGE_BYTES))).toThrow("none");
  expect(() => new Pages().give(page!)).toThrow("none");
});

/** As many bodies of 100,000 bytes as there may be, of which the last byte is missing. */
function hold(peer: Peer, count: number): void {
  for (let n = 0; n < count; n++) {
    peer.send(headers(1 + 2 * n, post(), END_HEADERS));
    for (let bytes = 0; bytes < 100_000; bytes += 10_000)
      peer.send(data(1 + 2 * n, Buffer.alloc(10_000, "x")));
  }
}

test("what many bodies were held in is given back within seconds of their end, while others go on", () => {
  const peer = new Peer({ accept: ({ stream }: Seen) => stream.body(200_000) });
  hold(peer, 200);
  expect(peer.engine.held).toMatchObject({ pagesBytes: STRETCH_BYTES, arrivingBytes: peer.arriving.taken });
  for (const { stream } of peer.seen) stream.answer(OK);
  peer.time.pass(2);
  expect(peer.engine.held).toMatchObject({ connections: 1, pagesBytes: 0, arrivingBytes: 0 });
});

test("and at once with the last connection", () => {
  const peer = new Peer({ accept: ({ stream }: Seen) => stream.body(200_000) });
  hold(peer, 20);
  peer.socket.destroy();
  expect(peer.engine.held).toMatchObject({ connections: 0, pagesBytes: 0 });
});

test("a body of more than half a page takes room for a page, which it may fill", () => {
  const peer = new Peer();
  peer.send(headers(1, post(), END_HEADERS));
  for (let n = 0; n < 4; n++) peer.send(data(1, Buffer.alloc(10_000, "x")));
  expect([peer.arriving.taken, peer.engine.held.pagesBytes]).toEqual([PAGE_BYTES, STRETCH_BYTES]);
  for (let n = 0; n < 2; n++) peer.send(data(1, Buffer.alloc(10_000, "y")));
  expect(peer.arriving.taken).toBe(PAGE_BYTES);
  peer.send(data(1, "z", END_STREAM));
  expect(peer.seen[0]!.body).toEqual(Buffer.from(`${"x".repeat(40_000)}${"y".repeat(20_000)}z`));
  expect(peer.arriving.taken).toBe(0);
});

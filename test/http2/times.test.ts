/** What does not go on in its time, and how a connection ends. */

import { describe, expect, test } from "vitest";
import { spreadAge } from "../../src/http2/age.ts";
import { OK, Peer, type Seen, TAIL } from "./peer.ts";
import {
  ACK,
  block,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  get,
  headers,
  opening,
  PREFACE,
  ping,
  post,
  reset,
  settings,
  windowUpdate,
} from "./wire.ts";

const answering = { accept: ({ stream }: Seen) => stream.answer(OK) };
const OPEN = headers(1, post(), END_HEADERS);
const LEAVING = "leaving!";

/** Let the client answer the PINGs among what came, as one does. */
function pongs(peer: Peer): string[] {
  const frames = peer.take();
  for (const { type, flags, payload } of frames) {
    if (type === "PING" && flags === 0) peer.send(frame("PING", ACK, 0, payload));
  }
  return frames.map(({ type }) => type);
}

describe("a connection is cut that", () => {
  test.each([
    ["says nothing", Buffer.alloc(0)],
    ["says half of the preface", PREFACE.subarray(0, 12)],
    ["has no SETTINGS behind its preface", PREFACE],
    ["has half of its SETTINGS", opening().subarray(0, 30)],
  ])("%s", (_, bytes) => {
    const peer = new Peer({ unopened: true });
    peer.send(bytes);
    peer.time.pass(10);
    expect(peer.ended).toBe(false);
    peer.time.pass(1);
    expect(peer.ended).toBe(true);
    peer.time.pass(2);
    expect(peer.socket.destroyed).toBe(true);
    expect(peer.engine.held).toEqual({
      connections: 0,
      streams: 0,
      arrivingBytes: 0,
      leavingBytes: 0,
      pagesBytes: 0,
    });
  });

  test("does not acknowledge our settings", () => {
    const peer = new Peer({ unopened: true });
    peer.send(opening());
    peer.take();
    peer.time.pass(30);
    expect(peer.told()).toEqual([]);
    peer.time.pass(1);
    expect(peer.told()).toEqual(["GOAWAY 0 SETTINGS_TIMEOUT"]);
  });

  test.each([
    ["a frame short", ping().subarray(0, 12)],
    ["a frame's head short", ping().subarray(0, 3)],
    ["a body's frame short", Buffer.concat([OPEN, data(1, "abc").subarray(0, 10)])],
    ["a header block short", frame("HEADERS", END_STREAM, 1, block(get()))],
  ])("cuts %s", (_, bytes) => {
    const peer = new Peer({ accept: () => {} });
    peer.send(bytes);
    peer.time.pass(10);
    expect(peer.told()).toEqual([]);
    peer.time.pass(1);
    expect(peer.told().at(-1)).toMatch(/^GOAWAY \d ENHANCE_YOUR_CALM$/);
    peer.time.pass(3);
    expect(peer.socket.destroyed).toBe(true);
    expect(peer.arriving.taken).toBe(0);
  });

  test("cuts a frame short, however many of its bytes it sends", () => {
    const peer = new Peer();
    peer.send(OPEN, data(1, Buffer.alloc(16_000)).subarray(0, 100));
    for (let second = 0; second < 11; second++) {
      peer.send(Buffer.alloc(1));
      peer.time.pass(1);
    }
    expect(peer.told().at(-1)).toBe("GOAWAY 1 ENHANCE_YOUR_CALM");
  });

  test("takes nothing of what the socket has", () => {
    const peer = new Peer(answering);
    peer.socket.stuck = true;
    peer.send(headers(1, get()));
    peer.time.pass(61); // It was seen to wait after a second.
    expect(peer.socket.destroyed).toBe(false);
    peer.time.pass(1);
    expect(peer.socket.destroyed).toBe(true);
  });

  test("does not answer when it is asked whether it is there", () => {
    const peer = new Peer(answering);
    peer.time.pass(120);
    expect(peer.told()).toEqual([]);
    peer.time.pass(1);
    expect(peer.told()).toEqual(["PING"]);
    peer.time.pass(20);
    expect(peer.socket.destroyed).toBe(false);
    peer.time.pass(1);
    expect(peer.socket.destroyed).toBe(true);
  });

  test("but not one that does, or says anything else", () => {
    const peer = new Peer({ ...answering, limits: { connectionIdleMs: Number.POSITIVE_INFINITY } });
    for (let quarters = 0; quarters < 80; quarters++) {
      peer.time.pass(15);
      if (quarters % 40 < 20) pongs(peer);
      else peer.send(frame("PRIORITY", 0, 1, Buffer.from([0, 0, 0, 0, 1])));
    }
    expect(peer.ended).toBe(false);
  });
});

describe("while it is we who take nothing from the socket, for it takes nothing from us", () => {
  /** A request that is answered with more than a socket should have. */
  const paused = (...before: Buffer[]) => {
    const peer = new Peer({ accept: ({ stream }) => stream.respond(OK), limits: { idleMs: 600_000 } });
    peer.openWindows();
    peer.send(settings([4, 2 ** 30]), headers(1, get()), ...before);
    return {
      peer,
      pause() {
        peer.socket.stuck = true;
        peer.seen[0]!.stream.write(Buffer.alloc(1.5 * 2 ** 20));
        peer.time.endTurns();
        expect(peer.socket.paused).toBe(true);
      },
    };
  };

  test("nobody is gone", () => {
    const { peer, pause } = paused();
    peer.time.pass(121);
    expect(peer.told().at(-1)).toBe("PING");
    pause();
    peer.time.pass(100);
    peer.socket.unstick();
    peer.time.pass(1);
    expect(peer.ended).toBe(false);
  });

  test.each([
    ["a frame", ping().subarray(0, 12)],
    ["a header block", frame("HEADERS", END_STREAM, 3, block(get()))],
  ])("%s is not cut short", (_, bytes) => {
    const { peer, pause } = paused(bytes);
    pause();
    peer.time.pass(100);
    peer.socket.unstick();
    peer.time.pass(10);
    expect(peer.ended).toBe(false);
    peer.time.pass(1);
    expect(peer.told().at(-1)).toBe("GOAWAY 1 ENHANCE_YOUR_CALM");
  });
});

describe("a body that does not come", () => {
  test("is told as late, and may be answered", () => {
    const peer = new Peer({
      accept(seen) {
        seen.stream.body(100);
        seen.on.onUnread = () => seen.stream.answer(OK);
      },
    });
    peer.send(OPEN, data(1, "a"));
    peer.time.pass(10);
    expect(peer.seen[0]!.calls).toEqual([]);
    peer.send(data(1, "b"));
    peer.time.pass(1);
    expect(peer.seen[0]!.calls).toEqual(["late", "answered"]);
    expect(peer.told()).toEqual(["HEADERS 1 END"]);
    expect(peer.arriving.taken).toBe(0);
    peer.time.pass(1);
    expect(peer.told()).toEqual(["RST_STREAM 1 NO_ERROR"]);
  });

  test("in pieces is late when it was expected, and once", () => {
    const peer = new Peer({ accept: ({ stream }) => stream.pieces() });
    peer.send(OPEN, headers(3, post(), END_HEADERS), headers(5, post(), END_HEADERS));
    const [late, never, withdrawn] = peer.seen as [Seen, Seen, Seen];
    late.stream.expect(3_000);
    withdrawn.stream.expect(3_000);
    peer.time.pass(3);
    withdrawn.stream.expect(undefined);
    peer.time.pass(5);
    expect([late.calls, never.calls, withdrawn.calls]).toEqual([["late"], [], []]);
  });

  test("that is here is not late", () => {
    const peer = new Peer();
    peer.send(OPEN, data(1, "a", END_STREAM));
    peer.time.pass(100);
    expect(peer.seen[0]!.calls).toEqual(["body a"]);
  });
});

describe("an answer that nobody takes", () => {
  const withheld = () => {
    const peer = new Peer({ accept: ({ stream }) => stream.answer(OK, [Buffer.alloc(10)], TAIL) });
    peer.send(settings([4, 0]), headers(1, get()));
    peer.take();
    return peer;
  };

  test("is reset", () => {
    const peer = withheld();
    peer.time.pass(60);
    expect(peer.told()).toEqual([]);
    peer.time.pass(1);
    expect(peer.told()).toEqual(["RST_STREAM 1 CANCEL"]);
    expect(peer.leaving.taken).toBe(0);
    expect(peer.ended).toBe(false);
  });

  test("has its time anew with all that is taken of it", () => {
    const peer = withheld();
    peer.time.pass(50);
    peer.send(windowUpdate(1, 1));
    peer.time.pass(50);
    expect(peer.told().at(-1)).toMatch(/^DATA 1/);
    peer.time.pass(11);
    expect(peer.told()).toEqual(["RST_STREAM 1 CANCEL"]);
  });

  test("leaves an answer alone that has nothing to say", () => {
    const peer = new Peer({ accept: ({ stream }) => stream.respond(OK) });
    peer.send(headers(1, get()));
    for (let quarters = 0; quarters < 40; quarters++) {
      peer.time.pass(15);
      pongs(peer);
    }
    expect(peer.seen[0]!.calls).toEqual([]);
  });
});

describe("a connection ends in two steps", () => {
  test("and no request that was sent before its client knew is left out", () => {
    const peer = new Peer({ accept: () => {} });
    peer.send(headers(1, get()));
    peer.engine.announceDrain();
    expect(peer.told()).toEqual(["GOAWAY 2147483647 NO_ERROR", "PING"]);
    peer.engine.drain(10_000);
    peer.send(headers(3, get())); // Under way.
    expect(peer.told()).toEqual([]);
    peer.send(frame("PING", ACK, 0, Buffer.from(LEAVING)));
    expect(peer.told()).toEqual(["GOAWAY 3 NO_ERROR"]);
    peer.send(headers(5, get()));
    expect(peer.told()).toEqual(["RST_STREAM 5 REFUSED_STREAM"]);
    peer.seen[0]!.stream.answer(OK);
    expect([peer.told(), peer.ended]).toEqual([["HEADERS 1 END"], false]);
    peer.seen[1]!.stream.answer(OK);
    expect([peer.told(), peer.ended]).toEqual([["HEADERS 3 END"], true]);
    expect(peer.seen.map(({ stream }) => stream.id)).toEqual([1, 3]);
    peer.time.pass(2);
    expect(peer.socket.destroyed).toBe(true);
    expect(peer.time.regulars).toBe(0);
  });

  test("and an error after that names no later stream, for those were refused", () => {
    const peer = new Peer({ accept: () => {} });
    peer.send(headers(1, get()));
    peer.engine.drain(10_000);
    peer.send(frame("PING", ACK, 0, Buffer.from(LEAVING)), headers(3, get()));
    peer.send(data(5, "of an idle stream"));
    expect(peer.told().slice(2)).toEqual([
      "GOAWAY 1 NO_ERROR",
      "RST_STREAM 3 REFUSED_STREAM",
      "GOAWAY 1 PROTOCOL_ERROR",
    ]);
  });

  test("at once when the client has known of it", () => {
    const peer = new Peer(answering);
    peer.engine.announceDrain();
    peer.engine.announceDrain();
    expect(pongs(peer)).toEqual(["GOAWAY", "PING"]);
    peer.send(headers(1, get()));
    expect(peer.told()).toEqual(["HEADERS 1 END"]);
    peer.engine.drain(10_000);
    expect([peer.told(), peer.ended]).toEqual([["GOAWAY 1 NO_ERROR"], true]);
  });

  test("for a client that answers no PING after a second", () => {
    const peer = new Peer(answering);
    peer.engine.drain(10_000);
    expect(peer.told()).toEqual(["GOAWAY 2147483647 NO_ERROR", "PING"]);
    peer.send(ping(), frame("PING", ACK, 0, Buffer.from("another!")));
    expect(peer.told()).toEqual(["PING ACK"]);
    peer.time.pass(1);
    expect([peer.told(), peer.ended]).toEqual([["GOAWAY 0 NO_ERROR"], true]);
  });

  test("and what is there after its time is cut", () => {
    const peer = new Peer({ accept: () => {} });
    peer.send(headers(1, get()));
    peer.engine.drain(5_000);
    peer.time.pass(4);
    expect(peer.socket.destroyed).toBe(false);
    peer.time.pass(1);
    expect(peer.socket.destroyed).toBe(true);
    expect(peer.seen[0]!.calls).toEqual(["gone"]);
  });

  test("and who takes slowly what it was answered gets all of it", () => {
    const peer = new Peer({ accept: ({ stream }) => stream.answer(OK, [Buffer.alloc(60_000)]) });
    peer.socket.stuck = true;
    peer.send(headers(1, get()));
    peer.engine.drain(60_000);
    peer.send(frame("PING", ACK, 0, Buffer.from(LEAVING)));
    expect(peer.ended).toBe(true);
    peer.time.pass(30);
    expect(peer.socket.destroyed).toBe(false);
    peer.socket.unstick();
    peer.time.pass(1);
    expect(peer.socket.destroyed).toBe(false);
    peer.time.pass(1);
    expect(peer.socket.destroyed).toBe(true);
  });

  test("but not who takes nothing, when nothing else cuts it", () => {
    const peer = new Peer({ ...answering, limits: { connectionIdleMs: 1_000, settingsAckMs: 600_000 } });
    peer.socket.stuck = true;
    peer.time.pass(2);
    peer.send(frame("PING", ACK, 0, Buffer.from(LEAVING)));
    expect(peer.ended).toBe(true);
    peer.time.pass(59);
    expect(peer.socket.destroyed).toBe(false);
    peer.time.pass(2);
    expect(peer.socket.destroyed).toBe(true);
  });

  test("when no request came for long", () => {
    const peer = new Peer({ ...answering, limits: { connectionIdleMs: 60_000 } });
    peer.time.pass(50);
    peer.send(headers(1, get()));
    peer.take();
    peer.time.pass(60);
    expect(peer.told()).toEqual([]);
    peer.time.pass(1);
    expect(pongs(peer)).toEqual(["GOAWAY", "PING"]);
    expect([peer.told(), peer.ended]).toEqual([["GOAWAY 1 NO_ERROR"], true]);
  });

  test("but not while there is one", () => {
    const peer = new Peer({ accept: () => {}, limits: { connectionIdleMs: 60_000 } });
    peer.send(headers(1, get()));
    peer.time.pass(100);
    expect(peer.told()).toEqual([]);
  });

  test("when it is old, after what is in flight, however long that takes", () => {
    const peer = new Peer({ accept: () => {}, limits: { connectionAgeMs: 60_000 } });
    peer.send(headers(1, get()));
    peer.time.pass(61);
    expect(pongs(peer)).toEqual(["GOAWAY", "PING"]);
    expect(peer.told()).toEqual(["GOAWAY 1 NO_ERROR"]);
    peer.time.pass(50);
    expect(peer.ended).toBe(false);
    peer.seen[0]!.stream.answer(OK);
    expect([peer.told(), peer.ended]).toEqual([["HEADERS 1 END"], true]);
  });
});

describe("how old a connection becomes", () => {
  test("is a tenth more or less, by the client's port, and as old as it likes where that is not limited", () => {
    const ages = Array.from({ length: 101 }, (_, n) => spreadAge(1_000, 40_000 + n));
    expect(Math.min(...ages)).toBe(900);
    expect(Math.max(...ages)).toBeLessThan(1_100);
    expect(Math.max(...ages)).toBeGreaterThan(1_090);
    for (const [n, age] of ages.entries())
      if (n > 0) expect(Math.abs(age - ages[n - 1]!)).toBeGreaterThan(50);
    expect(spreadAge(1_000, undefined)).toBe(1_000);
    expect(spreadAge(Number.POSITIVE_INFINITY, 40_000)).toBe(Number.POSITIVE_INFINITY);
  });

  test("and what is in flight then is cut after its grace", () => {
    const limits = { connectionAgeMs: 60_000, connectionAgeGraceMs: 5_000 };
    const peer = new Peer({ accept: () => {}, limits });
    peer.send(headers(1, get()));
    peer.time.pass(61);
    peer.time.pass(4);
    expect(peer.socket.destroyed).toBe(false);
    peer.time.pass(1);
    expect(peer.socket.destroyed).toBe(true);
  });

  test("and is told which that is, also after a grace that is shorter than the word that it ends", () => {
    const limits = { connectionAgeMs: 60_000, connectionAgeGraceMs: 1_000 };
    const peer = new Peer({ accept: () => {}, limits });
    peer.send(headers(1, get()));
    peer.time.pass(61);
    peer.take();
    peer.time.pass(1); // And the PING is not answered.
    expect([peer.told(), peer.socket.destroyed]).toEqual([["GOAWAY 1 NO_ERROR"], true]);
  });
});

describe("when the client has ended its side of the socket", () => {
  test("what is whole is answered, and nothing else", () => {
    const peer = new Peer({ accept: ({ stream }) => stream.body(10) });
    peer.send(headers(1, get()), headers(3, post(), END_HEADERS), headers(5, get()));
    peer.seen[2]!.stream.lasting = true;
    peer.socket.emit("end");
    expect(peer.seen.map(({ calls }) => calls)).toEqual([["body "], ["gone"], ["body ", "gone"]]);
    expect(peer.told()).toEqual(["RST_STREAM 3 CANCEL", "RST_STREAM 5 CANCEL", "GOAWAY 5 NO_ERROR"]);
    expect(peer.ended).toBe(false);
    peer.seen[0]!.stream.answer(OK);
    expect([peer.told(), peer.ended]).toEqual([["HEADERS 1 END"], true]);
  });

  test("and asked for nothing, it is over", () => {
    const peer = new Peer();
    peer.socket.emit("end");
    expect(peer.ended).toBe(true);
  });
});

describe("for another connection", () => {
  test("the oldest ends that no request came on, and is told", () => {
    const peer = new Peer(answering);
    const [first] = [peer.socket];
    expect(peer.engine.endUnused()).toBe(true);
    expect(peer.told()).toEqual(["GOAWAY 0 NO_ERROR"]);
    expect(first.destroyed).toBe(true);
    expect(peer.engine.endUnused()).toBe(false);
  });

  test("none ends that was used", () => {
    const peer = new Peer(answering);
    peer.send(headers(1, get()));
    expect(peer.engine.endUnused()).toBe(false);
    expect(peer.socket.destroyed).toBe(false);
  });
});

test("a connection that is gone leaves nothing behind", () => {
  const peer = new Peer({
    accept: ({ stream }) => (stream.id === 3 ? stream.answer(OK, [Buffer.alloc(100)]) : undefined),
  });
  peer.send(settings([4, 0]), OPEN, data(1, "abc"), headers(3, get()), data(1, "defg").subarray(0, 10));
  expect([peer.arriving.taken > 0, peer.leaving.taken > 0]).toEqual([true, true]);
  expect(peer.engine.held).toMatchObject({ connections: 1, streams: 2, leavingBytes: 100 });
  peer.engine.close();
  expect([peer.arriving.taken, peer.leaving.taken, peer.time.regulars]).toEqual([0, 0, 0]);
  expect(peer.seen.map(({ calls }) => calls)).toEqual([["gone"], ["gone"]]);
  expect(peer.engine.inFlight).toBe(0);
  peer.send(reset(1, 8)); // Nobody hears it.
  expect(peer.defects).toEqual([]);
});

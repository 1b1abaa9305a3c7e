import assert from "node:assert/strict";
import { Decoder } from "../../../src/http2/hpack/decoder.ts";
import type { Peer } from "../../http2/peer.ts";
import { toldOf } from "../../http2/peer.ts";
import { END_HEADERS, END_STREAM, type Frame, framesIn } from "../../http2/wire.ts";
import type { Answerer } from "./answerer.ts";

const PREFACE_BYTES = 24;

/** What a client knows of a stream. */
interface Known {
  /** What it has let come, in bytes, and what has. */
  granted: number;
  came: number;
  head: boolean;
  ended: boolean;
  reset: boolean;
}

/**
 * Holds what the engine says against what was sent: each stream by RFC 9113, sections 5.1 and 8.1, windows by section
 * 6.9; and what it holds against what it may.
 */
export class Checker {
  /** The last that was told of the connection. */
  lastWord = "nothing";
  readonly #peer: Peer;
  readonly #answerer: Answerer;
  readonly #bytesMax: number;
  readonly #decoder = new Decoder();
  readonly #streams = new Map<number, Known>();
  #sent: Buffer = Buffer.alloc(0);
  #prefaceLeft = PREFACE_BYTES;
  #granted = 65_535;
  #came = 0;
  /** The largest window that streams began with; they may have grown when it did. */
  #windowMax = 65_535;
  #block: Buffer[] = [];
  #failed = false;

  constructor(peer: Peer, answerer: Answerer, bytesMax: number) {
    this.#peer = peer;
    this.#answerer = answerer;
    this.#bytesMax = bytesMax;
  }

  /** Something is sent: what it lets come is known. */
  sent(bytes: Buffer): void {
    const preface = Math.min(bytes.length, this.#prefaceLeft);
    this.#prefaceLeft -= preface;
    const { frames, rest } = framesIn(Buffer.concat([this.#sent, bytes.subarray(preface)]));
    this.#sent = rest;
    for (const { type, flags, stream, payload } of frames) {
      const id = stream & 0x7fff_ffff;
      if (type === "HEADERS" || type === "PRIORITY") this.#known(id);
      else if (type === "WINDOW_UPDATE" && payload.length === 4) {
        const more = payload.readUInt32BE(0) & 0x7fff_ffff;
        if (id === 0) this.#granted += more;
        else this.#known(id).granted += more;
      } else if (type === "SETTINGS" && (flags & 1) === 0) {
        for (let at = 0; at + 6 <= payload.length; at += 6) {
          if (payload.readUInt16BE(at) === 4)
            this.#windowMax = Math.max(this.#windowMax, payload.readUInt32BE(at + 2));
        }
      } else if (id !== 0) this.#known(id);
    }
  }

  /** @throws AssertionError */
  check(): void {
    const peer = this.#peer;
    for (const frame of peer.take()) this.#told(frame);
    assert.deepEqual(peer.defects, []);
    for (const { taken } of [peer.arriving, peer.leaving]) {
      assert.ok(taken >= 0 && taken <= this.#bytesMax, `${taken} bytes are held`);
    }
    const { held } = peer.engine;
    assert.deepEqual([held.arrivingBytes, held.leavingBytes], [peer.arriving.taken, peer.leaving.taken]);
    assert.ok(peer.engine.inFlight >= held.streams);
  }

  /** The connection is gone: nothing is left. @throws AssertionError */
  checkEnd(): void {
    const peer = this.#peer;
    assert.equal(peer.time.endTurns() < 1_000, true, "it goes on without an end");
    assert.deepEqual(peer.engine.held, {
      connections: 0,
      streams: 0,
      arrivingBytes: 0,
      leavingBytes: 0,
      pagesBytes: 0,
    });
    assert.deepEqual([peer.arriving.taken, peer.leaving.taken, peer.time.regulars], [0, 0, 0]);
    for (const { calls, stream } of this.#answerer.taken) {
      const closes = calls.filter((call) => call === "answered" || call === "reset" || call === "gone");
      assert.equal(closes.length, 1, `stream ${stream.id} was told ${calls.join(", ")}`);
      assert.equal(calls.at(-1), closes[0]);
      assert.equal(stream.over, true);
      assert.ok(calls.filter((call) => call === "end" || call.startsWith("body")).length <= 1);
    }
  }

  #told(frame: Frame): void {
    const { type, flags, stream, payload } = frame;
    assert.ok(!this.#failed, `${toldOf(frame)} behind the last word`);
    assert.ok(payload.length <= 16_384);
    if (type === "GOAWAY") {
      this.lastWord = toldOf(frame).replace(/ \d+/, "");
      // An error may be told behind a GOAWAY of none; of resets it is told with requests still in flight.
      return;
    }
    if (stream === 0) {
      assert.ok(["SETTINGS", "PING", "WINDOW_UPDATE"].includes(type), toldOf(frame));
      return;
    }
    const known = this.#streams.get(stream);
    assert.ok(known !== undefined, `${toldOf(frame)} of a stream that nobody opened`);
    if (known.reset && toldOf(frame).endsWith("STREAM_CLOSED")) return; // It is forgotten by now.
    assert.ok(!known.reset, `${toldOf(frame)} behind RST_STREAM`);
    if (type === "RST_STREAM") {
      assert.ok(payload.readUInt32BE(0) !== 0 || known.ended, "NO_ERROR without an answer");
      known.reset = true;
      return;
    }
    // Of a request that goes on more may be let come ("half-closed (local)", RFC 9113, section 5.1).
    assert.ok(!known.ended || type === "WINDOW_UPDATE", `${toldOf(frame)} behind the end`);
    if (type === "DATA") this.#data(known, payload, stream);
    else if (type === "HEADERS" || type === "CONTINUATION") this.#header(known, frame);
    else assert.equal(type, "WINDOW_UPDATE");
    if (type !== "WINDOW_UPDATE" && type !== "CONTINUATION" && (flags & END_STREAM) !== 0) known.ended = true;
  }

  #data(known: Known, payload: Buffer, stream: number): void {
    assert.ok(known.head, "DATA without a head");
    this.#came += payload.length;
    known.came += payload.length;
    assert.ok(this.#came <= this.#granted, "DATA beyond the connection's window");
    assert.ok(known.came <= known.granted + this.#windowMax, `DATA beyond the window of ${stream}`);
  }

  #header(known: Known, { type, flags, payload }: Frame): void {
    assert.equal(type === "CONTINUATION", this.#block.length > 0);
    this.#block.push(payload);
    if ((flags & END_HEADERS) === 0) return;
    const block = Buffer.concat(this.#block);
    this.#block = [];
    const fields: [string, string][] = [];
    const sink = { add: (name: string, value: string) => void fields.push([name, value]) };
    this.#decoder.decode(block, 0, block.length, sink);
    const status = fields.find(([name]) => name === ":status")?.[1];
    if (status?.startsWith("1")) assert.ok(!known.head);
    else if (status !== undefined) {
      assert.ok(!known.head, "a second head");
      known.head = true;
    } else assert.ok(known.head && (flags & END_STREAM) !== 0, "trailers that are none");
  }

  #known(id: number): Known {
    let known = this.#streams.get(id);
    if (known === undefined) {
      known = { granted: 0, came: 0, head: false, ended: false, reset: false };
      this.#streams.set(id, known);
    }
    return known;
  }
}

import { Peer, type Seen } from "../../http2/peer.ts";
import * as wire from "../../http2/wire.ts";
import type { Random } from "../crash/random.ts";
import { Answerer } from "./answerer.ts";
import { Checker } from "./checker.ts";

const BYTES_MAX = 300_000;
const FRAMES_MAX = 600;

/** One connection, from its preface to its end, of random frames in random pieces. */
export class Session {
  frames = 0;
  readonly #random: Random;
  readonly #peer: Peer;
  readonly #answerer: Answerer;
  readonly #checker: Checker;
  #nextStream = 1;
  /** Streams whose requests have not ended. */
  #open: number[] = [];
  #unsent = Buffer.alloc(0);

  constructor(random: Random) {
    this.#random = random;
    const small = random.fraction() < 0.3;
    this.#answerer = new Answerer(random.fork());
    this.#peer = new Peer({
      unopened: true,
      limits: {
        streamsMax: random.pick([3, 20, 256]),
        connectionBytesMax: BYTES_MAX,
        leavingBytesMax: BYTES_MAX,
        turnFramesMax: random.pick([5, 50, 2_048]),
        turnBytesMax: random.pick([1_000, 256 * 1_024]),
        backlogBytesMax: small ? 2_000 : 1_048_576,
        controlBurst: small ? 100 : 1_000,
        streamResetsBurst: random.pick([10, 100, 10_000]),
        streamResetsRate: 10,
      },
      accept: (seen: Seen) => this.#answerer.take(seen),
    });
    this.#checker = new Checker(this.#peer, this.#answerer, BYTES_MAX);
  }

  get requests(): number {
    return this.#answerer.taken.length;
  }

  /** How the connection ended, by what it was told last. */
  get ends(): readonly string[] {
    return [this.#checker.lastWord];
  }

  /** @throws  when anything is not as it should be */
  run(): void {
    const random = this.#random;
    const opening = wire.opening();
    this.#queue(random.fraction() < 0.02 ? this.#damaged(opening) : opening);
    if (random.fraction() < 0.9) this.#queue(wire.frame("SETTINGS", wire.ACK, 0));
    const frames = random.between(1, FRAMES_MAX);
    const damage = random.pick([0, 0, 0.01, 0.1]);
    while (this.frames < frames && !this.#peer.ended) {
      for (const frame of this.#somethingToSay())
        this.#queue(random.fraction() < damage ? this.#damaged(frame) : frame);
      if (random.fraction() < 0.5) this.#deliver();
      this.#meanwhile();
      this.#checker.check();
    }
    this.#deliver();
    if (random.fraction() < 0.3) this.#peer.engine.drain(5_000);
    if (random.fraction() < 0.5) this.#peer.socket.emit("end");
    this.#answerer.goOn();
    this.#peer.time.pass(random.pick([0, 1, 100]));
    this.#checker.check();
    this.#peer.engine.close();
    this.#checker.checkEnd();
  }

  #queue(bytes: Buffer): void {
    this.#unsent = Buffer.concat([this.#unsent, bytes]);
    this.frames++;
  }

  /** Send what is queued in pieces, as far as the engine takes them. */
  #deliver(): void {
    const { socket, time } = this.#peer;
    for (let turns = 0; this.#unsent.length > 0 && !socket.destroyed && turns < 50; turns++) {
      if (socket.paused) {
        time.endTurns();
        if (socket.stuck) socket.unstick();
        continue;
      }
      const length = this.#random.fraction() < 0.5 ? this.#unsent.length : this.#random.between(1, 200);
      const piece = Buffer.from(this.#unsent.subarray(0, length));
      this.#unsent = this.#unsent.subarray(piece.length);
      this.#checker.sent(piece);
      socket.emit("data", piece);
      if (this.#random.fraction() < 0.5) time.endTurn();
    }
  }

  /** What goes on beside. */
  #meanwhile(): void {
    const { socket, time, engine } = this.#peer;
    const chance = this.#random.fraction();
    if (chance < 0.3) this.#answerer.goOn();
    else if (chance < 0.33) socket.stuck = true;
    else if (chance < 0.4 && socket.stuck) socket.unstick();
    else if (chance < 0.45) time.pass(this.#random.pick([1, 1, 1, 5, 15]));
    else if (chance < 0.452) engine.announceDrain();
    else if (chance < 0.454) engine.drain(60_000);
    else if (chance < 0.7) time.endTurn();
  }

  /** A few frames that belong together. */
  #somethingToSay(): Buffer[] {
    const random = this.#random;
    const chance = random.fraction();
    if (chance < 0.35 || this.#nextStream === 1 || (chance < 0.8 && this.#open.length === 0))
      return this.#request();
    if (chance < 0.6) return [this.#data()];
    const stream = this.#someStream();
    if (chance < 0.7) return [wire.windowUpdate(random.pick([0, stream]), random.between(1, 100_000))];
    if (chance < 0.76) return [wire.reset(this.#someOpen(true), random.between(0, 13))];
    if (chance < 0.8) return [wire.headers(this.#someOpen(true), [["x-trailer", "y"]])];
    if (chance < 0.84)
      return [
        wire.settings([4, random.pick([0, 1, 100, 65_535, 200_000])], [1, random.pick([0, 100, 4_096])]),
      ];
    if (chance < 0.88) return [wire.ping()];
    if (chance < 0.9) return [wire.frame("PING", wire.ACK, 0, Buffer.from("leaving!"))];
    if (chance < 0.93)
      return [wire.frame("PRIORITY", 0, random.between(1, 99), Buffer.from([0, 0, 0, 0, 9]))];
    if (chance < 0.96)
      return [wire.frame(random.between(10, 255), random.between(0, 255), random.between(0, 9))];
    if (chance < 0.965) return [wire.frame("GOAWAY", 0, 0, Buffer.alloc(random.between(8, 30)))];
    if (chance < 0.966) return [wire.windowUpdate(random.pick([0, stream]), random.pick([0, 0x7fff_ffff]))];
    if (chance < 0.967) return [wire.settings([random.between(0, 10), random.between(0, 2 ** 32 - 1)])];
    if (chance < 0.97) return [this.#anything()];
    return [wire.frame("SETTINGS", wire.ACK, 0)];
  }

  #request(): Buffer[] {
    const random = this.#random;
    const id = this.#nextStream;
    this.#nextStream += random.pick([2, 2, 2, 2, 4]);
    const more: [string, string][] = [];
    for (let n = random.pick([0, 0, 1, 3, 40]); n > 0; n--)
      more.push([`x-${random.between(0, 20)}`, "v".repeat(random.between(0, 600))]);
    if (random.fraction() < 0.1) more.push(["content-length", String(random.between(0, 300))]);
    if (random.fraction() < 0.03) more.push(["expect", "100-continue"]);
    if (random.fraction() < 0.03)
      more.push([random.pick(["connection", "te", "Upper", ":late", "x\n"]), "v"]);
    const pseudo = wire.get(random.pick(["/", "/a?b", "*", "/long".repeat(40)]));
    const block = Buffer.concat([wire.block(pseudo), ...more.map((field) => this.#field(field))]);
    const last = random.fraction() < 0.5 ? wire.END_STREAM : 0;
    if (last === 0) this.#open.push(id);
    const pieces = Math.max(Math.ceil(block.length / 16_384), random.pick([1, 1, 1, 2, 5]));
    const size = Math.ceil(block.length / pieces);
    return Array.from({ length: pieces }, (_, at) => {
      const end = at === pieces - 1 ? wire.END_HEADERS : 0;
      const piece = block.subarray(at * size, (at + 1) * size);
      return at === 0
        ? wire.frame("HEADERS", end | last, id, piece)
        : wire.frame("CONTINUATION", end, id, piece);
    });
  }

  /** A field in one of its representations; of an index it is whatever stands there. */
  #field(field: [string, string]): Buffer {
    const chance = this.#random.fraction();
    if (chance < 0.4) return wire.block([field]);
    if (chance < 0.8) return wire.indexedBlock([field]);
    if (chance < 0.97) return wire.integer(0x80, 7, this.#random.between(15, 61));
    if (chance < 0.9703) return wire.integer(0x80, 7, this.#random.between(1, 200));
    return Buffer.from(HUFFMAN, "hex");
  }

  #data(): Buffer {
    const random = this.#random;
    const payload = Buffer.alloc(random.pick([0, 1, 5, 50, 300, 3_000, 16_384]), "d");
    const last = random.fraction() < 0.3 ? wire.END_STREAM : 0;
    const stream = this.#someOpen(last !== 0);
    if (random.fraction() < 0.8 || payload.length > 16_000) return wire.data(stream, payload, last);
    const padding = random.between(0, 255);
    const padded = Buffer.concat([Buffer.from([padding]), payload, Buffer.alloc(padding)]);
    return wire.frame("DATA", last | wire.PADDED, stream, padded);
  }

  /** Any frame of any stream, flags and payload. */
  #anything(): Buffer {
    const random = this.#random;
    const payload = Buffer.from(
      Array.from({ length: random.pick([0, 1, 4, 5, 8, 100]) }, () => random.between(0, 255)),
    );
    return wire.frame(
      random.between(0, 10),
      random.between(0, 255),
      random.between(0, this.#nextStream + 2),
      payload,
    );
  }

  #damaged(frame: Buffer): Buffer {
    const damaged = Buffer.from(frame);
    for (let n = this.#random.between(1, 3); n > 0 && damaged.length > 0; n--) {
      damaged[this.#random.between(0, damaged.length - 1)] = this.#random.between(0, 255);
    }
    return this.#random.fraction() < 0.1
      ? damaged.subarray(0, this.#random.between(0, damaged.length))
      : damaged;
  }

  /** One of the last, whatever became of it. */
  #someStream(): number {
    const back = 2 * this.#random.between(1, this.#random.pick([1, 4, 40, 2_000]));
    return Math.max(1, this.#nextStream - back);
  }

  /** One whose request has not ended, mostly. */
  #someOpen(last: boolean): number {
    if (this.#open.length === 0 || this.#random.fraction() < 0.001) return this.#someStream();
    const stream = this.#random.pick(this.#open);
    if (last) this.#ended(stream);
    return stream;
  }

  #ended(stream: number): void {
    this.#open = this.#open.filter((other) => other !== stream);
  }
}

/** "custom-key: custom-value" that the table takes in (RFC 7541, appendix C.4.3). */
const HUFFMAN = "408825a849e95ba97d7f8925a849e95bb8e8b4bf";

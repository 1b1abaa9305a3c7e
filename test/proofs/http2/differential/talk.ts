import * as wire from "../../../http2/wire.ts";
import type { Random } from "../../crash/random.ts";
import type { Script } from "./conversation.ts";

/** Of all bodies of a session: below every window that a server begins with, so that none has to wait. */
const BODIES_BYTES_MAX = 60_000;

/** Requests that are as they should be, in all ways that there are, and what goes on between them. */
export class Talk {
  readonly #random: Random;
  readonly #frames: Buffer[] = [];
  readonly #ended: number[] = [];
  /** Frames of bodies that are still to come, by their streams. */
  readonly #coming = new Map<number, Buffer[]>();
  #nextStream: number;
  #bodyBytesLeft = BODIES_BYTES_MAX;
  /** What the table took in last, which has the first index behind the static table. */
  #newest: readonly [string, string] | undefined;

  /** @param requests  how many; the first stream is `firstStream` */
  constructor(random: Random, requests: number, firstStream = 1) {
    this.#random = random;
    this.#nextStream = firstStream;
    for (let left = requests; left > 0 || this.#coming.size > 0; ) {
      const chance = random.fraction();
      if (chance < 0.15) this.#beside();
      else if (left > 0 && (chance < 0.6 || this.#coming.size === 0)) {
        this.#request();
        left--;
      } else this.#goOn();
    }
  }

  get frames(): readonly Buffer[] {
    return this.#frames;
  }

  get ended(): readonly number[] {
    return this.#ended;
  }

  /** As `scriptOf`, behind an opening. */
  script(before: readonly Buffer[] = []): Script {
    return scriptOf(this.#random, [...before, ...this.#frames], this.#ended);
  }

  #goOn(): void {
    const id = this.#random.pick([...this.#coming.keys()]);
    const frames = this.#coming.get(id)!;
    this.#frames.push(frames.shift()!);
    if (frames.length > 0) return;
    this.#coming.delete(id);
    this.#ended.push(id);
  }

  #request(): void {
    const random = this.#random;
    const id = this.#nextStream;
    this.#nextStream += random.pick([2, 2, 2, 6]);
    const hasBody = random.fraction() < 0.6 && this.#bodyBytesLeft > 0;
    const body = hasBody ? this.#body() : Buffer.alloc(0);
    const method = hasBody ? random.pick(["POST", "PUT", "GET"]) : random.pick(["GET", "HEAD", "OPTIONS"]);
    const path = method === "OPTIONS" ? "*" : random.pick(PATHS);
    const pseudo = random.fraction() < 0.1 ? [] : [[":authority", random.pick(AUTHORITIES)] as const];
    const fields: wire.Fields = [
      [":method", method],
      [":path", path],
      [":scheme", random.pick(["http", "https"])],
      ...pseudo,
      ...(pseudo.length === 0 ? [["host", "tally.test"] as const] : []),
      ...(hasBody && random.fraction() < 0.5 ? [["content-length", String(body.length)] as const] : []),
      ...Array.from({ length: random.pick([0, 0, 1, 5, 30]) }, () => this.#field()),
    ];
    const trailers = hasBody && random.fraction() < 0.3;
    this.#headers(id, this.#block(fields), !hasBody);
    if (!hasBody) this.#ended.push(id);
    else {
      const frames = this.#data(id, body, !trailers);
      if (trailers) frames.push(wire.headers(id, [this.#field(), this.#field()]));
      this.#coming.set(id, frames);
    }
  }

  /** HEADERS, with padding and a priority or without, and what does not fit in CONTINUATIONs. */
  #headers(id: number, block: Buffer, last: boolean): void {
    const random = this.#random;
    const cuts = Array.from({ length: random.pick([0, 0, 0, 1, 3]) }, () => random.between(0, block.length));
    const edges = [0, ...cuts.toSorted((a, b) => a - b), block.length];
    const pieces = edges.slice(1).map((edge, at) => block.subarray(edges[at], edge));
    const end = (at: number) => (at === pieces.length - 1 ? wire.END_HEADERS : 0);
    const priority = random.fraction() < 0.2;
    const padding = random.fraction() < 0.2 ? random.between(0, 255) : undefined;
    const first = Buffer.concat([
      ...(padding === undefined ? [] : [Buffer.from([padding])]),
      ...(priority ? [wire.word(id + 2), Buffer.from([random.between(0, 255)])] : []),
      pieces[0]!,
      Buffer.alloc(padding ?? 0),
    ]);
    const flags =
      (last ? wire.END_STREAM : 0) |
      (priority ? wire.PRIORITY : 0) |
      (padding === undefined ? 0 : wire.PADDED);
    const rest = pieces.slice(1).map((piece, at) => wire.frame("CONTINUATION", end(at + 1), id, piece));
    this.#frames.push(Buffer.concat([wire.frame("HEADERS", flags | end(0), id, first), ...rest]));
  }

  #body(): Buffer {
    const random = this.#random;
    const length = Math.min(random.pick([0, 1, 10, 100, 3_000, 20_000]), this.#bodyBytesLeft);
    this.#bodyBytesLeft -= length + 1_024; // And padding, which windows count too.
    return Buffer.from(Array.from({ length }, () => random.between(0, 255)));
  }

  #data(id: number, body: Buffer, ends: boolean): Buffer[] {
    const random = this.#random;
    const size = Math.max(1, Math.ceil(body.length / random.pick([1, 2, 4])));
    const pieces: Buffer[] = [];
    for (let at = 0; at === 0 || at < body.length; at += size) pieces.push(body.subarray(at, at + size));
    return pieces.flatMap((piece, at) => {
      const last = ends && at === pieces.length - 1 ? wire.END_STREAM : 0;
      if (piece.length > 16_000) return split(id, piece, last);
      if (random.fraction() < 0.7) return [wire.data(id, piece, last)];
      const padding = random.between(0, 255);
      const padded = Buffer.concat([Buffer.from([padding]), piece, Buffer.alloc(padding)]);
      return [wire.frame("DATA", last | wire.PADDED, id, padded)];
    });
  }

  #field(): readonly [string, string] {
    const random = this.#random;
    return [random.pick(NAMES), random.pick(VALUES) + "v".repeat(random.pick([0, 0, 5, 200]))];
  }

  /** Fields in each of their representations (RFC 7541, section 6). */
  #block(fields: wire.Fields): Buffer {
    const pieces = fields.map((field) => {
      const chance = this.#random.fraction();
      const [name, value] = field;
      const known = STATIC.get(`${name} ${value}`);
      if (known !== undefined && chance < 0.5) return wire.integer(0x80, 7, known);
      if (this.#newest?.[0] === name && this.#newest[1] === value) return wire.integer(0x80, 7, 62);
      if (chance < 0.6) return wire.block([field]);
      if (chance < 0.8) return Buffer.concat([Buffer.from([0x10]), wire.block([field]).subarray(1)]);
      this.#newest = field;
      return wire.indexedBlock([field]);
    });
    return Buffer.concat(pieces);
  }

  /** What a client says beside requests. */
  #beside(): void {
    const random = this.#random;
    this.#frames.push(
      random.pick([
        () => wire.ping(),
        () => wire.settings([4, random.pick([0, 1, 1_000, 65_535])], [1, random.pick([0, 100, 4_096])]),
        () => wire.settings([random.between(10, 65_535), 1]),
        () => wire.windowUpdate(0, random.between(1, 100_000)),
        () => wire.frame("PRIORITY", 0, this.#nextStream, Buffer.from([0, 0, 0, 0, 9])),
        () => wire.frame(random.between(11, 255), random.between(0, 255), random.between(0, 9)),
      ])(),
    );
  }
}

/**
 * What a client says from its preface on, cut anywhere: at its end the windows take all that may be answered.
 *
 * @param ended  the streams whose requests end in it
 */
export function scriptOf(random: Random, frames: readonly Buffer[], ended: readonly number[]): Script {
  const whole = Buffer.concat([
    wire.opening(),
    wire.frame("SETTINGS", wire.ACK, 0),
    ...frames,
    wire.settings([4, 1_000_000]),
    wire.windowUpdate(0, 100_000_000),
  ]);
  const pieces: Buffer[] = [];
  for (let at = 0; at < whole.length; at += pieces.at(-1)!.length) {
    pieces.push(whole.subarray(at, at + random.pick([whole.length, random.between(1, 5_000)])));
  }
  return { pieces, ended };
}

function split(id: number, piece: Buffer, last: number): Buffer[] {
  const half = piece.length >> 1;
  return [wire.data(id, piece.subarray(0, half)), wire.data(id, piece.subarray(half), last)];
}

const PATHS = ["/", "/created", "/long", "/a?b=c&d", "/%2f%00", "/\xe4\xff", `/${"deep/".repeat(50)}`];
const AUTHORITIES = ["tally.test", "tally.test:8080", "[::1]:1", "127.0.0.1"];
const NAMES = ["accept", "cookie", "te-st", "x", "!#$%&'*+-.^_`|~09az", "user-agent", "content-type", "date"];
const VALUES = ["", "a", "a,b", "a=1; b=2", "tab\there", "latin \xe4\xff", '"quoted"', "\x80", "a b"];
/** Of the static table (RFC 7541, appendix A). */
const STATIC = new Map([
  [":method GET", 2],
  [":method POST", 3],
  [":path /", 4],
  [":scheme http", 6],
  [":scheme https", 7],
]);

import { CONNECTION_ERRORS, MALFORMED, OPEN, STREAM_ERRORS } from "../../../http2/faulty.ts";
import * as wire from "../../../http2/wire.ts";

/** What a connection says from its first byte on, as fast as it is taken. */
export type Speech = () => Iterable<Buffer>;

/** An attack, and how it goes about it. */
export interface Attacker {
  /** One connection says this, the next the next. */
  readonly speeches: readonly Speech[];
  /** At a time; one that has ended is followed by another. */
  readonly connections: number;
  /** Whether it reads what it is answered. */
  readonly reads: boolean;
  /** Whether it breaks off when it has said all, as who dies; else it stays until the server hangs up. */
  readonly hangsUp: boolean;
}

const GET = wire.get("/livez");
/** Half a megabyte, which the server has once. */
const LARGE = wire.get("/descriptors.binpb");
/** Some fifty KiB that are made anew for each answer. */
const LIST = wire.get("/v1/counters?pageSize=1000");
const BATCH = wire.post(
  "/tally.v1.CounterService/BatchApply",
  ["content-type", "application/grpc"],
  ["te", "trailers"],
);
const OPENING = Buffer.concat([wire.opening(), wire.frame("SETTINGS", wire.ACK, 0)]);
const BLOCK_END = wire.END_HEADERS | wire.END_STREAM;

/** All of docs/http2-weaknesses.md that can be done from outside. */
export const ATTACKERS: Readonly<Record<string, Attacker>> = {
  "header lists of one large field, again and again": again((id) => {
    const first = Buffer.concat([wire.block(GET), wire.indexedBlock([["a", "b".repeat(4_000)]])]);
    const bomb = Buffer.concat([wire.block(GET), Buffer.alloc(16_000, 0x80 | 62)]);
    return wire.frame("HEADERS", BLOCK_END, id, id === 1 ? first : bomb);
  }),
  "header blocks without an end": again(
    () => wire.frame("CONTINUATION", 0, 1, Buffer.alloc(1_000, "h")),
    wire.frame("HEADERS", wire.END_STREAM, 1, Buffer.alloc(16_384, "h")),
  ),
  "header blocks in empty pieces": again(
    () => wire.frame("CONTINUATION", 0, 1),
    wire.frame("HEADERS", wire.END_STREAM, 1, wire.block(GET)),
  ),
  "tables that are churned": again((id) => {
    const fields = Array.from({ length: 100 }, (_, n) => [`n${id}-${n}`, "v".repeat(20)] as const);
    return wire.frame("HEADERS", BLOCK_END, id, Buffer.concat([wire.block(GET), wire.indexedBlock(fields)]));
  }),
  "windows opened byte by byte": again(
    () => wire.windowUpdate(1, 1),
    Buffer.concat([wire.settings([4, 0]), wire.headers(1, LARGE)]),
  ),
  PINGs: again(() => wire.ping()),
  SETTINGS: again((id) => wire.settings([4, id % 65_536])),
  "large SETTINGS": again(() => wire.frame("SETTINGS", 0, 0, Buffer.alloc(16_380))),
  PRIORITYs: again((id) => wire.frame("PRIORITY", 0, id, Buffer.from([0, 0, 0, 0, 16]))),
  "empty DATA": again(() => wire.data(1, ""), OPEN),
  "frames of no known type": again(() => wire.frame(0xee, 0, 0, Buffer.alloc(100))),
  "requests and their resets": again((id) => Buffer.concat([wire.headers(id, GET), wire.reset(id, 8)])),
  "requests and faults, which have us reset": again((id) =>
    Buffer.concat([wire.headers(id, BATCH, wire.END_HEADERS), wire.windowUpdate(id, 0)]),
  ),
  "malformed requests": again((id) => wire.headers(id, MALFORMED_IN_TURN[id % MALFORMED_IN_TURN.length]!)),
  "streams beyond what was settled": again((id) => wire.headers(id, BATCH, wire.END_HEADERS)),
  "requests as fast as they are taken": again((id) => wire.headers(id, GET)),
  "answers that no window takes": {
    ...attacker(function* () {
      yield Buffer.concat([OPENING, wire.settings([4, 0])]);
      for (let id = 1; id < 80; id += 2) yield wire.headers(id, LIST);
    }),
    connections: 8,
  },
  "answers that nobody reads": {
    ...attacker(function* () {
      yield Buffer.concat([OPENING, wire.settings([4, 2 ** 30]), wire.windowUpdate(0, 2 ** 30)]);
      for (let id = 1; id < 80; id += 2) yield wire.headers(id, LIST);
    }),
    connections: 8,
    reads: false,
  },
  "windows that are opened and shut": again(
    (id) => Buffer.concat([wire.settings([4, 1_000]), wire.headers(id, LARGE), wire.settings([4, 0])]),
    wire.windowUpdate(0, 2 ** 30),
  ),
  "bodies that are announced and come short": {
    ...attacker(function* () {
      yield OPENING;
      for (let id = 1; id < 16; id += 2) yield wire.headers(id, BATCH, wire.END_HEADERS);
      for (let id = 1; id < 16; id += 2) yield wire.data(id, MESSAGE_OF_4_MB);
      for (let sent = 0; sent < 3.9e6; sent += 16_000)
        for (let id = 1; id < 16; id += 2) yield wire.data(id, crumbs(16_000));
    }),
    connections: 8,
  },
  "bodies byte by byte": attacker(function* () {
    yield OPENING;
    for (let id = 1; id < 200; id += 2) yield wire.headers(id, BATCH, wire.END_HEADERS);
    for (let bytes = 0; bytes < 1_000; bytes++) for (let id = 1; id < 200; id += 2) yield wire.data(id, "x");
  }),
  "what ends a connection": {
    ...attacker(),
    speeches: Object.values(CONNECTION_ERRORS).map(([, ...frames]) => () => [OPENING, ...frames]),
  },
  "what ends a stream": {
    ...attacker(),
    speeches: Object.values(STREAM_ERRORS).map(([, ...frames]) => () => [OPENING, OPEN, ...frames]),
    hangsUp: true,
  },
  "connections that break off": {
    ...attacker(function* () {
      yield OPENING;
      for (let id = 1; id < 50; id += 2)
        yield Buffer.concat([wire.headers(id, BATCH, wire.END_HEADERS), wire.data(id, crumbs(16_384))]);
    }),
    hangsUp: true,
  },
  "connections that say nothing": waiting(Buffer.alloc(0)),
  "half a preface": waiting(wire.PREFACE.subarray(0, 10)),
  "no SETTINGS": waiting(wire.PREFACE),
  "no word to our settings": waiting(wire.opening()),
  "frames cut short": waiting(Buffer.concat([OPENING, wire.data(1, crumbs(16_000)).subarray(0, 15_000)])),
  "header blocks cut short": waiting(Buffer.concat([OPENING, wire.headers(1, GET, 0)])),
  "bodies cut short": waiting(
    Buffer.concat([OPENING, wire.headers(1, BATCH, wire.END_HEADERS), wire.data(1, crumbs(10_000))]),
  ),
};

/** The head of a message of gRPC. */
const MESSAGE_OF_4_MB = Buffer.from([0, 0, 0x3d, 0x09, 0]);
const MALFORMED_IN_TURN = Object.values(MALFORMED);

function crumbs(bytes: number): Buffer {
  return Buffer.alloc(bytes, "c");
}

function attacker(...speeches: Speech[]): Attacker {
  return { speeches, connections: 2, reads: true, hangsUp: false };
}

/** The same thing again and again, with a stream that is new each time. */
function again(say: (id: number) => Buffer, first: Buffer = Buffer.alloc(0)): Attacker {
  const speech = function* () {
    yield Buffer.concat([OPENING, first]);
    let bytes = 0;
    for (let id = 1; bytes < AGAIN_BYTES; id += 2) {
      const said = say(id);
      bytes += said.length;
      yield said;
    }
  };
  return { ...attacker(speech), hangsUp: true };
}

const AGAIN_BYTES = 2 * 2 ** 20;

/** Many connections that say so much and then nothing. */
function waiting(bytes: Buffer): Attacker {
  return { ...attacker(() => [bytes]), connections: 20 };
}

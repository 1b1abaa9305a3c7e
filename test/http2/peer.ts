import { type HeaderBlock, headBlock, trailerBlock } from "../../src/http2/block.ts";
import { type EngineOptions, Http2Engine } from "../../src/http2/engine.ts";
import type { Http2Limits, LimitNames } from "../../src/http2/limits.ts";
import type { Closed, ServerStream, StreamListener, Unread } from "../../src/http2/stream.ts";
import { FakeSocket } from "./fake-socket.ts";
import { HandTime } from "./hand-time.ts";
import { ACK, END_STREAM, type Frame, framesIn, opening, frame as rawFrame, windowUpdate } from "./wire.ts";

/** Room that counts. */
export class CountingRoom {
  taken = 0;
  readonly #bytesMax: number;

  constructor(bytesMax = Number.POSITIVE_INFINITY) {
    this.#bytesMax = bytesMax;
  }

  take(bytes: number): boolean {
    if (this.taken + bytes > this.#bytesMax) return false;
    this.taken += bytes;
    return true;
  }

  give(bytes: number): void {
    this.taken -= bytes;
  }
}

/** A request as somebody who answers sees it: what was called back, in its order. */
export class Seen implements StreamListener {
  readonly stream: ServerStream;
  readonly calls: string[] = [];
  body: Buffer | undefined;
  /** What else to do at each. */
  on: Partial<StreamListener> = {};

  constructor(stream: ServerStream) {
    this.stream = stream;
  }

  onStart(start: Buffer): void {
    this.calls.push(`start ${start}`);
    this.on.onStart?.(start);
  }

  onBody(body: Buffer): void {
    this.body = Buffer.from(body);
    this.calls.push(body.length < 100 ? `body ${body}` : `body of ${body.length}`);
    this.on.onBody?.(body);
  }

  onPiece(piece: Buffer): void {
    this.calls.push(piece.length < 100 ? `piece ${piece}` : `piece of ${piece.length}`);
    this.on.onPiece?.(piece);
  }

  onEnd(): void {
    this.calls.push("end");
    this.on.onEnd?.();
  }

  onUnread(why: Unread): void {
    this.calls.push(why);
    this.on.onUnread?.(why);
  }

  onWritable(): void {
    this.calls.push("writable");
    this.on.onWritable?.();
  }

  onClose(why: Closed): void {
    this.calls.push(why);
    this.on.onClose?.(why);
  }
}

export interface PeerOptions {
  readonly limits?: Partial<Http2Limits>;
  /** What to do with a request; undefined: its body is taken whole, and nothing is answered. "nobody" listens. */
  readonly accept?: (seen: Seen) => unknown;
  readonly acceptOversized?: EngineOptions["acceptOversized"];
  readonly limitNames?: LimitNames;
  readonly arriving?: CountingRoom;
  readonly leaving?: CountingRoom;
  /** Whether to leave the preface, and what goes with it, to the test. */
  readonly unopened?: boolean;
}

/** An engine, and a client of it that says whatever a test wants. */
export class Peer {
  readonly time = new HandTime();
  readonly arriving: CountingRoom;
  readonly leaving: CountingRoom;
  readonly engine: Http2Engine;
  readonly seen: Seen[] = [];
  readonly defects: unknown[] = [];
  readonly errors: string[] = [];
  socket: FakeSocket;
  #read = 0;
  #rest: Buffer = Buffer.alloc(0);

  constructor(options: PeerOptions = {}) {
    this.arriving = options.arriving ?? new CountingRoom();
    this.leaving = options.leaving ?? new CountingRoom();
    const accept = options.accept ?? (({ stream }: Seen) => stream.body(1_000_000));
    this.engine = new Http2Engine({
      time: this.time,
      arriving: this.arriving,
      leaving: this.leaving,
      limits: options.limits ?? {},
      accept: (stream) => {
        const seen = new Seen(stream);
        this.seen.push(seen);
        return accept(seen) === "nobody" ? undefined : seen;
      },
      acceptOversized: options.acceptOversized,
      limitNames: options.limitNames ?? {},
      onDefect: (error) => this.defects.push(error),
      onConnectionError: (_, reason) => this.errors.push(reason),
    });
    this.socket = new FakeSocket();
    this.engine.serve(this.socket.socket);
    if (options.unopened) return;
    this.send(opening(), rawFrame("SETTINGS", ACK, 0));
    this.take();
  }

  /** Send it in one piece, and let the turn end. */
  send(...bytes: Uint8Array[]): void {
    this.socket.emit("data", Buffer.concat(bytes));
    this.time.endTurns();
  }

  /** Send it byte by byte, each in a turn of its own. */
  sendBytewise(...bytes: Uint8Array[]): void {
    for (const byte of Buffer.concat(bytes)) this.send(Buffer.from([byte]));
  }

  /** The frames that came since. */
  take(): Frame[] {
    this.time.endTurns();
    const { writes } = this.socket;
    const { frames, rest } = framesIn(Buffer.concat([this.#rest, ...writes.slice(this.#read)]));
    this.#read = writes.length;
    this.#rest = rest;
    return frames;
  }

  /** The same as a line each. */
  told(): string[] {
    return this.take().map(toldOf);
  }

  /** Have windows that nothing fills. */
  openWindows(stream?: number): void {
    this.send(windowUpdate(0, 0x3fff_ffff));
    if (stream !== undefined) this.send(windowUpdate(stream, 0x3fff_ffff));
  }

  /** Whether the engine has hung up, or is to. */
  get ended(): boolean {
    return this.socket.destroyed || this.socket.writableEnded;
  }
}

export const OK: HeaderBlock = headBlock(200, []);
export const TAIL: HeaderBlock = trailerBlock(["grpc-status", "0"]);

/** A frame in words. */
export function toldOf({ type, flags, stream, payload }: Frame): string {
  switch (type) {
    case "RST_STREAM":
      return `RST_STREAM ${stream} ${CODES[payload.readUInt32BE(0)]}`;
    case "GOAWAY":
      return `GOAWAY ${payload.readUInt32BE(0)} ${CODES[payload.readUInt32BE(4)]}`;
    case "WINDOW_UPDATE":
      return `WINDOW_UPDATE ${stream} ${payload.readUInt32BE(0)}`;
    case "DATA":
      return `DATA ${stream} ${payload.length < 100 ? payload : payload.length}${end(flags)}`;
    case "HEADERS":
      return `HEADERS ${stream}${end(flags)}`;
    case "PING":
    case "SETTINGS":
      return `${type}${(flags & ACK) === 0 ? "" : " ACK"}`;
    default:
      return `${type} ${stream}`;
  }
}

function end(flags: number): string {
  return (flags & END_STREAM) === 0 ? "" : " END";
}

const CODES = [
  "NO_ERROR",
  "PROTOCOL_ERROR",
  "INTERNAL_ERROR",
  "FLOW_CONTROL_ERROR",
  "SETTINGS_TIMEOUT",
  "STREAM_CLOSED",
  "FRAME_SIZE_ERROR",
  "REFUSED_STREAM",
  "CANCEL",
  "COMPRESSION_ERROR",
  "CONNECT_ERROR",
  "ENHANCE_YOUR_CALM",
];

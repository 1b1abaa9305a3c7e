import type { Socket } from "node:net";
import type { Budget } from "./budget.ts";
import { Connection, type Shared } from "./connection.ts";
import { DEFAULT_HTTP2_LIMITS, type Http2Limits, type LimitNames } from "./limits.ts";
import { Buffers } from "./output.ts";
import { Pages } from "./pages.ts";
import type { ServerStream, StreamListener } from "./stream.ts";
import type { Time } from "./time.ts";
import { Turn } from "./turn.ts";

/** What an engine is given. */
export interface EngineOptions {
  readonly time: Time;
  /** Room for what is held of requests, of all connections together. */
  readonly arriving: Budget;
  /** Room for what is held of answers, of all connections together. */
  readonly leaving: Budget;
  readonly limits?: Partial<Http2Limits>;
  /** What limits are called where they are set, for who goes beyond one; without, as they are called here. */
  readonly limitNames?: LimitNames;
  /**
   * Take a request, whose headers are there and well-formed. It may be answered at once, from its headers alone.
   *
   * @returns  who is told what comes of it; undefined: nobody, and its body is dropped
   */
  readonly accept: (stream: ServerStream) => StreamListener | undefined;
  /**
   * Answer a request with a larger header list than there may be, of which `head` has what came first. Without this it
   * is answered 431.
   */
  readonly acceptOversized?: ((stream: ServerStream) => void) | undefined;
  /** Something that was called back threw; its connection ends. */
  readonly onDefect: (error: unknown) => void;
  /** A connection ends for what its peer did. @param code  an ErrorCode */
  readonly onConnectionError?: ((code: number, reason: string) => void) | undefined;
}

/** What an engine holds. */
export interface Held {
  readonly connections: number;
  /** Requests that are not over. */
  readonly streams: number;
  /** Of requests, in bytes. */
  readonly arrivingBytes: number;
  /** Of answers, in bytes. */
  readonly leavingBytes: number;
  /** What may be in memory for that of requests, in bytes: it comes in large pieces, and goes when none of one is held. */
  readonly pagesBytes: number;
}

/** How often connections are looked at. */
const LOOK_EVERY_MS = 1_000;

/**
 * A server of HTTP/2 (RFC 9113) over sockets that somebody else accepts: it reads requests, and sends what they are
 * answered with.
 */
export class Http2Engine {
  readonly #time: Time;
  readonly #shared: Shared;
  /** The oldest first. */
  readonly #connections = new Set<Connection>();
  /** Those among them that no request came on, and some that one did since. */
  readonly #unused = new Set<Connection>();
  #stopLooking: (() => void) | undefined;

  constructor(options: EngineOptions) {
    const { time, arriving, leaving, accept, acceptOversized, onDefect, onConnectionError } = options;
    this.#time = time;
    this.#shared = {
      limits: { ...DEFAULT_HTTP2_LIMITS, ...options.limits },
      limitNames: options.limitNames ?? {},
      turn: new Turn(time),
      buffers: new Buffers(),
      pages: new Pages(),
      arriving,
      leaving,
      now: () => time.monotonic(),
      accept,
      acceptOversized,
      onDefect,
      onConnectionError: onConnectionError ?? (() => {}),
      closed: (connection) => this.#closed(connection),
    };
  }

  /** Serve a socket of `node:net` or `node:tls`; what was read of it already is put back before. It may be half-open. */
  serve(socket: Socket): void {
    if (socket.destroyed) return;
    const connection = new Connection(socket, this.#shared);
    this.#connections.add(connection);
    this.#unused.add(connection);
    this.#stopLooking ??= this.#time.every(LOOK_EVERY_MS, () => this.#look());
  }

  /** Requests that are not over, and those that are still worked on. */
  get inFlight(): number {
    let sum = 0;
    for (const { inFlight } of this.#connections) sum += inFlight;
    return sum;
  }

  get held(): Held {
    let [streams, arrivingBytes, leavingBytes] = [0, 0, 0];
    for (const connection of this.#connections) {
      streams += connection.streams.size;
      arrivingBytes += connection.arriving.taken;
      leavingBytes += connection.leaving.taken;
    }
    const { bytes: pagesBytes } = this.#shared.pages;
    return { connections: this.#connections.size, streams, arrivingBytes, leavingBytes, pagesBytes };
  }

  /** End the oldest connection that no request came on, for another. @returns  whether there was one */
  endUnused(): boolean {
    for (const connection of this.#unused) {
      this.#unused.delete(connection);
      if (connection.used || connection.ending.over) continue;
      connection.makeRoom();
      return true;
    }
    return false;
  }

  /** Tell every client that its connection will end (RFC 9113, section 6.8); what is sent meanwhile is answered. */
  announceDrain(): void {
    for (const connection of this.#connections) connection.guard(() => connection.ending.announce());
  }

  /**
   * End every connection after what was sent before its client knew of it.
   *
   * @param graceMs  when to cut what is still there, in milliseconds
   */
  drain(graceMs: number): void {
    for (const connection of [...this.#connections]) connection.guard(() => connection.leave(graceMs));
  }

  /** Cut everything. */
  close(): void {
    for (const connection of [...this.#connections]) connection.destroy();
  }

  #look(): void {
    for (const connection of [...this.#connections]) connection.watch();
    this.#shared.pages.look();
  }

  #closed(connection: Connection): void {
    this.#connections.delete(connection);
    this.#unused.delete(connection);
    if (this.#connections.size > 0) return;
    this.#shared.pages.freeEmpty();
    this.#stopLooking?.();
    this.#stopLooking = undefined;
  }
}

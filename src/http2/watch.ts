import type { Socket } from "node:net";
import { spreadAge } from "./age.ts";
import { ErrorCode } from "./codes.ts";
import type { Ending } from "./ending.ts";
import type { Http2Limits, LimitName } from "./limits.ts";
import type { OpenStream } from "./open-stream.ts";
import type { Output } from "./output.ts";
import type { FrameReader } from "./reader.ts";
import type { Receiver } from "./receiver.ts";

/** How long a client may take to answer the PING behind our first GOAWAY, before the second. */
const LEAVING_MS = 1_000;

/** What is watched over. */
export interface WatchedConnection {
  readonly limits: Http2Limits;
  readonly output: Output;
  readonly ending: Ending;
  readonly streams: ReadonlyMap<number, OpenStream>;
  readonly inFlight: number;
  /** Whether it is we who take nothing from the socket. */
  readonly paused: boolean;
  /** By the clock. */
  now(): number;
  /** Ask the peer whether it is there. */
  keepalive(): void;
  resetStream(stream: OpenStream, code: number): void;
  /** End it in two steps; at once, by an error; when its time is over; or without a word. */
  leave(graceMs: number, reason: string, limits: readonly LimitName[]): void;
  fail(code: number, reason: string, limits: readonly LimitName[]): void;
  cut(): void;
  destroy(): void;
}

/**
 * The times of a connection: who does not go on within them is told so, reset, or cut. Looked at once a second, for a
 * timer for each would cost every request.
 */
export class Watch {
  readonly #connection: WatchedConnection;
  readonly #receiver: Receiver;
  readonly #reader: FrameReader;
  readonly #socket: Socket;
  readonly #since: number;
  readonly #ageMs: number;
  #lookedAt: number;
  #settingsAcked = false;
  /** Since when there has been no request; when anything was read last. */
  #idleSince: number;
  #heardAt: number;
  /** When it was asked whether it is there; undefined: it has said something since, or was not asked. */
  #askedAt: number | undefined;
  /** Since when, and from where on, the socket has taken nothing. */
  #takenAt: number;
  #takenBytes = 0;
  /** When it says the last stream, and when it is cut, whatever there is. */
  #lastBy = Number.POSITIVE_INFINITY;
  #cutBy = Number.POSITIVE_INFINITY;

  constructor(connection: WatchedConnection, receiver: Receiver, reader: FrameReader, socket: Socket) {
    this.#connection = connection;
    this.#receiver = receiver;
    this.#reader = reader;
    this.#socket = socket;
    this.#ageMs = spreadAge(connection.limits.connectionAgeMs, socket.remotePort);
    const now = connection.now();
    this.#since = this.#lookedAt = this.#idleSince = this.#heardAt = this.#takenAt = now;
  }

  /** Something was read. */
  heard(): void {
    this.#heardAt = this.#connection.now();
    this.#askedAt = undefined;
  }

  settingsAcked(): void {
    this.#settingsAcked = true;
  }

  /** The last request is over. */
  idle(): void {
    this.#idleSince = this.#connection.now();
  }

  /** It ends when the peer has answered the PING that went with its announcement, or had its time to. */
  awaitPing(): void {
    this.#lastBy = this.#connection.now() + LEAVING_MS;
  }

  cutAfter(ms: number): void {
    this.#cutBy = Math.min(this.#cutBy, this.#connection.now() + ms);
  }

  look(now: number): void {
    this.#receiver.refill((now - this.#lookedAt) / 1_000);
    this.#lookedAt = now;
    const connection = this.#connection;
    if (now >= this.#cutBy) connection.cut();
    else if (connection.ending.over && this.#isStalled(now)) connection.destroy();
    else if (!connection.ending.over) {
      this.#lookAtConnection(now);
      this.#lookAtStreams(now);
      this.#receiver.look(now);
    }
  }

  /** It is we who hear nothing: what the peer owes has its time anew. */
  #excuse(now: number): void {
    this.#reader.excuse();
    this.#receiver.excuse();
    this.#heardAt = now;
    this.#askedAt = undefined;
  }

  #lookAtConnection(now: number): void {
    const connection = this.#connection;
    const { limits } = connection;
    const since = this.#since;
    if (connection.paused) this.#excuse(now);
    const cutShortSince = Math.min(this.#receiver.blockSince, this.#reader.cutShortSince ?? now);
    if (!this.#receiver.settled && now - since > limits.firstBytesMs) connection.destroy();
    else if (!this.#settingsAcked && now - since > limits.settingsAckMs) {
      connection.fail(ErrorCode.SETTINGS_TIMEOUT, "our SETTINGS are not acknowledged", ["settingsAckMs"]);
    } else if (now - cutShortSince > limits.requestMs) {
      connection.fail(ErrorCode.ENHANCE_YOUR_CALM, "a frame or a header block is cut short", ["requestMs"]);
    } else if (now >= this.#lastBy) connection.ending.nameLast(ErrorCode.NO_ERROR);
    else if (this.#isStalled(now)) connection.destroy();
    else if (connection.inFlight === 0 && now - this.#idleSince > limits.connectionIdleMs)
      connection.leave(Number.POSITIVE_INFINITY, "no request for long", ["connectionIdleMs"]);
    else if (now - since > this.#ageMs)
      connection.leave(limits.connectionAgeGraceMs, "it is old", ["connectionAgeMs"]);
    else this.#keepAlive(now);
  }

  /** Whether the socket has taken nothing for too long, not even of the one write that is under way. */
  #isStalled(now: number): boolean {
    const { bytesWritten, writableLength } = this.#socket;
    const { _handle: handle } = this.#socket as { _handle?: { writeQueueSize?: number } | null };
    const taken = bytesWritten - writableLength - (handle?.writeQueueSize ?? 0); // Node.js times sockets by it too.
    if (taken !== this.#takenBytes || this.#connection.output.empty) {
      this.#takenBytes = taken;
      this.#takenAt = now;
    }
    return now - this.#takenAt > this.#connection.limits.idleMs;
  }

  #keepAlive(now: number): void {
    const connection = this.#connection;
    const { keepaliveMs, keepaliveTimeoutMs } = connection.limits;
    if (this.#askedAt !== undefined) {
      if (now - this.#askedAt > keepaliveTimeoutMs) connection.destroy();
    } else if (now - this.#heardAt > keepaliveMs) {
      this.#askedAt = now;
      connection.keepalive();
    }
  }

  #lookAtStreams(now: number): void {
    const connection = this.#connection;
    for (const stream of [...connection.streams.values()]) {
      if (now > stream.owedBy) stream.late();
      else if (now - stream.sending.untakenSince > connection.limits.idleMs)
        connection.resetStream(stream, ErrorCode.CANCEL);
    }
  }
}

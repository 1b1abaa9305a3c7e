import { constants, type Http2Server, type Http2Session, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import type { Clock } from "../../core/clock.ts";
import type { Refusal } from "../../core/errors.ts";
import { spreadAge } from "../../http2/age.ts";
import { countIn, fieldIn } from "../../http2/fields.ts";
import type { CallHead } from "../calls/authorise.ts";
import { lateRequest } from "../calls/call.ts";
import type { ConnectionLimits } from "../grpc/limits.ts";
import { peerOf } from "../peer.ts";
import { Room } from "../room.ts";
import { leaveUnread } from "./call.ts";
import { judgeHeaders, type RefuseAhead } from "./headers.ts";
import type { CallInside } from "./inside.ts";
import { Intake, type IntakeRules } from "./intake.ts";
import { noticeShutdown } from "./shutdown-notice.ts";

/**
 * The connections of gRPC, watched: what node:http2 and grpc-js leave to their callers, or to nobody.
 *
 * Whoever takes too long is looked for once a second, as Node.js does over HTTP/1.1: a timer for each call would cost
 * every call.
 */
export class GrpcConnections {
  readonly #clock: Clock;
  readonly #limits: ConnectionLimits;
  /** Of all connections together, HTTP/1.1's too. */
  readonly #arriving: Room;
  readonly #bySession = new Map<Http2Session, Connection>();
  /** Those without a call so far, the oldest first. */
  readonly #unused = new Set<Connection>();
  /** Calls that are not over, the oldest first. */
  readonly #intakes = new Map<ServerHttp2Stream, Intake>();
  #opened: Http2Session | undefined;
  #watch: NodeJS.Timeout | undefined;

  constructor(clock: Clock, limits: ConnectionLimits, arriving: Room) {
    this.#clock = clock;
    this.#limits = limits;
    this.#arriving = arriving;
  }

  /**
   * Stand before the handler of an HTTP/2 server, which is then only told of calls that are to be served.
   *
   * @param refuses  those that are refused whatever they ask
   */
  guard(http2: Http2Server, refuses: RefuseAhead): void {
    const [serve] = http2.listeners("stream") as ((...of: unknown[]) => void)[];
    http2.removeAllListeners("stream");
    const onClose = this.#onClose.bind(this);
    http2.on("session", (session: Http2Session) => {
      this.#opened = session;
    });
    http2.on("stream", (stream, _headers, flags, fields: string[]) => {
      const connection = this.#bySession.get(stream.session!);
      if (connection === undefined || stream.destroyed || stream.closed) {
        stream.on("error", ignore);
        if (connection !== undefined) this.#reset(connection); // Before it had begun.
        return;
      }
      if (this.#unused.size > 0) this.#unused.delete(connection);
      stream.on("close", () => onClose(connection, stream));
      const judged = judgeHeaders(stream, fields, this.#limits.headerBytesMax);
      if (judged === "answered") {
        stream.on("error", ignore);
        return;
      }
      const { shown, unfit } = judged;
      connection.arrived = { fields, unfit };
      if (refuses(stream, judged)) return;
      serve!.call(http2, stream, shown, flags);
      // Answered by grpc-js itself, for there is no such method.
      if (stream.writableEnded && stream.readableFlowing === null) leaveUnread(stream);
    });
  }

  /**
   * Watch over a connection.
   *
   * @param open  hands it to the HTTP/2 server
   */
  add(socket: Socket, open: () => void): void {
    open();
    const session = this.#opened;
    this.#opened = undefined;
    if (session === undefined) return; // It was gone already.
    const { streamResetsBurst: resets, connectionBytesMax } = this.#limits;
    const since = this.#clock.monotonic();
    const rooms = [this.#arriving, new Room(connectionBytesMax)];
    const connection: Connection = {
      session,
      socket,
      since,
      rooms,
      resets,
      refusals: 0,
      arrived: undefined,
      settled: false,
      leavesAt: since + spreadAge(this.#limits.grpcAgeMs ?? Number.POSITIVE_INFINITY, socket.remotePort),
      isNoticed: false,
      endsAt: undefined,
    };
    this.#bySession.set(session, connection);
    this.#unused.add(connection);
    session.once("remoteSettings", () => {
      connection.settled = true;
    });
    socket.once("end", () => this.#halfClosed(connection));
    socket.once("close", () => {
      this.#bySession.delete(session);
      this.#unused.delete(connection);
      if (this.#bySession.size > 0) return;
      clearInterval(this.#watch);
      this.#watch = undefined;
    });
    this.#watch ??= setInterval(() => this.#cutLate(), CHECK_EVERY_MS).unref();
  }

  /** Take the place of what grpc-js reads the request of a call with. */
  takeIn(call: CallInside, rules: IntakeRules): void {
    const { stream } = call;
    const { rooms } = this.#bySession.get(stream.session!)!;
    const intake = new Intake(call, this.#clock, rules, rooms);
    call.decoder = intake;
    this.#intakes.set(stream, intake);
  }

  /** What there is to a call beside what grpc-js has of it; asked while it is being begun. */
  beside({ stream }: CallInside): CallBeside {
    const connection = this.#bySession.get(stream.session!)!;
    const { fields, unfit } = connection.arrived!;
    const intake = this.#intakes.get(stream)!;
    return {
      unfit,
      headerOf: (name) => fieldIn(fields, name),
      countOf: (name) => countIn(fields, name),
      peer: () => peerOf(connection.socket),
      refused: () => intake.refused,
      judged: (admitted) => this.#judged(connection, admitted),
    };
  }

  /** Tell every connection that it will soon end: what comes is still answered. */
  announceEnd(): void {
    for (const { socket } of this.#bySession.values()) noticeShutdown(socket);
  }

  /** End the oldest connection that no call was ever made on. @returns  whether there was one */
  endUnused(): boolean {
    const [connection] = this.#unused;
    if (connection === undefined) return false;
    this.#unused.delete(connection);
    connection.session.destroy(); // With GOAWAY: a client that was about to call knows that it has to connect again.
    return true;
  }

  #onClose(connection: Connection, stream: ServerHttp2Stream): void {
    if (stream.aborted) this.#reset(connection);
    this.#intakes.get(stream)?.free();
    this.#intakes.delete(stream);
  }

  /** A call ended before its answer. So many, and the connection is to end: when those in flight are answered. */
  #reset(connection: Connection): void {
    connection.resets--;
    if (connection.resets < 0) this.#end(connection);
  }

  /** Who is refused call after call, and never was not, is not heard any longer. */
  #judged(connection: Connection, admitted: boolean): void {
    if (admitted) connection.refusals = Number.NEGATIVE_INFINITY;
    else if (++connection.refusals >= REFUSALS_MAX) this.#end(connection);
  }

  /** Nothing more will come: what is not whole never will be, a stream has nobody to take it, the rest is answered. */
  #halfClosed(connection: Connection): void {
    for (const [stream, { streamsAnswers }] of this.#intakes) {
      if (stream.session === connection.session && (streamsAnswers || !stream.readableEnded)) {
        stream.close(constants.NGHTTP2_CANCEL);
      }
    }
    this.#end(connection);
  }

  /** Take no more calls; it is closed when those that there are have been answered, and in any case soon. */
  #end(connection: Connection, graceMs = this.#limits.requestMs): void {
    if (!connection.session.closed) connection.session.close();
    connection.endsAt ??= this.#clock.monotonic() + graceMs;
  }

  /** One that is old goes in two steps, as when the server stops: what its client sends before it knows is answered. */
  #leave(connection: Connection, now: number): void {
    if (connection.isNoticed) {
      this.#end(connection, this.#limits.grpcAgeGraceMs);
      return;
    }
    connection.isNoticed = true;
    connection.leavesAt = now + CHECK_EVERY_MS;
    noticeShutdown(connection.socket);
  }

  #cutLate(): void {
    const { firstBytesMs, requestMs, idleMs, streamResetsBurst, streamResetsRate } = this.#limits;
    const now = this.#clock.monotonic();
    for (const connection of this.#bySession.values()) {
      const { session, socket, since, settled, endsAt } = connection;
      connection.resets = Math.min(streamResetsBurst, connection.resets + streamResetsRate);
      if (endsAt !== undefined && now > endsAt) socket.destroy();
      else if (!settled && now - since > firstBytesMs) socket.destroy();
      else if (endsAt === undefined && now >= connection.leavesAt) this.#leave(connection, now);
      // Closed by grpc-js, and without a call, so that only the other side is waited for.
      else if (session.closed && session.destroyed) connection.endsAt ??= now + requestMs;
    }
    for (const [stream, intake] of this.#intakes) {
      if (now - intake.since <= requestMs) break; // And so are all that came later.
      if (now - intake.owedSince(now) > requestMs) intake.refuse(lateRequest(requestMs));
      else if (now - intake.untakenSince(now) > idleMs) stream.close(constants.NGHTTP2_CANCEL);
    }
  }
}

/** What there is to a call beside what grpc-js has of it. */
export interface CallBeside extends Pick<CallHead, "headerOf" | "countOf" | "peer"> {
  /** Why its headers are none of gRPC; told once it is known who calls. */
  readonly unfit: Refusal | undefined;
  /** What the caller was told while the request was arriving; undefined: nothing. */
  refused(): Refusal | undefined;
  /** To be told whether it was admitted, by who calls. */
  judged(admitted: boolean): void;
}

/** What is known of a connection. */
interface Connection {
  readonly session: Http2Session;
  readonly socket: Socket;
  /** When it came here, by the clock that never goes back. */
  readonly since: number;
  /** For its requests that are still arriving: all connections', and its own. */
  readonly rooms: readonly Room[];
  /** How many more calls may be reset. */
  resets: number;
  /** How many calls were refused to who calls; without end below zero once one was not. */
  refusals: number;
  /** The call that is being begun. */
  arrived: { readonly fields: readonly string[]; readonly unfit: Refusal | undefined } | undefined;
  /** Whether the client's settings are there, which is how HTTP/2 begins. */
  settled: boolean;
  /** When it is old: it is told to go away, and the second time that it has come, to take no more calls. */
  leavesAt: number;
  /** Whether it was told the first time. */
  isNoticed: boolean;
  /** When it is cut; undefined while it may live. */
  endsAt: number | undefined;
}

const CHECK_EVERY_MS = 1_000;

/** So many calls in a row refused to who calls, from the first on, end a connection. */
const REFUSALS_MAX = 16;

/** What is wrong with a stream that nobody answers any more. */
function ignore(): void {}

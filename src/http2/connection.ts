import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { headBlock } from "./block.ts";
import { type Budget, Share } from "./budget.ts";
import { ConnectionError, ErrorCode } from "./codes.ts";
import { Ending } from "./ending.ts";
import { ReceiveWindow } from "./flow.ts";
import {
  INITIAL_WINDOW_BYTES,
  MAX_31_BITS,
  ownSettings,
  pingFrame,
  resetFrame,
  windowUpdateFrame,
} from "./frames.ts";
import { TABLE_BYTES_MAX } from "./hpack/dynamic-table.ts";
import { type Http2Limits, type LimitName, type LimitNames, tooMuch } from "./limits.ts";
import type { OpenStream } from "./open-stream.ts";
import { type Buffers, Output } from "./output.ts";
import type { Pages } from "./pages.ts";
import type { PeerSettings } from "./peer-settings.ts";
import { FrameReader } from "./reader.ts";
import { Receiver, type ReceivingConnection } from "./receiver.ts";
import { Sender } from "./sender.ts";
import type { Closed, ServerStream, StreamListener } from "./stream.ts";
import type { Turn } from "./turn.ts";
import { Valve } from "./valve.ts";
import { Watch, type WatchedConnection } from "./watch.ts";

/** What connections have in common. */
export interface Shared {
  readonly limits: Http2Limits;
  readonly limitNames: LimitNames;
  readonly turn: Turn;
  readonly buffers: Buffers;
  readonly pages: Pages;
  readonly arriving: Budget;
  readonly leaving: Budget;
  now(): number;
  accept(stream: ServerStream): StreamListener | undefined;
  acceptOversized: ((stream: ServerStream) => void) | undefined;
  onDefect(error: unknown): void;
  onConnectionError(code: number, reason: string): void;
  /** A connection is no more. */
  closed(connection: Connection): void;
}

/**
 * One connection of HTTP/2: its socket, its streams, and its end. `FrameReader` cuts what comes into frames, `Receiver`
 * does what they say, `Sender` sends the answers, `Watch` looks at the times, `Ending` ends it.
 */
export class Connection implements ReceivingConnection, WatchedConnection {
  readonly limits: Http2Limits;
  readonly turn: Turn;
  readonly output: Output;
  readonly sender: Sender;
  readonly arriving: Share;
  readonly leaving: Share;
  readonly pages: Pages;
  readonly streams = new Map<number, OpenStream>();
  readonly ending: Ending;
  readonly overTls: boolean;
  readonly remoteAddress: string | undefined;
  readonly socket: Socket;
  /** Whether any request came on it. */
  used = false;
  readonly #shared: Shared;
  readonly #valve: Valve;
  readonly #window: ReceiveWindow;
  readonly #reader: FrameReader;
  readonly #receiver: Receiver;
  readonly #watch: Watch;
  /** Streams that are over and still worked on. */
  #workingOn = 0;

  constructor(socket: Socket, shared: Shared) {
    const { limits, turn } = shared;
    this.limits = limits;
    this.turn = turn;
    this.socket = socket;
    this.pages = shared.pages;
    this.#shared = shared;
    this.arriving = new Share(shared.arriving, limits.connectionBytesMax);
    this.leaving = new Share(shared.leaving, limits.leavingBytesMax);
    this.overTls = socket instanceof TLSSocket;
    this.remoteAddress = socket.remoteAddress;
    this.#window = new ReceiveWindow(limits.connectionWindowBytes);
    this.#valve = new Valve(socket);
    this.output = new Output(socket, turn, shared.buffers, limits.backlogBytesMax);
    this.sender = new Sender(this.output, this.leaving, (backlogged) =>
      this.#valve.set("backlog", backlogged),
    );
    this.ending = new Ending(this, this.output);
    this.#reader = new FrameReader(this, limits, turn);
    this.#receiver = new Receiver(this);
    this.#watch = new Watch(this, this.#receiver, this.#reader, socket);
    this.output.frame(ownSettings(limits.streamsMax, limits.streamWindowBytes, limits.headerListBytesMax));
    this.output.frame(windowUpdateFrame(0, limits.connectionWindowBytes - INITIAL_WINDOW_BYTES));
    socket.on("data", (chunk: Buffer) => this.guard(() => this.#read(chunk)));
    socket.on("drain", () => this.guard(() => this.sender.sendWaiting()));
    socket.on("end", () => this.guard(() => this.#peerEnded()));
    socket.on("error", () => socket.destroy()); // "close" follows.
    socket.on("close", () => this.guard(() => this.#gone()));
  }

  now(): number {
    return this.#shared.now();
  }

  /** Requests that are not over, and those that are still worked on. */
  get inFlight(): number {
    return this.streams.size + this.#workingOn;
  }

  /** Do something of which errors end the connection: what the peer did as it is due, anything else as a defect. */
  guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      if (error instanceof ConnectionError) this.fail(error.code, error.message, error.limits);
      else {
        this.#shared.onDefect(error);
        this.fail(ErrorCode.INTERNAL_ERROR, "defect");
      }
    }
  }

  /** Look at its times. */
  watch(): void {
    this.guard(() => {
      this.sender.sendLittle(); // Also for what had no room; "drain" comes of much alone.
      this.#watch.look(this.now());
    });
  }

  // --- What is read.

  get hears(): boolean {
    return !this.ending.over;
  }

  /** Whether it is we who take nothing from the socket. */
  get paused(): boolean {
    return this.#valve.closed;
  }

  get lastStream(): number {
    return this.#receiver.lastStream;
  }

  frame(type: number, flags: number, stream: number, from: Buffer, start: number, end: number): number {
    return this.#receiver.frame(type, flags, stream, from, start, end);
  }

  waitForTurn(): void {
    this.#valve.set("turn", true);
    this.turn.readLater(this.#goOn);
  }

  readonly #goOn = (): void => {
    this.guard(() => this.#reader.readRest());
    if (!this.#reader.waits) this.#valve.set("turn", false);
  };

  #read(chunk: Buffer): void {
    this.#watch.heard();
    this.#reader.read(chunk);
    this.sender.heedBacklog();
  }

  /** Nothing more will come: what is not whole never will be, a lasting answer has nobody to take it, the rest is answered. */
  #peerEnded(): void {
    for (const stream of [...this.streams.values()]) {
      if (stream.over || (!stream.lasting && stream.requestEnded)) continue;
      this.output.frame(resetFrame(stream.id, ErrorCode.CANCEL)); // It may still read.
      this.#remove(stream, "gone", true);
    }
    this.ending.nameLast(ErrorCode.NO_ERROR);
  }

  settle({ windowBytes, tableBytes }: PeerSettings): void {
    if (tableBytes !== undefined && tableBytes < TABLE_BYTES_MAX) this.sender.tableShrunk();
    if (windowBytes === undefined) return;
    const more = windowBytes - this.sender.streamWindowBytes;
    this.sender.streamWindowBytes = windowBytes;
    let fits = this.#receiver.moveWindows(more);
    for (const { sending } of this.streams.values()) fits = sending.window.grow(more) && fits;
    if (!fits) throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, `a window beyond ${MAX_31_BITS}`);
    if (more > 0) this.sender.sendWaiting();
  }

  settingsAcked(): void {
    this.#watch.settingsAcked();
  }

  /** So many bytes of its window are used up. */
  giveBack(bytes: number): void {
    const given = this.#window.consumed(bytes);
    if (given > 0) this.output.frame(windowUpdateFrame(0, given));
  }

  // --- Streams.

  get takesRequests(): boolean {
    const { streamsMax, workMax } = this.limits;
    return this.ending.takesRequests && this.streams.size < streamsMax && this.inFlight < workMax;
  }

  open(stream: OpenStream): void {
    this.used = true;
    this.streams.set(stream.id, stream);
  }

  accept(stream: OpenStream): StreamListener | undefined {
    return this.#shared.accept(stream);
  }

  refuseOversized(stream: OpenStream): void {
    const { acceptOversized } = this.#shared;
    if (acceptOversized === undefined) stream.answer(HEADERS_TOO_LARGE);
    else acceptOversized(stream);
    stream.listen(undefined);
  }

  closed(stream: OpenStream, why: Closed): void {
    if (why === "answered") this.#receiver.earn(FRAMES_OF_ANSWER);
    this.#remove(stream, why, false);
  }

  resetStream(stream: OpenStream, code: number): void {
    if (stream.over) return;
    this.output.frame(resetFrame(stream.id, code));
    this.#remove(stream, "reset", true);
  }

  sentData(bytes: number): void {
    this.#receiver.earn(FRAMES_OF_DATA + (bytes >> BYTES_SHIFT));
  }

  workDone(): void {
    this.#workingOn--;
  }

  #remove(stream: OpenStream, why: Closed, cut: boolean): void {
    if (stream.over) return; // Who was told of another's end has ended this one.
    this.streams.delete(stream.id);
    this.sender.forget(stream.sending);
    if (stream.working) this.#workingOn++;
    this.#receiver.streamClosed(stream, why, cut);
    if (this.streams.size === 0) this.#watch.idle();
    stream.close(why);
    this.#endIfDone();
  }

  // --- Its end.

  /**
   * End it after all that was sent before the peer knew of it, and cut what is there after so long.
   *
   * @param reason  where a limit has it end
   */
  leave(graceMs: number, reason = "", limits: readonly LimitName[] = []): void {
    this.#watch.cutAfter(graceMs);
    this.ending.leave(this.#tooMuch(reason, limits));
  }

  /** The peer asks for too much, which is told as this error: no more requests, and the end after those in flight, or soon. */
  endSoon(code: number, reason: string, limits: readonly LimitName[]): void {
    if (!this.ending.takesRequests) return;
    const why = this.#tooMuch(reason, limits);
    this.#shared.onConnectionError(code, why);
    this.#watch.cutAfter(this.limits.requestMs);
    this.ending.nameLast(ErrorCode.NO_ERROR, why); // At an error, clients would give up what is in flight.
  }

  /** The peer has to know at once, and is heard no more (RFC 9113, section 5.4.1). */
  fail(code: number, reason: string, limits: readonly LimitName[] = []): void {
    if (this.ending.over) return;
    const why = this.#tooMuch(reason, limits);
    this.#shared.onConnectionError(code, why);
    this.#over(code, why);
  }

  #tooMuch(reason: string, limits: readonly LimitName[]): string {
    return tooMuch(reason, limits, this.limits, this.#shared.limitNames);
  }

  /** End it now, for another: no request came on it. */
  makeRoom(): void {
    this.guard(() =>
      this.ending.nameLast(
        ErrorCode.NO_ERROR,
        this.#tooMuch("no request so far, and another connection comes", ["connections"]),
      ),
    ); // Who was about to ask knows that it was not answered.
    this.socket.destroySoon();
  }

  /** It has had its time: what was not answered is told as that, and the rest is cut. */
  cut(): void {
    if (this.ending.takesRequests) {
      this.ending.nameLast(ErrorCode.NO_ERROR);
      this.output.flush();
      this.socket.destroySoon();
    } else this.socket.destroy();
  }

  /** Without a word more. */
  destroy(): void {
    this.socket.destroy();
  }

  /** Ask the peer whether it is there. */
  keepalive(): void {
    this.output.frame(pingFrame(THERE, false));
  }

  awaitPing(): void {
    this.#watch.awaitPing();
  }

  lastNamed(): void {
    this.#endIfDone();
  }

  #endIfDone(): void {
    if (this.ending.state === "last" && this.streams.size === 0) this.#over();
  }

  /**
   * End our side; what still comes is read and dropped, for a socket closed over it would reset what we have sent. Who
   * takes its answers slowly gets them all; who made a fault does not.
   */
  #over(code?: number, why?: string): void {
    const cutSoon = () => this.#watch.cutAfter(LINGER_MS);
    this.ending.end(code, why);
    if (code !== undefined) cutSoon();
    this.#closeAll();
    this.output.flush();
    this.socket.end(cutSoon);
    this.socket.resume();
  }

  #gone(): void {
    this.ending.end();
    this.#closeAll();
    this.sender.close();
    this.#shared.closed(this);
  }

  #closeAll(): void {
    for (const stream of [...this.streams.values()]) this.#remove(stream, "gone", false);
    this.#reader.close();
    this.#receiver.close();
  }
}

/** RFC 6585, section 5. */
const HEADERS_TOO_LARGE = headBlock(431, []);

const THERE = Buffer.from("there???");

/** Which control frames go with an answer, and with a frame of data: window updates, PINGs that measure. */
const FRAMES_OF_ANSWER = 4;
const FRAMES_OF_DATA = 4;
/** And for each KiB of that: Go's client says two for each 4 KiB that somebody reads. */
const BYTES_SHIFT = 10;

/** How long a peer may take to end its side of a socket that we have ended. */
const LINGER_MS = 2_000;

import type { Socket } from "node:net";
import { Answer, type AnsweringConnection } from "./answer.ts";
import type { HeaderBlock } from "./block.ts";
import { RequestBody } from "./body.ts";
import type { Budget } from "./budget.ts";
import { ReceiveWindow } from "./flow.ts";
import { windowUpdateFrame } from "./frames.ts";
import type { RequestHead } from "./head.ts";
import type { Http2Limits } from "./limits.ts";
import type { Pages } from "./pages.ts";
import type { Closed, ServerStream, StreamListener } from "./stream.ts";

/** What a stream needs of its connection. */
export interface StreamHost extends AnsweringConnection {
  readonly limits: Http2Limits;
  /** Room for requests. */
  readonly arriving: Budget;
  /** Where they are held. */
  readonly pages: Pages;
  readonly overTls: boolean;
  readonly remoteAddress: string | undefined;
  readonly socket: Socket;
  /** A stream is over. */
  closed(stream: OpenStream, why: Closed): void;
  resetStream(stream: OpenStream, code: number): void;
  /** What went on behind a stream that is over is done. */
  workDone(): void;
}

/**
 * What a stream is in (RFC 9113, section 5.1). A server that pushes nothing reserves none, and of one that is "half-closed
 * (local)" nothing is left but what `Lingering` knows: an answer that ends before its request ends all else with it.
 */
type StreamState =
  /** The request is still coming. */
  | "open"
  /** All of the request is here. */
  | "half-closed (remote)"
  /** Nothing comes, and nothing is sent. */
  | "closed";

const NEVER = Number.POSITIVE_INFINITY;

/** A stream of a connection. */
export class OpenStream implements ServerStream {
  readonly id: number;
  readonly head: RequestHead;
  readonly connection: StreamHost;
  trailers: readonly string[] = [];
  lasting = false;
  invites = true;
  readonly sending: Answer;
  readonly receiveWindow: ReceiveWindow;
  /** When the peer has to have sent what it owes; Infinity: it owes nothing. */
  owedBy = NEVER;
  /** Whether work on it goes on. */
  working = false;
  readonly #body: RequestBody;
  readonly #headCharge: number;
  #state: StreamState = "open";
  #listener: StreamListener | undefined;
  /** How it ended; undefined: it has not. */
  #closed: Closed | undefined;

  /** @param headCharge  what was taken of the room for requests, for its head */
  constructor(connection: StreamHost, id: number, head: RequestHead, headCharge: number) {
    this.connection = connection;
    this.id = id;
    this.head = head;
    this.#headCharge = headCharge;
    this.sending = new Answer(this);
    this.receiveWindow = new ReceiveWindow(connection.limits.streamWindowBytes);
    this.#body = new RequestBody(connection.arriving, connection.pages, head.contentLength, this);
  }

  get turn(): number {
    return this.connection.turn.number;
  }

  get overTls(): boolean {
    return this.connection.overTls;
  }

  get remoteAddress(): string | undefined {
    return this.connection.remoteAddress;
  }

  get socket(): Socket {
    return this.connection.socket;
  }

  get requestEnded(): boolean {
    return this.#body.ended;
  }

  /** How much of the body is still to come, in bytes, as was announced; UNSAID without that. */
  get bodyLeft(): number {
    return this.#body.left;
  }

  get over(): boolean {
    return this.#state === "closed";
  }

  // --- The request.

  body(bytesMax: number, startBytes = 0): void {
    if (this.over) return;
    this.#invite();
    if (!this.requestEnded && this.owedBy === NEVER) this.expect(this.connection.limits.requestMs);
    this.#body.whole(bytesMax, startBytes);
  }

  pieces(): void {
    if (this.over) return;
    this.#invite();
    this.#body.pieces();
  }

  consumed(bytes: number): void {
    this.#body.consumed(bytes);
  }

  drop(): void {
    this.#body.drop();
  }

  expect(ms: number | undefined): void {
    this.owedBy = ms === undefined ? NEVER : this.connection.now() + ms;
  }

  /** It has not come in time. */
  late(): void {
    if (this.over) return;
    this.expect(undefined);
    this.#body.late();
  }

  /** Who is told what comes from now on; undefined: nobody is. */
  listen(listener: StreamListener | undefined): void {
    if (this.#closed !== undefined) {
      listener?.onClose(this.#closed);
      return;
    }
    if (listener === undefined) {
      this.drop();
      return;
    }
    this.#listener = listener;
    this.#body.listen(listener);
  }

  /** A piece of the body, and perhaps its end. @returns  false: it is malformed (RFC 9113, section 8.1.1) */
  arrived(piece: Buffer, last: boolean): boolean {
    if (last) {
      this.#state = "half-closed (remote)";
      this.expect(undefined);
    }
    return this.#body.arrived(piece, last);
  }

  /** Enlarge the peer's window of this stream, when enough of it is used up. */
  giveBack(bytes: number): void {
    const given = this.receiveWindow.consumed(bytes);
    if (given > 0 && this.#state === "open") this.connection.output.frame(windowUpdateFrame(this.id, given));
  }

  /** Who waits to be told to go on is told, unless it has gone on by itself (RFC 9110, section 10.1.1). */
  #invite(): void {
    if (
      !this.invites ||
      this.sending.begun ||
      this.requestEnded ||
      this.head.contentLength === 0 ||
      this.#body.begun
    )
      return;
    if (this.head.field("expect")?.toLowerCase() === "100-continue") this.connection.sender.continue(this.id);
  }

  // --- The answer.

  answer(head: HeaderBlock, body: readonly Uint8Array[] = NO_BODY, tail?: HeaderBlock): void {
    if (!this.over) this.sending.whole(head, body, tail);
  }

  respond(head: HeaderBlock): void {
    if (!this.over) this.sending.head(head);
  }

  write(piece: Uint8Array): boolean {
    return this.over || this.sending.write(piece);
  }

  end(tail?: HeaderBlock): void {
    if (!this.over) this.sending.end(tail);
  }

  reset(code: number): void {
    if (!this.over) this.connection.resetStream(this, code);
  }

  begin(): void {
    if (this.working || this.over) return;
    this.working = true;
  }

  finish(): void {
    if (!this.working) return;
    this.working = false;
    if (this.over) this.connection.workDone();
  }

  given(): void {
    this.#body.drop();
    this.expect(undefined);
  }

  answered(): void {
    this.connection.closed(this, "answered");
  }

  onWritable(): void {
    this.#listener?.onWritable();
  }

  // --- Its end.

  /** Everything that is held is given back, and who listens is told. */
  close(why: Closed): void {
    this.#state = "closed";
    this.#closed = why;
    this.#body.close();
    this.connection.arriving.give(this.#headCharge);
    this.sending.close();
    this.#listener?.onClose(why);
  }
}

const NO_BODY: readonly Uint8Array[] = [];

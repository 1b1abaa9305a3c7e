import type { Budget } from "./budget.ts";
import { HeldBytes } from "./held.ts";
import { Pages } from "./pages.ts";
import type { StreamListener, Unread } from "./stream.ts";

/** Of how long a body is, where nobody has said. */
export const UNSAID = Number.POSITIVE_INFINITY;

/** What the peer may send of a body. */
interface BodyWindow {
  /** So much of what came is held no longer. */
  giveBack(bytes: number): void;
}

/** How a request's body is read. */
type Reading =
  /** Nobody has said: it is held, and the peer's window stays as it is. */
  | "held"
  /** It is put together until it has ended. */
  | "whole"
  /** Each piece is handed on, and the peer's window grows when somebody is done with it. */
  | "pieces"
  /** Nobody wants it: the peer's window grows with what comes, which is thrown away. */
  | "dropped";

/** The body of a request as it comes (RFC 9113, section 8.1). */
export class RequestBody {
  ended = false;
  readonly #room: Budget;
  readonly #pages: Pages;
  readonly #window: BodyWindow;
  readonly #announcedBytes: number;
  #listener: StreamListener | undefined;
  #reading: Reading = "held";
  #receivedBytes = 0;
  #bytesMax = Number.POSITIVE_INFINITY;
  /** How much of it `onStart` is to see; 0: it has, or is to see nothing. */
  #startBytes = 0;
  #held = NOTHING_HELD;
  /** What was taken of `#room`. */
  #charged = 0;

  /**
   * @param pages           where it is held, as far as there is `room`
   * @param announcedBytes  by content-length; -1 without it
   */
  constructor(room: Budget, pages: Pages, announcedBytes: number, window: BodyWindow) {
    this.#room = room;
    this.#pages = pages;
    this.#announcedBytes = announcedBytes;
    this.#window = window;
  }

  /** Whether any of it has come. */
  get begun(): boolean {
    return this.#receivedBytes > 0;
  }

  /** How much is still to come, in bytes, as was announced. */
  get left(): number {
    return this.#announcedBytes < 0 ? UNSAID : this.#announcedBytes - this.#receivedBytes;
  }

  /** From now on somebody listens, and hears what there was before. */
  listen(listener: StreamListener): void {
    this.#listener = listener;
    this.#deliver();
  }

  whole(bytesMax: number, startBytes: number): void {
    if (this.#reading === "whole") this.#shorten(bytesMax);
    if (this.#reading !== "held") return;
    this.#reading = "whole";
    this.#bytesMax = bytesMax;
    this.#startBytes = startBytes;
    if (this.#held.length > 0) this.#window.giveBack(this.#held.length);
    this.#deliver();
  }

  pieces(): void {
    if (this.#reading !== "held") return;
    this.#reading = "pieces";
    this.#deliver();
  }

  drop(): void {
    if (this.#reading === "held") this.#window.giveBack(this.#held.length);
    else if (this.#reading === "pieces") this.#window.giveBack(this.#charged);
    this.close();
  }

  consumed(bytes: number): void {
    if (this.#reading !== "pieces") return;
    const done = Math.min(bytes, this.#charged);
    this.#uncharge(done);
    this.#window.giveBack(done);
  }

  /** It is too long in coming. */
  late(): void {
    if (!this.ended && this.#reading !== "dropped") this.#unread("late");
  }

  /**
   * A piece has come, and perhaps the last.
   *
   * @returns  false: it is not as long as was announced (RFC 9113, section 8.1.1)
   */
  arrived(piece: Buffer, last: boolean): boolean {
    this.#receivedBytes += piece.length;
    const announced = this.#announcedBytes;
    if (announced >= 0 && (last ? this.#receivedBytes !== announced : this.#receivedBytes > announced))
      return false;
    this.ended = last;
    const listener = this.#listener;
    if (this.#reading === "dropped") this.#window.giveBack(piece.length);
    else if (listener === undefined || this.#reading === "held") this.#hold(piece);
    else if (this.#reading === "pieces") this.#handOn(listener, piece, last);
    else if (last && this.#held.length === 0) {
      if (piece.length > this.#bytesMax) this.#unread("too-large");
      else listener.onBody(piece); // As most come: in one frame, and not copied.
    } else {
      this.#window.giveBack(piece.length);
      if (this.#hold(piece)) this.#deliver();
    }
    return true;
  }

  /** Nobody is told anything more, and the room is given back. */
  close(): void {
    this.#reading = "dropped";
    this.#free();
  }

  #free(): void {
    this.#uncharge(this.#charged);
    if (this.#held === NOTHING_HELD) return;
    this.#held.drop();
    this.#held = NOTHING_HELD;
  }

  /** It turns out to be shorter than it might have been. */
  #shorten(bytesMax: number): void {
    this.#bytesMax = Math.min(bytesMax, this.#bytesMax);
    if (this.#held.length > this.#bytesMax) this.#unread("too-large");
  }

  /** Hand on what is held, as far as it was asked for. */
  #deliver(): void {
    const listener = this.#listener;
    if (listener === undefined) return;
    if (this.#reading === "pieces") this.#deliverPieces(listener);
    else if (this.#reading !== "whole") return;
    else if (Math.max(this.#held.length, this.#announcedBytes) > this.#bytesMax) this.#unread("too-large");
    else if (this.ended) {
      const body = this.#held.take();
      this.#free();
      listener.onBody(body);
    } else if (this.#startBytes > 0 && this.#held.length >= this.#startBytes) {
      this.#startBytes = 0;
      listener.onStart(this.#held.bytes);
    }
  }

  #deliverPieces(listener: StreamListener): void {
    const piece = this.#held.take();
    this.#uncharge(this.#charged - piece.length);
    this.#held = NOTHING_HELD;
    if (piece.length > 0) listener.onPiece(piece);
    if (this.ended && this.#reading === "pieces") listener.onEnd(); // Who was told of the piece may have had enough.
  }

  #handOn(listener: StreamListener, piece: Buffer, last: boolean): void {
    if (!this.#charge(piece.length)) {
      this.#unread("no-room");
      return;
    }
    if (piece.length > 0) listener.onPiece(piece);
    if (last && this.#reading === "pieces") listener.onEnd();
  }

  /** Put it behind what is held. */
  #hold(piece: Buffer): boolean {
    if (this.#held.length + piece.length > this.#bytesMax) return this.#unread("too-large");
    if (this.#held === NOTHING_HELD) this.#held = new HeldBytes(this.#pages);
    const most = this.#announcedBytes >= 0 ? this.#announcedBytes : this.#bytesMax;
    return this.#held.add(piece, most, (bytes) => this.#charge(bytes)) || this.#unread("no-room");
  }

  #unread(why: Unread): false {
    this.drop();
    this.#listener?.onUnread(why);
    return false;
  }

  #charge(bytes: number): boolean {
    if (!this.#room.take(bytes)) return false;
    this.#charged += bytes;
    return true;
  }

  #uncharge(bytes: number): void {
    this.#charged -= bytes;
    this.#room.give(bytes);
  }
}

/** What most hold, whose body comes in one frame: nothing is ever added to it. */
const NOTHING_HELD = new HeldBytes(new Pages());

import { ErrorCode } from "./codes.ts";
import { goAwayFrame, MAX_31_BITS, pingFrame } from "./frames.ts";
import type { Output } from "./output.ts";

/** How far a connection is in its end, which is in two steps (RFC 9113, section 6.8). */
type EndingState =
  /** It is not ending. */
  | "open"
  /** GOAWAY said that it will, naming the highest of streams; requests are still taken. A PING went behind it. */
  | "announced"
  /** The same, and the PING is answered: whatever the peer sent before it knew is here. */
  | "known"
  /** As "announced", and it is to end as soon as the PING is answered. */
  | "leaving"
  /** GOAWAY named the last stream that is answered; it is over when those that there are have closed. */
  | "last"
  /** We have ended our side of the socket, and drop what still comes. */
  | "over";

/** What ends. */
interface Ended {
  /** The highest stream that was opened. */
  readonly lastStream: number;
  /** The peer is given a while to answer the PING. */
  awaitPing(): void;
  /** The last stream was named; it may be closed already. */
  lastNamed(): void;
}

/** The end of a connection: what was said of it, and what comes next. */
export class Ending {
  readonly #connection: Ended;
  readonly #output: Output;
  #state: EndingState = "open";
  /** The last stream that was named. None is named later that is higher: it was refused (RFC 9113, section 6.8). */
  #named = MAX_31_BITS;
  /** Why, in words for people; empty: there is nothing to say. */
  #why = "";

  constructor(connection: Ended, output: Output) {
    this.#connection = connection;
    this.#output = output;
  }

  get state(): EndingState {
    return this.#state;
  }

  /** Whether requests are still taken. */
  get takesRequests(): boolean {
    return this.#state !== "last" && this.#state !== "over";
  }

  get over(): boolean {
    return this.#state === "over";
  }

  /** Say that it will end. */
  announce(why = ""): void {
    if (this.#state !== "open") return;
    this.#state = "announced";
    this.#why = why;
    this.#output.frame(goAwayFrame(MAX_31_BITS, ErrorCode.NO_ERROR, why));
    this.#output.frame(pingFrame(LEAVING, false));
  }

  /** End when all is here that was sent before the peer knew of it. */
  leave(why?: string): void {
    this.announce(why);
    if (this.#state === "known") this.nameLast(ErrorCode.NO_ERROR);
    else if (this.#state === "announced") {
      this.#state = "leaving";
      this.#connection.awaitPing();
    }
  }

  /** A PING of ours was answered. */
  ponged(data: Buffer): void {
    if (!data.equals(LEAVING)) return;
    if (this.#state === "announced") this.#state = "known";
    else if (this.#state === "leaving") this.nameLast(ErrorCode.NO_ERROR);
  }

  /** Take no more requests. */
  nameLast(code: number, why = this.#why): void {
    if (!this.takesRequests) return;
    this.#state = "last";
    this.#why = why;
    this.#goAway(code);
    this.#connection.lastNamed();
  }

  /** Say why, if there is a reason, and no more. */
  end(code?: number, why = ""): void {
    this.#why = why;
    if (code !== undefined) this.#goAway(code);
    this.#state = "over";
  }

  #goAway(code: number): void {
    this.#named = Math.min(this.#named, this.#connection.lastStream);
    this.#output.frame(goAwayFrame(this.#named, code, this.#why));
  }
}

/** What that PING holds. */
const LEAVING = Buffer.from("leaving!");

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** A request, and what answers it when its turn has come. */
export interface Turn {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  serve(): void;
}

/** What the connections of a server share. */
export interface SharedByConnections {
  /** Until the whole request is there, in milliseconds. */
  readonly requestMs: number;
  /** Until an answer that nobody takes is given up, in milliseconds. */
  readonly idleMs: number;
  /** open; closing: an answer ends its connection if no request waits behind it; leaving: even then. */
  state: "open" | "closing" | "leaving";
}

/**
 * A connection of HTTP/1.1: its requests one after another, what cannot be read behind them, and its end.
 *
 * Node.js hands out a request as soon as it is parsed, while those before it are still being answered; and at whatever
 * it cannot parse it writes its error at once and destroys the socket, under answers that it owes. Here a request
 * begins when the answer before it has left: in any order would be right for those that change nothing (RFC 9112
 * section 9.3.2), but who sends them that way does so seldom, and an answer at a time is memory for one. Each begins in
 * a turn of the event loop of its own, and only a few are parsed ahead, so that however many come on one connection, those
 * of others come between.
 */
export class HttpConnection {
  readonly #socket: Socket;
  readonly #shared: SharedByConnections;
  #current: Turn | undefined;
  #waiting: Turn[] = [];
  #last: Turn | undefined;
  /** What is said after the last answer, because nothing behind it can be read. */
  #lastWord: string | undefined;
  readonly #parse: (bytes: Buffer) => void;
  /** It says no more, and hears nothing. */
  #leaving = false;
  #paused = false;
  /** Node.js found a request late that was not read any further: it is looked at again. */
  #overdue = false;
  /** The request in hand came not whole in time, and is answered while it comes. */
  #late = false;
  #timed = false;
  /** How much had been read when there was nothing to answer any more; the head of the first is on its way. */
  #readBefore = -1;

  constructor(socket: Socket, shared: SharedByConnections) {
    this.#socket = socket;
    this.#shared = shared;
    // So Node.js ends a connection after its last answer. It would destroy it as soon as that has left.
    socket.destroySoon = () => this.#leave();
    // Whoever reads a body has the socket read on, and Node.js when its answers have been taken.
    socket.on("resume", () => {
      if (this.#paused && this.#waiting.length === 0) this.#readOn();
      if (this.#paused) socket.pause();
    });
    // Node.js would parse all that came in one piece, which may be thousands of requests. With a listener to what comes it
    // takes nothing from the socket by itself.
    const parse = socket.listeners("data")[0]!;
    this.#parse = (bytes) => parse.call(socket, bytes);
    socket.on("data", (bytes: Buffer) => this.#hear(bytes)).off("data", parse as () => void);
    socket.on("close", () => {
      this.#waiting = [];
    });
  }

  /** Parse what came, until enough waits; the rest is put back. */
  #hear(bytes: Buffer): void {
    let unread = bytes;
    while (unread.length > 0 && !this.#isFull && !this.#isOver) {
      const end = endOfHeads(unread, WAITING_MAX - this.#waiting.length);
      this.#parse(unread.subarray(0, end));
      unread = unread.subarray(end);
    }
    if (this.#isOver || (unread.length === 0 && !this.#isFull)) return;
    this.#paused = true;
    this.#socket.pause();
    // Put back, and not kept here: the end of what the client sends comes behind it then.
    if (unread.length > 0) this.#socket.unshift(unread);
  }

  /** Whether nothing behind what was parsed can be read. */
  get #isOver(): boolean {
    return this.#leaving || this.#lastWord !== undefined;
  }

  /** Whether enough waits, for its turn or to be taken. */
  get #isFull(): boolean {
    return this.#waiting.length >= WAITING_MAX || isHeld(this.#socket);
  }

  /** Serve a request when those before it have been answered; not at all where the connection ends before it. */
  take(turn: Turn): void {
    if (this.#leaving) return;
    this.#last = turn;
    if (this.#current === undefined) {
      this.#begin(turn);
      return;
    }
    this.#waiting.push(turn);
  }

  /** Nothing more can be read: what came before is answered, then comes a last word. */
  fail(error: NodeJS.ErrnoException): void {
    const { code = "" } = error;
    if (this.#isOver) return;
    if (!/^HPE_|^ERR_HTTP_/.test(code)) {
      this.#socket.destroy(); // The connection broke.
      return;
    }
    if (code === "ERR_HTTP_REQUEST_TIMEOUT" && this.#paused) {
      this.#overdue = true;
      return;
    }
    const last = this.#last;
    if (code === "ERR_HTTP_REQUEST_TIMEOUT" && last === this.#current && last?.response.headersSent) {
      this.#late = true; // A stream, which times what comes on it by itself.
      return;
    }
    this.#lastWord = lastWordOf(code);
    if (last !== undefined && !last.request.complete) {
      // The request that is cut short: it is not served, and the last word is its answer, unless it had one early.
      if (last === this.#waiting.at(-1)) this.#waiting.pop();
      else if (last.response.headersSent) this.#lastWord = "";
      if (last === this.#current && !last.response.headersSent) this.#current = undefined;
    }
    if (this.#current === undefined) this.#leave(this.#lastWord);
  }

  /** A last word of another kind, to a request that Node.js does not make one of. */
  refuse(word: string): void {
    if (this.#isOver) return;
    this.#lastWord = word;
    if (this.#current === undefined) this.#leave(word);
  }

  /** To be told when all are closing: the answer in hand may be the last already. */
  closing(): void {
    if (this.#current !== undefined) this.#announceEnd(this.#current);
  }

  /** To be told when all are leaving: one that is idle ends. */
  leaving(): void {
    const { bytesRead, destroyed } = this.#socket;
    if (this.#current === undefined && bytesRead === this.#readBefore && !destroyed) this.#leave();
  }

  /** Give up an answer that nobody takes. Asked now and then. */
  watch(): void {
    if (this.#socket.writableLength === 0) {
      if (this.#current !== undefined) this.#untime(); // All of it is taken; what comes next may be long in coming.
    } else if (!this.#timed) {
      this.#timed = true;
      this.#socket.setTimeout(this.#shared.idleMs); // Which Node.js prolongs with every byte that is taken.
    }
  }

  #untime(): void {
    if (!this.#timed) return;
    this.#timed = false;
    this.#socket.setTimeout(0);
  }

  #begin(turn: Turn): void {
    this.#current = turn;
    this.#late = false;
    this.#untime();
    turn.response.once("close", () => {
      if (this.#waiting.length === 0) this.#next(turn);
      else setImmediate(() => this.#next(turn)); // It is everybody else's turn first.
    });
    if (this.#shared.state !== "open") this.#announceEnd(turn);
    turn.serve();
  }

  /** Tell the client if this answer is the last: in its head, by when all is known that came in one piece with it. */
  #announceEnd({ response }: Turn): void {
    const { writeHead } = response;
    response.writeHead = (...head: unknown[]) => {
      if (this.#shared.state === "leaving" || this.#waiting.length === 0) {
        response.setHeader("connection", "close");
      }
      return writeHead.apply(response, head as Parameters<typeof writeHead>);
    };
  }

  #next(answered: Turn): void {
    if (this.#current !== answered) return;
    this.#current = undefined;
    if (this.#socket.destroyed || this.#leaving) return;
    const next = this.#waiting.shift();
    if (next !== undefined) this.#begin(next);
    else if (this.#lastWord !== undefined) this.#leave(this.#lastWord);
    else if (this.#late && !answered.request.complete)
      this.#leave(); // Nobody tells again that it is late.
    else if (this.#shared.state === "leaving") this.#leave();
    else this.#readBefore = this.#socket.bytesRead;
    if (this.#waiting.length === 0) this.#readOn();
  }

  #readOn(): void {
    if (!this.#paused || isHeld(this.#socket)) return;
    this.#paused = false;
    this.#socket.resume();
    if (!this.#overdue) return;
    this.#overdue = false;
    const late = this.#last;
    const again = setTimeout(() => {
      if (this.#last === late || !this.#last!.request.complete) this.fail(TOO_LATE);
    }, this.#shared.requestMs);
    this.#socket.once("close", () => clearTimeout(again));
  }

  /**
   * Say a last word and end what is sent; drop what still comes, until the client ends it too. On a connection that is
   * closed with something unread the kernel sends a reset, which can overtake the answer (RFC 9112 section 9.6).
   */
  #leave(word = ""): void {
    if (this.#leaving) return;
    this.#leaving = true;
    this.#waiting = [];
    this.#paused = false;
    const socket = this.#socket;
    socket.on("data", drop); // With it Node.js takes the socket back from its parser,
    socket.removeAllListeners("data").on("data", drop); // which then is told of nothing any more.
    socket.resume();
    socket.once("end", () => socket.destroy());
    socket.end(word);
  }
}

/** So many requests of a connection are parsed ahead: those of a hundred connections in some tens of milliseconds. */
const WAITING_MAX = 16;

/** Whether Node.js itself waits until answers are taken; its parser then takes nothing. (Its source only has this.) */
function isHeld(socket: Socket): boolean {
  return (socket as { readonly _paused?: boolean })._paused === true;
}

/** @returns  where to cut, so that no more than so many heads of requests end before */
function endOfHeads(bytes: Buffer, most: number): number {
  let end = 0;
  for (let heads = 0; heads < most; heads++) {
    const at = bytes.indexOf(BLANK_LINE, end);
    if (at === -1) return bytes.length;
    end = at + BLANK_LINE.length;
  }
  return end;
}

const BLANK_LINE = Buffer.from("\n\r\n");

const TOO_LATE: NodeJS.ErrnoException = Object.assign(new Error("too late"), {
  code: "ERR_HTTP_REQUEST_TIMEOUT",
});

function drop(): void {}

/** What Node.js says by itself. */
function lastWordOf(code: string): string {
  if (code === "HPE_CLOSED_CONNECTION") return ""; // Something behind the last request of a connection.
  return statusOnly(STATUS_OF[code] ?? "400 Bad Request");
}

const STATUS_OF: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  HPE_CHUNK_EXTENSIONS_OVERFLOW: "413 Payload Too Large",
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
};

/** An answer of a status alone, which ends its connection. */
export function statusOnly(status: string, headers = ""): string {
  return `HTTP/1.1 ${status}\r\n${headers}Connection: close\r\n\r\n`;
}

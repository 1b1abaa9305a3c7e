/**
 * What an HTTP engine gives to those who answer: a request with its headers first, its body up to a limit or as it
 * comes, a way to answer at once or in pieces, and to be told when the caller has gone. All doors of HTTP stand on this
 * and on nothing of an engine's own, so that another engine (of HTTP/2, say) carries them as they are.
 */
import type { Socket } from "node:net";
import type { Refusal } from "../../core/errors.ts";
import type { Peer } from "../calls/authorise.ts";
import type { Room } from "../room.ts";

/** A request whose headers are there; its body may not be. */
export interface HttpRequest {
  /** As it was sent, "GET" say. */
  readonly method: string;
  /** What it is for, as it was sent: a path and a query, "*", or a whole URL as requests to proxies have it. */
  readonly target: string;
  /** "1.0", "1.1" or "2". */
  readonly version: string;
  readonly overTls: boolean;
  /** Who sent it. */
  readonly peer: Peer;
  /** Whether its headers say that a body comes, which may be an empty one. */
  readonly announcesBody: boolean;
  /** Names and values in turn, as they were sent. */
  readonly rawHeaders: readonly string[];
  /**
   * A header by its name in lower case; several of one name joined by ", " (RFC 9110, section 5.3), of one that can only
   * be there once the first. Undefined without it.
   */
  header(name: string): string | undefined;
  /** One that came behind the body, the same; only once the body has been read. */
  trailer(name: string): string | undefined;
  /**
   * Read all of the body. Once, and not beside `pieces`.
   *
   * @returns  a refusal when it is larger than `bytesMax`, as its headers say or as it comes, or finds no room, or its head
   *           is refused: the rest of it is then dropped as it comes (within the time that a request may take), because a
   *           caller that is still sending would not see the answer on a connection that is closed. Who is refused by
   *           the headers is not told to go on. Also when the caller goes away before its end
   */
  body(terms: BodyTerms): Promise<Buffer | Refusal>;
  /** Have the body dropped as it comes, for the connection to go on behind it. Instead of reading it. */
  drop(): void;
  /**
   * The body as it comes, in pieces that are the reader's own only until it asks for the next; no more is read from the
   * caller than that. Ends early when the caller goes away. What is not read when the answer is over is dropped.
   */
  pieces(): AsyncIterable<Buffer>;
}

/** What bodies may take. */
export interface BodyLimits {
  /** The largest body, in bytes. */
  readonly bytesMax: number;
  /** Room for what is still arriving, of all connections together. */
  readonly arriving: Room;
}

/** How a body is read that is to be one message. */
export interface BodyTerms extends BodyLimits {
  /** What stands in front of the message, beyond `bytesMax`; undefined: nothing does. */
  readonly head?: MessageHead | undefined;
}

/** What stands in front of the message of a body, and says how large it is. */
export interface MessageHead {
  /** How long it is itself, in bytes. What is told of sizes is of the message without it. */
  readonly bytes: number;
  /**
   * Judge it, before what follows it is there, or wanted.
   *
   * @param head  the first bytes of a body, its head or more
   * @returns     how large the message is, in bytes; or why it is not read
   */
  read(head: Buffer): number | Refusal;
  /** What a body is told that goes on behind its message. */
  readonly behind: Refusal;
}

/** Headers of an answer by their names in lower case. */
export type ResponseHeaders = Readonly<Record<string, string | number>>;

/** The answer to a request: whole by `send`, or in pieces by `begin`, `write` and `end`. */
export interface HttpResponse {
  /** A header that the answer is to have, whoever sends it. */
  setHeader(name: string, value: string): void;
  /** The same beside what it has already under that name. */
  appendHeader(name: string, value: string): void;
  /**
   * Send it whole. An engine leaves out the body of what answers a HEAD, and over HTTP/1.1 ends the connection with what is
   * sent while some of the request's body has yet to come and nobody has asked for it.
   */
  send(status: number, headers?: ResponseHeaders, body?: string | Uint8Array): void;
  /** Send the head of an answer whose body comes in pieces, at once. */
  begin(status: number, headers: ResponseHeaders): void;
  /** Send a piece. @returns  when the next one is wanted: at once while little waits to be taken, or when the caller has gone */
  write(piece: Uint8Array): Promise<void>;
  /** Nothing more comes. */
  end(): void;
  /** Whether it is over, answered or not: the caller has it, or has gone. */
  readonly over: boolean;
  /** Be told when it is over. */
  onOver(listener: () => void): void;
  /** Be told its status when all of it has been handed to the system. */
  onSent(listener: (status: number) => void): void;
}

/**
 * Answers a request if it is one of its own, and says whether it was: at once where it is not, because a promise for
 * every route that a request passes by costs more than to look at its path. What it throws or rejects with is a defect.
 */
export type HttpRoute = (request: HttpRequest, response: HttpResponse) => boolean | Promise<boolean>;

/** How an engine ends what it carries, whatever protocol that is: in two steps, as HTTP/2 has it (RFC 9113, section 6.8). */
export interface Drainable {
  /** Requests that were taken and not yet answered. */
  readonly inFlight: number;
  /** Tell every caller that its connection soon ends: what comes on it meanwhile is answered. */
  announceDrain(): void;
  /**
   * End the connections, each after what is in flight on it.
   *
   * @param graceMs  when to end what is still there, in milliseconds
   */
  drain(graceMs: number): void;
}

/** An engine without a port of its own: whoever accepts connections hands them in. */
export interface SocketServer extends Drainable {
  serve(socket: Socket): void;
  /** End a connection that no request was ever made on, to have room for another. @returns  whether there was one */
  endUnused(): boolean;
}

import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
  sensitiveHeaders,
} from "node:http2";
import type { TLSSocket } from "node:tls";
import { connectTls, problemOf } from "./tls.ts";

/** How an attempt at a call ended without an answer. */
export interface Failed {
  /** The gRPC status, by number. */
  readonly code: number;
  readonly message: string;
  /** The google.rpc.Status that came with it. */
  readonly details: Uint8Array | undefined;
  /** Whether the request may have reached a server. */
  readonly sent: boolean;
  /** Whether the server's certificate was refused, which trying again does not change. */
  readonly untrusted?: boolean;
}

/** What became of an attempt. */
export type Reply = { readonly answer: Buffer } | { readonly failed: Failed };

/**
 * A gRPC connection on Node's own HTTP/2, for unary calls, over TLS or in plaintext: made at the first call, and made again by
 * the next one when it is lost, left a call without an answer in time, or the server asks to leave it. It tries
 * nothing again by itself.
 *
 * Not grpc-js, whose loading and first call are a third of what a command takes from its start to its answer, and
 * which does not say whether a call that failed had been sent.
 */
export class Connection {
  readonly #authority: string;
  readonly #ca: string | undefined;
  readonly #apiKey: string | undefined;
  #link: Link | undefined;

  /**
   * @param server  HOST:PORT, an IPv6 host in brackets; for TLS with https:// before it
   * @param ca      whose certificates to trust, in PEM; undefined: those whom the system trusts
   * @param apiKey  sent with each call
   */
  constructor(server: string, ca: string | undefined, apiKey: string | undefined) {
    this.#authority = server.startsWith("https://") ? server : `http://${server}`;
    this.#ca = ca;
    this.#apiKey = apiKey;
  }

  /**
   * One attempt at a call.
   *
   * @param path       "/tally.v1.CounterService/Increment"
   * @param request    the encoded message
   * @param timeoutMs  the deadline from now; the server is told
   */
  unary(path: string, request: Uint8Array, timeoutMs: number): Promise<Reply> {
    const link = this.#open();
    const { promise, resolve } = Promise.withResolvers<Reply>();
    const stream = this.#begin(link, path, request, timeoutMs);
    const exchange = new Exchange(stream, link);
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("close", () => resolve(exchange.failure() ?? answerIn(chunks)));
    const timer = setTimeout(() => exchange.expire(), timeoutMs);
    stream.once("close", () => clearTimeout(timer));
    return promise;
  }

  /**
   * One attempt at a call that is answered by a stream; the next message is read when the one before was taken.
   *
   * @param silenceMs  how long the server may send nothing at all
   * @returns          the encoded messages; and at the end how it failed, if it did
   */
  async *stream(
    path: string,
    request: Uint8Array,
    silenceMs: number,
  ): AsyncGenerator<Buffer, Failed | undefined> {
    const link = this.#open();
    const stream = this.#begin(link, path, request);
    const exchange = new Exchange(stream, link);
    const closed = new Promise((resolve) => stream.once("close", resolve));
    let timer: NodeJS.Timeout | undefined;
    const listen = () => {
      timer = setTimeout(() => exchange.expire(), silenceMs);
    };
    listen();
    let held: Buffer = Buffer.alloc(0);
    try {
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        clearTimeout(timer); // Whoever takes it may take their time.
        held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
        for (let end = messageEnd(held); end <= held.length; end = messageEnd(held)) {
          const message = held.subarray(FRAME_HEAD, end);
          held = held.subarray(end);
          yield message;
        }
        listen();
      }
    } catch (error) {
      if (!(error instanceof Error)) throw error; // The exchange tells it.
    } finally {
      clearTimeout(timer);
      stream.close(constants.NGHTTP2_CANCEL);
    }
    await closed;
    return exchange.failure()?.failed;
  }

  /** @param timeoutMs  the deadline from now, that the server is told; undefined: none */
  #begin({ session }: Link, path: string, request: Uint8Array, timeoutMs?: number): ClientHttp2Stream {
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      ...(timeoutMs !== undefined && { "grpc-timeout": `${Math.max(1, Math.floor(timeoutMs))}m` }),
      te: "trailers",
      ...(this.#apiKey !== undefined && { authorization: `Bearer ${this.#apiKey}` }),
      [sensitiveHeaders]: ["authorization"], // Of which HPACK keeps no copy.
    });
    stream.end(framed(request));
    return stream;
  }

  /** Hang up; calls in flight fail. */
  close(): void {
    this.#link?.session.destroy();
  }

  #open(): Link {
    const { session } = this.#link ?? {};
    if (session !== undefined && !session.closed && !session.destroyed) return this.#link!;
    const tls = this.#authority.startsWith("https://") ? connectTls(this.#authority, this.#ca) : undefined;
    const fresh = connect(this.#authority, {
      settings: { initialWindowSize: WINDOW_BYTES, enablePush: false },
      ...(tls && { createConnection: () => tls }),
    });
    const link: Link = { session: fresh, tls, heard: false };
    fresh.on("error", () => {}); // Each call in flight tells it.
    fresh.on("goaway", () => fresh.close()); // Calls in flight may end, the next one connects anew.
    fresh.on("connect", () => fresh.setLocalWindowSize(WINDOW_BYTES));
    fresh.once("remoteSettings", () => {
      link.heard = true;
    });
    this.#link = link;
    return link;
  }
}

/** A connection that calls stand on. */
interface Link {
  readonly session: ClientHttp2Session;
  /** What the session stands on, over TLS. */
  readonly tls: TLSSocket | undefined;
  /** Whether the other end has shown that it speaks HTTP/2. */
  heard: boolean;
}

/** One call on its stream, from its first byte to what became of it. */
class Exchange {
  readonly #stream: ClientHttp2Stream;
  readonly #link: Link;
  #headers: IncomingHttpHeaders = {};
  #expired = false;
  #error: Error | undefined;

  constructor(stream: ClientHttp2Stream, link: Link) {
    this.#stream = stream;
    this.#link = link;
    stream.on("response", (headers) => this.#hear(headers));
    stream.on("trailers", (headers) => this.#hear(headers));
    stream.on("error", (error: Error) => {
      this.#error = error.cause instanceof Error ? error.cause : error; // The session's own, if that was it.
    });
  }

  /** The connection may be dead without anybody knowing, for as long as TCP hopes: the next call has another. */
  expire(): void {
    this.#expired = true;
    this.#stream.close(constants.NGHTTP2_CANCEL);
    this.#link.session.close();
  }

  #hear(headers: IncomingHttpHeaders): void {
    this.#headers = { ...this.#headers, ...headers };
  }

  /** Once it is over: how it failed; undefined when it did not. */
  failure(): { readonly failed: Failed } | undefined {
    const {
      "grpc-status": status,
      "grpc-message": message,
      "grpc-status-details-bin": details,
    } = this.#headers;
    if (status === "0") return undefined;
    if (status !== undefined) {
      const bytes = typeof details === "string" ? Buffer.from(details, "base64") : undefined;
      return {
        failed: {
          code: Number(status),
          message: percentDecoded(`${message ?? ""}`),
          details: bytes,
          sent: true,
        },
      };
    }
    return this.#unanswered();
  }

  #unanswered(): { readonly failed: Failed } {
    const { session, tls, heard } = this.#link;
    const connected = !session.connecting && this.#stream.id !== undefined;
    const httpStatus = Number(this.#headers[":status"] ?? 200);
    if (this.#expired) return failed(CODE.DEADLINE_EXCEEDED, "the deadline passed", connected);
    if (httpStatus !== 200)
      return failed(HTTP_CODES[httpStatus] ?? CODE.UNKNOWN, `HTTP status ${httpStatus}`, true);
    if (this.#stream.rstCode === constants.NGHTTP2_REFUSED_STREAM)
      return failed(CODE.UNAVAILABLE, "the server refused the stream", false);
    const problem = tls && problemOf(tls, this.#error);
    if (problem !== undefined)
      return { failed: { code: CODE.UNAVAILABLE, details: undefined, sent: false, ...problem } };
    const closed =
      heard || tls
        ? "the connection was closed"
        : "it hung up on plaintext; for TLS write https:// before it";
    return failed(CODE.UNAVAILABLE, this.#error?.message ?? closed, connected);
  }
}

/** The one message of an answer. */
function answerIn(chunks: readonly Buffer[]): Reply {
  const body = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
  if (body.length >= FRAME_HEAD && body.length === messageEnd(body) && body[0] === 0)
    return { answer: body.subarray(FRAME_HEAD) };
  return failed(CODE.INTERNAL, "the answer is not one whole message", true);
}

/** Where the message ends that bytes begin with, as far as they tell. */
function messageEnd(bytes: Buffer): number {
  return bytes.length < FRAME_HEAD ? Number.POSITIVE_INFINITY : FRAME_HEAD + bytes.readUInt32BE(1);
}

function failed(code: number, message: string, sent: boolean): { readonly failed: Failed } {
  return { failed: { code, message, details: undefined, sent } };
}

/** As gRPC writes messages; what is not so written is taken as it is. */
function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** gRPC's frame: a byte for "not compressed", four for the length, then the message. */
function framed(message: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(FRAME_HEAD + message.length);
  bytes[0] = 0;
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, FRAME_HEAD);
  return bytes;
}

const FRAME_HEAD = 5;

/** Room for a whole answer, so that no page of a list waits for leave to go on. */
const WINDOW_BYTES = 4 * 2 ** 20;

/** The gRPC statuses that a client itself comes to. */
const CODE = {
  UNKNOWN: 2,
  DEADLINE_EXCEEDED: 4,
  PERMISSION_DENIED: 7,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

/** What an answer that is not gRPC's means, as gRPC has it: github.com/grpc/grpc, doc/http-grpc-status-mapping.md. */
const HTTP_CODES: Readonly<Record<number, number>> = {
  400: CODE.INTERNAL,
  401: CODE.UNAUTHENTICATED,
  403: CODE.PERMISSION_DENIED,
  404: CODE.UNIMPLEMENTED,
  429: CODE.UNAVAILABLE,
  502: CODE.UNAVAILABLE,
  503: CODE.UNAVAILABLE,
  504: CODE.UNAVAILABLE,
};

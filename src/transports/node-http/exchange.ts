/** A request of node:http and what answers it, as an HTTP engine gives them. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { setImmediate } from "node:timers/promises";
import { TLSSocket } from "node:tls";
import type { Refusal } from "../../core/errors.ts";
import type { Peer } from "../calls/authorise.ts";
import { BodyBounds } from "../http/body-bounds.ts";
import type { BodyTerms, HttpRequest, HttpResponse, ResponseHeaders } from "../http/engine.ts";
import { peerOf } from "../peer.ts";
import { Arriving, NO_ROOM } from "../room.ts";

/** A request as node:http has it. */
export class NodeRequest implements HttpRequest {
  readonly #request: IncomingMessage;
  readonly #onRead: () => void;
  #isTaken = false;

  /** @param onRead  told before the body is read */
  constructor(request: IncomingMessage, onRead: () => void = () => {}) {
    this.#request = request;
    this.#onRead = onRead;
  }

  get method(): string {
    return this.#request.method!;
  }

  get target(): string {
    return this.#request.url!;
  }

  get version(): string {
    return this.#request.httpVersion;
  }

  get overTls(): boolean {
    return this.#request.socket instanceof TLSSocket;
  }

  get peer(): Peer {
    return peerOf(this.#request.socket);
  }

  get announcesBody(): boolean {
    return announcesBody(this.#request);
  }

  /** Whether some of its body has yet to come, and nobody has asked for it. */
  get isUnread(): boolean {
    return this.announcesBody && !this.#request.complete && !this.#isTaken;
  }

  get rawHeaders(): readonly string[] {
    return this.#request.rawHeaders;
  }

  header(name: string): string | undefined {
    const value = this.#request.headers[name];
    return typeof value === "string" ? value : value?.join(", ");
  }

  trailer(name: string): string | undefined {
    return this.#request.trailers[name];
  }

  body(terms: BodyTerms): Promise<Buffer | Refusal> {
    const request = this.#request;
    if (request.destroyed) return Promise.resolve({ code: "CALL_CANCELLED" }); // It emits nothing any more.
    this.#isTaken = true;
    const { promise, resolve } = Promise.withResolvers<Buffer | Refusal>();
    const length = request.headers["content-length"];
    const declared = length === undefined ? undefined : Number(length);
    const bounds = new BodyBounds(terms, declared);
    const body = new Arriving([terms.arriving], Math.min(declared || bounds.bytesMax, bounds.bytesMax));
    let whole: Buffer | undefined;
    let dropped = false;
    const drop = (refusal: Refusal) => {
      dropped = true;
      body.free();
      resolve(refusal);
    };
    const ahead = bounds.refusal;
    if (ahead !== undefined) drop(ahead);
    else this.#onRead();
    request.on("data", (chunk: Buffer) => {
      if (dropped) return;
      if (chunk.length === declared) {
        whole = chunk; // As most come: in one piece.
        return;
      }
      const fault = bounds.awaitsHead ? bounds.judge(Buffer.concat([body.bytes, chunk])) : undefined;
      if (fault !== undefined) drop(fault);
      else if (body.length + chunk.length > bounds.bytesMax) drop(bounds.beyond);
      else if (!body.add(chunk)) drop(NO_ROOM);
    });
    request.on("end", () => {
      if (!dropped) resolve(bounds.whole(whole ?? body.bytes));
      body.free();
    });
    request.on("error", ignore); // That it was aborted; "close" follows.
    request.on("close", () => drop({ code: "CALL_CANCELLED" }));
    return promise;
  }

  drop(): void {
    this.#isTaken = true; // Node.js drops what nobody reads.
  }

  async *pieces(): AsyncGenerator<Buffer, void> {
    this.#isTaken = true;
    try {
      this.#onRead();
      // Without this the end of the loop would destroy the connection under the answer.
      yield* this.#request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
    } catch {
      // The caller has gone.
    } finally {
      this.#request.resume(); // What still comes is dropped.
    }
  }
}

/** Whether headers say that a body comes. */
export function announcesBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/** An answer as node:http sends it. */
export class NodeResponse implements HttpResponse {
  readonly #request: NodeRequest;
  readonly #response: ServerResponse;

  constructor(request: NodeRequest, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
  }

  setHeader(name: string, value: string): void {
    this.#response.setHeader(name, value);
  }

  appendHeader(name: string, value: string): void {
    this.#response.appendHeader(name, value);
  }

  send(status: number, headers: ResponseHeaders = {}, body?: string | Uint8Array): void {
    // What nobody wants would have to be waited for before the next request is found behind it. A body that was begun to be
    // read is: who sends too much has the answer, and their connection.
    if (this.#request.isUnread) this.#response.setHeader("connection", "close");
    this.#response.writeHead(status, headers).end(body);
  }

  begin(status: number, headers: ResponseHeaders): void {
    const response = this.#response;
    response.writeHead(status, headers).flushHeaders();
    // Who ends their side in the middle of such an answer has gone. It may be half of a connection only, but while
    // nothing is written nobody can tell, and an answer in pieces may have nothing to say for long.
    const gone = () => response.destroy();
    const { socket } = response;
    if (socket?.readableEnded) gone();
    socket?.once("end", gone);
    response.once("close", () => socket?.off("end", gone));
  }

  write(piece: Uint8Array): Promise<void> {
    const response = this.#response;
    // Not at once, or who writes without end would never let the process hear that it is over.
    if (response.destroyed) return setImmediate();
    if (response.write(piece)) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const taken = () => {
      response.off("drain", taken).off("close", taken);
      setImmediate().then(resolve); // What a fast reader takes at once is no turn of the event loop either.
    };
    response.on("drain", taken).on("close", taken);
    return promise;
  }

  end(): void {
    this.#response.end();
  }

  get over(): boolean {
    return this.#response.destroyed;
  }

  onOver(listener: () => void): void {
    if (this.over) listener();
    else this.#response.once("close", listener);
  }

  onSent(listener: (status: number) => void): void {
    this.#response.once("finish", () => listener(this.#response.statusCode));
  }
}

function ignore(): void {}

import type { Refusal } from "../../core/errors.ts";
import type { ServerStream, Unread } from "../../http2/stream.ts";
import type { Peer } from "../calls/authorise.ts";
import { lateRequest } from "../calls/call.ts";
import { BodyBounds } from "../http/body-bounds.ts";
import type { BodyTerms, HttpRequest } from "../http/engine.ts";
import { peerOf } from "../peer.ts";
import { NO_ROOM } from "../room.ts";
import { owned } from "./owned.ts";
import { Pieces } from "./pieces.ts";

/** A request over HTTP/2, as the doors of HTTP read it. */
export class Http2Request implements HttpRequest {
  readonly method: string;
  readonly target: string;
  readonly version = "2";
  readonly overTls: boolean;
  readonly rawHeaders: readonly string[];
  readonly announcesBody: boolean;
  readonly #stream: ServerStream;
  readonly #requestMs: number;
  /** Who waits for the whole body. */
  #whole: ((body: Buffer | Refusal) => void) | undefined;
  /** Of the body that is waited for. */
  #bounds: BodyBounds | undefined;
  #pieces: Pieces | undefined;

  /** @param requestMs  how long a body may take to arrive, in milliseconds */
  constructor(stream: ServerStream, requestMs: number) {
    const { method, path, authority, fields, contentLength } = stream.head;
    this.announcesBody = !stream.requestEnded && contentLength !== 0;
    this.method = method;
    this.target = path;
    this.overTls = stream.overTls;
    const hasHost = fields.some((name, i) => i % 2 === 0 && name === "host"); // The same, or it would not be here.
    this.rawHeaders = hasHost || authority === "" ? fields : ["host", authority, ...fields];
    this.#stream = stream;
    this.#requestMs = requestMs;
  }

  get peer(): Peer {
    return peerOf(this.#stream.socket);
  }

  header(name: string): string | undefined {
    const { head } = this.#stream;
    if (name === "host") return head.authority === "" ? undefined : head.authority;
    return head.field(name);
  }

  trailer(name: string): string | undefined {
    const { trailers } = this.#stream;
    const values = trailers.filter((_, i) => i % 2 === 1 && trailers[i - 1] === name);
    return values.length === 0 ? undefined : values.join(", ");
  }

  /** What is arriving is held by the engine, in the same room. */
  body(terms: BodyTerms): Promise<Buffer | Refusal> {
    const { contentLength } = this.#stream.head;
    if (this.#stream.over) return Promise.resolve({ code: "CALL_CANCELLED" });
    const bounds = new BodyBounds(terms, contentLength < 0 ? undefined : contentLength);
    const { refusal } = bounds;
    if (refusal !== undefined) {
      this.#stream.drop();
      return Promise.resolve(refusal);
    }
    const { promise, resolve } = Promise.withResolvers<Buffer | Refusal>();
    this.#whole = resolve;
    this.#bounds = bounds;
    this.#stream.body(bounds.bytesMax, terms.head?.bytes);
    return promise;
  }

  drop(): void {} // A stream ends with its answer, and the connection goes on.

  pieces(): AsyncIterable<Buffer> {
    this.#pieces = new Pieces(this.#stream);
    if (this.#stream.over) this.#pieces.end();
    this.#stream.pieces(); // What there is comes at once.
    return this.#pieces;
  }

  /** The engine has as much of it as was asked for, and not all of it. */
  onStart(start: Buffer): void {
    const bounds = this.#bounds!;
    const refusal = bounds.judge(start);
    if (refusal === undefined) {
      this.#stream.body(bounds.bytesMax);
      return;
    }
    this.#stream.drop();
    this.#whole?.(refusal);
  }

  /** It has the whole body. */
  onBody(body: Buffer): void {
    this.#whole?.(this.#bounds!.whole(owned(body)));
  }

  /** It has a piece of it. */
  onPiece(piece: Buffer): void {
    this.#pieces?.push(piece);
  }

  /** It has had the last. */
  onEnd(): void {
    this.#pieces?.end();
  }

  /** It will not have the rest. */
  onUnread(why: Unread): void {
    const refusal =
      why === "too-large" ? this.#bounds!.beyond : why === "late" ? lateRequest(this.#requestMs) : NO_ROOM;
    this.#whole?.(refusal);
  }

  /** The caller has been answered, or has gone. */
  onClose(): void {
    this.#pieces?.end();
    this.#whole?.({ code: "CALL_CANCELLED" });
  }
}

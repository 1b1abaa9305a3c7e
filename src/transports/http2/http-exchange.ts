import type { Closed, ServerStream, StreamListener, Unread } from "../../http2/stream.ts";
import { Http2Request } from "./http-request.ts";
import { Http2Response } from "./http-response.ts";

/** A request over HTTP/2 and its answer, told by the engine what becomes of both. */
export class HttpExchange implements StreamListener {
  readonly request: Http2Request;
  readonly response: Http2Response;

  /**
   * @param requestMs  how long a body may take to arrive, in milliseconds
   * @param date       now, as the header Date has it
   */
  constructor(stream: ServerStream, requestMs: number, date: () => string) {
    this.request = new Http2Request(stream, requestMs);
    this.response = new Http2Response(stream, date);
  }

  onBody(body: Buffer): void {
    this.request.onBody(body);
  }

  onPiece(piece: Buffer): void {
    this.request.onPiece(piece);
  }

  onEnd(): void {
    this.request.onEnd();
  }

  onUnread(why: Unread): void {
    this.request.onUnread(why);
  }

  onWritable(): void {
    this.response.onWritable();
  }

  onClose(why: Closed): void {
    this.response.onClose(why);
    this.request.onClose();
  }

  onStart(start: Buffer): void {
    this.request.onStart(start);
  }
}

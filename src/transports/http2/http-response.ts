import { setImmediate } from "node:timers/promises";
import { headBlock } from "../../http2/block.ts";
import type { Closed, ServerStream } from "../../http2/stream.ts";
import type { HttpResponse, ResponseHeaders } from "../http/engine.ts";

/** An answer over HTTP/2, as the doors of HTTP give it. */
export class Http2Response implements HttpResponse {
  readonly #stream: ServerStream;
  readonly #date: () => string;
  readonly #headers = new Map<string, string>();
  #status = 0;
  readonly #over: (() => void)[] = [];
  readonly #sent: ((status: number) => void)[] = [];
  /** Who waits until the next piece is wanted. */
  #taken: (() => void) | undefined;

  /** @param date  now, as the header Date has it */
  constructor(stream: ServerStream, date: () => string) {
    this.#stream = stream;
    this.#date = date;
  }

  setHeader(name: string, value: string): void {
    this.#headers.set(name.toLowerCase(), value);
  }

  appendHeader(name: string, value: string): void {
    const before = this.#headers.get(name.toLowerCase());
    this.setHeader(name, before === undefined ? value : `${before}, ${value}`);
  }

  send(status: number, headers: ResponseHeaders = {}, body?: string | Uint8Array): void {
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    const hasBody = status !== 204 && status !== 304; // RFC 9110, section 6.4.1.
    const length = hasBody ? { "content-length": bytes?.length ?? 0 } : {};
    const isSent = hasBody && bytes !== undefined && bytes.length > 0 && this.#stream.head.method !== "HEAD";
    this.#stream.answer(this.#head(status, { ...length, ...headers }), isSent ? [bytes] : []);
  }

  begin(status: number, headers: ResponseHeaders): void {
    this.#stream.lasting = true;
    this.#stream.respond(this.#head(status, headers));
  }

  write(piece: Uint8Array): Promise<void> {
    // Not at once, or who writes without end would never let the process hear that it is over.
    if (this.over) return setImmediate();
    if (this.#stream.write(piece)) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#taken = resolve;
    return promise;
  }

  end(): void {
    this.#stream.end();
  }

  get over(): boolean {
    return this.#stream.over;
  }

  /** Whether anything of it has been sent. */
  get begun(): boolean {
    return this.#status !== 0;
  }

  onOver(listener: () => void): void {
    if (this.over) listener();
    else this.#over.push(listener);
  }

  onSent(listener: (status: number) => void): void {
    this.#sent.push(listener);
  }

  /** The engine wants the next piece. */
  onWritable(): void {
    this.#taken?.();
  }

  /** Nothing more can be sent. */
  onClose(why: Closed): void {
    this.#taken?.();
    if (why === "answered") for (const sent of this.#sent) sent(this.#status);
    for (const over of this.#over) over();
  }

  #head(status: number, headers: ResponseHeaders) {
    this.#status = status;
    const all = new Map<string, string>([["date", this.#date()], ...this.#headers]);
    for (const [name, value] of Object.entries(headers)) all.set(name, `${value}`);
    all.delete("connection"); // Of HTTP/1.1 alone (RFC 9113, section 8.2.2).
    return headBlock(status, [...all].flat());
  }
}

/**
 * A server over the engine alone, which answers with the body that it is sent, a GET with some bytes; at `/bytes/N` with
 * so many, at `/fields` with the fields of the request as head and trailers.
 */
import { type AddressInfo, createServer } from "node:net";
import { headBlock, trailerBlock } from "../../src/http2/block.ts";
import { Http2Engine } from "../../src/http2/engine.ts";
import type { Http2Limits } from "../../src/http2/limits.ts";
import type { ServerStream, StreamListener } from "../../src/http2/stream.ts";
import { systemTime } from "../../src/http2/time.ts";
import { CountingRoom } from "./peer.ts";

const HEAD = headBlock(200, ["content-type", "application/octet-stream"]);
const TAIL = trailerBlock(["x-end", "0"]);

class Echo implements StreamListener {
  readonly #stream: ServerStream;

  constructor(stream: ServerStream) {
    this.#stream = stream;
    stream.body(8 * 2 ** 20);
  }

  onBody(sent: Buffer): void {
    const body = Buffer.from(sent); // It is there for the time of this alone, and answers are sent from where they lie.
    const { method, path, fields } = this.#stream.head;
    if (path === "/fields") {
      this.#stream.answer(headBlock(200, fields), [body], trailerBlock(fields));
      return;
    }
    const [, asked] = /^\/bytes\/(\d{1,7})$/.exec(path) ?? [];
    const length = asked !== undefined ? Number(asked) : method === "GET" ? 100 : undefined;
    this.#stream.answer(HEAD, [length === undefined ? body : Buffer.alloc(length, "x")], TAIL);
  }

  onUnread(): void {
    this.#stream.answer(headBlock(413, []));
  }

  onStart(): void {}
  onPiece(): void {}
  onEnd(): void {}
  onWritable(): void {}
  onClose(): void {}
}

type Accept = (stream: ServerStream) => StreamListener;

/** An engine that answers with what it is sent, or as somebody else wants it to. */
export function openEcho(limits: Partial<Http2Limits> = {}, accept: Accept = (stream) => new Echo(stream)) {
  const arriving = new CountingRoom(256 * 2 ** 20);
  const leaving = new CountingRoom(64 * 2 ** 20);
  const defects: unknown[] = [];
  const engine = new Http2Engine({
    time: systemTime(() => performance.now()),
    arriving,
    leaving,
    limits,
    accept,
    onDefect: (error) => defects.push(error),
  });
  return { engine, arriving, leaving, defects };
}

/** The same on a port of its own. */
export async function listenEcho(port = 0, limits: Partial<Http2Limits> = {}, accept?: Accept) {
  const echo = openEcho(limits, accept);
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => echo.engine.serve(socket));
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return { ...echo, server, port: (server.address() as AddressInfo).port };
}

import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { headBlock, trailerBlock } from "../../../../src/http2/block.ts";
import type { ServerStream, StreamListener } from "../../../../src/http2/stream.ts";
import { listenEcho } from "../../../http2/echo.ts";

/** A server that answers with what it has understood of a request. */
export interface Mirror {
  readonly port: number;
  close(): void;
}

/** A request as whoever answers it is told. */
interface Understood {
  readonly method: string;
  readonly scheme: string;
  readonly path: string;
  readonly authority: string;
  /** Names and values in turn, in their order. */
  readonly fields: readonly string[];
  readonly body: Buffer;
  readonly trailers: readonly string[];
}

/** The same for both: all of it as the body, and some that is sent beside. `/long` has more than a window takes. */
function answerTo(request: Understood) {
  const { method, path, body } = request;
  const text = Buffer.from(JSON.stringify({ ...request, body: body.toString("latin1") }));
  const long = path === "/long" ? Buffer.alloc(200_000, "l") : Buffer.alloc(0);
  return {
    status: path === "/created" ? 201 : 200,
    fields: ["content-type", "application/json", "x-long", "v".repeat(body.length % 300), "date", "of both"],
    body: method === "HEAD" ? Buffer.alloc(0) : Buffer.concat([text, long]),
    trailers: ["x-bytes", String(body.length), "x-end", ""],
  };
}

/** The engine. */
export async function ownMirror(): Promise<Mirror & { readonly defects: readonly unknown[] }> {
  const { port, server, engine, defects } = await listenEcho(0, {}, (stream) => new Listener(stream));
  return {
    port,
    defects,
    close() {
      server.close();
      engine.close();
    },
  };
}

class Listener implements StreamListener {
  readonly #stream: ServerStream;

  constructor(stream: ServerStream) {
    this.#stream = stream;
    stream.body(BODY_BYTES_MAX);
  }

  onBody(body: Buffer): void {
    const { head, trailers } = this.#stream;
    const { method, scheme, path, authority, fields } = head;
    const answer = answerTo({ method, scheme, path, authority, fields, body, trailers });
    const tail = trailerBlock(answer.trailers);
    const begin = headBlock(answer.status, answer.fields);
    if (method === "HEAD") this.#stream.answer(begin);
    else this.#stream.answer(begin, [answer.body], tail);
  }

  onUnread(): void {
    this.#stream.reset(8);
  }

  onStart(): void {}
  onPiece(): void {}
  onEnd(): void {}
  onWritable(): void {}
  onClose(): void {}
}

const BODY_BYTES_MAX = 1_000_000;

/** node:http2, which is nghttp2. */
export async function nodesMirror(): Promise<Mirror> {
  const server = createServer({ settings: { maxConcurrentStreams: 256 } });
  server.on("sessionError", () => {});
  server.on("stream", (stream, headers, _, rawHeaders) => mirror(stream, headers, rawHeaders));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}

function mirror(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders & Record<string, unknown>,
  rawHeaders: readonly string[],
): void {
  const pieces: Buffer[] = [];
  let trailers: readonly string[] = [];
  const pseudo = (name: string) => String(headers[name] ?? "");
  stream.on("error", () => {});
  stream.on("data", (piece: Buffer) => pieces.push(piece));
  stream.on("trailers", (_headers: unknown, _flags: number, raw: readonly string[]) => {
    trailers = raw;
  });
  stream.on("end", () => {
    if (stream.destroyed || stream.closed) return;
    const answer = answerTo({
      method: pseudo(":method"),
      scheme: pseudo(":scheme").toLowerCase(),
      path: pseudo(":path"),
      authority: pseudo(":authority") || pseudo("host"),
      fields: pairsOf(rawHeaders),
      body: Buffer.concat(pieces),
      trailers: pairsOf(trailers),
    });
    stream.on("wantTrailers", () => stream.sendTrailers(Object.fromEntries(inPairs(answer.trailers))));
    stream.respond(
      { ":status": answer.status, ...Object.fromEntries(inPairs(answer.fields)) },
      { waitForTrailers: pseudo(":method") !== "HEAD" },
    );
    stream.end(answer.body);
  });
}

/** Without pseudo-headers. */
function pairsOf(raw: readonly string[]): string[] {
  return inPairs(raw)
    .filter(([name]) => !name.startsWith(":"))
    .flat();
}

function inPairs(raw: readonly string[]): [string, string][] {
  return raw.flatMap((name, at) => (at % 2 === 0 ? [[name, raw[at + 1]!] as [string, string]] : []));
}

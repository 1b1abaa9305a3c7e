/** HTTP by hand: every path, header and body is sent as it is given. Over HTTP/1.1, or HTTP/2 where our own engine has that. */
import { once } from "node:events";
import { Agent, type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import {
  type ClientHttp2Session,
  connect,
  type IncomingHttpHeaders as IncomingHttp2Headers,
} from "node:http2";
import { request as requestOverTls, Agent as TlsAgent } from "node:https";
import { ENGINE } from "./engine.ts";

export interface Sent {
  readonly method?: string;
  /** Path and query, percent-encoded. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  /** An object is sent as JSON. */
  readonly body?: string | Uint8Array | object;
  /** Whose certificates to trust: over TLS. */
  readonly ca?: string | undefined;
  /** For what there is over HTTP/1.1 alone. */
  readonly version?: "1.1";
  /** The connection to ask on. By default each request has one of its own. */
  readonly on?: Kept;
}

/** A connection to one server that is kept from one request to the next. */
export class Kept {
  readonly #agents = { plain: new Agent({ keepAlive: true }), tls: new TlsAgent({ keepAlive: true }) };
  #session: ClientHttp2Session | undefined;

  /** That of HTTP/1.1. */
  agent(overTls: boolean): Agent {
    return overTls ? this.#agents.tls : this.#agents.plain;
  }

  /** That of HTTP/2, or a new one where the server has hung up. */
  session(open: () => ClientHttp2Session): ClientHttp2Session {
    if (this.#session === undefined || this.#session.closed || this.#session.destroyed)
      this.#session = open();
    return this.#session;
  }
}

export interface Got {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  readonly text: string;
  /** The body as JSON; undefined when it is none. */
  readonly json: unknown;
  /** Of the error in the body; undefined without one. */
  readonly error: Refused | undefined;
}

/** An error as AIP-193 has it, its details by their kind. */
export interface Refused {
  readonly code: number;
  readonly status: string;
  readonly message: string;
  readonly reason: string | undefined;
  readonly metadata: Record<string, string>;
}

/** Make a request, and read all of the answer. */
export async function send(port: number, sent: Sent): Promise<Got> {
  const { headers = {}, body } = sent;
  const json = typeof body === "object" && !(body instanceof Uint8Array);
  const bytes = json ? JSON.stringify(body) : body;
  const all = {
    ...(json && { "content-type": "application/json" }),
    ...(bytes !== undefined && { "content-length": `${Buffer.byteLength(bytes)}` }), // For GET too.
    ...headers,
  };
  return ENGINE === "own" && sent.version === undefined
    ? sendOverHttp2(port, sent, all, bytes)
    : sendOverHttp1(port, sent, all, bytes);
}

type Headers = NonNullable<Sent["headers"]>;
type Bytes = string | Uint8Array | undefined;

async function sendOverHttp1(
  port: number,
  { method = "GET", path, ca, on }: Sent,
  headers: Headers,
  bytes: Bytes,
): Promise<Got> {
  const outgoing = (ca === undefined ? request : requestOverTls)({
    ca,
    servername: "localhost", // Whatever the headers say.
    host: "127.0.0.1",
    port,
    method,
    path,
    agent: on?.agent(ca !== undefined) ?? false,
    headers,
  });
  outgoing.end(bytes);
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  return gotOf(response.statusCode!, response.headers, Buffer.concat((await response.toArray()) as Buffer[]));
}

async function sendOverHttp2(
  port: number,
  { method = "GET", path, ca, on }: Sent,
  headers: Headers,
  bytes: Bytes,
): Promise<Got> {
  const { host, ...others } = Object.fromEntries(
    // HTTP/1.1 allows blanks around a value, which are none of it; HTTP/2 has none (RFC 9113, section 8.2.1).
    Object.entries(headers).map(([name, value]) => [
      name.toLowerCase(),
      typeof value === "string" ? value.trim() : value,
    ]),
  );
  const open = () =>
    connect(`${ca === undefined ? "http" : "https"}://127.0.0.1:${port}`, {
      ca,
      servername: "localhost",
      strictSingleValueFields: false, // Which its types do not know yet.
    } as object).on("error", () => {}); // "close" follows.
  const session = on?.session(open) ?? open();
  try {
    const outgoing = session.request(
      {
        ":method": method,
        ":path": path,
        ...(host !== undefined && { ":authority": host as string }),
        ...others,
      },
      { endStream: bytes === undefined },
    );
    if (bytes !== undefined) outgoing.end(bytes);
    const hungUp = once(outgoing, "close").then(() => Promise.reject(new Error("the connection was closed")));
    const [response] = (await Promise.race([once(outgoing, "response"), hungUp])) as [IncomingHttp2Headers];
    hungUp.catch(() => {});
    const { ":status": status, ...answered } = response;
    const pieces = (await outgoing.toArray()) as Buffer[];
    return gotOf(Number(status), answered as IncomingHttpHeaders, Buffer.concat(pieces));
  } finally {
    if (on === undefined) session.destroy();
  }
}

export function gotOf(status: number, headers: IncomingHttpHeaders, bytes: Buffer): Got {
  const text = bytes.toString();
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status, headers, bytes, text, json, error: refusedOf(json) };
}

interface Detail {
  readonly domain?: string;
  readonly reason?: string;
  readonly metadata?: Record<string, string>;
}

function refusedOf(json: unknown): Refused | undefined {
  const error = (json as { error?: Omit<Refused, "reason" | "metadata"> & { details: Detail[] } })?.error;
  if (error === undefined) return undefined;
  const info = error.details.find(({ domain }) => domain === "tally");
  const { code, status, message } = error;
  return { code, status, message, reason: info?.reason, metadata: info?.metadata ?? {} };
}

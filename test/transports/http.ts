/** HTTP/1.1 by hand: every path, header and body is sent as it is given. */
import { once } from "node:events";
import { type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import { request as requestOverTls } from "node:https";

export interface Sent {
  readonly method?: string;
  /** Path and query, percent-encoded. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  /** An object is sent as JSON. */
  readonly body?: string | Uint8Array | object;
  /** Whose certificates to trust: over TLS. */
  readonly ca?: string | undefined;
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

/** Make a request on a connection of its own, and read all of the answer. */
export async function send(
  port: number,
  { method = "GET", path, headers = {}, body, ca }: Sent,
): Promise<Got> {
  const json = typeof body === "object" && !(body instanceof Uint8Array);
  const bytes = json ? JSON.stringify(body) : body;
  const outgoing = (ca === undefined ? request : requestOverTls)({
    ca,
    servername: "localhost", // Whatever the headers say.
    host: "127.0.0.1",
    port,
    method,
    path,
    agent: false,
    headers: {
      ...(json && { "content-type": "application/json" }),
      ...(bytes !== undefined && { "content-length": `${Buffer.byteLength(bytes)}` }), // For GET too.
      ...headers,
    },
  });
  outgoing.end(bytes);
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  return gotOf(response.statusCode!, response.headers, Buffer.concat((await response.toArray()) as Buffer[]));
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

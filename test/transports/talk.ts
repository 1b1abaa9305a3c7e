/** A connection by hand: bytes out, answers of HTTP/1.1 in, over TCP or TLS, each side ended when a test says so. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

export interface Talk {
  readonly socket: Socket;
  send(...texts: (string | Uint8Array)[]): void;
  /** End what is sent, and go on reading. */
  end(): void;
  /** Everything that comes, to the end of the connection. */
  all(): Promise<string>;
  /** The same as statuses and, where an answer has one, the value in it. */
  answers(): Promise<(number | string)[]>;
}

/**
 * @param ca        whose certificates to trust: over TLS
 * @param protocol  which to agree on there
 */
export async function talk(
  port: number,
  { ca, protocol = "http/1.1" }: { readonly ca?: string | undefined; readonly protocol?: string } = {},
): Promise<Talk> {
  const options = { port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true };
  // Without a name to ask for, any certificate of this authority will do.
  const socket =
    ca === undefined
      ? connect(options)
      : connectTls({ ...options, ca, checkServerIdentity: () => undefined, ALPNProtocols: [protocol] });
  await once(socket, ca === undefined ? "connect" : "secureConnect");
  socket.on("error", () => {}); // "close" follows.
  const all = async () => {
    let text = "";
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
    });
    socket.on("end", () => socket.end());
    if (!socket.closed) await once(socket, "close");
    return text;
  };
  return {
    socket,
    send: (...texts) => void socket.write(Buffer.concat(texts.map((text) => Buffer.from(text as string)))),
    end: () => void socket.end(),
    all,
    answers: async () => answersIn(await all()),
  };
}

export function answersIn(text: string): (number | string)[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3})|"value":("?-?\d+"?)/g)].map(([, status, value]) =>
    status === undefined ? JSON.parse(value!) : Number(status),
  );
}

/** A request of HTTP/1.1. */
export function http(
  method: string,
  path: string,
  { body, headers = {} }: { body?: string; headers?: Record<string, string> } = {},
): string {
  const all: Record<string, string> = {
    host: "127.0.0.1",
    ...(body !== undefined && {
      "content-type": "application/json",
      "content-length": `${Buffer.byteLength(body)}`,
    }),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body ?? ""}`;
}

export const CLOSE = { headers: { connection: "close" } };

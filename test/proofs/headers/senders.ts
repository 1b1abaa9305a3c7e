/** How heads are sent, and what comes back: by HTTP/1.1 over a bare socket, by HTTP/2 over node:http2. */
import { once } from "node:events";
import { type ClientHttp2Session, type ClientSessionOptions, connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { framed } from "../../transports/raw.ts";
import type { Field } from "./mutations.ts";

/** What a head was answered with: "HTTP 401", "gRPC 16", or "ended": of the stream, or the connection. */
export type Answer = string;

/** Sends one head after another. */
export interface Sender {
  send(fields: readonly Field[]): Promise<Answer>;
  close(): void;
}

const ANSWERED_WITHIN_MS = 120_000;

/** A read over REST, on a connection that stays as long as the server lets it. */
export function overHttp1(port: number, path: string): Sender {
  let socket: Socket | undefined;
  const opened = async () => {
    const fresh = connect(port, "127.0.0.1");
    fresh.on("error", () => {}); // "close" follows.
    await once(fresh, "connect");
    return fresh;
  };
  return {
    async send(fields) {
      if (socket === undefined || socket.destroyed || socket.readableEnded) socket = await opened();
      const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");
      socket.write(Buffer.from(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n${lines}\r\n`, "latin1"));
      const { status, stays } = await answerOn(socket);
      if (!stays) socket.destroy();
      return status;
    },
    close: () => socket?.destroy(),
  };
}

/** The next answer: its head, and the body that it announces. */
function answerOn(socket: Socket): Promise<{ status: Answer; stays: boolean }> {
  const { promise, resolve } = Promise.withResolvers<{ status: Answer; stays: boolean }>();
  let text = "";
  const onData = (chunk: Buffer) => {
    text += chunk.toString("latin1");
    const end = text.indexOf("\r\n\r\n");
    const length = /^content-length: *(\d+)\r$/im.exec(text.slice(0, end + 1))?.[1];
    if (end < 0 || length === undefined || text.length < end + 4 + Number(length)) return;
    const stays = !/^connection: *close\r$/im.test(text.slice(0, end + 1));
    settle({ status: `HTTP ${text.slice(9, 12)}`, stays });
  };
  const onClose = () =>
    settle({ status: text.startsWith("HTTP/1.1 ") ? `HTTP ${text.slice(9, 12)}` : "ended", stays: false });
  const timer = setTimeout(() => settle({ status: "no answer", stays: false }), ANSWERED_WITHIN_MS);
  const settle = (said: { status: Answer; stays: boolean }) => {
    clearTimeout(timer);
    socket.off("data", onData);
    socket.off("close", onClose);
    resolve(said);
  };
  socket.on("data", onData);
  socket.once("close", onClose);
  if (socket.destroyed) onClose();
  return promise;
}

/** A field twice that has one value; the option is not in the types yet. */
const ANY_FIELDS = {
  strictSingleValueFields: false,
  maxSendHeaderBlockLength: 2 ** 20,
} as ClientSessionOptions;

/** A unary call over gRPC. @param message  encoded */
export function overHttp2(port: number, path: string, message: Uint8Array): Sender {
  let session: ClientHttp2Session | undefined;
  const body = framed(message);
  const opened = () => {
    const fresh = connectHttp2(`http://127.0.0.1:${port}`, ANY_FIELDS);
    fresh.on("error", () => {}); // Its streams close.
    return fresh;
  };
  return {
    send(fields) {
      if (session === undefined || session.closed || session.destroyed) session = opened();
      const head: Record<string, string | string[]> = {};
      for (const [name, value] of fields)
        head[name] = head[name] === undefined ? value : [head[name], value].flat();
      const { promise, resolve } = Promise.withResolvers<Answer>();
      const stream = session.request({
        ...{ ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" },
        ...head,
      });
      let answer: Answer = "ended";
      const read = (received: Readonly<Record<string, unknown>>) => {
        if (received["grpc-status"] !== undefined) answer = `gRPC ${received["grpc-status"]}`;
        else if (received[":status"] !== undefined) answer = `HTTP ${received[":status"]}`;
      };
      stream.on("response", read);
      stream.on("trailers", read);
      stream.on("error", () => {}); // "close" follows.
      stream.setTimeout(ANSWERED_WITHIN_MS, () => {
        answer = "no answer";
        stream.close();
      });
      stream.on("close", () => resolve(answer));
      stream.resume();
      stream.end(body);
      return promise;
    },
    close: () => session?.destroy(),
  };
}

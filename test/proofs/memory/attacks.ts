/** Ways to make a server keep what it should not: each holds as much as it can, and says when it holds it. */
import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { gzipSync } from "node:zlib";
import { pause } from "../crash/server-process.ts";

/** Where the server is. */
export interface Target {
  readonly port: number;
  /** Whom to trust, over TLS. */
  readonly ca?: string | undefined;
}

/** What an attack holds until it lets go. */
export interface Held {
  /** Break off, as a client does that dies: its sockets are closed, and nothing else. */
  letGo(): void;
}

export type Attack = (target: Target, connections: number) => Promise<Held>;

const INCREMENT = "/tally.v1.CounterService/Increment";
const BATCH = "/tally.v1.CounterService/BatchApply";
const MIB = 2 ** 20;

/** Each over HTTP/2 unless its name says otherwise. */
export const ATTACKS: Readonly<Record<string, Attack>> = {
  "3.9 of 4 MB announced to Increment": calls(INCREMENT, [head(4e6), Buffer.alloc(3.9e6)]),
  "4 GB announced to Increment": calls(INCREMENT, [head(2 ** 32 - 1), Buffer.alloc(3.9e6)]),
  "3.9 of 4 MB announced to BatchApply": calls(BATCH, [head(4e6), Buffer.alloc(3.9e6)]),
  "3.9 of 4 MB to BatchApply, 8 calls on each connection": calls(BATCH, [head(4e6), Buffer.alloc(3.9e6)], 8),
  "a message without an end": calls(INCREMENT, [head(60_000), Buffer.alloc(60_000)], 64),
  "headers, and no body": calls(INCREMENT, [], 200),
  "headers, and no body, to Watch": calls("/grpc.health.v1.Health/Watch", [], 200),
  "a byte at a time": dribble(BATCH, 20_000),
  "a gzip that grows a thousandfold": calls(
    BATCH,
    [head(gzipSync(Buffer.alloc(64 * MIB)).length, 1), gzipSync(Buffer.alloc(64 * MIB))],
    16,
    { "grpc-encoding": "gzip" },
  ),
  "resets in the middle": async (target, connections) => {
    const sessions = await open(target, connections);
    for (let i = 0; i < 20; i++) {
      const streams = sessions.map((session) => begin(session, BATCH, [head(4e6), Buffer.alloc(500_000)]));
      await pause(50);
      for (const stream of streams) stream.close(8);
    }
    return holding(sessions);
  },
  "answers that are never taken": untaken,
  "the preface alone": raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  "gRPC-Web over HTTP/1.1": bodies("/tally.v1.CounterService/BatchApply", "application/grpc-web+proto"),
  "Connect over HTTP/1.1": bodies("/tally.v1.CounterService/BatchApply", "application/proto"),
  "REST over HTTP/1.1": bodies("/v1/counters:batchApply", "application/json"),
  "chunks of a byte over HTTP/1.1": raw(
    `POST /v1/counters:batchApply HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${"1\r\nx\r\n".repeat(40_000)}`,
  ),
};

/** Calls that each begin with these bytes and then stay as they are. */
function calls(path: string, frames: readonly Buffer[], perConnection = 1, headers = {}): Attack {
  return async (target, connections) => {
    const sessions = await open(target, connections);
    for (const session of sessions) {
      for (let i = 0; i < perConnection; i++) begin(session, path, frames, headers);
    }
    return holding(sessions);
  };
}

function dribble(path: string, bytes: number): Attack {
  return async (target, connections) => {
    const sessions = await open(target, connections);
    const streams = sessions.map((session) => begin(session, path, [head(4e6)]));
    for (let i = 0; i < bytes; i++) {
      for (const stream of streams) if (!stream.closed) stream.write("x");
      if (i % 100 === 0) await new Promise((turn) => setImmediate(turn));
    }
    return holding(sessions);
  };
}

/** Every call is a whole one, and its answer is large; the window for answers stays shut. */
async function untaken(target: Target, connections: number): Promise<Held> {
  const [seeding] = await open(target, 1);
  const body = Buffer.concat(
    Array.from({ length: 2_000 }, (_, i) => {
      const name = `${"n".repeat(190)}${i}`;
      const operation = Buffer.concat([
        Buffer.from([0x0a, name.length]),
        Buffer.from(name),
        Buffer.from([0x10, 1]),
      ]);
      return Buffer.concat([
        Buffer.from([0x0a, 0x80 | (operation.length & 127), operation.length >> 7]),
        operation,
      ]);
    }),
  );
  const seeded = begin(seeding!, BATCH, [head(body.length), body]);
  seeded.end();
  await once(seeded, "close");
  seeding!.destroy();
  const sessions = await open(target, connections, { initialWindowSize: 0 });
  for (const session of sessions) {
    for (let i = 0; i < 100; i++)
      begin(session, "/tally.v1.CounterService/ListCounters", [head(3), LARGEST_PAGE]).end();
  }
  return holding(sessions);
}

const LARGEST_PAGE = Buffer.from([0x10, 0xe8, 0x07]); // page_size: 1,000

/** A body that is announced and comes short. */
function bodies(path: string, type: string): Attack {
  return (target, connections) => {
    const fields = [`Host: 127.0.0.1`, `Content-Type: ${type}`, "Content-Length: 4000000"];
    return raw(`POST ${path} HTTP/1.1\r\n${fields.join("\r\n")}\r\n\r\n${"x".repeat(3.9e6)}`)(
      target,
      connections,
    );
  };
}

function raw(bytes: string): Attack {
  return async (target, connections) => {
    const sockets = await Promise.all(
      Array.from({ length: connections }, () => openSocket(target, "http/1.1")),
    );
    for (const socket of sockets) socket.write(bytes);
    return breaking(sockets);
  };
}

function begin(
  session: ClientHttp2Session,
  path: string,
  frames: readonly Buffer[],
  headers = {},
): ClientHttp2Stream {
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
  stream.on("error", () => {});
  stream.resume();
  for (const frame of frames) stream.write(frame);
  return stream;
}

function head(length: number, flags = 0): Buffer {
  const bytes = Buffer.from([flags, 0, 0, 0, 0]);
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

function open(target: Target, connections: number, settings = {}): Promise<ClientHttp2Session[]> {
  return Promise.all(
    Array.from({ length: connections }, async () => {
      const socket = await openSocket(target, "h2");
      const session = connectHttp2("http://127.0.0.1", { createConnection: () => socket, settings });
      session.on("error", () => {});
      await once(session, "remoteSettings");
      return session;
    }),
  );
}

async function openSocket({ port, ca }: Target, protocol: string): Promise<Socket> {
  const at = { port, host: "127.0.0.1" };
  const socket = ca === undefined ? connect(at) : connectTls({ ...at, ca, ALPNProtocols: [protocol] });
  socket.on("error", () => {});
  await once(socket, ca === undefined ? "connect" : "secureConnect");
  return socket;
}

function holding(sessions: readonly ClientHttp2Session[]): Held {
  return breaking(sessions.map((session) => session.socket));
}

function breaking(sockets: readonly Socket[]): Held {
  return {
    letGo() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

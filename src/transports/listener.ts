import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo, Server as NetServer, Socket } from "node:net";

/** An address cannot be listened on. `cause` is the system's error, with its code (EADDRINUSE, say). */
export class ListenError extends Error {
  override readonly name = "ListenError";
  readonly address: Address;
  constructor(address: Address, cause: Error) {
    super(`Cannot listen on ${address.host}:${address.port}: ${cause.message}`, { cause });
    this.address = address;
  }
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** A port that is listened on. */
export interface Listener {
  readonly port: number;
  /**
   * Accept no more; resolves when every connection is closed.
   *
   * @param graceMs  when to cut what is still there, in milliseconds
   * @param onCut    told when that comes to pass
   */
  close(graceMs: number, onCut: () => void): Promise<void>;
}

export interface ListenerLimits {
  /** Connections at a time; one more is closed at once. */
  readonly connectionsMax: number;
  /** How long a connection may stay silent before its first bytes, in milliseconds. */
  readonly firstBytesMs: number;
}

/**
 * Listen for both protocols on one port: a connection that opens with the preface of HTTP/2 is gRPC's, any other
 * the HTTP server's. (RFC 9113 section 3.4 chose the preface so that no HTTP/1.1 request begins like it.)
 *
 * @param server  answers HTTP/1.1. It accepts the connections too, because Node.js watches over the time that its
 *                headers and bodies take only then
 * @param http2   takes a connection over
 * @throws ListenError
 */
export async function openSharedListener(
  server: Server,
  http2: (socket: Socket) => void,
  address: Address,
  limits: ListenerLimits,
): Promise<Listener> {
  const http1 = server.listeners("connection") as ((socket: Socket) => void)[];
  server.removeAllListeners("connection");
  const silent = new Set<Socket>();
  let closing = false;
  const listener = await openListener(server, address, limits, (socket) => {
    if (closing) {
      socket.destroy();
      return;
    }
    silent.add(socket);
    socket.on("close", () => silent.delete(socket));
    tellApart(socket, limits.firstBytesMs, (isHttp2) => {
      silent.delete(socket);
      if (isHttp2) http2(socket);
      else for (const accept of http1) accept.call(server, socket);
    });
  });
  return {
    port: listener.port,
    close(graceMs, onCut) {
      closing = true;
      for (const socket of silent) socket.destroy(); // Nobody waits for an answer there.
      return listener.close(graceMs, onCut);
    },
  };
}

/**
 * Listen for one protocol.
 *
 * @throws ListenError
 */
export async function openListener(
  server: NetServer,
  address: Address,
  { connectionsMax }: Pick<ListenerLimits, "connectionsMax">,
  accept: (socket: Socket) => void,
): Promise<Listener> {
  const sockets = new Set<Socket>();
  server.maxConnections = connectionsMax;
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    accept(socket);
  });
  server.listen(address.port, address.host);
  try {
    await once(server, "listening");
  } catch (cause) {
    throw new ListenError(address, cause as Error);
  }
  return {
    port: (server.address() as AddressInfo).port,
    async close(graceMs, onCut) {
      const closed = once(server, "close");
      server.close();
      const cut = setTimeout(() => {
        onCut();
        for (const socket of sockets) socket.destroy();
      }, graceMs);
      await closed; // Which it is when every connection is.
      clearTimeout(cut);
    },
  };
}

/** How every HTTP/2 connection begins; no HTTP/1.1 method does. */
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const TELLING_BYTES = 3;

/** Read the first bytes of a connection, put them back, and say which protocol they are. */
function tellApart(socket: Socket, withinMs: number, told: (isHttp2: boolean) => void): void {
  let head = Buffer.alloc(0);
  const timer = setTimeout(() => socket.destroy(), withinMs);
  const destroy = () => socket.destroy();
  const look = () => {
    const bytes: Buffer | null = socket.read();
    if (bytes !== null) head = Buffer.concat([head, bytes]);
    const length = Math.min(head.length, TELLING_BYTES);
    const isHttp2 = head.compare(PREFACE, 0, length, 0, length) === 0;
    if (isHttp2 && length < TELLING_BYTES) {
      socket.once("readable", look);
      return;
    }
    clearTimeout(timer);
    socket.off("end", destroy);
    socket.unshift(head);
    told(isHttp2);
  };
  socket.on("error", () => {}); // Whatever it is, "close" follows, and nobody is owed an answer.
  socket.once("end", destroy); // It is kept half-open otherwise.
  socket.once("close", () => clearTimeout(timer));
  socket.once("readable", look);
}

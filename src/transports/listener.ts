import { once } from "node:events";
import { type AddressInfo, Server as NetServer, type Server, type Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import { TLSSocket, Server as TlsServer } from "node:tls";
import type { Traffic } from "./traffic.ts";

/** An address cannot be listened on. `cause` is the system's error, with its code (EADDRINUSE, say). */
export class ListenError extends Error {
  override readonly name = "ListenError";
  readonly address: Address;
  /** Where the same server is to listen too, and cannot do both; undefined: the reason is another one. */
  readonly sameAs: Address | undefined;
  constructor(address: Address, cause: Error, sameAs?: Address) {
    super(`Cannot listen on ${address.host}:${address.port}: ${cause.message}`, { cause });
    this.address = address;
    this.sameAs = sameAs;
  }
}

/** Where a server listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** A port that is listened on. */
export interface Listener {
  readonly port: number;
  /**
   * Accept no more; resolves when that is so.
   *
   * @param withinMs  how long to wait for an instant in which nobody connects, in milliseconds
   */
  stopAccepting(withinMs: number): Promise<void>;
  /**
   * Resolves when every connection is closed. Called when no more are accepted.
   *
   * @param graceMs  when to cut what is still there, in milliseconds
   * @param onCut    told when that comes to pass
   */
  close(graceMs: number, onCut: () => void): Promise<void>;
  /** End the connections that said nothing yet. */
  leave(): void;
}

/** How many connections there may be, and how long they may take to say what they speak. */
export interface ListenerLimits {
  /** Connections at a time; one more is closed at once. */
  readonly connectionsMax: number;
  /** End a connection that nobody has used, for another; returns whether there was one. */
  readonly makeRoom?: (() => boolean) | undefined;
  /** Asked of each connection over TLS when hands are shaken: whether it may stay. */
  readonly admits?: ((socket: Socket) => boolean) | undefined;
  /**
   * How long a connection may stay silent before its first bytes, and how long TLS may take to shake hands before
   * that; in milliseconds.
   */
  readonly firstBytesMs: number;
  /** What is measured of connections. */
  readonly traffic?: Traffic | undefined;
}

/**
 * Listen on a port, and hand each connection to who speaks its protocol.
 *
 * Under TLS that is what client and server have agreed on (ALPN). In plaintext the first bytes tell: a connection that
 * opens with the preface of HTTP/2 is gRPC's, any other HTTP/1.1's. (RFC 9113 section 3.4 chose the preface so that no
 * HTTP/1.1 request begins like it.)
 *
 * @param server  accepts the connections. One of HTTP/1.1 answers that too, and accepts because Node.js watches over
 *                the time that its headers and bodies take only then; with any other, HTTP/1.1 is hung up on
 * @param http2   takes a connection over; undefined: HTTP/2 is hung up on
 * @throws ListenError
 */
export async function openListener(
  server: Server,
  http2: ((socket: Socket) => void) | undefined,
  address: Address,
  { connectionsMax, makeRoom, admits, firstBytesMs, traffic }: ListenerLimits,
): Promise<Listener> {
  const ready = server instanceof TlsServer ? "secureConnection" : "connection";
  const http1 = server.listeners(ready) as ((socket: Socket) => void)[];
  server.removeAllListeners(ready);
  const sockets = new Set<Socket>();
  const silent = new Map<string, Socket>();
  let accepted = 0;
  server.on("connection", (socket: Socket) => {
    accepted++;
    // Not by Node's maxConnections, which asks nobody.
    if (sockets.size >= connectionsMax && !makeRoom?.()) {
      socket.destroy();
      return;
    }
    traffic?.add(socket);
    const ends = endsOf(socket);
    sockets.add(socket);
    silent.set(ends, socket);
    socket.on("close", () => {
      sockets.delete(socket);
      silent.delete(ends);
    });
  });
  server.on(ready, (socket: Socket) => {
    socket.once("finish", () => awaitEnd(socket));
    if (socket instanceof TLSSocket) {
      // HTTP/2 forbids it (RFC 9113, section 9.2.1), nobody needs it over HTTP/1.1, and it costs a handshake each time.
      socket.disableRenegotiation();
      // Node.js 26 leaves one that tried it over HTTP/2 open for ever: a GOAWAY waits there for a handshake that does not end.
      socket.once("error", () => socket.destroy());
    }
    if (admits?.(socket) === false) {
      socket.on("error", () => {}); // Nobody is owed an answer.
      socket.destroy();
      return;
    }
    awaitFirstBytes(socket, firstBytesMs, (isHttp2) => {
      silent.delete(endsOf(socket));
      if (socket.writableEnded) return; // It spoke when we had left.
      const agreed = agreedOn(socket) ?? (isHttp2 ? "h2" : "http/1.1");
      if (agreed !== (isHttp2 ? "h2" : "http/1.1")) socket.destroy();
      else if (isHttp2) http2 === undefined ? socket.destroy() : http2(socket);
      else if (http1.length === 0) socket.destroy();
      else for (const accept of http1) accept.call(server, socket);
    });
  });
  await listenOn(server, address);
  const closed = new Promise((resolve) => server.once("close", resolve)); // When it accepts none and has none.
  return {
    port: (server.address() as AddressInfo).port,
    async stopAccepting(withinMs) {
      // Those that the kernel has accepted for us would be reset, with the requests that they have sent. So this waits
      // for a few turns of the event loop that found none (each accepts one, at most), and were so short that none can
      // well have come since; on a server that is too busy for such, for turns that are not as short.
      const began = performance.now();
      for (let quiet = 0, last = began; quiet < QUIET_TURNS && last - began < withinMs; ) {
        const before = accepted;
        await setImmediate();
        const now = performance.now();
        const short = now - last < (now - began < SHORT_TURNS_MS ? SHORT_TURN_MS : BUSY_TURN_MS);
        quiet = accepted === before && short ? quiet + 1 : 0;
        last = now;
      }
      NetServer.prototype.close.call(server); // That of HTTP/1.1 would destroy idle connections as well.
    },
    async close(graceMs, onCut) {
      const cut = setTimeout(() => {
        onCut();
        for (const socket of sockets) socket.destroy();
      }, graceMs);
      await closed;
      clearTimeout(cut);
      server.close(); // There is none left, and what Node.js looks after them with ends.
    },
    leave() {
      for (const socket of silent.values()) {
        socket.end();
        awaitEnd(socket);
      }
    },
  };
}

/** @throws ListenError */
async function listenOn(server: Server, address: Address): Promise<void> {
  server.listen(address.port, address.host);
  try {
    await once(server, "listening");
  } catch (cause) {
    throw new ListenError(address, cause as Error);
  }
}

/** The first may look at none. */
const QUIET_TURNS = 3;
const SHORT_TURN_MS = 0.1;
/** For so long only those will do. */
const SHORT_TURNS_MS = 300;
const BUSY_TURN_MS = 1;

/** After the end that we have sent: wait for the client's, and not for long. */
function awaitEnd(socket: Socket): void {
  const cut = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once("close", () => clearTimeout(cut));
}

/** How long a client may take to end its side of a connection that we have ended; most do at once. */
const LINGER_MS = 1_000;

/** A connection by its two ends, which are the same for a socket and for the TLS that is spoken over it. */
function endsOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}

/**
 * What was agreed on under TLS; undefined in plaintext. A client that did not ask speaks HTTP/1.1: gRPC over TLS has to
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#security).
 */
function agreedOn(socket: Socket): string | undefined {
  return socket instanceof TLSSocket ? socket.alpnProtocol || "http/1.1" : undefined;
}

/** How every HTTP/2 connection begins; no HTTP/1.1 method does. */
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const TELLING_BYTES = 3;

/** Read the first bytes of a connection, put them back, and say whether they are the preface of HTTP/2. */
function awaitFirstBytes(socket: Socket, withinMs: number, told: (isHttp2: boolean) => void): void {
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

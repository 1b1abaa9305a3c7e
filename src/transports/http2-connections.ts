import { writeSync } from "node:fs";
import { constants, type Http2Server, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { Server as GrpcServer } from "@grpc/grpc-js";

/** The connections of HTTP/2 under grpc-js: what it leaves undone at their end, whichever side begins it. */
export class Http2Connections {
  readonly #sockets = new Set<Socket>();

  /** @param server  which has exactly one connection injector */
  constructor(server: GrpcServer) {
    serverUnder(server).on("session", (session) => {
      const unfinished = new Set<ServerHttp2Stream>();
      session.on("stream", (stream) => {
        unfinished.add(stream);
        stream.once("close", () => unfinished.delete(stream));
      });
      // The client has sent all it wants to: what it has asked is answered, and then is the end.
      session.socket.once("end", () => {
        session.close();
        for (const stream of unfinished) {
          if (stream.state.remoteClose !== 1) stream.close(constants.NGHTTP2_CANCEL); // Its rest will never come.
        }
      });
    });
  }

  /** Of a connection that is about to be injected. */
  add(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
  }

  /**
   * The first of two GOAWAYs (RFC 9113 section 6.8): begin no more calls here. What was sent before it arrived is
   * answered; after the second, which names the last call that was taken, it would not be.
   *
   * node:http2 cannot: after any GOAWAY of its own it drops new calls without a word. So this one is written past it,
   * where that is sure to fall between two frames: with nothing of the connection's queued, the kernel has all that
   * the session wrote, and it writes whole frames. Not over TLS, nor to a client that does not read: there the one
   * GOAWAY at the end says which calls were not taken, and clients of gRPC send those again by themselves.
   */
  announceEnd(): void {
    for (const socket of this.#sockets) {
      const { fd = -1, writeQueueSize = 1 } = (socket as unknown as { _handle?: Handle })._handle ?? {};
      if (socket instanceof TLSSocket || fd < 0 || writeQueueSize > 0 || socket.bytesWritten === 0) continue;
      try {
        writeSync(fd, SHUTDOWN_NOTICE);
      } catch {
        // Full, or gone: as above.
      }
    }
  }
}

/** What a socket of Node.js has under it. */
interface Handle {
  readonly fd?: number;
  readonly writeQueueSize?: number;
}

/** GOAWAY on stream 0, NO_ERROR, with the highest id that there can be. */
const SHUTDOWN_NOTICE = Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);

/** Where grpc-js keeps it; it shows it to nobody. */
function serverUnder(server: GrpcServer): Http2Server {
  const { http2Servers } = server as unknown as { http2Servers?: Map<Http2Server, unknown> };
  const [http2, ...others] = http2Servers?.keys() ?? [];
  if (http2 === undefined || others.length > 0) {
    throw new TypeError("expected the one HTTP/2 server of a grpc.Server in its field http2Servers");
  }
  return http2;
}

import { writeSync } from "node:fs";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";

/**
 * Send the first of two GOAWAYs (RFC 9113 section 6.8) on a connection of HTTP/2: begin no more calls here. What was sent
 * before it arrived is answered; after the second, which names the last call that was taken, it would not be.
 *
 * node:http2 cannot: after any GOAWAY of its own it drops new calls without a word. So this one is written past it, where
 * that is sure to fall between two frames: with nothing of the connection's queued, the kernel has all that the session
 * wrote, and it writes whole frames. Not over TLS, nor to a client that does not read: there the one GOAWAY at the end
 * says which calls were not taken, and clients of gRPC send those again by themselves.
 */
export function noticeShutdown(socket: Socket): void {
  const { fd = -1, writeQueueSize = 1 } = (socket as unknown as { _handle?: Handle })._handle ?? {};
  if (socket instanceof TLSSocket || fd < 0 || writeQueueSize > 0 || socket.bytesWritten === 0) return;
  try {
    writeSync(fd, SHUTDOWN_NOTICE);
  } catch {
    // Full, or gone: as above.
  }
}

/** What a socket of Node.js has under it. */
interface Handle {
  readonly fd?: number;
  readonly writeQueueSize?: number;
}

/** GOAWAY on stream 0, NO_ERROR, with the highest id that there can be. */
const SHUTDOWN_NOTICE = Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);

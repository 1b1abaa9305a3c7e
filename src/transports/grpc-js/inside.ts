/**
 * What is inside grpc-js and cannot be reached otherwise. The version is pinned, and each of these has a test that
 * fails when it is not there any more: limits.test.ts and intake.test.ts.
 */
import type { Http2Server, ServerHttp2Stream, ServerOptions } from "node:http2";
import type * as grpc from "@grpc/grpc-js";

/** Of a grpc.Server. */
interface ServerInside {
  /** With what its HTTP/2 servers are made. */
  readonly commonServerOptions: ServerOptions;
  readonly http2Servers: ReadonlyMap<Http2Server, unknown>;
}

/** A message that has arrived, in the order of arrival. */
export interface QueueEntry {
  type: "COMPRESSED" | "READABLE";
  readonly compressedMessage: Buffer;
  parsedMessage: Buffer | null;
}

/** Of the call that the first interceptor is given. */
export interface CallInside {
  readonly stream: ServerHttp2Stream;
  /** Ends the call at its deadline; null without one. */
  readonly deadlineTimer: NodeJS.Timeout | null;
  /** What its grpc-encoding says; "identity" without. */
  readonly incomingEncoding: string;
  /** Takes the frames of messages out of what arrives. */
  decoder: { write(data: Buffer): Buffer[] };
  /** Puts a message that has arrived in its place in the queue, and hands it on if one is asked for. */
  decompressAndMaybePush(entry: QueueEntry): void;
  maybePushNextMessage(): void;
  /** The message out of a frame; rejects with a status. */
  decompressMessage(frame: Buffer, encoding: string): Buffer | Promise<Buffer>;
  /** @param taken  called once it has left, which is when there was room for it at the other side */
  sendMessage(message: Uint8Array, taken: () => void): void;
  sendStatus(status: grpc.StatusObject): void;
}

/** The server as it is inside. */
export function insideOfServer(server: grpc.Server): ServerInside {
  return server as unknown as ServerInside;
}

/** The call as it is inside. */
export function insideOfCall(call: grpc.ServerInterceptingCallInterface): CallInside {
  return call as unknown as CallInside;
}

import type { MessageLimits } from "../calls/unary.ts";

/** What callers may ask of gRPC. */
export interface GrpcLimits extends MessageLimits, ConnectionLimits {
  /** Calls at a time on one connection. */
  readonly streamsMax: number;
  /** How long a connection may be without a call before it is told to go away, in milliseconds. */
  readonly grpcIdleMs: number;
}

/** How long a connection of gRPC may live, and take over what, and how much it may send. */
export interface ConnectionLimits {
  /** How long a connection may stay silent, in milliseconds: here, until HTTP/2's settings are there. */
  readonly firstBytesMs: number;
  /** How long a request may take to arrive, in milliseconds. */
  readonly requestMs: number;
  /** How long an answer, or a message of one that streams, may wait to be taken, in milliseconds; over HTTP/1.1, a connection for a request. */
  readonly idleMs: number;
  /** The largest headers of a request, in bytes; over HTTP/2 as RFC 9113 counts them, with 32 for each field. */
  readonly headerBytesMax: number;
  /** Calls that their caller resets: so many at once, and so many more each second. */
  readonly streamResetsBurst: number;
  readonly streamResetsRate: number;
  /** How old a connection may be before it is told to go away, in milliseconds, a tenth more or less; undefined: as old as it likes. */
  readonly grpcAgeMs: number | undefined;
  /** How long calls may go on after that, in milliseconds. */
  readonly grpcAgeGraceMs: number;
  /** Requests of one connection that are still arriving, in bytes. */
  readonly connectionBytesMax: number;
}

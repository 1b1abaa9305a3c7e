/**
 * What a peer may ask of a connection. Each is there because without it somebody could take memory or time that others
 * need; `docs/http2-weaknesses.md` says which published attack meets which.
 */
export interface Http2Limits {
  /** Requests at a time (RFC 9113, section 5.1.2); more are refused. A hundred is the least that the RFC recommends. */
  readonly streamsMax: number;
  /**
   * Requests at a time, and work that goes on for those that were reset. Who resets what it has just asked for does not
   * count among `streamsMax`, and would have us work on any number (CVE-2023-44487).
   */
  readonly workMax: number;
  /** A header list, in bytes (RFC 9113, section 6.5.2); a larger one is refused, and the connection lives. As Node.js has it. */
  readonly headerListBytesMax: number;
  /**
   * A header block as it is sent, in bytes. A larger one ends the connection, for it would have to be decoded whole to
   * be refused; so it is several times the list's, for those who send a little too much.
   */
  readonly blockBytesMax: number;
  /** The frames of a block behind its first (CVE-2024-27316 and others): as many as `blockBytesMax` takes, and a few. */
  readonly continuationsMax: number;
  /** The window of each request's body, in bytes: what a sender may be ahead of who reads. */
  readonly streamWindowBytes: number;
  /** The window of all bodies of a connection. What comes is taken out of it at once, so that no body waits for another. */
  readonly connectionWindowBytes: number;
  /** What is held of the requests of a connection, in bytes: bodies that are not whole, frames cut short. */
  readonly connectionBytesMax: number;
  /**
   * What is held of its answers, in bytes, because windows or the socket do not take them, but for a little that any
   * socket may have. One beyond that is reset.
   */
  readonly leavingBytesMax: number;
  /** What the socket has not taken, in bytes, before no more is read and no more of the answers is written. */
  readonly backlogBytesMax: number;
  /**
   * What is done for one connection before others have their turn: frames, where a request counts as 16 and half a KiB of
   * header lists as one. Where several have more to read than that, they share it.
   */
  readonly turnFramesMax: number;
  /** And bytes that are read. */
  readonly turnBytesMax: number;
  /** Until preface and SETTINGS are there, in milliseconds. */
  readonly firstBytesMs: number;
  /** Until ours are acknowledged (RFC 9113, section 6.5.3), in milliseconds. */
  readonly settingsAckMs: number;
  /** Until a frame or a header block is whole that has begun; and a body that is wanted whole. In milliseconds. */
  readonly requestMs: number;
  /** Until something is taken of an answer that waits, in milliseconds. */
  readonly idleMs: number;
  /** Until a connection without requests is ended, in milliseconds. */
  readonly connectionIdleMs: number;
  /** Until any connection is asked to come anew, in milliseconds; a tenth more or less. */
  readonly connectionAgeMs: number;
  /** And until it is cut after that, whatever is in flight on it, in milliseconds. */
  readonly connectionAgeGraceMs: number;
  /** After such a silence a peer is asked whether it is there, in milliseconds. */
  readonly keepaliveMs: number;
  /** And has so long to answer. */
  readonly keepaliveTimeoutMs: number;
  /**
   * PINGs, SETTINGS, PRIORITYs, WINDOW_UPDATEs, empty DATA and the like, beyond those that go with requests and answers,
   * of which each allows some: so many at once (CVE-2019-9511 to 9518). More end the connection.
   */
  readonly controlBurst: number;
  /** And so many more each second. */
  readonly controlRate: number;
  /**
   * Requests that the peer resets, or has us reset by what it sends: so many at once (CVE-2023-44487, CVE-2025-8671).
   * Those who hedge reset half of all they ask. More end the connection after what is in flight on it.
   */
  readonly streamResetsBurst: number;
  /** And so many more each second. */
  readonly streamResetsRate: number;
}

/** A limit; or one that who runs an engine has: what all connections together may hold of requests, and how many there may be. */
export type LimitName = keyof Http2Limits | "arriving" | "connections";

/**
 * What was too much, and by which limits; for who made it, and for the log.
 *
 * @param names  what limits are called where they are set, or in words of their own; as here without
 */
export function tooMuch(
  reason: string,
  beyond: readonly LimitName[],
  limits: Http2Limits,
  names: LimitNames,
): string {
  const told = beyond.map((name) => {
    if (name === "arriving" || name === "connections") return names[name] ?? `${name} of all`;
    const { [name]: called = name } = names;
    return typeof called === "function" ? called(limits[name]) : `${called} ${limits[name]}`;
  });
  return told.length === 0 ? reason : `${reason}: ${told.join(", ")}`;
}

/** A name, behind which the value is told; or what tells both. */
export type LimitNames = Partial<Record<keyof Http2Limits, string | ((value: number) => string)>> & {
  readonly arriving?: string;
  readonly connections?: string;
};

/** The limits of an engine that is told none. */
export const DEFAULT_HTTP2_LIMITS: Http2Limits = {
  streamsMax: 256,
  workMax: 512,
  headerListBytesMax: 16 * 1024,
  blockBytesMax: 64 * 1024,
  continuationsMax: 8,
  streamWindowBytes: 128 * 1024,
  connectionWindowBytes: 1024 * 1024,
  connectionBytesMax: 32 * 1024 * 1024,
  leavingBytesMax: 16 * 1024 * 1024,
  backlogBytesMax: 1024 * 1024,
  turnFramesMax: 2_048,
  turnBytesMax: 256 * 1024,
  firstBytesMs: 10_000,
  settingsAckMs: 30_000,
  requestMs: 10_000,
  idleMs: 60_000,
  connectionIdleMs: 1_800_000,
  connectionAgeMs: Number.POSITIVE_INFINITY,
  connectionAgeGraceMs: Number.POSITIVE_INFINITY,
  keepaliveMs: 120_000,
  keepaliveTimeoutMs: 20_000,
  controlBurst: 1_000,
  controlRate: 100,
  streamResetsBurst: 10_000,
  streamResetsRate: 1_000,
};

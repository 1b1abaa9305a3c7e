/** The numbers of HTTP/2: what frames, flags, settings and errors are called by (RFC 9113, sections 6, 7 and 11). */
import type { LimitName } from "./limits.ts";

/** Frame types (RFC 9113, section 6). Those that are not here are ignored (section 5.5). */
export const FrameType = {
  DATA: 0x0,
  HEADERS: 0x1,
  PRIORITY: 0x2,
  RST_STREAM: 0x3,
  SETTINGS: 0x4,
  PUSH_PROMISE: 0x5,
  PING: 0x6,
  GOAWAY: 0x7,
  WINDOW_UPDATE: 0x8,
  CONTINUATION: 0x9,
} as const;

/** Flags of frames (RFC 9113, section 6). ACK is a flag of SETTINGS and PING only, where END_STREAM is none. */
export const Flag = {
  ACK: 0x1,
  END_STREAM: 0x1,
  END_HEADERS: 0x4,
  PADDED: 0x8,
  PRIORITY: 0x20,
} as const;

/** Settings (RFC 9113, section 6.5.2; RFC 9218, section 2.1). */
export const Setting = {
  HEADER_TABLE_SIZE: 0x1,
  ENABLE_PUSH: 0x2,
  MAX_CONCURRENT_STREAMS: 0x3,
  INITIAL_WINDOW_SIZE: 0x4,
  MAX_FRAME_SIZE: 0x5,
  MAX_HEADER_LIST_SIZE: 0x6,
  NO_RFC7540_PRIORITIES: 0x9,
} as const;

/** Error codes of RST_STREAM and GOAWAY (RFC 9113, section 7). */
export const ErrorCode = {
  NO_ERROR: 0x0,
  PROTOCOL_ERROR: 0x1,
  INTERNAL_ERROR: 0x2,
  FLOW_CONTROL_ERROR: 0x3,
  SETTINGS_TIMEOUT: 0x4,
  STREAM_CLOSED: 0x5,
  FRAME_SIZE_ERROR: 0x6,
  REFUSED_STREAM: 0x7,
  CANCEL: 0x8,
  COMPRESSION_ERROR: 0x9,
  CONNECT_ERROR: 0xa,
  ENHANCE_YOUR_CALM: 0xb,
} as const;

/**
 * What the peer did ends the whole connection (RFC 9113, section 5.4.1). Thrown by whoever reads, and caught in one
 * place, which sends GOAWAY; what concerns one stream only is no exception but a RST_STREAM.
 */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
  readonly code: number;
  /** The limits that it went beyond; none where it did something else. */
  readonly limits: readonly LimitName[];

  constructor(code: number, reason: string, limits: readonly LimitName[] = []) {
    super(reason);
    this.code = code;
    this.limits = limits;
  }
}

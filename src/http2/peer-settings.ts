import { ConnectionError, ErrorCode, Setting } from "./codes.ts";
import { FRAME_BYTES_MAX, MAX_31_BITS, readUint32 } from "./frames.ts";

/** What a client has settled that matters to a server which pushes nothing and sends small frames. */
export interface PeerSettings {
  /** The window of each stream; undefined: it stays as it is. */
  readonly windowBytes: number | undefined;
  /** The least that it said of its header table; undefined: nothing. */
  readonly tableBytes: number | undefined;
}

/**
 * Read SETTINGS (RFC 9113, section 6.5.2), which are taken over in their order, so that the last of each counts.
 *
 * @throws ConnectionError  for values that they may not have
 */
export function readSettings(from: Buffer, start: number, end: number): PeerSettings {
  let windowBytes: number | undefined;
  let tableBytes: number | undefined;
  for (let at = start; at < end; at += 6) {
    const value = readUint32(from, at + 2);
    switch (from.readUInt16BE(at)) {
      case Setting.HEADER_TABLE_SIZE:
        tableBytes = Math.min(value, tableBytes ?? value);
        break;
      case Setting.ENABLE_PUSH:
        if (value > 1) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "ENABLE_PUSH is not 0 or 1");
        break;
      case Setting.INITIAL_WINDOW_SIZE:
        if (value > MAX_31_BITS)
          throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE");
        windowBytes = value;
        break;
      case Setting.MAX_FRAME_SIZE:
        if (value < FRAME_BYTES_MAX || value > MAX_FRAME_BYTES) {
          throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "MAX_FRAME_SIZE");
        }
        break;
    }
  }
  return { windowBytes, tableBytes };
}

/** 2^24 - 1: what a frame's length can say. */
const MAX_FRAME_BYTES = 0xff_ffff;

/** Rows of the change log, and their checksums. */
import { Checksum, fits } from "../../shared/checksum.ts";
import type { PackedCommit } from "../../shared/packed-changes.ts";
import { unusable } from "../../shared/unusable.ts";

/** The columns of a LogRow. */
export const LOG_COLUMNS = "position, time_ms, bytes_end, checksum, changes, head_checksum";
/** Those of an opening: what a counter stood at when its earlier changes were dropped. */
export const OPENING_COLUMNS = "counter_id, revision, value, time_ms, checksum";
/** Those of a tombstone: a counter that was deleted, whose changes the log still has. */
export const DELETED_COLUMNS = "id, name, uid, history, checksum";

/** A row of `change_log`. */
export interface LogRow extends PackedCommit {
  readonly bytes_end: bigint;
  /** Over the numbers; NULL in rows from before there was one. */
  readonly head_checksum: bigint | null;
}

/** Over what a row of the log says beside its changes. */
export function logHeadChecksum(position: bigint, timeMs: bigint, bytesEnd: bigint): number {
  return new Checksum().int64(position).int64(timeMs).int64(bytesEnd).value;
}

/** @throws TallyError STORE_UNAVAILABLE when the row's numbers fail their checksum; its changes have their own */
export function soundHead<Row extends LogRow>(row: Row): Row {
  const { position, time_ms, bytes_end, head_checksum } = row;
  if (head_checksum === null || fits(() => logHeadChecksum(position, time_ms, bytes_end), head_checksum))
    return row;
  throw logDamaged(position);
}

/** A row of the log that fails its checksum, or that is not there. */
export function logDamaged(position: bigint): Error {
  return unusable(`The change log is damaged at position ${position}; restore the store from a backup.`);
}

/** A row of `change_openings`. */
export interface OpeningRow {
  readonly counter_id: bigint;
  readonly revision: bigint;
  readonly value: bigint;
  readonly time_ms: bigint;
  readonly checksum: bigint;
}

/** The checksum of an opening. */
export function openingChecksum(id: bigint, revision: bigint, value: bigint, timeMs: bigint): number {
  return new Checksum().int64(id).int64(revision).int64(value).int64(timeMs).value;
}

/** A row of `deleted_counters`. */
export interface DeletedRow {
  readonly id: bigint;
  readonly name: string;
  readonly uid: Uint8Array;
  readonly history: bigint;
  readonly checksum: bigint;
}

/** The checksum of a tombstone. */
export function deletedChecksum(id: bigint, name: string, uid: Uint8Array, history: bigint): number {
  return new Checksum().int64(id).text(name).bytes(uid).int64(history).value;
}

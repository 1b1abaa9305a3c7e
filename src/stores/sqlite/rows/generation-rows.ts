/** Rows about request ids, and their checksums. */
import { CORRUPT } from "../../../core/batch.ts";
import { Checksum, fits } from "../../shared/checksum.ts";

/** The columns of a GenerationRow. */
export const GENERATION_COLUMNS = "id, opened_ms, closed_ms, bytes, forgotten, checksum";

/** A row of `request_id_generations`. */
export interface GenerationRow {
  readonly id: bigint;
  readonly opened_ms: bigint;
  readonly closed_ms: bigint | null;
  readonly bytes: bigint;
  /** 1: its ids are dead, and its table is being emptied. */
  readonly forgotten: bigint;
  readonly checksum: bigint;
}

/** The checksum of a GenerationRow. */
export function generationChecksum(
  id: bigint,
  openedMs: bigint,
  closedMs: bigint | null,
  bytes: bigint,
  forgotten: bigint,
): number {
  const sum = new Checksum()
    .int64(id)
    .int64(openedMs)
    .optional(closedMs ?? undefined);
  return sum.int64(bytes).int64(forgotten).value;
}

/** A row of a generation's table, without its key. */
export interface RecordRow {
  readonly checksum: bigint;
  readonly record: Uint8Array;
}

/** The record under a key, if it is what was written under it. */
export function soundRecord(key: string, { checksum, record }: RecordRow): Uint8Array | typeof CORRUPT {
  return fits(() => recordChecksum(key, record), checksum) ? record : CORRUPT;
}

/** The checksum of a record and its key. */
export function recordChecksum(key: string, record: Uint8Array): number {
  return new Checksum().text(key).bytes(record).value;
}

/**
 * What a row says of itself and of the key that follows, "" after the last: whatever is between the two is not there.
 * Over both keys, so that a row whose own key rotted is noticed too, without its record; and over the generation, for a
 * pointer that rotted may lead into the table of another one, whose last row says that none follows.
 */
export function idLink(generation: number | bigint, key: string, next: string): number {
  return new Checksum().number(Number(generation)).text(key).text(next).value;
}

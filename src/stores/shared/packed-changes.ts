/** The changes of a commit as one row of a change log holds them. */
import { ByteReader, ByteWriter, halvesOf } from "../../core/bytes.ts";
import type { Change, ChangeColumns, ChangeKind } from "../../core/change.ts";
import { TallyError } from "../../core/errors.ts";
import { Checksum, fits } from "./checksum.ts";
import { unusable } from "./unusable.ts";

/** A row of a change log. */
export interface PackedCommit {
  readonly position: bigint;
  /** Of the commit, in milliseconds since the Unix epoch. */
  readonly time_ms: bigint;
  /** See checksumOf. */
  readonly checksum: bigint;
  /** See packChanges. */
  readonly changes: Uint8Array;
}

/**
 * Set in a change's first byte: one operation at the commit's time, by no one in particular, without a note, and no value
 * but the one it left.
 */
const PLAIN = 0x80;
/** Set in a change's first byte: it is earlier than the commit, and says by how much. */
const EARLIER = 0x40;

/**
 * @param ids  what each counter is known by in the store, by its index in the batch
 * @param now  the time of the commit, in milliseconds since the Unix epoch
 */
export function packChanges(
  changes: ChangeColumns,
  ids: readonly (bigint | undefined)[],
  now: number,
): Uint8Array {
  const w = new ByteWriter(16 * changes.count);
  const values = halvesOf(changes.values);
  const added = halvesOf(changes.added);
  const removed = halvesOf(changes.removed);
  const [low, high] = [halvesOf(changes.low), halvesOf(changes.high)];
  for (let k = 0; k < changes.count; k++) {
    const firstRevision = changes.firstRevisions[k]!;
    const ops = changes.revisions[k]! - firstRevision + 1;
    const remark = changes.remarks.size === 0 ? undefined : changes.remarks.get(k);
    const plain =
      ops === 1 &&
      changes.times[k] === now &&
      remark === undefined &&
      isSameAt(k, values, low) &&
      isSameAt(k, values, high);
    const later = changes.times[k]! - now;
    w.byte(changes.kinds[k]! | (plain ? PLAIN : 0) | (later < 0 ? EARLIER : 0));
    w.uint64(ids[changes.counters[k]!]!);
    w.uint(firstRevision);
    w.int64At(values, k);
    w.uint64At(added, k);
    w.uint64At(removed, k);
    if (plain) continue;
    const value = changes.values[k]!;
    w.uint(ops);
    w.uint64(value - changes.low[k]!);
    w.uint64(changes.high[k]! - value);
    w.uint(Math.abs(later));
    w.text(remark?.caller ?? "");
    w.text(remark?.note ?? "");
  }
  return w.finish();
}

/** By halves, for which no BigInt is made. */
function isSameAt(k: number, a: Uint32Array, b: Uint32Array): boolean {
  return a[2 * k] === b[2 * k] && a[2 * k + 1] === b[2 * k + 1];
}

/** @throws TallyError STORE_UNAVAILABLE when the row fails its checksum */
export function readChanges(row: PackedCommit): { id: bigint; change: Change }[] {
  if (!fits(() => checksum(row.position, row.changes), row.checksum)) {
    throw unusable(`The change log is damaged at position ${row.position}; restore the store from a backup.`);
  }
  return unpackChanges(row.changes, Number(row.time_ms));
}

/** The same of a row without a checksum. @throws TallyError ROW_CORRUPT when it is not what packChanges packed */
export function unpackSoundly(
  position: unknown,
  bytes: Uint8Array,
  now: number,
): ReturnType<typeof unpackChanges> {
  try {
    return unpackChanges(bytes, now);
  } catch (cause) {
    throw damagedAt(position, cause);
  }
}

function damagedAt(position: unknown, cause?: unknown): TallyError {
  return new TallyError(
    "ROW_CORRUPT",
    `the change log is damaged at position ${position}: restore the store from a backup`,
    { cause },
  );
}

/**
 * What packChanges packed.
 *
 * @param now  the time of the commit, in milliseconds since the Unix epoch
 */
export function unpackChanges(bytes: Uint8Array, now: number): { id: bigint; change: Change }[] {
  const r = new ByteReader(bytes);
  const changes: { id: bigint; change: Change }[] = [];
  while (!r.done) {
    const head = r.byte();
    const kind = (head & ~(PLAIN | EARLIER)) as ChangeKind;
    const id = BigInt.asIntN(64, r.uint64()); // Somebody may have made a row by hand with one below 0.
    const firstRevision = r.uint();
    const value = r.int64();
    const added = r.uint64();
    const removed = r.uint64();
    const plain = (head & PLAIN) !== 0;
    const ops = plain ? 1 : r.uint();
    const low = plain ? value : value - r.uint64();
    const high = plain ? value : value + r.uint64();
    const time = plain ? now : head & EARLIER ? now - r.uint() : now + r.uint();
    const caller = plain ? "" : r.text();
    const note = plain ? "" : r.text();
    const revision = firstRevision + ops - 1;
    changes.push({
      id,
      change: { kind, firstRevision, revision, ops, added, removed, low, high, value, time, caller, note },
    });
  }
  return changes;
}

/** Over the changes and where they stand, so that no row passes for another. */
export function checksumOf(position: bigint, bytes: Uint8Array): bigint {
  return BigInt(checksum(position, bytes));
}

function checksum(position: bigint, bytes: Uint8Array): number {
  return new Checksum().int64(position).bytes(bytes).value;
}

/** The changes of a commit as one row of a change log holds them. */
import { ByteReader, ByteWriter, halvesOf } from "../../core/bytes.ts";
import { type Change, ChangeColumns } from "../../core/change.ts";
import type { StoredId } from "../../core/id-indices.ts";
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
  const { values, added, removed, low, high } = changes.halves;
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
    w.uint(ops);
    w.differenceAt(values, low, k);
    w.differenceAt(high, values, k);
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
export function soundChanges({ position, changes, checksum: stored }: PackedCommit): Uint8Array {
  if (fits(() => checksum(position, changes), stored)) return changes;
  throw unusable(`The change log is damaged at position ${position}; restore the store from a backup.`);
}

/** The most changes that there can be in so many bytes: none is shorter than its six numbers, but for one that is cut off. */
export function changesMaxIn(bytes: number): number {
  return Math.ceil(bytes / 6);
}

/**
 * Add what packChanges packed to columns that have room for it.
 *
 * @param now  the time of the commit, in milliseconds since the Unix epoch
 * @param ids  gives what stands for a counter in the columns, by what the store knows it by
 * @throws RangeError  when it ends too early
 */
export function unpackChanges(
  bytes: Uint8Array,
  now: number,
  into: ChangeColumns,
  ids: { indexOf(id: StoredId): number },
): void {
  const r = new ByteReader(bytes);
  const { values, added, removed, low, high } = into.halves;
  while (!r.done) {
    const head = r.byte();
    const k = into.next();
    into.kinds[k] = head & ~(PLAIN | EARLIER);
    into.counters[k] = ids.indexOf(readId(r));
    const firstRevision = r.uint();
    into.firstRevisions[k] = firstRevision;
    r.int64To(values, k);
    r.uint64To(added, k);
    r.uint64To(removed, k);
    if ((head & PLAIN) !== 0) {
      into.revisions[k] = firstRevision;
      into.low[k] = into.values[k]!;
      into.high[k] = into.values[k]!;
      into.times[k] = now;
      continue;
    }
    into.revisions[k] = firstRevision + r.uint() - 1;
    r.uint64To(low, k);
    into.low[k] = into.values[k]! - into.low[k]!;
    r.uint64To(high, k);
    into.high[k] = into.values[k]! + into.high[k]!;
    into.times[k] = head & EARLIER ? now - r.uint() : now + r.uint();
    const [caller, note] = [r.text(), r.text()];
    if (caller !== "" || note !== "") into.remarks.set(k, { caller, note });
  }
}

/** The same as objects, for who needs few of them, or all once. */
export function changesIn(bytes: Uint8Array, now: number): { id: bigint; change: Change }[] {
  const columns = new ChangeColumns(changesMaxIn(bytes.length));
  const ids: bigint[] = [];
  unpackChanges(bytes, now, columns, { indexOf: (id) => ids.push(BigInt(id)) - 1 });
  return ids.map((id, k) => ({ id, change: columns.copy(k) }));
}

function readId(r: ByteReader): StoredId {
  r.uint64To(ID, 0);
  const high = ID[1]!;
  // Somebody may have made a row by hand with one below 0.
  return high < 0x200000 ? high * 0x100000000 + ID[0]! : BigInt.asIntN(64, WIDE_ID[0]!);
}

const WIDE_ID = new BigUint64Array(1);
const ID = halvesOf(WIDE_ID);

/** Over the changes and where they stand, so that no row passes for another. */
export function checksumOf(position: bigint, bytes: Uint8Array): bigint {
  return BigInt(checksum(position, bytes));
}

function checksum(position: bigint, bytes: Uint8Array): number {
  return new Checksum().int64(position).bytes(bytes).value;
}

import { type Bucket, joined } from "./bucket.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { BUCKET_MS, bucketStart, type Level } from "./levels.ts";

/** Takes what is read of a row of packed buckets, in the order of their starts. */
export interface BucketSink {
  /** One whose numbers are NARROW. */
  narrow(
    start: number,
    open: number,
    close: number,
    low: number,
    high: number,
    added: number,
    removed: number,
    rolled: number,
    changes: number,
    gap: boolean,
    lost: boolean,
  ): void;
  /** Any. */
  wide(bucket: Bucket): void;
}

/**
 * One counter's buckets of one level as one row: some 5 to 12 bytes a bucket. Numbers below 2^50 all, or texts.
 *
 * @param period   what the starts are counted from
 * @param buckets  in the order of their starts, each start once
 */
export function packBuckets(level: Level, period: number, buckets: readonly Bucket[]): Uint8Array {
  const w = new ByteWriter(12 * buckets.length + 1);
  const wide = buckets.some(isWide);
  w.byte(wide ? WIDE_ROW : NARROW_ROW);
  let last = { start: period - BUCKET_MS[level], close: 0n };
  for (const bucket of buckets) {
    const distance = (bucket.start - last.start) / BUCKET_MS[level] - 1;
    if (wide) packWide(w, bucket, distance);
    else packNarrow(w, bucket, distance, Number(last.close));
    last = bucket;
  }
  return w.finish();
}

/**
 * Read what packBuckets wrote.
 *
 * @throws RangeError  when it ends too early, or was written by a newer version
 */
export function readBuckets(level: Level, period: number, packed: Uint8Array, sink: BucketSink): void {
  const r = new ByteReader(packed);
  const form = r.byte();
  if (form !== NARROW_ROW && form !== WIDE_ROW)
    throw new RangeError(`expected a row of buckets, got one of form ${form}`);
  let start = period - BUCKET_MS[level];
  let last = 0;
  while (!r.done) {
    if (form === WIDE_ROW) {
      start += (r.uint() + 1) * BUCKET_MS[level];
      sink.wide(readWide(r, start));
      continue;
    }
    const head = r.byte();
    start += (r.uint() + 1) * BUCKET_MS[level];
    const open = head & OPEN ? last + readSigned(r) : last;
    const changes = r.uint();
    const added = head & ADDED ? r.uint() : changes;
    const removed = head & REMOVED ? r.uint() : 0;
    const rolled = head & ROLLED ? readSigned(r) : 0;
    let close = open + added - removed + rolled;
    if (head & GAP) close += readSigned(r);
    const low = head & LOW ? open + readSigned(r) : usualLow(open, close, changes);
    const high = head & HIGH ? close + readSigned(r) : close;
    const [gap, lost] = [(head & GAP) !== 0, (head & LOST) !== 0];
    sink.narrow(start, open, close, low, high, added, removed, rolled, changes, gap, lost);
    last = close;
  }
}

/** The buckets of a row. @throws as readBuckets */
export function unpackBuckets(level: Level, period: number, packed: Uint8Array): Bucket[] {
  const buckets: Bucket[] = [];
  readBuckets(level, period, packed, {
    narrow(start, open, close, low, high, added, removed, rolled, changes, gap, lost) {
      buckets.push({
        start,
        open: BigInt(open),
        close: BigInt(close),
        low: BigInt(low),
        high: BigInt(high),
        added: BigInt(added),
        removed: BigInt(removed),
        rolled: BigInt(rolled),
        changes,
        gap,
        ...(lost && { lost }),
      });
    },
    wide(bucket) {
      buckets.push(bucket);
    },
  });
  return buckets;
}

/**
 * Buckets and those that were folded after them, both in the order of their starts, as one such list. Where both have one
 * of the same start it becomes one.
 */
export function mergeBuckets(buckets: readonly Bucket[], later: readonly Bucket[]): Bucket[] {
  const merged: Bucket[] = [];
  let i = 0;
  for (const bucket of later) {
    while (i < buckets.length && buckets[i]!.start < bucket.start) merged.push(buckets[i++]!);
    if (i < buckets.length && buckets[i]!.start === bucket.start) merged.push(joined(buckets[i++]!, bucket));
    else merged.push(bucket);
  }
  return merged.concat(buckets.slice(i));
}

/** The buckets of a coarser level that these come to, in the order of their starts. */
export function raiseBuckets(level: Level, buckets: readonly Bucket[]): Bucket[] {
  const raised: Bucket[] = [];
  for (const bucket of buckets) {
    const start = bucketStart(level, bucket.start);
    const last = raised.at(-1);
    if (last?.start === start) raised[raised.length - 1] = joined(last, bucket);
    else raised.push({ ...bucket, start });
  }
  return raised;
}

const NARROW_ROW = 0;
const WIDE_ROW = 1;
/** The most that a number of a narrow row is: so the difference of any two fits, in zigzag. */
export const NARROW = 2n ** 50n;

// What of a bucket is not as usual, and written.
const OPEN = 1;
const ADDED = 2;
const REMOVED = 4;
const ROLLED = 8;
const GAP = 16;
const LOW = 32;
const HIGH = 64;
const LOST = 128;

function isWide({ open, close, low, high, added, removed, rolled }: Bucket): boolean {
  return [open, close, low, high, added, removed, rolled].some((each) => each > NARROW || each < -NARROW);
}

function packNarrow(w: ByteWriter, bucket: Bucket, distance: number, last: number): void {
  const [open, close] = [Number(bucket.open), Number(bucket.close)];
  const [low, high] = [Number(bucket.low), Number(bucket.high)];
  const [added, removed, rolled] = [Number(bucket.added), Number(bucket.removed), Number(bucket.rolled)];
  const { changes, gap } = bucket;
  const head =
    (open !== last ? OPEN : 0) |
    (added !== changes ? ADDED : 0) |
    (removed !== 0 ? REMOVED : 0) |
    (rolled !== 0 ? ROLLED : 0) |
    (gap ? GAP : 0) |
    (low !== usualLow(open, close, changes) ? LOW : 0) |
    (high !== close ? HIGH : 0) |
    (bucket.lost ? LOST : 0);
  w.byte(head);
  w.uint(distance);
  if (head & OPEN) writeSigned(w, open - last);
  w.uint(changes);
  if (head & ADDED) w.uint(added);
  if (head & REMOVED) w.uint(removed);
  if (head & ROLLED) writeSigned(w, rolled);
  if (head & GAP) writeSigned(w, close - (open + added - removed + rolled));
  if (head & LOW) writeSigned(w, low - open);
  if (head & HIGH) writeSigned(w, high - close);
}

/** Of one operation it is the value after; of several increments by one, that after the first. */
function usualLow(open: number, close: number, changes: number): number {
  return changes === 1 ? close : open + 1;
}

function packWide(w: ByteWriter, bucket: Bucket, distance: number): void {
  w.uint(distance);
  w.uint(bucket.changes);
  w.byte((bucket.gap ? 1 : 0) | (bucket.lost ? 2 : 0));
  for (const field of WIDE_FIELDS) w.text(`${bucket[field]}`);
}

function readWide(r: ByteReader, start: number): Bucket {
  const changes = r.uint();
  const flags = r.byte();
  const [open, close, low, high, added, removed, rolled] = WIDE_FIELDS.map(() => BigInt(r.text())) as [
    ...[bigint, bigint, bigint, bigint, bigint, bigint, bigint],
  ];
  const gap = (flags & 1) !== 0;
  const lost = (flags & 2) !== 0;
  return { start, open, close, low, high, added, removed, rolled, changes, gap, ...(lost && { lost }) };
}

const WIDE_FIELDS = ["open", "close", "low", "high", "added", "removed", "rolled"] as const;

function writeSigned(w: ByteWriter, value: number): void {
  w.uint(value >= 0 ? value * 2 : -value * 2 - 1);
}

function readSigned(r: ByteReader): number {
  const zigzag = r.uint();
  const half = Math.floor(zigzag / 2);
  return half * 2 === zigzag ? half : -half - 1;
}

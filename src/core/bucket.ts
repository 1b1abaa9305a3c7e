import type { ChangeColumns } from "./change.ts";
import { ChangeKind, endsCounter } from "./change.ts";

/**
 * What became of one counter in a span of time. `close = open + added - removed + rolled`, but where there is a gap.
 */
export interface Bucket {
  /** In milliseconds since the Unix epoch; how long it is, its level says. */
  readonly start: number;
  /** The value before the first change, and after the last. */
  readonly open: bigint;
  readonly close: bigint;
  /** The lowest and the highest value that an operation or a roll left, or an operation met after a refill. */
  readonly low: bigint;
  readonly high: bigint;
  /** How much operations moved the value up and down, each 0 and up; refills that they met included. */
  readonly added: bigint;
  readonly removed: bigint;
  /** How much ends moved it: that of a window, to `initial`, and that of the counter, which leaves 0. */
  readonly rolled: bigint;
  /** How many operations moved it, or left it where it was. */
  readonly changes: number;
  /** Changes are missing: of this time, or between the bucket before and this one. */
  readonly gap: boolean;
  /** From its end on nothing is taken in, until the next bucket: what became of the counter meanwhile is not known. */
  readonly lost?: true;
}

/** A bucket and what came after it, as one bucket that begins where the first did. */
export function joined(bucket: Bucket, later: Bucket): Bucket {
  return {
    start: bucket.start,
    open: bucket.open,
    close: later.close,
    low: later.low < bucket.low ? later.low : bucket.low,
    high: later.high > bucket.high ? later.high : bucket.high,
    added: bucket.added + later.added,
    removed: bucket.removed + later.removed,
    rolled: bucket.rolled + later.rolled,
    changes: bucket.changes + later.changes,
    gap: bucket.gap || later.gap || bucket.lost === true || bucket.close !== later.open,
    ...(later.lost && { lost: true }),
  };
}

/** Of a change whose counter was not followed until then: its value is known from here on. */
export function openingBucket(start: number, value: bigint): Bucket {
  const none = { added: 0n, removed: 0n, rolled: 0n, changes: 0 };
  return { start, open: value, close: value, low: value, high: value, ...none, gap: true };
}

/** The end of what is taken in of a counter, whose value is known up to there. */
export function lostBucket(start: number, value: bigint): Bucket {
  return { ...openingBucket(start, value), lost: true };
}

/** Whether a change leaves a bucket: settings that moved nothing, and openings, do not. */
export function leavesBucket({ kinds, added, removed }: ChangeColumns, k: number): boolean {
  const kind = kinds[k];
  if (kind === ChangeKind.SETTINGS) return added[k] !== 0n || removed[k] !== 0n;
  return kind !== ChangeKind.OPENING;
}

/** What change k alone comes to. */
export function bucketOf(changes: ChangeColumns, k: number, start: number): Bucket {
  const kind = changes.kinds[k]! as ChangeKind;
  const value = changes.values[k]!;
  const [added, removed] = [changes.added[k]!, changes.removed[k]!];
  const open = value - added + removed;
  const rolls = kind === ChangeKind.ROLL;
  const ends = endsCounter(kind);
  return {
    start,
    open,
    close: ends ? 0n : value,
    low: ends ? open : changes.low[k]!,
    high: ends ? open : changes.high[k]!,
    added: rolls ? 0n : added,
    removed: rolls ? 0n : removed,
    rolled: (rolls ? added - removed : 0n) - (ends ? value : 0n),
    changes: rolls ? 0 : changes.revisions[k]! - changes.firstRevisions[k]! + 1,
    gap: false,
  };
}

import { type Bucket, bucketOf, joined, leavesBucket } from "./bucket.ts";
import { type ChangeColumns, ChangeKind } from "./change.ts";
import type { CommitColumns } from "./commit-columns.ts";
import { IdIndices } from "./id-indices.ts";
import { BUCKET_MS, bucketStart, Level } from "./levels.ts";

/**
 * Commits of the change log, folded into buckets by minute. Counters stand in it by numbers of the caller's. In columns, and
 * in numbers where they fit: as objects with bigints a change would take ten times as long.
 */
export class Folding {
  readonly #minutes = new Map<number, MinuteBuckets>();
  /**
   * By number, when an update of settings met a refill, and so moved the value without moving the counter's time: what comes
   * after it may be earlier, such as the expiry by a TTL that has passed already, and is not before it in history.
   */
  readonly #notBefore = new Map<number, number>();

  /** How many buckets. */
  get size(): number {
    let size = 0;
    for (const { count } of this.#minutes.values()) size += count;
    return size;
  }

  /**
   * Fold commits that come after all that was folded before.
   *
   * @param numbers  by index in counterIds, the number of the counter; -1 where it has no buckets
   */
  fold(commits: CommitColumns, numbers: Float64Array): void {
    const { changes } = commits;
    const { counters, times } = changes;
    const slots = new Int32Array(numbers.length); // In the minute of the commit; 0 where not met so far, else one more.
    let start = Number.NaN;
    let minute: MinuteBuckets | undefined;
    for (let i = 0, k = 0; i < commits.count; i++) {
      const committed = bucketStart(Level.MINUTE, commits.times[i]!);
      if (committed !== start) {
        start = committed;
        minute = undefined;
        slots.fill(0);
      }
      const after = start + BUCKET_MS[Level.MINUTE];
      for (const end = commits.ends[i]!; k < end; k++) {
        const counter = counters[k]!;
        const number = numbers[counter]!;
        if (number < 0 || !leavesBucket(changes, k)) continue;
        const time = this.timeOf(number, times[k]!);
        if (changes.kinds[k] === ChangeKind.SETTINGS) this.#notBefore.set(number, time);
        if (time < start || time >= after) {
          const other = this.#minute(bucketStart(Level.MINUTE, time));
          other.take(other.slotOf(number), changes, k);
          continue;
        }
        minute ??= this.#minute(start);
        let slot = slots[counter]! - 1;
        if (slot === -1) {
          slot = minute.slotOf(number);
          slots[counter] = slot + 1;
        }
        minute.take(slot, changes, k);
      }
    }
  }

  /** The time that a change counts at, which comes after all that was folded before. */
  timeOf(number: number, time: number): number {
    return this.#notBefore.size === 0 ? time : Math.max(time, this.#notBefore.get(number) ?? time);
  }

  /** A counter has ended. */
  end(number: number): void {
    this.#notBefore.delete(number);
  }

  /** What has become of a counter in the minute that bucket.start is in, after all that was folded before. */
  add(number: number, bucket: Bucket): void {
    const minute = this.#minute(bucketStart(Level.MINUTE, bucket.start));
    minute.join(minute.slotOf(number), bucket);
  }

  /** Which buckets there are. */
  *keys(): Generator<{ readonly start: number; readonly number: number }, void, void> {
    for (const { start, numbers } of this.#minutes.values())
      for (const number of numbers) yield { start, number };
  }

  /** Take out all buckets: in the order of their starts, and of the numbers. */
  *drain(): Generator<{ readonly number: number; readonly bucket: Bucket }, void, void> {
    const minutes = [...this.#minutes.values()].sort((a, b) => a.start - b.start);
    this.#minutes.clear();
    for (const minute of minutes) yield* minute.all();
  }

  #minute(start: number): MinuteBuckets {
    let minute = this.#minutes.get(start);
    if (minute === undefined) {
      minute = new MinuteBuckets(start);
      this.#minutes.set(start, minute);
    }
    return minute;
  }
}

/** The buckets that begin at one minute. */
class MinuteBuckets {
  readonly start: number;
  readonly #slots = new IdIndices();
  readonly #numbers: number[] = [];
  /** Rows of eight: see the offsets below. */
  #rows = new Float64Array(8 * 64);
  /** By slot, those whose numbers do not fit; their rows are not looked at. */
  readonly #wide = new Map<number, Bucket>();

  constructor(start: number) {
    this.start = start;
  }

  get count(): number {
    return this.#numbers.length;
  }

  get numbers(): readonly number[] {
    return this.#numbers;
  }

  /** Where the bucket of a counter stands: made, with nothing in it, if it is new. */
  slotOf(number: number): number {
    const slot = this.#slots.indexOf(number);
    if (slot === this.#numbers.length) {
      this.#numbers.push(number);
      if (8 * slot === this.#rows.length) {
        const grown = new Float64Array(2 * this.#rows.length);
        grown.set(this.#rows);
        this.#rows = grown;
      }
      this.#rows[8 * slot + CHANGES] = NOTHING;
    }
    return slot;
  }

  /** Take change k in, which comes after what the slot has. */
  take(slot: number, changes: ChangeColumns, k: number): void {
    if (changes.kinds[k]! >= ChangeKind.DELETE || !this.#takeNarrow(8 * slot, changes, k))
      this.join(slot, bucketOf(changes, k, this.start));
  }

  join(slot: number, bucket: Bucket): void {
    const before = this.#bucket(slot);
    const whole = before === undefined ? { ...bucket, start: this.start } : joined(before, bucket);
    if (this.#setNarrow(8 * slot, whole)) this.#wide.delete(slot);
    else {
      this.#wide.set(slot, whole);
      this.#rows[8 * slot + CHANGES] = WIDE;
    }
  }

  *all(): Generator<{ readonly number: number; readonly bucket: Bucket }, void, void> {
    const slots = Uint32Array.from(this.#numbers.keys());
    slots.sort((a, b) => this.#numbers[a]! - this.#numbers[b]!);
    for (const slot of slots) yield { number: this.#numbers[slot]!, bucket: this.#bucket(slot)! };
  }

  /** The same for an operation whose numbers fit, without a bigint; false, and nothing is taken, where one does not. */
  #takeNarrow(at: number, changes: ChangeColumns, k: number): boolean {
    const rows = this.#rows;
    const ops = rows[at + CHANGES]!;
    if (ops === WIDE) return false;
    const { values, added, removed, low, high } = changes.halves;
    if (!(fits(values, k) && fits(low, k) && fits(high, k))) return false;
    if (added[2 * k + 1]! >= HALF || removed[2 * k + 1]! >= HALF) return false;
    const [up, down] = [narrow(added, k), narrow(removed, k)];
    const close = narrow(values, k);
    const open = close - up + down;
    const [lowest, highest] = [narrow(low, k), narrow(high, k)];
    const moved = changes.revisions[k]! - changes.firstRevisions[k]! + 1;
    if (ops === NOTHING) {
      if (!Number.isSafeInteger(open)) return false;
      rows[at + OPEN] = open;
      rows[at + LOW] = lowest;
      rows[at + HIGH] = highest;
      rows[at + ADDED] = up;
      rows[at + REMOVED] = down;
      rows[at + ROLLED] = 0;
      rows[at + CHANGES] = moved;
    } else {
      // What does not fit, and what is not what came before: both are seldom, and join knows them.
      const [sumUp, sumDown] = [rows[at + ADDED]! + up, rows[at + REMOVED]! + down];
      if (rows[at + CLOSE] !== open || sumUp > FITS || sumDown > FITS) return false;
      if (lowest < rows[at + LOW]!) rows[at + LOW] = lowest;
      if (highest > rows[at + HIGH]!) rows[at + HIGH] = highest;
      rows[at + ADDED] = sumUp;
      rows[at + REMOVED] = sumDown;
      rows[at + CHANGES] = ops + moved;
    }
    rows[at + CLOSE] = close;
    return true;
  }

  #setNarrow(at: number, bucket: Bucket): boolean {
    if (bucket.gap) return false;
    for (const [field, offset] of FIELDS) {
      const value = bucket[field];
      if (value < -FITS || value > FITS) return false;
      this.#rows[at + offset] = Number(value);
    }
    return true;
  }

  #bucket(slot: number): Bucket | undefined {
    const at = 8 * slot;
    const rows = this.#rows;
    if (rows[at + CHANGES] === NOTHING) return undefined;
    if (rows[at + CHANGES] === WIDE) return this.#wide.get(slot);
    return {
      start: this.start,
      open: BigInt(rows[at + OPEN]!),
      close: BigInt(rows[at + CLOSE]!),
      low: BigInt(rows[at + LOW]!),
      high: BigInt(rows[at + HIGH]!),
      added: BigInt(rows[at + ADDED]!),
      removed: BigInt(rows[at + REMOVED]!),
      rolled: BigInt(rows[at + ROLLED]!),
      changes: rows[at + CHANGES]!,
      gap: false,
    };
  }
}

const OPEN = 0;
const CLOSE = 1;
const LOW = 2;
const HIGH = 3;
const ADDED = 4;
const REMOVED = 5;
const ROLLED = 6;
const CHANGES = 7;
const FIELDS = [
  ...([
    ["open", OPEN],
    ["close", CLOSE],
    ["low", LOW],
    ["high", HIGH],
  ] as const),
  ...([
    ["added", ADDED],
    ["removed", REMOVED],
    ["rolled", ROLLED],
    ["changes", CHANGES],
  ] as const),
] as const;

/** In the place of how many changes: there is no bucket yet; it is in #wide. */
const NOTHING = -1;
const WIDE = -2;

/** Below this a 64-bit number's upper half fits into a number. */
const HALF = 0x200000;
const FITS = Number.MAX_SAFE_INTEGER;

function fits(halves: Uint32Array, k: number): boolean {
  const high = halves[2 * k + 1]! | 0;
  return high >= -HALF + 1 && high < HALF;
}

function narrow(halves: Uint32Array, k: number): number {
  return (halves[2 * k + 1]! | 0) * 0x100000000 + halves[2 * k]!;
}

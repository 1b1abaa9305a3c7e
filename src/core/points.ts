import type { Bucket } from "./bucket.ts";
import { type BucketSink, NARROW } from "./packed-buckets.ts";

/**
 * What became of a counter, or of the sum of several, from one instant to another, one point after another.
 *
 * `closes[i] = opens[i] + added[i] - removed[i] + rolled[i]`, but where there is a gap; and `opens[i + 1] = closes[i]`. A
 * point without buckets has the value of the one before. Before the first change that is known the value is 0.
 */
export interface Points {
  /** The value before, and after. */
  readonly opens: readonly bigint[];
  readonly closes: readonly bigint[];
  /** The lowest and the highest value that an operation or a roll left in it; without buckets its value. Not of a prefix. */
  readonly lows: readonly bigint[] | undefined;
  readonly highs: readonly bigint[] | undefined;
  /** How much operations moved the value up and down, each 0 and up; refills that they met included. */
  readonly added: readonly bigint[];
  readonly removed: readonly bigint[];
  /** How much ends moved it: of windows, and of counters, which leave 0. */
  readonly rolled: readonly bigint[];
  /** How many operations. */
  readonly changes: Float64Array;
  /** How many stored buckets went into it: where there are none, nothing happened. */
  readonly buckets: Float64Array;
  /** 1 where changes are missing. */
  readonly gaps: Uint8Array;
}

/** A span of time, in milliseconds since the Unix epoch; its end is not in it. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/**
 * Folds the buckets of counters into points: of one counter after another, each one's in the order of their starts. Two of
 * the same start may come, the earlier one first. Those before the first edge say what the value was there; those after the
 * last edge, which are packed together with what is asked for, say nothing.
 */
export class PointsFold implements BucketSink {
  /** How many buckets have been looked at. */
  looked = 0;
  readonly #edges: Float64Array;
  readonly #count: number;
  readonly #added: Sums;
  readonly #removed: Sums;
  readonly #rolled: Sums;
  /** What nothing that is known moved. */
  readonly #shifted: Sums;
  readonly #changes: Float64Array;
  readonly #buckets: Float64Array;
  readonly #gaps: Uint8Array;
  readonly #range: { lows: (bigint | undefined)[]; highs: (bigint | undefined)[] } | undefined;
  /** The value of all counters before the first edge. */
  #base = 0n;
  /** Of the counter of this turn: the value so far, which is its base until it has a bucket in the range. */
  #last: number | bigint = 0;
  #inRange = true;
  #point = 0;
  /** Whether that is known. */
  #known = true;
  /** Since which point nothing was taken in of the counter; -1 where all was. */
  #lostSince = -1;

  /**
   * @param edges   see HistoryQuery
   * @param ranges  whether there are to be lows and highs
   */
  constructor(edges: Float64Array, ranges: boolean) {
    const count = edges.length - 1;
    this.#edges = edges;
    this.#count = count;
    this.#added = new Sums(count);
    this.#removed = new Sums(count);
    this.#rolled = new Sums(count);
    this.#shifted = new Sums(count);
    this.#changes = new Float64Array(count);
    this.#buckets = new Float64Array(count);
    this.#gaps = new Uint8Array(count);
    if (ranges) this.#range = { lows: new Array(count), highs: new Array(count) };
  }

  /**
   * The next counter's turn.
   *
   * @param value  what it was before the buckets that come
   * @param lost   whether nothing was taken in of it since then
   * @param known  false where that is only what it was some time before, and the first of those buckets tells
   */
  begin(value: bigint, lost = false, known = true): void {
    this.#end();
    this.#known = known;
    this.#lostSince = lost || !known ? 0 : -1;
    this.#last = narrowed(value);
    this.#inRange = false;
    this.#point = 0;
  }

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
  ): void {
    if (!this.#known) this.#learn(open, gap);
    const i = this.#pointOf(start);
    if (i === AFTER) return;
    const last = this.#last;
    this.#last = close;
    this.#lose(i, lost);
    if (i === BEFORE) return;
    if (typeof last === "bigint") this.#shifted.addBig(i, BigInt(open) - last);
    else if (open !== last) this.#shifted.add(i, open - last);
    if (gap || open !== last) this.#gaps[i] = 1;
    if (gap) this.#shifted.add(i, close - (open + added - removed + rolled));
    this.#added.add(i, added);
    this.#removed.add(i, removed);
    this.#rolled.add(i, rolled);
    this.#changes[i]! += changes;
    if (this.#range !== undefined) this.#widen(i, BigInt(low), BigInt(high));
  }

  wide({ start, open, close, low, high, added, removed, rolled, changes, gap, lost }: Bucket): void {
    if (!this.#known) this.#learn(narrowed(open), gap);
    const i = this.#pointOf(start);
    if (i === AFTER) return;
    const before = BigInt(this.#last);
    this.#last = narrowed(close);
    this.#lose(i, lost === true);
    if (i === BEFORE) return;
    const shifted = open - before + (close - (open + added - removed + rolled));
    this.#shifted.addBig(i, shifted);
    if (gap || open !== before) this.#gaps[i] = 1;
    this.#added.addBig(i, added);
    this.#removed.addBig(i, removed);
    this.#rolled.addBig(i, rolled);
    this.#changes[i]! += changes;
    if (this.#range !== undefined) this.#widen(i, low, high);
  }

  /** The points, once all counters had their turn. @param gaps  when changes were missed */
  finish(gaps: readonly Span[]): Points {
    this.#end();
    const [opens, closes, added, removed, rolled] = [[], [], [], [], []] as bigint[][];
    let value = this.#base;
    for (let i = 0; i < this.#count; i++) {
      opens!.push(value);
      added!.push(this.#added.at(i));
      removed!.push(this.#removed.at(i));
      rolled!.push(this.#rolled.at(i));
      value += this.#shifted.at(i) + added![i]! - removed![i]! + rolled![i]!;
      closes!.push(value);
      const [from, to] = [this.#edges[i]!, this.#edges[i + 1]!];
      if (gaps.some((gap) => gap.from < to && gap.to > from)) this.#gaps[i] = 1;
    }
    return {
      opens: opens!,
      closes: closes!,
      lows: this.#range && closes!.map((close, i) => this.#range!.lows[i] ?? close),
      highs: this.#range && closes!.map((close, i) => this.#range!.highs[i] ?? close),
      added: added!,
      removed: removed!,
      rolled: rolled!,
      changes: this.#changes,
      buckets: this.#buckets,
      gaps: this.#gaps,
    };
  }

  /** Which point an instant is in; BEFORE or AFTER where in none. */
  #pointOf(start: number): number {
    this.looked++;
    const edges = this.#edges;
    if (start < edges[0]!) return BEFORE;
    if (start >= edges[this.#count]!) return AFTER;
    if (!this.#inRange) this.#enter();
    if (start >= edges[this.#point + 1]!) {
      let [low, high] = [this.#point + 1, this.#count - 1];
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (start < edges[middle + 1]!) high = middle;
        else low = middle + 1;
      }
      this.#point = low;
    }
    this.#buckets[this.#point]!++;
    return this.#point;
  }

  #enter(): void {
    this.#inRange = true;
    this.#base += BigInt(this.#last);
  }

  #end(): void {
    if (!this.#inRange) this.#enter();
    if (this.#lostSince >= 0) this.#gaps.fill(1, this.#lostSince);
    this.#lostSince = -1;
  }

  /** The first bucket tells what was before it, unless something is missing there. */
  #learn(open: number | bigint, gap: boolean): void {
    this.#known = true;
    if (gap) return;
    this.#last = open;
    this.#lostSince = -1;
  }

  /** What was not taken in up to a bucket, and whether it goes on so. @param i  the point that it is in, or BEFORE */
  #lose(i: number, lost: boolean): void {
    if (this.#lostSince >= 0 && i !== BEFORE) this.#gaps.fill(1, this.#lostSince, i + 1);
    this.#lostSince = lost ? Math.max(i, 0) : -1;
  }

  #widen(i: number, low: bigint, high: bigint): void {
    const { lows, highs } = this.#range!;
    if (lows[i] === undefined || low < lows[i]) lows[i] = low;
    if (highs[i] === undefined || high > highs[i]) highs[i] = high;
  }
}

/** In the place of a point: before the first edge, after the last. */
const BEFORE = -1;
const AFTER = -2;

/** A number, if it is as small as those of narrow buckets: so that the two can be compared. */
function narrowed(value: bigint): number | bigint {
  return value >= -NARROW && value <= NARROW ? Number(value) : value;
}

const FITS = Number.MAX_SAFE_INTEGER;

/** Whole numbers added up, as numbers where they fit. */
class Sums {
  readonly #narrow: Float64Array;
  readonly #wide = new Map<number, bigint>();

  constructor(count: number) {
    this.#narrow = new Float64Array(count);
  }

  /** @param value  below 2^53 */
  add(i: number, value: number): void {
    const sum = this.#narrow[i]! + value;
    if (sum >= -FITS && sum <= FITS) this.#narrow[i] = sum;
    else this.addBig(i, BigInt(value));
  }

  addBig(i: number, value: bigint): void {
    this.#wide.set(i, (this.#wide.get(i) ?? 0n) + value);
  }

  at(i: number): bigint {
    return (this.#wide.get(i) ?? 0n) + BigInt(this.#narrow[i]!);
  }
}

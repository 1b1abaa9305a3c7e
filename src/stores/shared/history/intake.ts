import { type Bucket, bucketOf, joined, lostBucket, openingBucket } from "../../../core/bucket.ts";
import { type ChangeColumns, ChangeKind, endsCounter } from "../../../core/change.ts";
import { Folding } from "../../../core/folding.ts";
import type { StoredId } from "../../../core/id-indices.ts";
import { bucketStart, LEVELS, Level, PERIOD_MS, periodStart } from "../../../core/levels.ts";
import { packBuckets, unpackBuckets } from "../../../core/packed-buckets.ts";
import type { Span } from "../../../core/points.ts";
import type { HistoryIntake } from "../../../service/store-history.ts";
import type { LoggedCounter, LogPage } from "../../../service/store-log.ts";
import { lastBucket } from "./reading.ts";
import type { CounterRow, HistoryRows } from "./rows.ts";

/** A counter of the log: its number here, -1 where history has nothing of it; and whether it has buckets. */
interface Followed {
  readonly number: number;
  readonly tracked: boolean;
}

const NOT_FOLLOWED: Followed = { number: -1, tracked: false };

/** Takes the change log into rows of history: see HistoryIntake. For a store that nobody else writes into. */
export class HistoryTaking {
  readonly #rows: HistoryRows;
  #folding = new Folding();
  /** Counters by what the log knows them by. */
  readonly #followed = new Map<StoredId, Followed>();
  /** While openings come in the place of what was missed: the numbers of the counters that are still there. */
  #found: Set<number> | undefined;

  constructor(rows: HistoryRows) {
    this.#rows = rows;
  }

  /** See HistoryIntake.begin. */
  begin(): string {
    this.#rows.undo();
    this.#folding = new Folding();
    this.#followed.clear();
    this.#found = undefined;
    return this.#rows.head().cursor;
  }

  /** See HistoryIntake.take. */
  take({ commits, openings, dropped, cursor }: LogPage, met: Parameters<HistoryIntake["take"]>[1]): void {
    const { changes, counterIds, times } = commits;
    if (dropped) {
      this.flush();
      this.#found = new Set();
    }
    const followed = this.#meet(commits.counterIds, changes, met);
    if (this.#found !== undefined) for (const { number } of followed) this.#found.add(number);
    if (openings) {
      // The cursor stays: whoever begins anew amid openings begins them anew, and knows what was taken of them.
      for (let k = 0; k < changes.count; k++) this.#open(followed[changes.counters[k]!]!, changes, k);
      return;
    }
    if (this.#found !== undefined) this.#closeGap(times[0]!);
    this.#folding.fold(
      commits,
      Float64Array.from(followed, ({ tracked, number }) => (tracked ? number : -1)),
    );
    const position = this.#noteNamed(changes, followed, counterIds);
    let { latest } = this.#rows.head();
    for (let k = 0; k < changes.count; k++) latest = Math.max(latest, changes.times[k]!);
    this.#rows.setHead({ ...this.#rows.head(), cursor, time: times.at(-1)!, latest, position });
  }

  /** Counters were removed: whatever comes of them is of others. */
  forget(numbers: ReadonlySet<number>): void {
    for (const [id, { number }] of this.#followed) if (numbers.has(number)) this.#followed.delete(id);
  }

  /** Whether what was missed is being put right: then the next page of commits looks at all counters. */
  get mending(): boolean {
    return this.#found !== undefined;
  }

  /** The minutes' buckets that `flush` looks at and writes. */
  folded(): Iterable<{ readonly start: number; readonly number: number }> {
    return this.#folding.keys();
  }

  /** Have rows of all that was folded. */
  flush(): void {
    for (const { number, bucket } of this.#folding.drain()) this.#put(number, bucket);
  }

  #put(number: number, bucket: Bucket): void {
    const { start } = bucket;
    const row = this.#rows.open(start, number);
    const [before] = row === undefined ? [] : unpackBuckets(Level.MINUTE, start, row);
    const whole = before === undefined ? bucket : joined(before, bucket);
    this.#rows.setOpen(start, number, packBuckets(Level.MINUTE, start, [whole]));
  }

  /** By index in counterIds, what is followed of each. */
  #meet(
    counterIds: BigInt64Array,
    changes: ChangeColumns,
    met: ReadonlyMap<number, LoggedCounter | undefined>,
  ): Followed[] {
    const first = met.size === 0 ? undefined : firstChanges(changes, counterIds.length);
    return Array.from(counterIds, (wide, index) => {
      const id = toStoredId(wide);
      const before = this.#followed.get(id);
      const counter = met.get(index);
      if (counter === undefined) return before ?? NOT_FOLLOWED;
      const followed = this.#follow(counter, before, changes, first![index]!);
      this.#followed.set(id, followed);
      return followed;
    });
  }

  /** @param k  its first change on the page */
  #follow(
    { name, uid, history, untracked }: LoggedCounter,
    before: Followed | undefined,
    changes: ChangeColumns,
    k: number,
  ): Followed {
    const known = this.#rows.counterOf(uid);
    const time = changes.times[k]!;
    if (!history) {
      const number =
        known === undefined
          ? this.#rows.addCounter({ name, uid, from: time, to: time, erased: true })
          : this.#erase(known, time);
      return { number, tracked: false };
    }
    // One that is gone does not say any more whether it had buckets.
    const tracked = untracked === undefined ? (before?.tracked ?? true) : !untracked;
    if (known !== undefined) {
      if (!tracked && !known.erased) this.#lose(known, time);
      return { number: known.number, tracked };
    }
    // Of one that only went there is nothing to have: it had none.
    const onlyWent = untracked === undefined && GOING.has(changes.kinds[k]!);
    if (!tracked || onlyWent) return NOT_FOLLOWED;
    return {
      number: this.#rows.addCounter({ name, uid, from: time, to: undefined, erased: false }),
      tracked,
    };
  }

  /** From now on nothing is taken in of a counter: its buckets so far say so. */
  #lose(counter: CounterRow, time: number): void {
    this.flush();
    const last = lastBucket(this.#rows, counter);
    if (last === undefined || last.lost) return;
    this.#put(counter.number, lostBucket(Math.max(bucketStart(Level.MINUTE, time), last.start), last.close));
  }

  /** An opening: what came before it was missed, unless it says what is known. */
  #open({ number, tracked }: Followed, changes: ChangeColumns, k: number): void {
    if (!tracked) return;
    const value = changes.values[k]!;
    const last = lastBucket(this.#rows, this.#rows.counterAt(number));
    if (last?.close === value) return;
    const start = Math.max(bucketStart(Level.MINUTE, changes.times[k]!), last?.start ?? 0);
    this.#put(number, openingBucket(start, value));
  }

  /** The openings are over: what they do not tell of went meanwhile, and nobody knows whether with its history. */
  #closeGap(to: number): void {
    for (const row of [...this.#rows.under("")]) {
      if (row.to === undefined && !this.#found!.has(row.number)) this.#erase(row, to);
    }
    this.#found = undefined;
    const head = this.#rows.head();
    this.#rows.setHead({ ...head, gaps: withGap(head.gaps, { from: head.time, to }) });
  }

  /**
   * Write down what somebody did by name, and which counters end.
   *
   * @returns  the position of the latest named change
   */
  #noteNamed(changes: ChangeColumns, followed: readonly Followed[], ids: BigInt64Array): number {
    const rows = this.#rows;
    let { position } = rows.head();
    for (let k = 0; k < changes.count; k++) {
      const kind = changes.kinds[k]! as ChangeKind;
      if (kind === ChangeKind.ADD) continue;
      const counter = changes.counters[k]!;
      const { number, tracked } = followed[counter]!;
      const row = number >= 0 && endsCounter(kind) ? rows.counterAt(number) : undefined;
      if (tracked || (row?.erased && kind === ChangeKind.DELETE))
        rows.addChange(number, ++position, changes.copy(k));
      if (row !== undefined) {
        // Also of one that is not taken in, so that nothing is left of it in the sums.
        if (!tracked && !row.erased) {
          const start = bucketStart(Level.MINUTE, changes.times[k]!);
          this.#folding.add(number, bucketOf(changes, k, start));
        }
        rows.setCounter({ ...row, to: this.#folding.timeOf(number, changes.times[k]!) });
        this.#folding.end(number);
      }
      if (endsCounter(kind)) this.#followed.delete(toStoredId(ids[counter]!));
    }
    return position;
  }

  /** Leave nothing of a counter but that there was one. @returns  its number */
  #erase(counter: CounterRow, to: number): number {
    const { number, from, erased } = counter;
    if (erased) return number;
    this.flush();
    const rows = this.#rows;
    for (const start of [...rows.openStarts()]) rows.removeOpen(start, number);
    for (const level of LEVELS) {
      const { latest, droppedTo } = rows.head();
      const kept = Math.max(from, droppedTo[level]!);
      for (let period = periodStart(level, kept); period <= latest; period += PERIOD_MS[level])
        rows.removePacked(level, period, number);
    }
    rows.removeChanges(number);
    rows.setCounter({ ...counter, to, erased: true });
    return number;
  }
}

/** What time or a deletion does: of a counter that nothing else is known of, it leaves nothing to tell. */
const GOING: ReadonlySet<number> = new Set([ChangeKind.DELETE, ChangeKind.EXPIRE, ChangeKind.ROLL]);

/** Missing times as spans, so few that they are looked through: the two that are next to each other longest ago become one. */
function withGap(gaps: readonly Span[], gap: Span): readonly Span[] {
  const all = [...gaps, gap];
  if (all.length <= GAPS_MAX) return all;
  return [{ from: all[0]!.from, to: all[1]!.to }, ...all.slice(2)];
}

const GAPS_MAX = 100;

/** By counter, the index of its first change. */
function firstChanges({ counters, count }: ChangeColumns, counterCount: number): Int32Array {
  const first = new Int32Array(counterCount);
  for (let k = count - 1; k >= 0; k--) first[counters[k]!] = k;
  return first;
}

function toStoredId(id: bigint): StoredId {
  return id >= 0n && id <= Number.MAX_SAFE_INTEGER ? Number(id) : id;
}

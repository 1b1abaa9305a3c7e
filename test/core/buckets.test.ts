/** Buckets: what changes are folded into, packed, merged and summed up, against what they are said to be. */
import { fc, test } from "@fast-check/vitest";
import { describe, expect, it } from "vitest";
import { type Bucket, bucketOf, joined } from "../../src/core/bucket.ts";
import { ChangeColumns, ChangeKind } from "../../src/core/change.ts";
import { CommitColumns } from "../../src/core/commit-columns.ts";
import { Folding } from "../../src/core/folding.ts";
import { INT64_MAX, INT64_MIN } from "../../src/core/int64.ts";
import { BUCKET_MS, bucketStart, LEVELS, Level, PERIOD_MS, periodStart } from "../../src/core/levels.ts";
import { mergeBuckets, packBuckets, raiseBuckets, unpackBuckets } from "../../src/core/packed-buckets.ts";

const MINUTE = BUCKET_MS[Level.MINUTE];
const START = periodStart(Level.DAY, Date.UTC(2026, 4, 1));

/** What is done to one of some counters: the value after, how long after the change before, and of which kind. */
const edge = fc.constantFrom(INT64_MAX, INT64_MIN, 2n ** 53n, 2n ** 53n - 1n, -(2n ** 53n) + 1n, 2n ** 50n);
const value = fc.oneof({ weight: 6, arbitrary: fc.bigInt(-9n, 9n) }, { weight: 1, arbitrary: edge });
const action = fc.record({
  counter: fc.nat(3),
  value,
  met: fc.option(value, { nil: undefined, freq: 1 }),
  kind: fc.constantFrom(
    ...[ChangeKind.ADD, ChangeKind.ADD, ChangeKind.ADD, ChangeKind.SET, ChangeKind.ROLL],
    ...[ChangeKind.SETTINGS, ChangeKind.EXPIRE, ChangeKind.DELETE],
  ),
  later: fc.constantFrom(0, 1, 20_000, MINUTE, 20 * MINUTE, 7 * 60 * MINUTE),
  late: fc.constantFrom(0, 0, 0, 1_000, 3 * 60 * MINUTE),
  cut: fc.boolean(),
});

/** Commits in which each counter's changes are in order; those that come after an end are another counter's. */
function commitsOf(actions: readonly (typeof action extends fc.Arbitrary<infer A> ? A : never)[]) {
  const changes = new ChangeColumns(actions.length);
  const [ends, times, numbers]: [number[], number[], number[]] = [[], [], []];
  const states = new Map<number, { value: bigint; revision: number; time: number }>();
  const current = [0, 1, 2, 3];
  let now = START;
  for (const { counter, value, met, kind, later, late, cut } of actions) {
    now += later;
    const number = current[counter]!;
    const state = states.get(number) ?? { value: 0n, revision: 0, time: 0 };
    const time = Math.max(now - late, state.time);
    const ends = kind === ChangeKind.EXPIRE || kind === ChangeKind.DELETE;
    const stays = ends || kind === ChangeKind.SETTINGS;
    const revision = state.revision + (stays ? 0 : 1);
    const after = stays ? (met ?? state.value) : value;
    const metThen = kind === ChangeKind.ROLL ? undefined : met;
    changes.push(number, kind, state.value, after, revision, time, metThen);
    states.set(number, { value: after, revision, time });
    if (ends) current[counter] = Math.max(...current) + 1;
    if (cut) close();
  }
  close();
  function close() {
    if (changes.count === (ends.at(-1) ?? 0)) return;
    ends.push(changes.count);
    times.push(now);
  }
  const count = Math.max(...current) + 1;
  for (let i = 0; i < count; i++) numbers.push(i);
  return new CommitColumns({
    ends: Uint32Array.from(ends),
    positions: Float64Array.from(ends.keys(), (i) => i + 1),
    numbers: undefined,
    times: Float64Array.from(times),
    counterIds: BigInt64Array.from(numbers, BigInt),
    changes,
  });
}

/** Of each counter its buckets of a level, change by change. */
function expected({ changes }: CommitColumns, level: Level): Map<number, Bucket[]> {
  const of = new Map<number, Bucket[]>();
  for (let k = 0; k < changes.count; k++) {
    const { kind, added, removed } = changes.copy(k);
    if (kind === ChangeKind.SETTINGS && added === 0n && removed === 0n) continue;
    const counter = changes.counters[k]!;
    const start = bucketStart(level, changes.times[k]!);
    const buckets = of.get(counter) ?? [];
    of.set(counter, buckets);
    const bucket = bucketOf(changes, k, start);
    if (buckets.at(-1)?.start === start) buckets.push(joined(buckets.pop()!, bucket));
    else buckets.push(bucket);
  }
  return of;
}

function folded(folding: Folding): Map<number, Bucket[]> {
  const of = new Map<number, Bucket[]>();
  for (const { number, bucket } of folding.drain()) of.set(number, [...(of.get(number) ?? []), bucket]);
  return of;
}

const actions = fc.array(action, { maxLength: 60 });
const allOf = (commits: CommitColumns) => Float64Array.from(commits.counterIds, Number);

describe("a bucket", () => {
  test.prop([actions])("has what moved the value: close = open + added - removed + rolled", (given) => {
    for (const level of LEVELS) {
      for (const buckets of expected(commitsOf(given), level).values()) {
        let close = 0n;
        for (const bucket of buckets) {
          const { open, added, removed, rolled, low, high, gap } = bucket;
          expect([open, bucket.close, gap]).toEqual([close, open + added - removed + rolled, false]);
          expect(low <= high && added >= 0n && removed >= 0n).toBe(true);
          close = bucket.close;
        }
      }
    }
  });

  it("knows that something is missing when it does not begin where the one before ended", () => {
    const one = { ...bucketOf(commitsOf([set(3n)]).changes, 0, 0) };
    expect(joined(one, { ...one, open: 4n, close: 5n })).toMatchObject({ open: 0n, close: 5n, gap: true });
  });
});

function set(value: bigint) {
  const none = { counter: 0, met: undefined, later: 0, late: 0, cut: false };
  return { ...none, value, kind: ChangeKind.SET };
}

describe("folding", () => {
  test.prop([actions, fc.array(fc.nat(60))])(
    "comes to the same as change by change, wherever pages end",
    (given, cuts) => {
      const commits = commitsOf(given);
      const folding = new Folding();
      let from = 0;
      for (const cut of [...cuts, commits.count].sort((a, b) => a - b)) {
        if (cut <= from || cut > commits.count) continue;
        folding.fold(pageOf(commits, from, cut), allOf(commits));
        from = cut;
      }
      expect(folding.size).toBe([...expected(commits, Level.MINUTE).values()].flat().length);
      expect(folded(folding)).toEqual(expected(commits, Level.MINUTE));
      expect(folding.size).toBe(0);
    },
  );

  test.prop([actions])("leaves out those without a number, and gives the rest in order", (given) => {
    const commits = commitsOf(given);
    const folding = new Folding();
    folding.fold(
      commits,
      allOf(commits).map((number) => (number % 2 ? -1 : number)),
    );
    const all = [...folding.drain()];
    const order = all.map(({ number, bucket }) => [bucket.start, number] as const);
    expect(order).toEqual([...order].sort((a, b) => a[0] - b[0] || a[1] - b[1]));
    expect(new Set(all.map(({ number }) => number % 2))).not.toContain(1);
  });

  it("what was left out within a minute shows", () => {
    const changes = new ChangeColumns(2);
    changes.push(0, ChangeKind.ADD, 0n, 5n, 1, START);
    changes.push(0, ChangeKind.ADD, 7n, 8n, 3, START + 1);
    const folding = new Folding();
    const commits = commitsOf([set(1n)]);
    folding.fold(new CommitColumns({ ...commits, ends: Uint32Array.of(2), changes }), Float64Array.of(0));
    expect(folded(folding).get(0)).toMatchObject([{ open: 0n, close: 8n, added: 6n, gap: true }]);
  });

  it("settings that met a refill are not followed by what was before them", () => {
    const changes = new ChangeColumns(3);
    changes.push(0, ChangeKind.ADD, 0n, 5n, 1, START);
    changes.push(0, ChangeKind.SETTINGS, 5n, 7n, 1, START + 5 * MINUTE, 7n);
    changes.push(0, ChangeKind.EXPIRE, 7n, 7n, 1, START + MINUTE);
    const folding = new Folding();
    const commits = commitsOf([set(1n)]);
    folding.fold(new CommitColumns({ ...commits, ends: Uint32Array.of(3), changes }), Float64Array.of(0));
    const buckets = folded(folding).get(0)!;
    expect(buckets.map(({ start, open, close }) => [start - START, open, close])).toEqual([
      [0, 0n, 5n],
      [5 * MINUTE, 5n, 0n],
    ]);
  });
});

/** Commits `from` to before `to`. */
function pageOf(commits: CommitColumns, from: number, to: number): CommitColumns {
  const page = commits.after(from);
  const ends = page.ends.slice(0, to - from);
  return new CommitColumns({
    ...page,
    ends,
    positions: page.positions.slice(0, ends.length),
    numbers: undefined,
    times: page.times.slice(0, ends.length),
    changes: page.changes.slice(0, ends.at(-1) ?? 0),
  });
}

describe("rows of buckets", () => {
  test.prop([actions, fc.nat(60)])(
    "packed at any moment, what comes later is merged in, at every level",
    (given, cut) => {
      const commits = commitsOf(given);
      const first = new Folding();
      first.fold(pageOf(commits, 0, Math.min(cut, commits.count)), allOf(commits));
      const later = new Folding();
      if (cut < commits.count) later.fold(pageOf(commits, cut, commits.count), allOf(commits));
      for (const level of LEVELS) {
        const rows = new Map<string, Uint8Array>();
        for (const part of [folded(first), folded(later)])
          for (const [number, buckets] of part) put(number, buckets);
        first.fold(pageOf(commits, 0, Math.min(cut, commits.count)), allOf(commits));
        if (cut < commits.count) later.fold(pageOf(commits, cut, commits.count), allOf(commits));
        function put(number: number, buckets: readonly Bucket[]) {
          for (const period of new Set(buckets.map(({ start }) => periodStart(level, start)))) {
            const mine = buckets.filter(({ start }) => periodStart(level, start) === period);
            const row = rows.get(`${number} ${period}`);
            const before = row === undefined ? [] : unpackBuckets(level, period, row);
            rows.set(
              `${number} ${period}`,
              packBuckets(level, period, mergeBuckets(before, raiseBuckets(level, mine))),
            );
          }
        }
        const read = new Map<number, Bucket[]>();
        for (const [key, row] of rows) {
          const [number, period] = key.split(" ").map(Number) as [number, number];
          read.set(number, [...(read.get(number) ?? []), ...unpackBuckets(level, period, row)]);
        }
        expect(read).toEqual(expected(commits, level));
      }
    },
  );

  it("an hour of minutes, a day of quarters and 32 days of days take little room", () => {
    for (const [level, most] of [
      [Level.MINUTE, 6],
      [Level.QUARTER, 9],
      [Level.DAY, 12],
    ] as const) {
      const count = PERIOD_MS[level] / BUCKET_MS[level];
      const perBucket = BUCKET_MS[level] / 1_000; // One a second.
      const buckets = Array.from({ length: count }, (_, i): Bucket => {
        const open = BigInt(i * perBucket);
        const none = { removed: 0n, rolled: 0n, gap: false };
        const close = open + BigInt(perBucket);
        const start = START + i * BUCKET_MS[level];
        return {
          start,
          open,
          close,
          low: open + 1n,
          high: close,
          added: BigInt(perBucket),
          changes: perBucket,
          ...none,
        };
      });
      const packed = packBuckets(level, START, buckets);
      expect(unpackBuckets(level, START, packed)).toEqual(buckets);
      expect(packed.length / count).toBeLessThan(most);
    }
  });

  test.prop([fc.array(fc.tuple(value, fc.boolean()), { minLength: 1, maxLength: 5 })])(
    "say from when nothing is taken in",
    (given) => {
      const buckets = given.map(([close, lost], i): Bucket => {
        const none = { added: 0n, removed: 0n, rolled: 0n, changes: 0, gap: true };
        const at = { start: START + i * MINUTE, open: close, close, low: close, high: close };
        return { ...at, ...none, ...(lost && { lost }) };
      });
      expect(unpackBuckets(Level.MINUTE, START, packBuckets(Level.MINUTE, START, buckets))).toEqual(buckets);
      const [all] = raiseBuckets(Level.DAY, buckets);
      expect(all!.lost).toBe(buckets.at(-1)!.lost);
    },
  );

  it("that were cut off, or are of a newer form, are not believed", () => {
    const buckets = [...expected(commitsOf([set(300n)]), Level.MINUTE).values()].flat();
    const packed = packBuckets(Level.MINUTE, START, buckets);
    expect(() => unpackBuckets(Level.MINUTE, START, packed.subarray(0, -1))).toThrow(RangeError);
    expect(() => unpackBuckets(Level.MINUTE, START, Uint8Array.of(7))).toThrow("form 7");
    expect(() => unpackBuckets(Level.MINUTE, START, new Uint8Array())).toThrow(RangeError);
  });
});

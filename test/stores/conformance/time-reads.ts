import { fc } from "@fast-check/vitest";
import { expect, it } from "vitest";
import { CORRUPT, type FullCounter } from "../../../src/core/counter.ts";
import { present } from "../../../src/core/present.ts";
import { byRank } from "../../../src/core/selection.ts";
import { DEFAULTS, type Settings } from "../../../src/core/settings.ts";
import { ZoneCalendar } from "../../../src/stores/shared/calendar.ts";
import { batch, commit, create, set, single } from "../../support/calls.ts";
import type { StoreKind } from "../../support/stores.ts";
import { using } from "./using.ts";

const ALL = { prefix: "", labels: {} };
const DAY = 24 * 3_600_000;
const CALENDAR = new ZoneCalendar(() => {});

/** Lists, rankings and sums of counters that time does something to: what `present` says of each, to the last unit. */
export function timeReadsSuite(kind: StoreKind): void {
  const it_ = using(kind, it, { handClock: true });

  it_("are what each counter is as of now, with the largest settings allowed too", async (opened) => {
    const { store } = opened;
    const settings = fc.sample(timed, { numRuns: 300, seed: 7 });
    for (let i = 0; i < settings.length; i += 50) {
      const some = settings
        .slice(i, i + 50)
        .map((each, k) => create(`c${1_000 + i + k}`, { ...DEFAULTS, ...each }));
      await commit(store, ...some.map((op) => single(op)));
    }
    // Away from the initial value at some time of their own, so that instants and remainders differ.
    for (let round = 0; round < 6; round++) {
      await opened.pass(977 * (round + 1));
      const moved = settings.flatMap(({ min, max, initial }, i) => {
        if (i % 6 !== round || min === undefined || max === undefined) return [];
        return set(`c${1_000 + i}`, initial === max ? min : max);
      });
      await commit(store, batch(moved));
    }
    // Once more on the same side, so that what is less than a unit is kept of the first time.
    await opened.pass(1_009);
    const again = settings.flatMap(({ min, max, initial, refill }, i) =>
      refill === undefined ? [] : set(`c${1_000 + i}`, initial === max ? min! : max!),
    );
    await commit(store, batch(again));
    const stored = await readAll(store, settings.length);
    expect(stored.filter(({ timing }) => (timing?.refillCarry ?? 0n) > 0n).length).toBeGreaterThan(30);
    const takenAt = opened.now();
    for (const wait of [0, 1, 333, 60_000, DAY, 40 * DAY, 400 * DAY, 4_000 * DAY]) {
      await opened.pass(takenAt + wait - opened.now());
      const now = takenAt + wait;
      const expected = stored.flatMap((counter) => present(counter, { now }, CALENDAR) ?? []);
      const seen = await readAll(store, settings.length);
      expect(seen.map(inShort)).toEqual(expected.map(inShort));
      const listed = (await store.list(ALL, "", 1_000)).counters;
      expect(listed.map(inShort)).toEqual(expected.map(inShort));
      for (const order of ["highest", "lowest"] as const) {
        const ranked = [...expected].sort(byRank(order)).slice(0, 40);
        expect((await store.top(ALL, 40, order)).counters.map(inShort)).toEqual(ranked.map(inShort));
      }
      const values = expected.map(({ value }) => value).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
      expect(await store.sum(ALL)).toMatchObject({
        count: values.length,
        sum: values.reduce((sum, value) => sum + value, 0n),
        lowest: values[0],
        highest: values.at(-1),
      });
    }
    expect(stored.length).toBeGreaterThan(settings.length * 0.9); // A TTL of a second is over by now.
    expect((await readAll(store, settings.length)).length).toBeLessThan(stored.length);
  });
}

const everyMs = fc.oneof(fc.integer({ min: 1, max: 50 }), fc.constantFrom(1_000, 60_000, DAY, 366 * DAY));
const refilling: fc.Arbitrary<Partial<Settings>> = fc
  .record({
    everyMs,
    part: fc.integer({ min: 0, max: 4 }),
    amount: fc.integer({ min: 1, max: 10 }),
    wide: fc.boolean(),
    low: fc.bigInt(-(2n ** 61n), 2n ** 61n),
  })
  .map(({ everyMs, part, amount, wide, low }) => {
    // The widest bounds there are for it, when it is in lowest terms already: the amount is then odd.
    const span = wide ? 2n ** 62n / BigInt(everyMs) : BigInt(100 * amount);
    const initial = low + (span * BigInt(part)) / 4n;
    const per = wide ? span - 1n - ((span - 1n) % 2n) : BigInt(amount);
    return { min: low, max: low + span, initial, refill: { amount: per > 0n ? per : 1n, everyMs } };
  });
const inWindow: fc.Arbitrary<Partial<Settings>> = fc
  .record({
    window: fc.oneof(
      fc.record({
        everyMs: fc.constantFrom(1_000, 60_000, 7 * DAY, 366 * DAY),
        anchorMs: fc.integer({ min: -9e12, max: 9e12 }),
      }),
      fc.record({
        unit: fc.constantFrom("day" as const, "week" as const, "quarter" as const, "year" as const),
        timeZone: fc.constantFrom("Europe/Berlin", "Australia/Lord_Howe", "UTC"),
        day: fc.constant(1),
      }),
    ),
    low: fc.bigInt(-(2n ** 63n), 0n),
    high: fc.bigInt(1n, 2n ** 63n - 1n),
  })
  .map(({ window, low, high }) => ({ window, min: low, max: high, initial: 0n }));
const idle = fc.option(fc.constantFrom(1_000n, BigInt(DAY), 315_360_000_000n), { nil: undefined, freq: 2 });
const timed = fc
  .tuple(
    fc.oneof(refilling, inWindow, fc.constant<Partial<Settings>>({ min: 0n, max: 9n, initial: 0n })),
    idle,
  )
  .map(([settings, idleTtlMs]) => ({ ...settings, idleTtlMs }));

async function readAll(store: { get(names: readonly string[]): Promise<unknown[]> }, count: number) {
  const names = Array.from({ length: count }, (_, i) => `c${1_000 + i}`);
  const found = (await store.get(names)) as (FullCounter | undefined | typeof CORRUPT)[];
  expect(found).not.toContain(CORRUPT);
  return found.filter((counter) => counter !== undefined) as FullCounter[];
}

function inShort({ name, value, revision, timing }: FullCounter): unknown[] {
  return [name, value, revision, timing && { ...timing, due: undefined }];
}

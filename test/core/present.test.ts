import { fc, test } from "@fast-check/vitest";
import { describe, expect, it } from "vitest";
import { blankCounter, type Counter, type Timing } from "../../src/core/counter.ts";
import { present } from "../../src/core/present.ts";
import { reduced } from "../../src/core/refill.ts";
import {
  dueOf,
  fullRefillMs,
  fullTimeOf,
  timingAfter,
  timingFor,
  untilLevelMs,
} from "../../src/core/timing.ts";
import { type Calendar, spanAt, type Window, windowFromText, windowToText } from "../../src/core/window.ts";

const HOUR = 3_600_000;

/** A calendar of days of 23, 24 and 25 hours in turn; it knows one zone. */
const CALENDAR: Calendar = {
  windowAt({ timeZone }, now) {
    if (timeZone !== "Known/Zone") return undefined;
    const three = Math.floor(now / (72 * HOUR)) * 72 * HOUR;
    const starts = [0, 23, 47, 72].map((hours) => three + hours * HOUR);
    const i = starts.findLastIndex((start) => start <= now);
    return { start: starts[i]!, end: starts[i + 1]! };
  },
  offsetAt: () => 0,
};

const NOTHING: ReadonlySet<never> = new Set();

/** A counter as it is made at a time, with its timing. */
function counterAt(now: number, settings: Partial<Counter>): Counter {
  const counter = {
    ...blankCounter(),
    uid: "u",
    revision: 1,
    settingsRevision: 1,
    updateTime: now,
    ...settings,
  };
  return { ...counter, timing: timingFor(counter, undefined, NOTHING, now, CALENDAR) };
}

/** The same after an operation that left another value. */
function changed(counter: Counter, value: bigint, now: number): Counter {
  const met = present(counter, { now }, CALENDAR)!;
  const after = { ...met, value, revision: met.revision + 1, updateTime: Math.max(now, met.updateTime) };
  return { ...after, timing: timingAfter(after, met.timing as Timing, met.value, now) };
}

const windows = fc.oneof(
  fc.record({
    everyMs: fc.integer({ min: 1, max: 100 }).map((s) => s * 1_000),
    anchorMs: fc.integer({ min: -9e9, max: 9e9 }),
  }),
  fc.constant({ unit: "day", timeZone: "Known/Zone", day: 1 } as const),
);
const START = 1_700_000_000_000;
const later = fc.oneof(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 0, max: 400 * 24 * HOUR }));
const idle = fc.option(fc.integer({ min: 1_000, max: 30 * 24 * HOUR }).map(BigInt), { nil: undefined });

const inWindows = fc
  .record({ window: windows, idleTtlMs: idle, initial: fc.bigInt(-3n, 3n), value: fc.bigInt(-9n, 9n) })
  .map((settings) => counterAt(START, { ...settings, min: -9n, max: 9n }));
const refilling = fc
  .record({
    low: fc.bigInt(0n, 100n),
    span: fc.bigInt(1n, 10n ** 9n),
    at: fc.array(fc.integer({ min: 0, max: 1_000 }), { minLength: 3, maxLength: 3 }),
    everyMs: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 100_000 })),
    idleTtlMs: idle,
    wait: later,
  })
  .map(({ low, span, at, everyMs, idleTtlMs, wait }) => {
    const within = (part: number) => low + (span * BigInt(part)) / 1_000n;
    const refill = { amount: 1n + ((span - 1n) * BigInt(at[2]!)) / 1_000n, everyMs };
    const counter = counterAt(START, {
      ...{ refill, idleTtlMs, min: low, max: low + span, initial: within(at[0]!), value: within(at[0]!) },
    });
    const after = present(counter, { now: START + wait }, CALENDAR);
    return after === undefined ? counter : changed(counter, within(at[1]!), START + wait);
  });
const timed = fc.oneof(inWindows, refilling);

describe("a counter as of now", () => {
  test.prop([timed, later, later])("is the same, whoever looked in between", (counter, first, second) => {
    const from = Math.max(counter.updateTime, START);
    const direct = present(counter, { now: from + first + second }, CALENDAR);
    const between = present(counter, { now: from + first }, CALENDAR);
    if (between === undefined) expect(direct).toBeUndefined();
    else expect(present(between, { now: from + first + second }, CALENDAR)).toEqual(direct);
  });

  test.prop([timed, fc.integer({ min: -400 * 24 * HOUR, max: 4_000 * 24 * HOUR })])(
    "never leaves its bounds, whatever the clock shows, and is in the window that it says",
    (counter, apart) => {
      const now = counter.updateTime + apart;
      const seen = present(counter, { now }, CALENDAR);
      if (seen === undefined) {
        expect(apart).toBeGreaterThanOrEqual(Number(counter.idleTtlMs));
        return;
      }
      expect(seen.value >= seen.min! && seen.value <= seen.max!).toBe(true);
      const { windowStart, windowEnd } = seen.timing!;
      if (windowStart === undefined) return;
      expect(now).toBeLessThan(windowEnd!);
      expect(windowStart - now).toBeLessThanOrEqual(windowEnd! - windowStart);
    },
  );

  test.prop([refilling, fc.array(later, { minLength: 1, maxLength: 6 })])(
    "refills exactly, into however many looks the time is split",
    (counter, waits) => {
      let now = counter.updateTime;
      let seen: Counter | undefined = counter;
      for (const wait of waits) {
        now += wait;
        seen = seen && present(seen, { now }, CALENDAR);
      }
      if (seen === undefined) return;
      const { value, initial, refill, timing } = counter;
      const { amount, every } = reduced(refill!);
      const from = timing!.refillTime;
      const units = from === undefined ? 0n : (BigInt(now - from) * amount + timing!.refillCarry) / every;
      const far = value > initial ? value - initial : initial - value;
      const come = units < far ? units : far;
      expect(seen.value).toBe(value > initial ? value - come : value + come);
      const full = fullTimeOf(counter);
      expect(seen.value === initial).toBe(full === undefined || now >= full);
    },
  );

  test.prop([timed, later, fc.bigInt(-9n, 110n)])(
    "is at a level when it says, and not before",
    (counter, wait, level) => {
      const now = counter.updateTime + wait;
      const seen = present({ ...counter, idleTtlMs: undefined }, { now }, CALENDAR)!;
      const ms = untilLevelMs(seen, level, now);
      const beyond = (at: number) => {
        const { value } = present(seen, { now: at }, CALENDAR)!;
        return seen.value > level ? value > level : value < level;
      };
      if (ms === undefined) return;
      if (seen.value !== level) expect(beyond(now + ms - 1)).toBe(true);
      expect(beyond(now + ms)).toBe(false);
    },
  );

  test.prop([
    timed,
    fc.array(fc.record({ wait: later, part: fc.integer({ min: 0, max: 10 }) }), { maxLength: 5 }),
  ])("is looked at never later than there is something to write down", (counter, steps) => {
    let now = counter.updateTime;
    let at: Counter = counter;
    for (const { wait, part } of steps) {
      const seen = present(at, { now: now + wait }, CALENDAR);
      if (seen === undefined) return;
      now += wait;
      at = changed(at, at.min! + ((at.max! - at.min!) * BigInt(part)) / 10n, now);
      const truly = dueOf(at, at.timing!.windowEnd);
      if (truly !== undefined) expect(at.timing!.due).toBeLessThanOrEqual(truly);
    }
  });
});

describe("a window", () => {
  it("begins and ends on the dot: at .999 it is the one before", () => {
    const counter = counterAt(0, { window: { everyMs: 60_000, anchorMs: 0 }, value: 5n });
    expect(present(counter, { now: 59_999 }, CALENDAR)).toBe(counter);
    expect(present(counter, { now: 60_000 }, CALENDAR)).toMatchObject({
      ...{ value: 0n, revision: 2, updateTime: 0 },
      timing: { windowStart: 60_000, windowEnd: 120_000, due: undefined },
    });
  });

  it("of an anchor is cut from there, before it too", () => {
    const window = { everyMs: 10_000, anchorMs: 3_000 };
    expect([2_999, 3_000, -7_000, -7_001].map((now) => spanAt(window, now, CALENDAR)!.start)).toEqual([
      ...[-7_000, 3_000, -7_000, -17_000],
    ]);
  });

  it("stays while the clock is behind by up to a window; beyond, it is the one of now, and the value stays", () => {
    const counter = counterAt(120_000, { window: { everyMs: 60_000, anchorMs: 0 }, value: 5n });
    expect(present(counter, { now: 60_000 }, CALENDAR)).toBe(counter);
    const mended = present(counter, { now: 59_999 }, CALENDAR)!;
    expect(mended).toMatchObject({ value: 5n, revision: 1, timing: { windowStart: 0, windowEnd: 60_000 } });
  });

  it("that was stored decides, whatever newer zone data say; and the next one begins where it ended", () => {
    const counter = counterAt(0, { window: { unit: "day", timeZone: "Known/Zone", day: 1 }, value: 5n });
    const stored = { ...counter, timing: { ...counter.timing!, windowEnd: 24 * HOUR } }; // 23 hours, as is known now.
    expect(present(stored, { now: 24 * HOUR - 1 }, CALENDAR)).toBe(stored);
    expect(present(stored, { now: 24 * HOUR }, CALENDAR)!.timing).toMatchObject({
      ...{ windowStart: 24 * HOUR, windowEnd: 47 * HOUR },
    });
  });

  it("of a zone that is not known any more stays as it is", () => {
    const window = { unit: "day", timeZone: "Known/Zone", day: 1 } as const;
    const counter = { ...counterAt(0, { window, value: 5n }), window: { ...window, timeZone: "Lost/Zone" } };
    expect(present(counter, { now: 100 * HOUR }, CALENDAR)).toBe(counter);
  });

  test.prop([windows])("is a text, and the same again", (window: Window) => {
    expect(windowFromText(windowToText(window))).toEqual(window);
  });

  it.each([
    "",
    "every 0 0",
    "every 5",
    "hour Europe/Berlin 1",
    "day +02:00 1",
    "month UTC 0",
    "every 1000 0 ",
  ])("%j is none", (text) => {
    expect(windowFromText(text)).toBeUndefined();
  });
});

describe("a refill", () => {
  const BUCKET = { min: 0n, max: 10n, refill: { amount: 3n, everyMs: 1_000 } };

  it("does not count time twice that the clock shows twice, nor wait for one that is far ahead", () => {
    const counter = changed(counterAt(0, BUCKET), 10n, 50_000);
    expect(present(counter, { now: 49_000 }, CALENDAR)).toBe(counter);
    const full = fullRefillMs(counter);
    const mended = present(counter, { now: 50_000 - full - 1 }, CALENDAR)!;
    expect(mended).toMatchObject({ value: 10n, timing: { refillTime: 50_000 - full - 1 } });
  });

  it("of a full bucket keeps nothing for later, and so gives no more than it holds", () => {
    const counter = counterAt(0, BUCKET);
    const taken = changed(counter, 10n, 1_000_000_300);
    expect(taken.timing).toMatchObject({ refillTime: 1_000_000_300, refillCarry: 0n });
    expect(present(taken, { now: 1_000_000_633 }, CALENDAR)!.value).toBe(10n);
    expect(present(taken, { now: 1_000_000_634 }, CALENDAR)!.value).toBe(9n);
  });

  it("with the largest settings allowed overflows nothing", () => {
    const [every, span] = [366 * 24 * HOUR, 2n ** 62n / BigInt(366 * 24 * HOUR)];
    const refill = { amount: 7n, everyMs: every };
    const counter = changed(counterAt(0, { min: 0n, max: span, refill }), span, 1);
    const full = fullTimeOf(counter)!;
    expect(full).toBeLessThanOrEqual(8_640_000_000_000_000);
    const now = 9_000_000_000_000;
    expect(present(counter, { now }, CALENDAR)!.value).toBe(span - (BigInt(now - 1) * 7n) / BigInt(every));
  });
});

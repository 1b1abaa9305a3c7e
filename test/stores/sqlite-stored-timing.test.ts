import { expect, it } from "vitest";
import type { Timing } from "../../src/core/counter.ts";
import { isStoredAs, toStoredTiming } from "../../src/stores/sqlite/rows/stored-timing.ts";

const NOW = 1_900_000_000_000;
const TIMING: Timing = {
  ...{ windowStart: NOW, windowEnd: NOW + 60_000, due: NOW + 60_000 },
  ...{ refillTime: undefined, refillCarry: 0n },
};
const SETTINGS = { initial: 0n, refill: undefined, idleTtlMs: undefined };
const REFILL = { ...SETTINGS, refill: { amount: 3n, everyMs: 1_000 } };
const AT_REST: Timing = { ...TIMING, windowStart: undefined, windowEnd: undefined, due: undefined };

it("timings that are stored alike are one object, and those that differ in anything are not", () => {
  const first = toStoredTiming(SETTINGS, 1n, TIMING, undefined);
  expect(toStoredTiming(SETTINGS, 2n, { ...TIMING }, undefined)).toBe(first);
  for (const other of [
    { ...TIMING, windowStart: NOW - 1 },
    { ...TIMING, windowEnd: NOW + 60_001 },
    { ...TIMING, due: NOW + 59_999 },
    { ...TIMING, due: undefined },
    { ...TIMING, windowEnd: NOW + 60_000 + 16_373 }, // The same remainder as goes into the mark.
  ]) {
    const stored = toStoredTiming(SETTINGS, 1n, other, undefined);
    expect(stored).not.toBe(first);
    expect([isStoredAs(stored, other, undefined), isStoredAs(first, other, undefined)]).toEqual([
      true,
      false,
    ]);
  }
  const initials = [1n, 2n ** 32n, -1n].map((initial) => ({ ...SETTINGS, initial }));
  for (const settings of [...initials, { ...SETTINGS, idleTtlMs: 1_000n }]) {
    expect(toStoredTiming(settings, 1n, TIMING, undefined)).not.toBe(first);
    expect(toStoredTiming(SETTINGS, 1n, TIMING, undefined)).toEqual(first);
  }
});

it("so with refills, by whether the count says where they are", () => {
  const carried = toStoredTiming(REFILL, 1n, AT_REST, 5);
  expect(toStoredTiming(REFILL, 7n, { ...AT_REST, refillTime: NOW, refillCarry: 5n }, 9)).toBe(carried);
  const here = { ...AT_REST, refillTime: NOW, refillCarry: 5n };
  const uncarried = toStoredTiming(REFILL, 7n, here, null);
  expect(uncarried).not.toBe(carried);
  expect(uncarried.columns).toMatchObject({ refill_ms: BigInt(NOW), refill_carry: 5n });
  expect(toStoredTiming(REFILL, 8n, here, null), "full at another time").not.toBe(uncarried);
  expect(isStoredAs(uncarried, here, null), "it is to be written").toBe(false);
});

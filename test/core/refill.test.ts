/** Refills are reckoned in numbers where these are exact: shown against the formula in whole numbers of any size. */
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { bigIntOf, numberOf } from "../../src/core/int64.ts";
import { comeIn, REFILL_PRODUCT_MAX, reduced, timeFor } from "../../src/core/refill.ts";

const YEAR_MS = 366 * 24 * 3_600_000;
/** Some whole numbers, and those around where numbers cease to be exact, on both sides of it. */
const upTo = (max: bigint) => fc.oneof(fc.bigInt(0n, max), fc.bigInt(0n, max < 1_000n ? max : 1_000n));
const edge = fc.bigInt(-3n, 3n).map((by) => 2n ** 53n + by);
const refill = fc.record({
  amount: fc.oneof(fc.bigInt(1n, 1_000n), fc.bigInt(1n, 2n ** 62n), edge),
  everyMs: fc.oneof(fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 1, max: YEAR_MS })),
});
const part = fc.bigInt(0n, 2n ** 53n);
const elapsed = fc.oneof(fc.integer({ min: 1, max: 100_000 }), fc.integer({ min: 1, max: 1e13 }));

test.prop([fc.oneof(fc.maxSafeInteger(), fc.integer())])(
  "a number is a BigInt, and the same again",
  (value) => {
    expect(bigIntOf(value)).toBe(BigInt(value));
    expect(numberOf(BigInt(value))).toBe(value === 0 ? 0 : value);
  },
);

test.prop([fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n)])("a BigInt is the nearest number", (value) => {
  expect(numberOf(value)).toBe(Number(value));
});

describe("a refill in numbers is the one in whole numbers of any size", () => {
  test.prop([refill, part, elapsed, upTo(2n ** 63n)])("by what has come back", (refill, of, ms, far) => {
    const { amount, every } = reduced(refill);
    const carry = of % every;
    const come = BigInt(ms) * amount + carry;
    const expected = come / every >= far ? undefined : { units: come / every, carry: come % every };
    expect(comeIn(refill, ms, carry, far)).toEqual(expected);
  });

  test.prop([fc.integer({ min: 1, max: YEAR_MS }), edge, fc.bigInt(-2n, 2n)])(
    "by what has come back where numbers cease to be exact",
    (everyMs, parts, by) => {
      const refill = { amount: 1n, everyMs };
      const elapsed = parts - (parts % BigInt(everyMs)) + by;
      if (elapsed < 1n || elapsed > 2n ** 53n) return;
      const { every } = reduced(refill);
      const far = 2n ** 53n - 1n;
      for (const carry of [0n, every - 1n]) {
        const come = elapsed + carry;
        const [units, left] = [come / every, come % every];
        expect(comeIn(refill, Number(elapsed), carry, far)).toEqual(
          units >= far ? undefined : { units, carry: left },
        );
      }
    },
  );

  test.prop([refill, part, upTo(2n ** 63n)])("by how long units take", (refill, of, some) => {
    const { amount, every } = reduced(refill);
    const [carry, units] = [of % every, some % (REFILL_PRODUCT_MAX / every + 1n)];
    expect(BigInt(timeFor(refill, units, carry))).toBe((units * every - carry + amount - 1n) / amount);
  });
});

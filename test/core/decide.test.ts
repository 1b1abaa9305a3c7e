import { fc, test } from "@fast-check/vitest";
import { describe, expect, it } from "vitest";
import type { Counter } from "../../src/core/counter.ts";
import { decide, isRefusal } from "../../src/core/decide.ts";
import { INT64_MAX, INT64_MIN } from "../../src/core/int64.ts";
import { create, decrement, increment, reset, set } from "../support/calls.ts";

const AS_OF = { now: 0, calendar: undefined };
const UNTIMED = { window: undefined, refill: undefined, idleTtlMs: undefined, timing: undefined };

/** Counters anywhere in int64, some at its very edges, whose value lies within their bounds. */
const int64 = fc.oneof(
  fc.bigInt(INT64_MIN, INT64_MAX),
  fc.bigInt(-10n, 10n),
  fc.constantFrom(INT64_MIN, INT64_MIN + 1n, INT64_MAX - 1n, INT64_MAX),
);
const counter: fc.Arbitrary<Counter> = fc
  .tuple(
    fc.array(int64, { minLength: 4, maxLength: 4 }),
    fc.boolean(),
    fc.boolean(),
    fc.boolean(),
    fc.boolean(),
  )
  .map(([numbers, hasMin, hasMax, clamp, monotonic]) => {
    const [min, value, initial, max] = [...numbers].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)) as [
      bigint,
      bigint,
      bigint,
      bigint,
    ];
    return {
      uid: "u",
      value,
      initial,
      min: hasMin ? min : undefined,
      max: hasMax ? max : undefined,
      clamp,
      monotonic,
      revision: 7,
      updateTime: 0,
      settingsRevision: 2,
      ...UNTIMED,
    };
  });
const amount = fc.oneof(fc.bigInt(1n, 10n), fc.bigInt(1n, INT64_MAX), fc.constant(INT64_MAX));
const anyOp = fc.oneof(
  amount.map((by) => increment("a", by)),
  amount.map((by) => decrement("a", by)),
  int64.map((to) => set("a", to)),
  fc.constant(reset("a")),
);

describe("one operation on one counter", () => {
  test.prop([counter, anyOp])(
    "the value stays within the bounds and within int64, whatever is asked",
    (c, op) => {
      const value = decide(c, op, AS_OF);
      if (isRefusal(value)) return;
      expect(value >= (c.min ?? INT64_MIN) && value <= (c.max ?? INT64_MAX)).toBe(true);
    },
  );

  test.prop([counter, amount])(
    "an increment adds exactly, or is refused exactly when it does not fit",
    (c, by) => {
      const fits = c.value + by <= (c.max ?? INT64_MAX);
      const value = decide(c, increment("a", by), AS_OF);
      if (fits) expect(value).toBe(c.value + by);
      else if (c.clamp) expect(value).toBe(c.max ?? INT64_MAX);
      else
        expect(value).toMatchObject({
          code: "ABOVE_MAX",
          value: c.value,
          requested: by,
          max: c.max ?? INT64_MAX,
        });
    },
  );

  test.prop([counter, amount])("a decrement mirrors the increment", (c, by) => {
    fc.pre(!c.monotonic);
    const fits = c.value - by >= (c.min ?? INT64_MIN);
    const value = decide(c, decrement("a", by), AS_OF);
    if (fits) expect(value).toBe(c.value - by);
    else if (c.clamp) expect(value).toBe(c.min ?? INT64_MIN);
    else
      expect(value).toMatchObject({
        code: "BELOW_MIN",
        value: c.value,
        requested: by,
        min: c.min ?? INT64_MIN,
      });
  });

  test.prop([counter, anyOp])("a monotonic counter never goes down", (c, op) => {
    const value = decide({ ...c, monotonic: true }, op, AS_OF);
    if (!isRefusal(value)) expect(value >= c.value).toBe(true);
  });

  test.prop([counter, anyOp])("judging changes nothing, and judges the same again", (c, op) => {
    const frozen = Object.freeze({ ...c });
    expect(decide(frozen, Object.freeze(op), AS_OF)).toEqual(decide(c, op, AS_OF));
  });

  it("judges in order: existence, etag, state, bounds", () => {
    const full: Counter = {
      uid: "u",
      value: 5n,
      initial: 0n,
      min: 0n,
      max: 5n,
      clamp: false,
      monotonic: true,
      ...UNTIMED,
      revision: 3,
      updateTime: 0,
      settingsRevision: 2,
    };
    const code = (c: Counter | undefined, op: Parameters<typeof decide>[1]) =>
      (decide(c, op, AS_OF) as { code?: string }).code;
    expect(code(undefined, set("a", 9n, { etag: "x" }))).toBe("COUNTER_NOT_FOUND");
    expect(code(full, set("a", -9n, { etag: "x" }))).toBe("ETAG_MISMATCH");
    expect(code(full, set("a", -9n, { etag: "u.3" }))).toBe("MONOTONIC");
    expect(code({ ...full, monotonic: false }, set("a", -9n, { etag: "u.3" }))).toBe("VALUE_OUTSIDE_BOUNDS");
    expect(code(full, create("a", { max: -1n }))).toBe("COUNTER_EXISTS");
  });
});

import { describe, expect, it } from "vitest";
import { changeJson, changeLine, liveLines, sparkline } from "../../src/cli/watch/lines.ts";
import { type Seen, Watched } from "../../src/cli/watch/watched.ts";

const at = (value: bigint, uid = "u1"): Seen => ({ value, uid });
const missing: Seen = { reason: "COUNTER_NOT_FOUND" };
const time = new Date(Date.UTC(2026, 10, 22));

function watched(...seen: readonly Seen[]): { counter: Watched; moved: (bigint | undefined)[] } {
  const counter = new Watched("visits");
  return { counter, moved: seen.map((read, i) => counter.update(read, 1_000 + i * 500)) };
}

describe("a watched counter", () => {
  it("moves by what its value differs, and has a rate a second", () => {
    const { counter, moved } = watched(at(10n), at(15n), at(15n), at(12n));
    expect(moved).toEqual([0n, 5n, undefined, -3n]);
    expect(counter.rates).toEqual([10, 0, -6]);
  });

  it("is exact where a number is not", () => {
    const { moved } = watched(at(2n ** 62n), at(2n ** 62n + 1n));
    expect(moved).toEqual([0n, 1n]);
  });

  it("that is missing is told once, and again when it goes", () => {
    const { counter, moved } = watched(missing, missing, at(5n), at(6n), missing, missing);
    expect(moved).toEqual([0n, undefined, 0n, 1n, 0n, undefined]);
    expect(counter.rates).toEqual([]);
  });

  it("that was made anew has no rate from the one before", () => {
    const { counter, moved } = watched(at(1_000n), at(1_001n), at(3n, "u2"));
    expect(moved).toEqual([0n, 1n, 0n]);
    expect(counter.rates).toEqual([]);
  });

  it("remembers its last rates only", () => {
    const { counter } = watched(...Array.from({ length: 100 }, (_, i) => at(BigInt(i * i))));
    expect(counter.rates).toHaveLength(30);
    expect(counter.rates.at(-1)).toBe(2 * (99 ** 2 - 98 ** 2));
  });
});

describe("its line", () => {
  it("on a terminal has value, rate and a sparkline, in columns", () => {
    const many = watched(at(0n), at(100n), at(150n)).counter;
    const none = new Watched("x");
    none.update(missing, 0);
    expect(liveLines([many, none], time)).toEqual([
      "visits                  150      +100/s  █▅",
      "x       no such counter yet",
    ]);
  });

  it("has in how long time will do something to it", () => {
    const timeIn = (ms: number) => new Date(time.getTime() + ms);
    const daily = watched({ ...at(5n), windowEnd: timeIn(8 * 3_600_000 + 59_001) }).counter;
    const bucket = watched({
      ...at(10n),
      fullTime: timeIn(3_334),
      expireTime: timeIn(30 * 86_400_000),
    }).counter;
    const late = watched({ ...at(0n), windowEnd: timeIn(-5) }).counter; // By the server's clock it has not ended.
    expect(liveLines([daily, bucket, late, watched(at(7n)).counter], time)).toEqual([
      "visits   5  window ends in 8h1m",
      "visits  10  full in 4s, gone in 30d",
      "visits   0  window ends in 0s",
      "visits   7",
    ]);
    expect(changeJson(time, daily, 0n)).toMatchObject({ windowEnd: "2026-11-22T08:00:59.001Z" });
    expect(changeJson(time, bucket, 0n)).toMatchObject({
      fullTime: "2026-11-22T00:00:03.334Z",
      expireTime: "2026-12-22T00:00:00.000Z",
    });
  });

  it("of a change says when, and by how much", () => {
    const { counter } = watched(at(7n), at(4n));
    expect(changeLine(time, counter, -3n)).toBe("2026-11-22T00:00:00.000Z  visits  4  -3");
    expect(changeJson(time, counter, -3n)).toEqual({
      time: "2026-11-22T00:00:00.000Z",
      name: "visits",
      value: "4",
      change: "-3",
      perSecond: -6,
    });
  });
});

it("a sparkline is as high as its highest, and lowest at 0 and below", () => {
  expect(sparkline([0, 1, 4, 8, -5])).toBe("▁▂▅█▁");
  expect(sparkline([0, 0])).toBe("▁▁");
});

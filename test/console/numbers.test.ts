import { describe, expect, it } from "vitest";
import { countFault, formatCount, parseCount, shortCount } from "../../src/console/numbers.ts";

describe("a count that a person reads", () => {
  it.each([
    [0n, "0"],
    [-1_000n, "-1,000"],
    [2n ** 53n + 1n, "9,007,199,254,740,993"],
    [2n ** 63n - 1n, "9,223,372,036,854,775,807"],
    [-(2n ** 63n), "-9,223,372,036,854,775,808"],
  ])("%s has every digit, and is read back as it was", (value, text) => {
    expect(formatCount(value)).toBe(text);
    expect(parseCount(text)).toBe(value);
  });
});

describe("a count beside a plot", () => {
  it.each([
    [0, "0"],
    [-500, "-500"],
    [1_250_000, "1.25M"],
    [999e12, "999T"],
    [5e18, "5E18"],
    [-(2 ** 63), "-9.2E18"],
  ])("%d is %s", (count, text) => expect(shortCount(count)).toBe(text));
});

const TOO_LARGE = "It is too large: 9,223,372,036,854,775,807 at most.";

describe("a count that a person types", () => {
  it.each([
    [" 42 ", 42n],
    ["+7", 7n],
    ["\u22127", -7n],
    ["1,234,567", 1_234_567n],
    ["1 234", 1_234n],
    ["1_234", 1_234n],
    ["007", 7n],
  ])("%j is %s", (text, value) => expect(parseCount(text)).toBe(value));

  it.each([
    ["1,5", "may mean one and a half"],
    ["12,34", "is not in groups of three"],
    ["1,2345", "is not in groups of three"],
    ["1.5", "is no whole number"],
    ["1.000", "may mean one"],
    ["1e3", "is no plain number"],
    ["0x10", "is no plain number"],
    ["", "is nothing"],
    ["-", "is nothing"],
    ["9223372036854775808", "is above int64"],
    ["-9,223,372,036,854,775,809", "is below int64"],
  ])("%j %s, so it is none, and the person is told", (text) => {
    expect(parseCount(text)).toBeUndefined();
    expect(countFault(text)).toBeDefined();
  });

  it.each([
    ["1", undefined, undefined],
    ["9,223,372,036,854,775,807", undefined, undefined],
    ["-9,223,372,036,854,775,808", undefined, "A whole number from 1."],
    ["0", undefined, "A whole number from 1."],
    ["x", "A whole number, with commas between thousands or without: 1,000.", "A whole number from 1."],
    ["9223372036854775808", TOO_LARGE, TOO_LARGE],
    [
      "-9223372036854775809",
      "It is too small: -9,223,372,036,854,775,808 at least.",
      "A whole number from 1.",
    ],
  ])("what is wrong with %j is %j, and as an amount %j", (text, asCount, asAmount) =>
    expect([countFault(text), countFault(text, true)]).toEqual([asCount, asAmount]),
  );
});

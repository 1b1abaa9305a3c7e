import { InvalidArgumentError } from "commander";

/** What a person wrote, as the number of a counter; it is never a float on its way. */
export function int64(text: string): bigint {
  return wholeNumber(text, INT64_MIN, INT64_MAX);
}

/** An amount to add or to subtract. */
export function amount(text: string): bigint {
  return wholeNumber(text, 1n, INT64_MAX);
}

/** The same, or 0: what only asks. */
export function amountOrNone(text: string): bigint {
  return wholeNumber(text, 0n, INT64_MAX);
}

function wholeNumber(text: string, min: bigint, max: bigint): bigint {
  const value = /^[+-]?\d{1,40}$/.test(text) ? BigInt(text.replace("+", "")) : undefined;
  if (value === undefined || value < min || value > max)
    throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
  return value;
}

/** A parser for an option that takes a small whole number. */
export function wholeNumberOption(min: number, max: number): (text: string) => number {
  return (text) => Number(wholeNumber(text, BigInt(min), BigInt(max)));
}

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

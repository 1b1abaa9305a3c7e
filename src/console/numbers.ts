import { INT64_MAX, INT64_MIN } from "../core/int64.ts";

const FORMAT = new Intl.NumberFormat("en");

/** A count for people, every digit of it: 9,223,372,036,854,775,807. */
export function formatCount(value: bigint): string {
  return FORMAT.format(value);
}

/**
 * What a person typed as a count.
 *
 * Commas, spaces and underscores may stand between groups of three digits and nowhere else: who types 1,5 means one
 * and a half, and is not to get 15.
 *
 * @returns  an int64, or undefined when it is none
 */
export function parseCount(text: string): bigint | undefined {
  const value = parseWhole(text);
  return value !== undefined && value >= INT64_MIN && value <= INT64_MAX ? value : undefined;
}

/**
 * What is wrong with what a person typed as a count, for them.
 *
 * @param isAmount  whether it is from 1
 * @returns         undefined when nothing is
 */
export function countFault(text: string, isAmount = false): string | undefined {
  const value = parseWhole(text);
  if (isAmount && (value === undefined || value < 1n)) return "A whole number from 1.";
  if (value === undefined) return "A whole number, with commas between thousands or without: 1,000.";
  if (value > INT64_MAX) return `It is too large: ${formatCount(INT64_MAX)} at most.`;
  return value < INT64_MIN ? `It is too small: ${formatCount(INT64_MIN)} at least.` : undefined;
}

/** An integer of any size. */
function parseWhole(text: string): bigint | undefined {
  const trimmed = text.trim().replace("\u2212", "-");
  if (!/^[+-]?(\d+|\d{1,3}([,_ \u00a0\u202f]\d{3})+)$/.test(trimmed)) return undefined;
  return BigInt(trimmed.replace(/^\+|[,_ \u00a0\u202f]/g, ""));
}

/** As a text that has room beside a plot: "20K", "1.25M"; beyond what there are letters for "9E18". */
export function shortCount(count: number): string {
  return (Math.abs(count) < 1e15 ? COMPACT : SCIENTIFIC).format(count);
}

const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 2 });
const SCIENTIFIC = new Intl.NumberFormat("en", { notation: "scientific", maximumFractionDigits: 1 });

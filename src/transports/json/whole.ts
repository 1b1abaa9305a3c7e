import { CAPITAL_E, DIGIT_0, DOT, isDigit, LETTER_E, MINUS, QUOTE } from "./characters.ts";
import { Fault } from "./fault.ts";
import type { JsonReader } from "./parse.ts";

/**
 * A whole number in plain decimal, in quotes or not, which is next in a text.
 *
 * @param range    what it must be, in words, where that is less than so many bits hold
 * @returns  a number where it holds the value exactly; else, or in seldom cases, a bigint
 * @throws Fault
 */
export function readWhole(text: JsonReader, bits: 32 | 64, range?: string): number | bigint {
  const isText = text.next() === QUOTE;
  const start = text.at;
  const short = shortWhole(text, isText);
  if (short !== undefined && (bits === 64 || short === (short | 0))) return short;
  text.at = start;
  return anyWhole(text, isText, bits, range);
}

/** One of at most 15 digits, without a string in between; undefined if it is anything else. */
function shortWhole(text: JsonReader, isText: boolean): number | undefined {
  const { bytes } = text;
  let at = isText ? text.at + 1 : text.at;
  const isNegative = bytes[at] === MINUS;
  if (isNegative) at++;
  const first = at;
  let value = 0;
  for (; isDigit(bytes[at]!); at++) value = value * 10 + (bytes[at]! - DIGIT_0);
  const digits = at - first;
  if (digits === 0 || digits > 15 || (digits > 1 && bytes[first] === DIGIT_0)) return undefined;
  const next = bytes[at];
  if (isText ? next !== QUOTE : next === DOT || next === LETTER_E || next === CAPITAL_E) return undefined;
  text.at = isText ? at + 1 : at;
  return isNegative ? -value : value;
}

function anyWhole(text: JsonReader, isText: boolean, bits: 32 | 64, range: string | undefined): bigint {
  const start = text.at;
  if (isText) text.string();
  else if (text.bytes[start] === MINUS || isDigit(text.bytes[start]!)) text.number();
  else throw new Fault(WHOLE, start);
  const source = text.value();
  if (!/^-?(0|[1-9][0-9]{0,18})$/.test(source)) throw new Fault(WHOLE, start);
  const value = BigInt(source);
  if (value !== BigInt.asIntN(bits, value)) {
    const beyond = 1n << BigInt(bits - 1);
    throw new Fault(range ?? `must be ${-beyond} to ${beyond - 1n}`, start);
  }
  if (!isText && !Number.isSafeInteger(Number(source))) {
    throw new Fault("must be a string beyond 2^53-1, because a JSON number loses digits there", start);
  }
  return value;
}

const WHOLE = "must be a whole number in plain decimal";

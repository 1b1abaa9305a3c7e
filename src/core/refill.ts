import { bigIntOf, numberOf } from "./int64.ts";

/** How a value moves toward initial as time passes: so much in so much time, never past it. */
export interface Refill {
  /** 1 to max - min. */
  readonly amount: bigint;
  /** In milliseconds: 1 ms to 366 days. */
  readonly everyMs: number;
}

/** A refill in lowest terms: what a row's remainder is counted in, and what SQL reckons with. */
export interface ReducedRefill {
  readonly amount: bigint;
  readonly every: bigint;
  /** The same as numbers. The amount is not exact beyond 2^53, where whatever it is multiplied with is beyond that too. */
  readonly amountNumber: number;
  readonly everyNumber: number;
}

/** `(max - min) * every` of a reduced refill is at most this, so that no product overflows, in SQL either. */
export const REFILL_PRODUCT_MAX = 2n ** 62n;

/** The same refill in lowest terms; reckoned once for each, as one is met with each change of its counters. */
export function reduced(refill: Refill): ReducedRefill {
  let known = REDUCED.get(refill);
  if (known === undefined) {
    known = reduce(refill);
    REDUCED.set(refill, known);
  }
  return known;
}

const REDUCED = new WeakMap<Refill, ReducedRefill>();

function reduce({ amount, everyMs }: Refill): ReducedRefill {
  let [a, b] = [everyMs, Number(amount % BigInt(everyMs))]; // From here on numbers: both are below 2^53.
  while (b !== 0) [a, b] = [b, a % b];
  const divisor = BigInt(a);
  const [least, every] = [amount / divisor, everyMs / a];
  return { amount: least, every: BigInt(every), amountNumber: Number(least), everyNumber: every };
}

/** What has come back in some time: whole units, and the rest of one. */
export interface Come {
  readonly units: bigint;
  readonly carry: bigint;
}

/**
 * What comes back in a time. In numbers where these are exact, which is nearly always: they take a tenth of the time.
 *
 * @param elapsedMs  a whole number, 0 and up
 * @param carry      what had come beyond whole units before: 0 up to `every` of the reduced refill
 * @param far        how far it is to initial, 0 and up
 * @returns          undefined when that has come, or more
 */
export function comeIn(refill: Refill, elapsedMs: number, carry: bigint, far: bigint): Come | undefined {
  const { amount, every, amountNumber, everyNumber } = reduced(refill);
  const parts = elapsedMs * amountNumber + numberOf(carry);
  // Below 2^53 the product and the sum are exact, and so is the floor of the quotient; beyond it none rounds to below it.
  if (parts < EXACT_BELOW && far < FAR_BELOW) {
    const units = Math.floor(parts / everyNumber);
    if (units >= numberOf(far)) return undefined;
    return { units: bigIntOf(units), carry: bigIntOf(parts - units * everyNumber) };
  }
  const come = BigInt(elapsedMs) * amount + carry;
  const units = come / every;
  return units >= far ? undefined : { units, carry: come % every };
}

/**
 * In how many milliseconds so many units come back, rounded up. In numbers where these are exact.
 *
 * @param units  0 and up
 * @param carry  as in comeIn
 */
export function timeFor(refill: Refill, units: bigint, carry: bigint): number | bigint {
  const { amount, every, amountNumber, everyNumber } = reduced(refill);
  const whole = Number(units) * everyNumber + amountNumber;
  if (whole < EXACT_BELOW) return Math.trunc((whole - Number(carry) - 1) / amountNumber);
  return (units * every - carry + amount - 1n) / amount;
}

const EXACT_BELOW = 2 ** 53;
const FAR_BELOW = 2n ** 53n;

/** A refill as a text that no other has: "3/1000". */
export function refillToText({ amount, everyMs }: Refill): string {
  return `${amount}/${everyMs}`;
}

/**
 * The refill of such a text; undefined when it is none. The same object for the same text, mostly: many counters have the
 * same refill, and where each had one of its own, all of them would be looked up in memory that nobody has just used.
 */
export function refillFromText(text: string): Refill | undefined {
  const known = KNOWN.get(text);
  if (known !== undefined) return known;
  const [, amount, everyMs] = /^([1-9]\d{0,18})\/([1-9]\d{0,10})$/.exec(text) ?? [];
  if (amount === undefined) return undefined;
  const refill = { amount: BigInt(amount), everyMs: Number(everyMs) };
  if (KNOWN.size >= KNOWN_MAX) KNOWN.clear();
  KNOWN.set(text, refill);
  return refill;
}

const KNOWN = new Map<string, Refill>();
/** More than anybody has; some 200 KB. */
const KNOWN_MAX = 1_000;

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
  return { amount: amount / divisor, every: BigInt(everyMs) / divisor };
}

/** A refill as a text that no other has: "3/1000". */
export function refillToText({ amount, everyMs }: Refill): string {
  return `${amount}/${everyMs}`;
}

/** The refill of such a text; undefined when it is none. */
export function refillFromText(text: string): Refill | undefined {
  const [, amount, everyMs] = /^([1-9]\d{0,18})\/([1-9]\d{0,10})$/.exec(text) ?? [];
  return amount === undefined ? undefined : { amount: BigInt(amount), everyMs: Number(everyMs) };
}

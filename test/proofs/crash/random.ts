/** Random numbers that a seed repeats. */
export interface Random {
  /** 0 to below 1. */
  fraction(): number;
  /** A whole number from `from` to `to`, both included. */
  between(from: number, to: number): number;
  pick<T>(items: readonly T[]): T;
  /** Another generator, independent of how far this one goes on. */
  fork(): Random;
}

/** Mulberry32: 32 bits of state are plenty for choosing what to do next. */
export function seededRandom(seed: number): Random {
  let state = seed | 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  const random: Random = {
    fraction: () => next() / 2 ** 32,
    between: (from, to) => from + Math.floor((next() / 2 ** 32) * (to - from + 1)),
    pick: (items) => items[random.between(0, items.length - 1)]!,
    fork: () => seededRandom(next()),
  };
  return random;
}

/** A seed for a run that was given none; the run prints it. */
export function freshSeed(): number {
  return Math.floor(Math.random() * 2 ** 31);
}

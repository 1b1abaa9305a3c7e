import type { Clock } from "./clock.ts";

/** The same function, at most once in ten seconds: on a full disk every commit may fail, and an operator need not read so of each. */
export function seldom<What>(clock: Clock, tell: (what: What) => void): (what: What) => void {
  let nextAtMs = Number.NEGATIVE_INFINITY;
  return (what) => {
    const now = clock.monotonic();
    if (now < nextAtMs) return;
    nextAtMs = now + TELLINGS_APART_MS;
    tell(what);
  };
}

const TELLINGS_APART_MS = 10_000;

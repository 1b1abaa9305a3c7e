/** How much a test tries: the gate takes the short form, and `npm run test:stores-long` the long one. */
import type { StoreKind } from "./stores.ts";

/** Whether this is the long form. */
export const FULL = process.env.TALLY_TEST_FULL === "1";

/**
 * How many cases of a property are tried on a store. The rules are the same code on all of them, and in memory all are tried,
 * for they cost least there; on the others the short form tries a third, of what only they have: rows, and what crosses.
 */
export function casesOn(kind: StoreKind, all: number): number {
  return FULL || kind.name === "memory" ? all : Math.ceil(all / 3);
}

import { fc } from "@fast-check/vitest";
import { expect, it } from "vitest";
import { histories } from "../../proofs/twins/history.ts";
import { Pair, Tally } from "../../proofs/twins/pair.ts";
import type { StoreKind } from "../../support/stores.ts";

/** The short form of `npm run test:twins`. */
export function twinsSuite(kind: StoreKind): void {
  it("does what the memory store does", async () => {
    const tally = new Tally();
    const pair = await Pair.open(kind.open, { tally });
    try {
      await fc.assert(
        histories(() => pair, 40),
        { numRuns: 25 },
      );
    } finally {
      await pair.dispose();
    }
    expect(tally.operations).toBeGreaterThan(1_000);
    expect(tally.replayed).toBeGreaterThan(10);
  });
}

import { expect } from "vitest";
import type { Batch, Outcomes } from "../../../src/core/columns.ts";
import type { Store } from "../../../src/service/store.ts";
import { Writer } from "../../../src/service/writer.ts";
import { apply, create, set, take, takes } from "../../support/calls.ts";
import type { Opened } from "../../support/opened.ts";
import { instead } from "../../transports/door.ts";
import { expectLogLeadsTo, read } from "./time-log.ts";

const CALLERS = 64;
const BURST = 500n;
/** Seven in three milliseconds: neither divides the other. */
const REFILL = { amount: 7n, everyMs: 3 };

/**
 * Goal: a token bucket decides exactly, take by take, whoever takes and whenever.
 *
 * Method: 64 callers take at once through the writer, again and again while time passes. The order of the takes is that of
 * the commits. A model counts thirds of a token, in whole numbers; each decision, and what remains, must be the model's.
 * (They are compared without `expect`, which would take half of the test's time.)
 */
export async function bucketOfMany(opened: Opened, takesMin: number): Promise<void> {
  const seed = Math.floor(Math.random() * 2 ** 32);
  const random = mulberry(seed);
  const committed: { batch: Batch; outcomes: Outcomes; now: number }[] = [];
  const watched: Store = instead(opened.store, {
    async commit(batch) {
      const kept = structuredClone(batch); // The store may take over its buffers.
      const outcomes = await opened.store.commit(batch);
      committed.push({ batch: kept, outcomes, now: opened.now() });
      return outcomes;
    },
  });
  const writer = new Writer(watched, opened.clock);
  await apply(opened.store, create("bucket", { min: 0n, max: BURST, refill: REFILL }));
  const began = opened.now();
  let [units, since, taken, allowed, judged] = [0n, began, 0n, 0, 0];
  for (let round = 0; judged < takesMin; round++) {
    await Promise.all(
      Array.from({ length: CALLERS }, () => {
        const ops = Array.from({ length: random() < 0.1 ? 2 : 1 }, () =>
          take("bucket", BigInt(1 + Math.floor(random() * 4))),
        );
        const waiter = { deadline: Number.POSITIVE_INFINITY, cancelled: () => false };
        return writer.submit({ ...takes(ops), ...waiter });
      }),
    );
    for (const { batch, outcomes, now } of committed.splice(0)) {
      units -= BigInt(now - since) * REFILL.amount;
      if (units < 0n) units = 0n;
      since = now;
      let first = 0;
      for (const end of batch.calls.ends) {
        let [would, all] = [units, true];
        for (let i = first; i < end; i++, judged++) {
          const after = would + batch.ops.amounts[i]! * BigInt(REFILL.everyMs);
          const fits = after <= BURST * BigInt(REFILL.everyMs);
          if (outcomes.verdicts.get(i)!.allowed !== fits)
            expect.fail(`seed ${seed}, round ${round}, take ${i}: allowed is not ${fits}`);
          if (fits) would = after;
          else all = false;
        }
        if (all) {
          taken += (would - units) / BigInt(REFILL.everyMs);
          units = would;
          allowed++;
        }
        const used = (units + BigInt(REFILL.everyMs) - 1n) / BigInt(REFILL.everyMs);
        for (let i = first; i < end; i++) {
          const { remaining } = outcomes.verdicts.get(i)!.limit!;
          if (remaining !== BURST - used)
            expect.fail(`seed ${seed}, round ${round}, take ${i}: ${remaining} is not ${BURST - used}`);
        }
        first = end;
      }
      // Never more than burst + rate x time.
      expect(taken).toBeLessThanOrEqual(
        BURST + (BigInt(now - began) * REFILL.amount) / BigInt(REFILL.everyMs),
      );
    }
    await opened.pass(Math.floor(random() * 60));
  }
  expect(allowed).toBeGreaterThan(takesMin / 10);
  expect(allowed).toBeLessThan((takesMin * 9) / 10);
  expect((await read(opened.store, "bucket")).value).toBeLessThanOrEqual(BURST);
  await apply(opened.store, set("bucket", 1n)); // Until then the log has not met what the refill gave back at the end.
  await expectLogLeadsTo(opened.store);
}

/** A small generator that a seed repeats. */
function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

import { fc } from "@fast-check/vitest";
import { expect } from "vitest";
import { DEFAULTS } from "../../../src/core/settings.ts";
import { Policies } from "../../../src/service/policies.ts";
import { apply, decrement, increment, set } from "../../support/calls.ts";
import { casesOn } from "../../support/full.ts";
import type { StoreKind } from "../../support/stores.ts";
import { type It, MINUTE, tidy } from "./time-log.ts";

/**
 * Goal: whatever policies come and go that say something of time, on prefixes of each other, every operation is answered,
 * and what is settled is settled: a sweep after a sweep changes nothing.
 * Method: random policies, operations, sweeps and minutes that pass, on few names.
 */
export function policiesOfTime(kind: StoreKind, it_: It): void {
  it_("of time come to an end, however they come and go, and what is settled stays so", async (opened) => {
    const { store } = opened;
    const policies = new Policies(store.catalogue!);
    let histories = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
        const at = `t${histories++}.`;
        const all = NAMES.map((name) => at + name);
        for (const todo of steps) {
          if (todo === "sweep") {
            await tidy(store);
            const swept = await store.get(all);
            await tidy(store);
            expect(await store.get(all)).toEqual(swept);
          } else if (typeof todo === "number") await opened.pass(todo * MINUTE);
          else if ("prefix" in todo) {
            const { prefix, settings } = todo;
            if (settings === undefined) await policies.remove(at + prefix);
            else await policies.set(at + prefix, { ...DEFAULTS, ...settings }, "enforce");
          } else {
            const result = await apply(store, todo.op(at + todo.name));
            if ("code" in result) expect(REFUSALS).toContain(result.code);
          }
        }
        for (const prefix of PREFIXES) await policies.remove(at + prefix);
        await tidy(store);
      }),
      { numRuns: casesOn(kind, 400), verbose: 1 },
    );
  });
}

const NAMES = ["a.x", "a.b.y"];
const PREFIXES = ["", "a.", "a.b."];
const REFUSALS = ["ABOVE_MAX", "BELOW_MIN", "VALUE_OUTSIDE_BOUNDS", "COUNTER_NOT_FOUND"];
const ofTime = fc.constantFrom(
  {},
  { window: { everyMs: 2 * MINUTE, anchorMs: 0 } },
  { window: { everyMs: 5 * MINUTE, anchorMs: 0 }, initial: 2n },
  { idleTtlMs: BigInt(3 * MINUTE) },
  { refill: { amount: 1n, everyMs: MINUTE } },
);
const settings = fc.tuple(fc.bigInt(2n, 6n), ofTime).map(([max, time]) => ({ min: 0n, max, ...time }));
const step = fc.oneof(
  { weight: 2, arbitrary: fc.constant("sweep" as const) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 4 }) },
  {
    weight: 4,
    arbitrary: fc.record({
      prefix: fc.constantFrom(...PREFIXES),
      settings: fc.option(settings, { nil: undefined, freq: 3 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      name: fc.constantFrom(...NAMES),
      op: fc.tuple(fc.constantFrom(increment, decrement, set), fc.bigInt(0n, 12n)).map(
        ([of, n]) =>
          (name: string) =>
            of(name, n),
      ),
    }),
  },
);

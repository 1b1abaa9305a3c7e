import { expect, it } from "vitest";
import { batch, commit, increment, remove } from "../../support/calls.ts";
import type { StoreKind } from "../../support/stores.ts";
import { using } from "./using.ts";

/** How much a store says that it has: see Store.size. */
export function sizeSuite(kind: StoreKind): void {
  const it_ = using(kind, it);
  const names = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `c${from + i}`);

  it_("few counters are counted, and those that are gone are not among them", async ({ store }) => {
    expect((await store.size()).counters).toBe(0);
    await commit(store, batch(names(0, 300).map((name) => increment(name))));
    await commit(store, batch(names(0, 100).map((name) => remove(name))));
    const { counters, bytes, roomBytes } = await store.size();
    expect(counters).toBe(200);
    if (kind.name === "memory") expect(bytes).toBeUndefined();
    else expect(bytes).toBeGreaterThan(10_000);
    if (kind.name === "sqlite") expect(roomBytes).toBeGreaterThan(2 ** 20);
    else expect(roomBytes).toBeUndefined();
  });

  it_("many are estimated, whichever are gone", async ({ store }) => {
    for (let from = 0; from < 24_000; from += 8_000)
      await commit(store, batch(names(from, from + 8_000).map((name) => increment(name))));
    await commit(
      store,
      batch(
        names(0, 8_000)
          .filter((_, i) => i % 2 === 0)
          .map((name) => remove(name)),
      ),
    );
    const { counters } = await store.size();
    // PostgreSQL knows no more before it has analyzed the table than that there are more than it counts.
    expect(counters).toBeGreaterThan(kind.name === "postgres" ? 10_000 : 18_000);
    expect(counters).toBeLessThan(22_000);
  });
}

import { expect, it } from "vitest";
import { apply, create, increment, remove, update } from "../../support/calls.ts";
import type { StoreKind } from "../../support/stores.ts";
import { idleCounters } from "./time-idle.ts";
import { ALL, type It, MINUTE, quota, read } from "./time-log.ts";
import { refills } from "./time-refills.ts";
import { tidying } from "./time-tidying.ts";
import { windows } from "./time-windows.ts";
import { using } from "./using.ts";

/** What time does to counters: windows that end, refills, idle TTLs. Each is seen at once, and written down once. */
export function timeSuite(kind: StoreKind): void {
  const it_ = using(kind, it);
  windows(it_);
  refills(it_);
  idleCounters(it_);
  tidying(it_);
  copies(it_);
}

function copies(it_: It): void {
  it_("a store that is opened for a copy gives counters as they are stored", async (opened) => {
    const now = opened.now();
    const timing = {
      windowStart: now - MINUTE,
      windowEnd: now,
      refillTime: undefined,
      refillCarry: 0n,
      due: now,
    };
    await apply(opened.store, create("q", quota(opened)));
    const made = await read(opened.store, "q");
    await apply(opened.store, remove("q"));
    const fresh = opened.store.traits.durability === "none";
    if (!fresh) return; // Copies of durable stores are in moving.test.ts.
    const store = await opened.reopen("copyTo");
    const generations = [{ id: 0, openedMs: 0, closedMs: undefined }];
    await store.copying!.beginImport({ storeId: "other", state: "1", runMs: 0, generations });
    const stored = { ...made, value: 4n, timing };
    await store.copying!.import({ counters: [stored], progress: "1" });
    expect((await store.list(ALL, "", 9)).counters).toEqual([stored]);
  });
}

/** A store that keeps no windows, refills and idle TTLs refuses them: it never drops one. */
export function untimedSuite(kind: StoreKind): void {
  using(kind, it)("refuses the settings that it has no columns for", async ({ store }) => {
    await apply(store, increment("a"));
    for (const [field, settings] of [
      ["window", { window: { everyMs: 1_000, anchorMs: 0 } }],
      ["refill", { refill: { amount: 1n, everyMs: 1 }, min: 0n, max: 9n }],
      ["idle_ttl", { idleTtlMs: 1_000n }],
    ] as const) {
      expect(await apply(store, create("no", settings))).toMatchObject({ code: "INVALID_FIELD", field });
      expect(await apply(store, update("a", settings))).toMatchObject({ code: "INVALID_FIELD", field });
    }
    expect(await store.get(["no"])).toEqual([undefined]);
  });
}

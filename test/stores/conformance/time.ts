import { expect, it } from "vitest";
import { apply, create, remove } from "../../support/calls.ts";
import type { StoreKind } from "../../support/stores.ts";
import { idleCounters } from "./time-idle.ts";
import { ALL, type It, MINUTE, quota, read } from "./time-log.ts";
import { refills } from "./time-refills.ts";
import { tidying } from "./time-tidying.ts";
import { windows } from "./time-windows.ts";
import { using } from "./using.ts";

/** What time does to counters: windows that end, refills, idle TTLs. Each is seen at once, and written down once. */
export function timeSuite(kind: StoreKind): void {
  const it_ = using(kind, it, { handClock: true });
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

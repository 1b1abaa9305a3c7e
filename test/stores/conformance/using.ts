import { expect, type TestAPI } from "vitest";
import type { Opened } from "../../support/opened.ts";
import type { StoreKind } from "../../support/stores.ts";

/** A test that gets a store of its own, opened before and cleaned up after. */
export function using(kind: StoreKind, it: TestAPI, options: Parameters<StoreKind["open"]>[0] = {}) {
  return (name: string, test: (opened: Opened) => Promise<void>): void => {
    it(name, async () => {
      const opened = await kind.open(options);
      try {
        await test(opened);
      } finally {
        await opened.dispose();
      }
    });
  };
}

/** The time that a commit of this moment has, by the clock that the store goes by; for comparing with. */
export function timeNow({ store, clock }: Pick<Opened, "store" | "clock">): number {
  return store.traits.time === "process"
    ? clock.now()
    : (expect.closeTo(Date.now(), -5) as unknown as number);
}

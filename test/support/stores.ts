/** Every store that the conformance suite runs on, opened fresh for each test. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { v7 } from "uuid";
import { DEFAULT_RETENTION, type Retention, type Store } from "../../src/service/store.ts";
import { openStore } from "../../src/stores/open.ts";
import { HandClock } from "./clock.ts";

export interface Opened {
  readonly store: Store;
  readonly clock: HandClock;
  readonly warnings: string[];
  /** Close, and open what was kept again. A store without durability comes back empty. */
  reopen(): Promise<Store>;
  /** Close and clean up. */
  dispose(): Promise<void>;
}

export interface StoreKind {
  readonly name: string;
  open(options?: { retention?: Partial<Retention>; cachedCountersMax?: number }): Promise<Opened>;
}

export const STORES: readonly StoreKind[] = [
  kind("memory", () => "memory:"),
  kind("sqlite", (dir) => `sqlite:${join(dir, "tally.db")}`),
];

function kind(name: string, urlIn: (dir: string) => string): StoreKind {
  return {
    name,
    async open({ retention = {}, cachedCountersMax = 1_000 } = {}) {
      const dir = await mkdtemp(join(tmpdir(), "tally-test-"));
      const clock = new HandClock();
      const warnings: string[] = [];
      const options = {
        clock,
        newUid: () => v7(),
        retention: { ...DEFAULT_RETENTION, ...retention },
        cachedCountersMax,
        warn: (message: string) => void warnings.push(message),
      };
      let store = await openStore(urlIn(dir), options);
      return {
        get store() {
          return store;
        },
        clock,
        warnings,
        async reopen() {
          await store.close();
          clock.runMs = 5_000_000; // Another process, another arbitrary start.
          store = await openStore(urlIn(dir), options);
          return store;
        },
        async dispose() {
          await store.close();
          await rm(dir, { recursive: true, force: true });
        },
      };
    },
  };
}

/** Every store that the conformance suite runs on, opened fresh for each test. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { v7 } from "uuid";
import { DEFAULT_RETENTION, type Retention, type Store, type StoreOptions } from "../../src/service/store.ts";
import { openStore } from "../../src/stores/open.ts";
import { HandClock } from "./clock.ts";
import type { Need } from "./needs.ts";
import { POSTGRES } from "./postgres/programs.ts";
import { newSchema, sharedPostgres } from "./postgres/shared.ts";

export interface Opened {
  readonly store: Store;
  readonly clock: HandClock;
  readonly warnings: string[];
  /** Close, and open what was kept again, to be served if nothing else is said. Without durability it comes back empty. */
  reopen(purpose?: StoreOptions["purpose"]): Promise<Store>;
  /** Close and clean up. */
  dispose(): Promise<void>;
}

export interface StoreKind {
  readonly name: string;
  /** What must be installed for it. */
  readonly needs: readonly Need[];
  open(options?: { retention?: Partial<Retention>; cachedCountersMax?: number }): Promise<Opened>;
}

export const STORES: readonly StoreKind[] = [
  kind("memory", [], async () => "memory:"),
  kind("sqlite", [], async (dir) => `sqlite:${join(dir, "tally.db")}`),
  kind("postgres", [POSTGRES], async () => (await sharedPostgres()).url({ schema: newSchema() })),
];

/** @param newUrl  of a store that is not there yet, in a folder of its own if it is a file */
function kind(name: string, needs: readonly Need[], newUrl: (dir: string) => Promise<string>): StoreKind {
  return {
    name,
    needs,
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
      const url = await newUrl(dir);
      let store = await openStore(url, options);
      return {
        get store() {
          return store;
        },
        clock,
        warnings,
        async reopen(purpose) {
          await store.close();
          clock.runMs = 5_000_000; // Another process, another arbitrary start.
          store = await openStore(url, { ...options, purpose });
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

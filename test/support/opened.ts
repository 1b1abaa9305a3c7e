/** Opening a store for a test, of whatever kind. */
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { v7 } from "uuid";
import { DEFAULT_RETENTION, type Retention, type Store, type StoreOptions } from "../../src/service/store.ts";
import type { HistoryOptions } from "../../src/service/store-history.ts";
import { openStore } from "../../src/stores/open.ts";
import type { Metrics } from "../../src/telemetry/metrics.ts";
import { HandClock } from "./clock.ts";
import { folderInMemory } from "./folder.ts";
import type { ServerClock } from "./postgres/hand-clock.ts";

export interface Opened {
  readonly store: Store;
  readonly clock: HandClock;
  readonly warnings: string[];
  /** The time by the store's clock, and let some pass. */
  now(): number;
  pass(ms: number): Promise<void>;
  /** Have the clock on the wall jump, while no time passes. */
  jump(ms: number): Promise<void>;
  /** Close, and open what was kept again, to be served if nothing else is said. Without durability it comes back empty. */
  reopen(purpose?: StoreOptions["purpose"]): Promise<Store>;
  /** Close and clean up. */
  dispose(): Promise<void>;
}

export interface OpenOptions {
  readonly retention?: Partial<Retention>;
  readonly cachedCountersMax?: number;
  readonly newUid?: () => string;
  /** How much history it keeps; none unless given. */
  readonly history?: HistoryOptions | undefined;
  /** Where it measures. */
  readonly metrics?: Metrics;
  /** Whether the store's clock is the test's, also where it is a server's. */
  readonly handClock?: boolean;
}

/** @param newUrl  of a store that is not there yet, in a folder of its own if it is a file */
export async function openFresh(
  newUrl: (dir: string) => Promise<string>,
  {
    retention = {},
    cachedCountersMax = 1_000,
    newUid = () => v7(),
    handClock = false,
    history,
    metrics,
  }: OpenOptions = {},
  serverClock?: (url: string) => Promise<ServerClock>,
): Promise<Opened> {
  const dir = await mkdtemp(join(folderInMemory(), "tally-test-"));
  const clock = new HandClock();
  const warnings: string[] = [];
  const options = {
    clock,
    newUid,
    retention: { ...DEFAULT_RETENTION, ...retention },
    cachedCountersMax,
    history,
    metrics,
    warn: (message: string) => void warnings.push(message),
  };
  const made = await newUrl(dir);
  const server = handClock ? await serverClock?.(made) : undefined;
  const url = server?.url ?? made;
  await server?.set(clock.now());
  const passed = async () => server?.set(clock.now());
  let store = await openStore(url, options);
  return {
    get store() {
      return store;
    },
    clock,
    warnings,
    now: () => clock.now(),
    pass(ms) {
      clock.advance(ms);
      return passed();
    },
    jump(ms) {
      clock.wallMs += ms;
      return passed();
    },
    async reopen(purpose) {
      await store.close();
      clock.runMs = 5_000_000; // Another process, another arbitrary start.
      store = await openStore(url, { ...options, purpose });
      return store;
    },
    async dispose() {
      await store.close();
      await server?.end();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

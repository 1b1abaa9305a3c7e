import type { Clock } from "../core/clock.ts";
import { seldom } from "../core/seldom.ts";
import { followHistory } from "../service/history-follower.ts";
import { HistoryLag } from "../service/history-lag.ts";
import { LogReader } from "../service/log-reader.ts";
import type { Store } from "../service/store.ts";
import type { Telemetry } from "../telemetry.ts";

/** What follows the change log. */
export interface LogFollowed {
  /** To be told of commits; undefined: it looks by itself. */
  readonly wake: (() => void) | undefined;
  readonly close: () => Promise<void>;
}

/** Has what follows the change log follow it: history, if the store keeps one. */
export function followLog(store: Store, { log, metrics }: Telemetry, clock: Clock): LogFollowed {
  if (store.history === undefined) return { wake: undefined, async close() {} };
  // Of a store of several processes each look writes: so it is looked at now and then, whoever commits.
  const shared = store.traits.time === "server";
  const reader = new LogReader(store.changeLog, {
    pageChanges: 4_000,
    keptBytesMax: 8 * 2 ** 20,
    restMs: shared ? 200 : 20,
    lookEveryMs: shared ? 500 : 1_000, // What time does is written down by maintenance.
  });
  const lag = new HistoryLag(clock);
  const unwatch = lag.watch(metrics);
  const follower = followHistory(store, store.history.intake, reader, {
    retryMs: 1_000,
    saveMs: 1_000,
    onError: seldom(clock, (err) => log("history.failed", { err })),
    onMissed: () => log("history.missed"),
    lag,
  });
  return {
    wake: shared ? undefined : () => reader.wake(),
    async close() {
      unwatch();
      await follower.close();
      await reader.close();
    },
  };
}

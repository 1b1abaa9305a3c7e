/**
 * Counts into a file with history until it is killed, by a clock that runs fast: `history-counting.ts FOLDER BEGIN`. Says when
 * the first commit was answered.
 */
import { join } from "node:path";
import { v7 } from "uuid";
import { followHistory } from "../../../src/service/history-follower.ts";
import { LogReader } from "../../../src/service/log-reader.ts";
import { DEFAULT_RETENTION } from "../../../src/service/store.ts";
import { DEFAULT_HISTORY } from "../../../src/service/store-history.ts";
import { openStore } from "../../../src/stores/open.ts";
import { apply, increment, remove, set } from "../../support/calls.ts";

const [folder, begin] = process.argv.slice(2);
const FAST = 2_000; // Half an hour a second, so that hours are packed, and it is saved every few milliseconds.
const monotonic = () => performance.now() * FAST;
const clock = { now: () => Math.floor(Number(begin) + monotonic()), monotonic };
const store = await openStore(`sqlite:${join(folder!, "tally.db")}`, {
  ...{ clock, newUid: v7, retention: DEFAULT_RETENTION, cachedCountersMax: 100, history: DEFAULT_HISTORY },
  warn: (message) => console.error(message),
});
const reader = new LogReader(store.changeLog, {
  pageChanges: 20,
  keptBytesMax: 100_000,
  restMs: 0,
  lookEveryMs: 1,
});
const onError = (error: unknown) => console.error(error);
followHistory(store, store.history!.intake, reader, {
  retryMs: 5,
  saveMs: 5,
  onError,
  onMissed: () => console.error("missed"),
});
for (let i = 0; ; i++) {
  const name = "abc"[i % 3]!;
  const random = Math.random();
  if (random < 0.02) await apply(store, remove(name, { keepHistory: random < 0.01 }));
  else if (random < 0.2) await apply(store, set(name, BigInt(Math.floor(random * 1e9))));
  else await apply(store, increment(name, BigInt(1 + (i % 7))));
  if (i % 5 === 0) await store.maintain();
  if (i === 0) console.log("counting");
}

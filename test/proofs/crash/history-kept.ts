import { isDeepStrictEqual } from "node:util";
import { LEVELS, type Level } from "../../../src/core/levels.ts";
import { followHistory } from "../../../src/service/history-follower.ts";
import { LogReader } from "../../../src/service/log-reader.ts";
import type { Store } from "../../../src/service/store.ts";
import type { HistoryAnswer, HistoryQuery } from "../../../src/service/store-history.ts";
import type { StoredChange } from "../../../src/service/store-pages.ts";
import { edgesOf, pointsOf } from "../../stores/conformance/history-expected.ts";

/**
 * Let the history of a store come up to its change log, as a server does, and compare it with the log: of every name that
 * the log has, what became of it by minutes, by quarters and by days.
 *
 * @param store  opened with a history; nobody writes to it
 * @returns      what is not as the log has it
 */
export async function historyFaults(store: Store): Promise<string[]> {
  const faults: string[] = [];
  const reader = new LogReader(store.changeLog, READING);
  const follower = followHistory(store, store.history!.intake, reader, {
    ...{ retryMs: 50, saveMs: 1_000 },
    onError: (error) => faults.push(`history is not kept up: ${error}`),
    onMissed: () => faults.push("history lacks changes that the log has dropped"),
  });
  try {
    const asked = Date.now();
    for (const [name, changes] of await changesByName(store)) {
      const times = changes.map(({ time }) => time);
      for (const level of LEVELS) {
        const edges = edgesOf(level, Math.min(...times), Math.max(...times));
        const { points } = await complete(store, { of: { name }, level, edges }, asked);
        const expected = pointsOf(changes, edges, true);
        for (const [what, numbers] of Object.entries(expected)) {
          const found = points[what as keyof typeof expected];
          if (isDeepStrictEqual(found, numbers)) continue;
          faults.push(`${what} of ${name} by ${NAMES[level]} are ${found}, and by the log ${numbers}`);
        }
        if (points.gaps.includes(1)) faults.push(`${name} by ${NAMES[level]} has a gap`);
      }
    }
  } finally {
    await follower.close();
    await reader.close();
  }
  return faults;
}

const NAMES: Readonly<Record<Level, string>> = ["minutes", "quarters", "days"];
const READING = { pageChanges: 10_000, keptBytesMax: 16 * 2 ** 20, restMs: 0, lookEveryMs: 20 };
/** Another process that kept it up until it was killed is waited for. */
const COMPLETE_MS = 240_000;

async function changesByName(store: Store): Promise<Map<string, StoredChange[]>> {
  const byName = new Map<string, StoredChange[]>();
  for (let cursor = ""; ; ) {
    const page = await store.changesSince(cursor, 10_000);
    if (page.cursor === cursor) return byName;
    for (const change of page.changes) {
      const known = byName.get(change.name);
      if (known === undefined) byName.set(change.name, [change]);
      else known.push(change);
    }
    cursor = page.cursor;
  }
}

/** @param asked  the instant up to which the answer is to be complete */
async function complete(store: Store, query: HistoryQuery, asked: number): Promise<HistoryAnswer> {
  for (;;) {
    const answer = await store.history!.query(query);
    if ("refused" in answer)
      throw new Error(`history refuses ${JSON.stringify(query.of)}: ${answer.refused}`);
    if (answer.completeUntil >= asked) return answer;
    if (Date.now() > asked + COMPLETE_MS) throw new Error("history does not come up to the change log");
  }
}

import { performance } from "node:perf_hooks";
import { v7 } from "uuid";
import { toColumns } from "../../src/core/columns.ts";
import { type Op, Verb } from "../../src/core/op.ts";
import { DEFAULTS, type Settings } from "../../src/core/settings.ts";
import { toBatch } from "../../src/service/call.ts";
import { DEFAULT_RETENTION } from "../../src/service/store.ts";
import { openStore } from "../../src/stores/open.ts";

const OPERATIONS = 8_000;

/**
 * Make counters in a data file that no server has, each with the value 1.
 *
 * @param nameOf  of each, by its number
 * @param nowMs   the time that it is to the store, so that what counts from now ends when it is to
 */
export async function make(
  path: string,
  { count, nameOf }: { count: number; nameOf: (n: number) => string },
  settings: Partial<Settings>,
  nowMs: number,
): Promise<void> {
  const store = await openStore(`sqlite:${path}`, {
    clock: { now: () => nowMs, monotonic: () => performance.now() },
    newUid: () => v7(),
    retention: DEFAULT_RETENTION,
    cachedCountersMax: 1_000,
    warn: console.error,
  });
  for (let from = 0; from < count; from += OPERATIONS) {
    const ops = Array.from({ length: Math.min(OPERATIONS, count - from) }, (_, n): Op => {
      const name = nameOf(from + n);
      return {
        verb: Verb.CREATE,
        name,
        amount: 1n,
        mustExist: false,
        settings: { ...DEFAULTS, ...settings },
      };
    });
    const call = { caller: "", requestId: undefined, ops: toColumns(ops), allOrNothing: false };
    await store.commit(toBatch([call]));
  }
  await store.close();
}

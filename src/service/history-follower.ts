import { setTimeout as sleep } from "node:timers/promises";
import { ChangeKind, endsCounter } from "../core/change.ts";
import type { LogReader } from "./log-reader.ts";
import type { Store } from "./store.ts";
import type { HistoryIntake } from "./store-history.ts";
import type { LoggedCounter, LogPage } from "./store-log.ts";

/** What takes the change log into history. */
export interface HistoryFollower {
  /** Resolves when nothing is taken in any more, and what was is saved. */
  close(): Promise<void>;
}

/**
 * Take the change log of a store into its history, until it is closed.
 *
 * @param options.retryMs   after how long it begins anew, after a failure or while another process does it
 * @param options.saveMs    how often what was taken in is saved, about
 * @param options.onError   told when something failed; it begins anew from where it was saved
 * @param options.onMissed  told when the log had dropped changes that were not taken in
 */
export function followHistory(
  { changeLog }: Pick<Store, "changeLog">,
  intake: HistoryIntake,
  reader: Pick<LogReader, "follow">,
  options: { retryMs: number; saveMs: number; onError: (error: unknown) => void; onMissed: () => void },
): HistoryFollower {
  const closing = new AbortController();
  const { signal } = closing;

  async function run(): Promise<void> {
    while (!signal.aborted) {
      let again = false;
      try {
        const cursor = await intake.begin();
        again = cursor !== undefined && (await follow(cursor));
      } catch (error) {
        if (!signal.aborted && error !== LOST) options.onError(error);
      }
      if (!again) await sleep(options.retryMs, undefined, { signal }).catch(() => {});
    }
  }

  /** Returns whether to begin again at once. */
  async function follow(cursor: string): Promise<boolean> {
    const known = new Set<bigint>();
    const lost = new AbortController();
    const end = AbortSignal.any([signal, lost.signal]);
    const saving = saveEvery(end, (error) => lost.abort(error));
    try {
      for await (const page of reader.follow(cursor, end)) {
        if (page.dropped) {
          options.onMissed();
          known.clear();
        }
        if (!(await intake.take(page, await meet(page, known)))) return false;
        if (known.size > KNOWN_MAX) return await intake.save();
      }
      if (signal.aborted) await intake.save();
      else if (lost.signal.reason !== undefined) throw lost.signal.reason;
      return false;
    } finally {
      lost.abort();
      await saving;
    }
  }

  /** Save again and again. @param onLost  told when that failed, or is for another process by now (LOST) */
  async function saveEvery(end: AbortSignal, onLost: (error: unknown) => void): Promise<void> {
    try {
      for (;;) {
        await sleep(options.saveMs, undefined, { signal: end });
        if (!(await intake.save())) return onLost(LOST);
      }
    } catch (error) {
      if (!end.aborted) onLost(error);
    }
  }

  /** Those of a page's counters that are to be looked at: new ones, those that end on it, and those with new settings. */
  async function meet(
    { commits: { changes, counterIds } }: LogPage,
    known: Set<bigint>,
  ): Promise<ReadonlyMap<number, LoggedCounter | undefined>> {
    const met = new Map<number, LoggedCounter | undefined>();
    for (const [index, id] of counterIds.entries()) if (!known.has(id)) met.set(index, undefined);
    const ended = new Set<number>();
    for (let k = 0; k < changes.count; k++) {
      const kind = changes.kinds[k]! as ChangeKind;
      if (kind === ChangeKind.SETTINGS) met.set(changes.counters[k]!, undefined);
      else if (endsCounter(kind)) ended.add(changes.counters[k]!);
    }
    for (const index of ended) met.set(index, undefined);
    const indices = [...met.keys()];
    for (let first = 0; first < indices.length; first += LOOKED_UP_AT_ONCE) {
      const some = indices.slice(first, first + LOOKED_UP_AT_ONCE);
      const counters = await changeLog.counters(BigInt64Array.from(some, (index) => counterIds[index]!));
      for (const [i, index] of some.entries()) {
        met.set(index, counters[i]);
        known.add(counterIds[index]!);
      }
    }
    for (const index of ended) known.delete(counterIds[index]!);
    return met;
  }

  const running = run();
  return {
    async close() {
      closing.abort();
      await running;
    },
  };
}

const LOST = new Error("another process takes the change log in");
/** As many as ChangeLogReads.counters takes. */
const LOOKED_UP_AT_ONCE = 10_000;
/** With more, the memory that they take is given back by beginning anew; some 60 bytes each, and as many in the store. */
const KNOWN_MAX = 1_000_000;

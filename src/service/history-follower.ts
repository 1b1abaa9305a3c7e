import { setTimeout as sleep } from "node:timers/promises";
import { TallyError } from "../core/errors.ts";
import type { HistoryLag } from "./history-lag.ts";
import type { LogReader } from "./log-reader.ts";
import { Meeting } from "./meeting.ts";
import type { Store } from "./store.ts";
import type { HistoryIntake } from "./store-history.ts";
import type { LogPage } from "./store-log.ts";

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
 * @param options.lag       told how far it has come
 * @param options.countersMax  how many counters it knows at most, before it begins anew; a million unless given
 */
export function followHistory(
  store: Pick<Store, "changeLog" | "now">,
  intake: HistoryIntake,
  reader: Pick<LogReader, "follow">,
  options: {
    retryMs: number;
    saveMs: number;
    onError: (error: unknown) => void;
    onMissed: () => void;
    lag?: HistoryLag;
    countersMax?: number;
  },
): HistoryFollower {
  const closing = new AbortController();
  const { signal } = closing;
  const { lag } = options;

  async function run(): Promise<void> {
    while (!signal.aborted) {
      let again = false;
      try {
        const cursor = await intake.begin();
        if (cursor === undefined) lag?.elsewhere();
        else lag?.here();
        again = cursor !== undefined && (await follow(cursor));
      } catch (error) {
        if (!signal.aborted && error !== LOST) options.onError(error);
      }
      if (!again) await sleep(options.retryMs, undefined, { signal }).catch(() => {});
    }
  }

  /** Returns whether to begin again at once. */
  async function follow(cursor: string): Promise<boolean> {
    const meeting = new Meeting(store.changeLog);
    const lost = new AbortController();
    const end = AbortSignal.any([signal, lost.signal]);
    const saving = saveEvery(end, (error) => lost.abort(error));
    try {
      for await (const page of reader.follow(cursor, end, () => lag?.reachedEnd())) {
        if (page.dropped) {
          options.onMissed();
          meeting.anew();
        }
        if (!(await intake.take(page, await meeting.meet(page)))) return false;
        lag?.reached((await store.now()) - page.commits.times.at(-1)!);
        if (isFull(meeting, page, options.countersMax)) return await intake.save();
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

  const running = run();
  return {
    async close() {
      closing.abort();
      await running;
    },
  };
}

/**
 * Take in what the change log has, to its end, and have it saved: of a store that nobody serves.
 *
 * @param options.waitMs  for how long another process may still have it in hand
 * @throws TallyError STORE_UNAVAILABLE  also while another process takes in
 */
export async function takeInAll(
  { changeLog }: Pick<Store, "changeLog">,
  intake: HistoryIntake,
  options: { readonly waitMs: number; readonly pageChanges: number },
): Promise<void> {
  const until = performance.now() + options.waitMs;
  for (;;) {
    let cursor = await intake.begin();
    const meeting = new Meeting(changeLog);
    for (let any = false, full = false; cursor !== undefined && !full; ) {
      const page = await changeLog.read(cursor, options.pageChanges);
      const end = page.cursor === cursor;
      if (end && (!any || (await intake.save()))) return;
      cursor = end ? undefined : page.cursor;
      if (page.commits.count === 0) continue;
      any = true;
      if (page.dropped) meeting.anew();
      if (!(await intake.take(page, await meeting.meet(page)))) cursor = undefined;
      full = isFull(meeting, page);
    }
    if (cursor !== undefined) await intake.save();
    else if (performance.now() < until) await sleep(LOOK_MS);
    else throw new TallyError("STORE_UNAVAILABLE", "another process takes the change log into its history");
  }
}

/** Whether to begin anew, for the memory. Amid openings that would be with the first of them again, without an end. */
function isFull(meeting: Meeting, page: LogPage, most = KNOWN_MAX): boolean {
  return meeting.size > most && !page.openings;
}

const LOST = new Error("another process takes the change log in");
/** With more, the memory that they take is given back by beginning anew; some 60 bytes each, and as many in the store. */
const KNOWN_MAX = 1_000_000;
/** How often to look whether another process has ended. */
const LOOK_MS = 200;

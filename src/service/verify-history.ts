import type { Change } from "../core/change.ts";
import { differing, fieldsOf } from "./differing.ts";
import type { Copying } from "./store-copying.ts";
import type {
  CounterRow,
  HistoryExport,
  HistoryReach,
  HistoryRow,
  HistoryRowPage,
} from "./store-history-copying.ts";

/** What was compared of the histories. */
export interface VerifiedHistory {
  /** Rows: each is a bucket of a minute, or a counter's buckets of a period. */
  readonly rows: number;
  /** Counters that it has anything of, be they gone. */
  readonly counters: number;
  /** What somebody did by name. */
  readonly changes: number;
  /** From when on it counts as incomplete, because rows of the source were damaged, and left out. */
  readonly damagedFrom?: number;
}

/** Compare two histories, row by row. Undefined where the copy can keep none, or neither has one. @param same  sameRow */
export async function verifyHistory(
  from: Copying,
  to: Copying,
  same: (a: HistoryRow, b: HistoryRow) => boolean,
): Promise<VerifiedHistory | { readonly difference: string } | undefined> {
  if (to.exportHistory === undefined) return undefined;
  const [source, copy] = [await from.exportHistory?.(), await to.exportHistory()];
  if (source === undefined) return copy && { difference: "that it has a history" };
  if (copy === undefined) return { difference: "that it has no history" };
  const counts = { counters: 0, minutes: 0, packed: 0, changes: 0 };
  let damagedFrom: number | undefined;
  const row = await differing(
    historyPages(source, (from) => {
      damagedFrom = Math.min(from, damagedFrom ?? from);
    }),
    historyPages(copy, () => {}),
    (a, b) => {
      counts[a.table]++;
      return same(a, b);
    },
  );
  if (row !== undefined) return { difference: `the history of counter ${row.number}` };
  const reach = reachWith(await source.reach(), damagedFrom);
  if (!sameReach(reach, await copy.reach())) return { difference: "how far its history reaches" };
  const { counters, minutes, packed, changes } = counts;
  return { rows: minutes + packed, counters, changes, ...(damagedFrom !== undefined && { damagedFrom }) };
}

/** How far a history reaches without what was damaged: from there on it counts as incomplete. */
export function reachWith(reach: HistoryReach, damagedFrom: number | undefined): HistoryReach {
  if (damagedFrom === undefined) return reach;
  return { ...reach, gaps: [...reach.gaps, { from: damagedFrom, to: reach.latest + 1 }] };
}

/** @param damaged  told from when on rows are left out */
async function* historyPages(
  history: HistoryExport,
  damaged: (from: number) => void,
): AsyncGenerator<readonly HistoryRow[]> {
  for (let cursor: string | undefined = ""; cursor !== undefined; ) {
    const page: HistoryRowPage = await history.rows(cursor, 2_000);
    if (page.damagedFrom !== undefined) damaged(page.damagedFrom);
    yield page.rows;
    cursor = page.cursor === cursor ? undefined : page.cursor;
  }
}

/** Whether two rows are the same, byte by byte. */
export function sameRow(a: HistoryRow, b: HistoryRow): boolean {
  if (a.number !== b.number) return false;
  if (a.table === "counters" && b.table === "counters")
    return HISTORY_COUNTER_FIELDS.every((field) => a[field] === b[field]);
  if (a.table === "minutes" && b.table === "minutes")
    return a.start === b.start && Buffer.compare(a.buckets, b.buckets) === 0;
  if (a.table === "packed" && b.table === "packed")
    return a.level === b.level && a.period === b.period && Buffer.compare(a.buckets, b.buckets) === 0;
  if (a.table !== "changes" || b.table !== "changes") return false;
  return a.position === b.position && CHANGE_FIELDS.every((field) => a.change[field] === b.change[field]);
}

const HISTORY_COUNTER_FIELDS = fieldsOf<CounterRow>({
  number: true,
  name: true,
  uid: true,
  from: true,
  to: true,
  erased: true,
});

function sameReach(a: HistoryReach, b: HistoryReach): boolean {
  return REACH_FIELDS.every((field) => JSON.stringify(a[field]) === JSON.stringify(b[field]));
}

const REACH_FIELDS = fieldsOf<HistoryReach>({
  time: true,
  latest: true,
  position: true,
  gaps: true,
  droppedTo: true,
});

/** All of a change. */
export const CHANGE_FIELDS = fieldsOf<Change>({
  kind: true,
  firstRevision: true,
  revision: true,
  ops: true,
  added: true,
  removed: true,
  low: true,
  high: true,
  value: true,
  time: true,
  caller: true,
  note: true,
});

import { type Bucket, openingBucket } from "../../../core/bucket.ts";
import { BUCKET_MS, bucketStart, LEVELS, Level, PERIOD_MS, periodStart } from "../../../core/levels.ts";
import { readBuckets, unpackBuckets } from "../../../core/packed-buckets.ts";
import { PointsFold } from "../../../core/points.ts";
import type {
  HistoryAnswer,
  HistoryExtent,
  HistoryOptions,
  HistoryQuery,
  HistoryRefusal,
  NamedChanges,
  PastValue,
} from "../../../service/store-history.ts";
import type { CounterRow, HistoryRows } from "./rows.ts";

type Answered<T> = Omit<T, "completeUntil">;

/** How many stored buckets a query looks at, at most. */
export const HISTORY_BUCKETS_MAX = 10_000_000;

/** The oldest time that buckets of a level are kept from. @param now  in milliseconds since the Unix epoch */
export function oldestOf(
  rows: Pick<HistoryRows, "head">,
  level: Level,
  { keepMs }: Pick<HistoryOptions, "keepMs">,
  now: number,
): number {
  const droppedTo = rows.head().droppedTo[level]!;
  return keepMs[level] === Number.POSITIVE_INFINITY
    ? droppedTo
    : Math.max(droppedTo, periodStart(level, now - keepMs[level]));
}

/** The last bucket of a counter, or that which is known of it, before an instant: a whole minute. */
export function lastBucket(
  rows: HistoryRows,
  { number, from }: CounterRow,
  before = Number.POSITIVE_INFINITY,
): Bucket | undefined {
  const starts = rows.openStarts();
  for (let i = starts.length - 1; i >= 0; i--) {
    const row = starts[i]! < before ? rows.open(starts[i]!, number) : undefined;
    if (row !== undefined) return unpackBuckets(Level.MINUTE, starts[i]!, row)[0];
  }
  // What is packed is there at every level: so the finer ones are looked at only for what the coarser do not tell.
  const until = Math.min(before, rows.head().latest + BUCKET_MS[Level.DAY]);
  const quarter = bucketStart(Level.QUARTER, until);
  const day = bucketStart(Level.DAY, until);
  const finer = [
    ...(until > quarter ? [[Level.MINUTE, until] as const] : []),
    ...(quarter > day ? [[Level.QUARTER, quarter] as const] : []),
  ];
  for (const [level, end] of finer) {
    const bucket = lastIn(rows, level, periodStart(level, end), number, end);
    if (bucket !== undefined) return bucket;
  }
  for (
    let period = periodStart(Level.DAY, day);
    period + PERIOD_MS[Level.DAY] > from;
    period -= PERIOD_MS[Level.DAY]
  ) {
    const bucket = lastIn(rows, Level.DAY, period, number, day);
    if (bucket !== undefined) return bucket;
  }
  return undefined;
}

/**
 * Whether a counter may have had later buckets before an instant than the last one that is found, which are kept no more.
 *
 * @param last  see lastBucket
 */
function isDropped(
  rows: HistoryRows,
  counter: CounterRow,
  before: number,
  last: Bucket | undefined,
): boolean {
  const { droppedTo } = rows.head();
  if (last === undefined && counter.from < droppedTo[Level.DAY]!) return true;
  // Where the quarters of a day go before its minutes, no more is known than whether there was anything that day.
  const day = bucketStart(Level.DAY, before);
  const isTold = day >= droppedTo[Level.QUARTER]! || before < day + BUCKET_MS[Level.QUARTER];
  if (isTold || (last !== undefined && last.start >= day)) return false;
  const tomorrow = day + BUCKET_MS[Level.DAY];
  return lastIn(rows, Level.DAY, periodStart(Level.DAY, day), counter.number, tomorrow)?.start === day;
}

function lastIn(rows: HistoryRows, level: Level, period: number, number: number, before: number) {
  const row = rows.packed(level, period, number);
  return row && unpackBuckets(level, period, row).findLast(({ start }) => start < before);
}

/** See History.query. @param now  in milliseconds since the Unix epoch */
export function query(
  rows: HistoryRows,
  { of, level, edges }: HistoryQuery,
  options: Pick<HistoryOptions, "keepMs">,
  now: number,
): Answered<HistoryAnswer> | HistoryRefusal {
  const oldest = oldestOf(rows, level, options, now);
  const first = edges[0]!;
  if (first < oldest) return { refused: "EXPIRED", oldest };
  const named = "name" in of ? rows.named(of.name).filter(({ erased }) => !erased) : undefined;
  const folding = new HistoryFolding(level, edges, named !== undefined);
  for (const counter of named ?? rows.under((of as { prefix: string }).prefix))
    if (!folding.add(rows, counter)) return folding.tooMuch;
  return { ...folding.finish(rows, named), oldest };
}

/** Puts the points of a query together, counter by counter. */
export class HistoryFolding {
  readonly tooMuch: HistoryRefusal = { refused: "TOO_MUCH", most: HISTORY_BUCKETS_MAX };
  readonly #fold: PointsFold;
  readonly #level: Level;
  readonly #first: number;
  readonly #end: number;

  constructor(level: Level, edges: Float64Array, named: boolean) {
    this.#fold = new PointsFold(edges, named);
    this.#level = level;
    this.#first = edges[0]!;
    this.#end = edges.at(-1)!;
  }

  /** Whether a counter's buckets say anything of the range: of one that had ended by then, 0 is left. */
  concerns({ erased, from, to = Number.POSITIVE_INFINITY }: CounterRow): boolean {
    return !erased && from < this.#end && to >= this.#first;
  }

  /** Add the next counter. @returns  false when it was too much */
  add(rows: HistoryRows, counter: CounterRow): boolean {
    this.#fold.looked++;
    if (this.concerns(counter)) addBuckets(this.#fold, rows, counter, this.#level, this.#first, this.#end);
    return this.#fold.looked <= HISTORY_BUCKETS_MAX;
  }

  /** @param named  the counters that had the name, of a name */
  finish(rows: Pick<HistoryRows, "head">, named: readonly CounterRow[] = []) {
    const counters = named.map(({ uid, from, to }) => ({ uid, from, to }));
    return { points: this.#fold.finish(rows.head().gaps), counters };
  }
}

function addBuckets(
  fold: PointsFold,
  rows: HistoryRows,
  counter: CounterRow,
  level: Level,
  first: number,
  end: number,
): void {
  const { number, from, to = Number.POSITIVE_INFINITY } = counter;
  const before = from < first ? lastBucket(rows, counter, first) : undefined;
  const unknown = from < first && isDropped(rows, counter, first, before);
  fold.begin(before?.close ?? 0n, before?.lost, !unknown);
  const begin = periodStart(level, Math.max(first, from));
  const stop = Math.min(end, Math.max(rows.head().latest, to === Number.POSITIVE_INFINITY ? 0 : to) + 1);
  for (let period = begin; period < stop; period += PERIOD_MS[level]) {
    const row = rows.packed(level, period, number);
    if (row !== undefined) readBuckets(level, period, row, fold);
    if (fold.looked > HISTORY_BUCKETS_MAX) return;
  }
  // What has not been packed comes after all that has been.
  for (const start of rows.openStarts()) {
    const row = start >= begin && start < end ? rows.open(start, number) : undefined;
    if (row !== undefined) readBuckets(Level.MINUTE, start, row, fold);
  }
}

/** Up to where a value as of an instant is looked for, if that level is the finest that is kept. */
export function lastBefore(level: Level, time: number): number {
  return bucketStart(level, time);
}

/** See History.asOf. @param now  likewise */
export function asOf(
  rows: HistoryRows,
  name: string,
  time: number,
  options: Pick<HistoryOptions, "keepMs">,
  now: number,
): Answered<PastValue> | HistoryRefusal | undefined {
  const kept = LEVELS.find((level) => lastBefore(level, time) >= oldestOf(rows, level, options, now));
  if (kept === undefined) return { refused: "EXPIRED", oldest: oldestOf(rows, Level.DAY, options, now) };
  const at = lastBefore(kept, time);
  const counter = rows.named(name).findLast(({ erased, from }) => !erased && from < at);
  if (counter === undefined || (counter.to !== undefined && counter.to < at)) return undefined;
  const bucket = lastBucket(rows, counter, at);
  const unknown = isDropped(rows, counter, at, bucket);
  if (bucket === undefined && !unknown) return undefined;
  const { close: value, start, lost } = bucket ?? openingBucket(counter.from, 0n);
  const gap = unknown || lost === true || rows.head().gaps.some((gap) => gap.from < at && gap.to > start);
  return { value, uid: counter.uid, at, gap };
}

/** See History.changes. */
export function namedChanges(
  rows: HistoryRows,
  name: string,
  before: string | undefined,
  limit: number,
): Omit<NamedChanges, keyof HistoryExtent> {
  const uids = new Map(rows.named(name).map(({ number, uid }) => [number, uid]));
  const from = before === undefined ? Number.POSITIVE_INFINITY : Number(before);
  const found = uids.size === 0 ? [] : rows.changes([...uids.keys()], from, limit + 1);
  const changes = found
    .slice(0, limit)
    .map(({ number, position, change }) => ({ ...change, uid: uids.get(number)!, position: `${position}` }));
  return { changes, next: found.length > limit ? changes.at(-1)!.position : undefined };
}

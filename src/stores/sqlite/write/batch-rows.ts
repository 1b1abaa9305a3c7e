import type { Database } from "better-sqlite3";
import { CORRUPT, keysToFind, type Loaded, requestKeys, type Save, touchedBy } from "../../../core/batch.ts";
import type { Batch } from "../../../core/columns.ts";
import type { Counter, Fixed, FullCounter, Mutable, Timing } from "../../../core/counter.ts";
import { Verb } from "../../../core/op.ts";
import type { PolicySet } from "../../../core/policies.ts";
import { isSettled } from "../../../core/settling.ts";
import { expireTimeOf } from "../../../core/timing.ts";
import { Metrics } from "../../../telemetry/metrics.ts";
import type { Write } from "../../shared/one-by-one.ts";
import { unusable } from "../../shared/unusable.ts";
import { unlessCorrupt } from "../rows/damage.ts";
import { RowReader } from "../rows/row-reader.ts";
import { RowWriter } from "../rows/row-writer.ts";
import { type Row, toFullCounter, toRow } from "../rows/rows.ts";
import type { ChangeLog } from "./change-log.ts";
import type { RequestIds } from "./request-ids.ts";
import { RowCache } from "./row-cache.ts";

/** What was found for a batch, and the rows it came from. */
export interface LoadedRows<Facts = Loaded> {
  readonly facts: Facts;
  /** By index in `facts.names`. */
  readonly rows: readonly (Row | undefined)[];
}

/** The rows of a batch: loaded before it is decided, written after, and remembered once they are durable. */
export class BatchRows {
  readonly writes: RowWriter;
  readonly #reads: RowReader;
  readonly #cache: RowCache;
  readonly #requestIds: RequestIds;
  readonly #log: ChangeLog;
  readonly #numbers: Float64Array;
  readonly #hits: number;
  readonly #misses: number;
  /** The id of the counter made last. */
  #lastId: bigint;

  /** @param cachedMax  how many counters are remembered */
  constructor(
    db: Database,
    cachedMax: number,
    requestIds: RequestIds,
    log: ChangeLog,
    metrics = new Metrics(),
  ) {
    this.#numbers = metrics.numbers;
    this.#hits = metrics.placeOf("rowCache", { outcome: "hit" });
    this.#misses = metrics.placeOf("rowCache", { outcome: "miss" });
    this.writes = new RowWriter(db);
    this.#reads = new RowReader(db);
    this.#cache = new RowCache(cachedMax);
    this.#requestIds = requestIds;
    this.#log = log;
    this.#lastId = this.writes.lastId();
    assertNotBehind(db, this.#lastId);
  }

  get lastId(): bigint {
    return this.#lastId;
  }

  /**
   * What the rule must know of a batch that is judged as of now, by these policies.
   *
   * @param unkept  the keys of request ids that no answer can be saved under
   * @returns       also whether damage was met: then the transaction is to be renewed before anything is written
   */
  load(
    batch: Batch,
    now: number,
    policies: PolicySet,
    unkept: ReadonlySet<string> | undefined,
  ): LoadedRows & { readonly metDamage: boolean } {
    let metDamage = false;
    const touched = touchedBy(batch);
    const rows: (Row | undefined)[] = [];
    const counters: (Counter | undefined | typeof CORRUPT)[] = [];
    for (const name of touched.names) {
      const row = this.#row(name);
      rows.push(row === CORRUPT ? undefined : row);
      counters.push(row === CORRUPT ? CORRUPT : row?.counter);
      if (row === CORRUPT) metDamage = true;
    }
    const keys = requestKeys(batch, touched);
    const answered = new Map<string, Uint8Array | typeof CORRUPT>();
    for (const key of keysToFind(keys)) {
      const record = unkept?.has(key) ? CORRUPT : this.#requestIds.find(key);
      if (record !== undefined) answered.set(key, record);
      if (record === CORRUPT) metDamage = true;
    }
    const fixed = new Map<number, Fixed>();
    const more = counters.flatMap((counter, index) =>
      isExpired(counter, now) || isUnsettled(counter, touched.names[index]!, policies) ? index : [],
    );
    for (const index of more.length === 0 ? touched.whole : new Set([...touched.whole, ...more])) {
      if (rows[index] === undefined) continue;
      const whole = this.#whole(touched.names[index]!);
      if (whole !== undefined) fixed.set(index, whole);
      else {
        rows[index] = undefined; // It was cached, and rotted since; or what leads to it has.
        counters[index] = CORRUPT;
        metDamage = true;
      }
    }
    const { fullForMs } = this.#requestIds;
    const facts = { ...touched, ...keys, counters, fixed, answered, requestIdsFullForMs: fullForMs };
    return { facts, rows, metDamage };
  }

  #whole(name: string): FullCounter | undefined {
    const raw = this.#reads.find(name);
    if (raw === undefined || raw === CORRUPT) return undefined;
    const counter = toFullCounter(raw);
    return this.writes.isFound(name, counter.labels) ? counter : undefined;
  }

  #row(name: string): Row | undefined | typeof CORRUPT {
    const cached = this.#cache.get(name);
    if (cached !== undefined) {
      this.#numbers[this.#hits]!++;
      return cached;
    }
    this.#numbers[this.#misses]!++;
    const raw = this.#reads.find(name);
    if (raw === undefined || raw === CORRUPT) return raw;
    const row = toRow(raw);
    this.#cache.set(name, row);
    return row;
  }

  /** The row of a counter, if it is remembered; it does not count as used. */
  remembered(name: string): Row | undefined {
    return this.#cache.peek(name);
  }

  /**
   * Write the counters. Inside the caller's transaction.
   *
   * @returns  the rows that were made, or made anew, by index in the save
   */
  write(
    { names, changed, values, revisions, updateTimes, timings, fixed, deleted }: Save,
    { facts, rows }: LoadedRows<Pick<Loaded, "fixed">>,
  ): Map<number, Row> {
    const made = new Map<number, Row>();
    let id = this.#lastId;
    for (const index of changed) {
      const value = values[index]!;
      const revision = revisions[index]!;
      const updateTime = updateTimes[index]!;
      const row = rows[index];
      const name = names[index]!;
      const now = fixed.size === 0 ? undefined : fixed.get(index);
      const before = row?.counter.timing;
      const timing = timings.size !== 0 && timings.has(index) ? timings.get(index) : before;
      if (now === undefined) this.writes.update(row!, value, revision, updateTime, timing, before);
      else {
        const count = { value, revision, updateTime, timing };
        const labels = facts.fixed.get(index)?.labels;
        const written =
          row === undefined
            ? this.writes.insert(++id, name, now, count)
            : this.writes.updateSettings(row, name, { labels: labels!, timing: before }, now, count);
        made.set(index, written);
      }
      const keepHistory = deleted.size === 0 ? undefined : deleted.get(index);
      if (keepHistory === undefined) continue;
      const gone = made.get(index) ?? row!;
      const { labels } = now ?? facts.fixed.get(index)!;
      this.writes.delete(gone, name, { labels, timing });
      this.#log.deleted(gone.id, name, gone.counter.uid, keepHistory);
    }
    return made;
  }

  /** Write one operation; returns its counter's row as it is then. Inside the caller's transaction. */
  writeStep(step: Write, name: string, row: Row | undefined): Row | undefined {
    const { value, revision, updateTime, timing } = step.after;
    const before = { labels: step.before?.fixed?.labels ?? {}, timing: step.before?.timing };
    if (step.op.verb === Verb.DELETE || step.expired) {
      this.writes.delete(row!, name, before);
      this.#log.deleted(row!.id, name, row!.counter.uid, step.expired || step.op.keepHistory === true);
      if (!step.expired) return undefined;
    } else if (step.fixed === undefined) {
      this.writes.update(row!, value, revision, updateTime, timing, before.timing, true);
      return row;
    } else if (row !== undefined)
      return this.writes.updateSettings(row, name, before, step.fixed, step.after);
    return this.writes.insert(++this.#lastId, name, step.fixed!, step.after);
  }

  /** After COMMIT of what was written in steps, and after a rollback of it: nothing is remembered. */
  lookAgain(): void {
    this.forget();
    const lastId = unlessCorrupt(() => this.writes.lastId());
    if (lastId !== CORRUPT) this.#lastId = lastId; // Else it is at least as great: none is given twice.
  }

  /** After COMMIT: what is remembered follows. */
  remember(
    { names, changed, values, revisions, updateTimes, timings, deleted }: Save,
    { rows }: Pick<LoadedRows, "rows">,
    made: ReadonlyMap<number, Row>,
  ): void {
    for (const index of changed) {
      const row = rows[index];
      if (row === undefined || made.has(index)) continue;
      const { counter } = row;
      counter.value = values[index]!;
      counter.revision = revisions[index]!;
      counter.updateTime = updateTimes[index]!;
      if (timings.size !== 0 && timings.has(index)) moveTiming(counter, timings.get(index));
    }
    for (const index of deleted.keys()) this.#cache.delete(names[index]!);
    for (const [index, row] of made) {
      if (!deleted.has(index)) this.#cache.set(names[index]!, row);
      if (row.id > this.#lastId) this.#lastId = row.id;
    }
  }

  /** Make a counter as another store has it. Inside the caller's transaction. */
  import(counter: FullCounter): void {
    this.writes.insert(++this.#lastId, counter.name, counter, counter);
  }

  /** An id for a counter that was deleted in another store. Inside the caller's transaction. */
  reserveId(): bigint {
    this.writes.reserve(++this.#lastId);
    return this.#lastId;
  }

  /** Take all counters away. Inside the caller's transaction. */
  clear(): void {
    this.writes.clear();
    this.forget();
  }

  /** After a transaction was rolled back: nothing of it stays in memory. */
  forget(): void {
    this.#cache.clear();
    this.writes.counts.reload();
  }
}

/** The row ids of the counters of a save that was written whole. */
export function idsOf(
  { names }: Pick<Save, "names">,
  { rows }: Pick<LoadedRows, "rows">,
  made: ReadonlyMap<number, Row>,
): (bigint | undefined)[] {
  return names.map((_, index) => (rows[index] ?? made.get(index))?.id);
}

/** Of one that is gone by now all is needed: the batch may delete it. */
function isExpired(counter: Counter | undefined | typeof CORRUPT, now: number): boolean {
  if (counter === undefined || counter === CORRUPT || counter.idleTtlMs === undefined) return false;
  return now >= expireTimeOf(counter)!;
}

/** Of one that its policy is yet to settle all is needed as well. */
function isUnsettled(
  counter: Counter | undefined | typeof CORRUPT,
  name: string,
  policies: PolicySet,
): boolean {
  if (counter === undefined || counter === CORRUPT || counter.policy === undefined) return false;
  return !isSettled(counter, name, policies);
}

/** In place too, for the same reason: the row's timing is nobody else's. */
function moveTiming(counter: Mutable<Counter>, to: Timing | undefined): void {
  const timing = counter.timing as Mutable<Timing> | undefined;
  if (timing === undefined || to === undefined) {
    counter.timing = to && { ...to };
    return;
  }
  timing.windowStart = to.windowStart;
  timing.windowEnd = to.windowEnd;
  timing.refillTime = to.refillTime;
  timing.refillCarry = to.refillCarry;
  timing.due = to.due;
}

/** An id that was given twice would mix up what was changed under it. */
function assertNotBehind(db: Database, lastId: bigint): void {
  const greatest = db
    .prepare<[], bigint>(
      "SELECT max(coalesce((SELECT max(id) FROM counters), 0), coalesce((SELECT max(id) FROM deleted_counters), 0))",
    )
    .pluck()
    .get()!;
  if (lastId >= greatest) return;
  throw unusable(
    `The file says that ${lastId} counters were made, and has one with the number ${greatest}: it is damaged; restore it ` +
      "from a backup.",
  );
}

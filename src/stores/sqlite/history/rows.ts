import type { Database } from "better-sqlite3";
import { type Change, ChangeColumns } from "../../../core/change.ts";
import { TallyError } from "../../../core/errors.ts";
import { BUCKET_MS, Level, PERIOD_MS, periodStart } from "../../../core/levels.ts";
import { unpackBuckets } from "../../../core/packed-buckets.ts";
import { endOf } from "../../../core/selection.ts";
import { uidFromBytes, uidToBytes } from "../../../core/uid.ts";
import { Checksum, fits } from "../../shared/checksum.ts";
import type { CounterRow, HistoryHead, HistoryRows, StoredNamedChange } from "../../shared/history/rows.ts";
import { changesIn, packChanges } from "../../shared/packed-changes.ts";
import type { StoredHead } from "./head.ts";
import { counted, minuteSum, type Tables } from "./tables.ts";

/** Saves what was written, and starts anew: see HistoryFile. */
interface Saving {
  readonly db: Database;
  /** As it was saved last. */
  readonly head: StoredHead;
  begin(): void;
  commit(head: HistoryHead & Pick<StoredHead, "tables">): void;
  rollback(): void;
}

/**
 * History in a file of its own. What fails its checksum, or is missing, is not there, and from then on changes count as
 * missed. That nothing is missing is shown:
 *
 * - of counters and minutes by how many there are: see tables.ts;
 * - of packed rows by the next coarser level, which has the same changes, and of days by the quarters: each time that one is
 *   not found.
 */
export class SqliteHistoryRows implements HistoryRows {
  readonly #saving: Saving;
  readonly #statements: Statements;
  #head: HistoryHead;
  /** The minutes that have rows, and maybe, before the first of them, some that have none any more. */
  #starts: readonly number[] | undefined;
  /** When there was something that is damaged, of what was read. */
  readonly #damaged: number[] = [];
  #tables: Tables;
  /** The row that was asked for last to show that a finer one is missing. */
  #witness: { readonly key: string; readonly starts: readonly number[] } | undefined;
  /** What is being packed: the coarser levels do not have it yet. */
  #packing: { readonly number: number; readonly hour: number } | undefined;

  constructor(saving: Saving) {
    this.#saving = saving;
    this.#statements = prepare(saving.db);
    this.#head = saving.head;
    this.#tables = saving.head.tables;
  }

  /** What was found damaged counts as a gap of all counters: in what is written next, for good. */
  head(): HistoryHead {
    if (this.#damaged.length === 0) return this.#head;
    return {
      ...this.#head,
      gaps: [...this.#head.gaps, ...this.#damaged.map((from) => ({ from, to: FOR_EVER }))],
    };
  }

  setHead(head: HistoryHead): void {
    const gaps = head.gaps.map(({ from, to }) => ({ from, to: to === FOR_EVER ? head.latest + 1 : to }));
    this.#head = { ...head, gaps };
    this.#damaged.length = 0;
  }

  save(): void {
    if (this.#damaged.length > 0) this.setHead(this.head());
    this.#saving.begin();
    this.#saving.commit({ ...this.#head, tables: this.#tables });
  }

  undo(): void {
    this.#saving.rollback();
    this.#head = this.#saving.head;
    this.#tables = this.#saving.head.tables;
    this.#damaged.length = 0;
    this.#starts = undefined;
    this.#packing = undefined;
  }

  /** What was found damaged was only read, and is still there. */
  forgetDamage(): void {
    this.#damaged.length = 0;
  }

  counterOf(uid: string): CounterRow | undefined {
    const raw = this.#statements.byUid.get(uidToBytes(uid));
    if (raw === undefined) return undefined;
    const counter = this.#counter(raw);
    if (counter === undefined) {
      this.#saving.begin();
      this.#statements.disown.run(raw.number); // So that there may be another one of this uid; the number stays taken.
    }
    return counter;
  }

  addCounter(counter: Omit<CounterRow, "number">): number {
    this.#saving.begin();
    const number = this.#statements.lastNumber.get()! + 1n;
    this.#write(this.#statements.addCounter, { ...counter, number: Number(number) });
    this.#count("counters", 1, Number(number));
    return Number(number);
  }

  setCounter(counter: CounterRow): void {
    this.#saving.begin();
    this.#write(this.#statements.setCounter, counter);
  }

  counterAt(number: number): CounterRow {
    const raw = this.#statements.byNumber.get(BigInt(number));
    const counter = raw && this.#counter(raw);
    if (counter !== undefined) return counter;
    throw new TallyError("ROW_CORRUPT", `counter ${number} of the history is damaged`);
  }

  named(name: string): CounterRow[] {
    return this.#counters(this.#statements.named.all(name));
  }

  *under(prefix: string): Iterable<CounterRow> {
    let after: [string, bigint] = [prefix, 0n];
    for (;;) {
      const page = this.#statements.under.all(...after, endOf(prefix), PAGE);
      yield* this.#counters(page);
      if (page.length < PAGE) return;
      const { name, number } = page.at(-1)!;
      after = [name, number];
    }
  }

  open(start: number, number: number): Uint8Array | undefined {
    const row = this.#statements.open.get(BigInt(start), BigInt(number));
    if (row === undefined) return undefined;
    return this.#sound(row, [start, number], start);
  }

  setOpen(start: number, number: number, bucket: Uint8Array): void {
    this.#saving.begin();
    const checksum = sumOf([start, number], bucket);
    const key = [BigInt(start), BigInt(number)] as const;
    if (this.#statements.changeOpen.run(bucket, checksum, ...key).changes === 1) return;
    this.#statements.addOpen.run(...key, bucket, checksum);
    this.#count("minutes", 1, minuteSum(start, number));
    this.#starts = withStart(this.openStarts(), start);
  }

  removeOpen(start: number, number: number): void {
    this.#saving.begin();
    const { changes } = this.#statements.removeOpen.run(BigInt(start), BigInt(number));
    if (changes === 1) this.#count("minutes", -1, -minuteSum(start, number));
  }

  openStarts(): readonly number[] {
    this.#starts ??= this.#statements.starts.all().map(Number);
    return this.#starts;
  }

  openAt(start: number, limit: number): number[] {
    const numbers = this.#statements.openAt.all(BigInt(start), BigInt(limit)).map(Number);
    if (numbers.length === 0) {
      const { openAt } = this.#statements;
      const starts = this.openStarts();
      const first = starts.findIndex((each) => openAt.get(BigInt(each), 1n) !== undefined);
      this.#starts = first === -1 ? [] : starts.slice(first);
    }
    return numbers;
  }

  packed(level: Level, period: number, number: number): Uint8Array | undefined {
    const row = this.#statements.packed.get(BigInt(level), BigInt(period), BigInt(number));
    if (row !== undefined) return this.#sound(row, [level, period, number], period);
    if (this.#isMissing(level, period, number)) this.#damaged.push(period);
    return undefined;
  }

  setPacked(level: Level, period: number, number: number, buckets: Uint8Array): void {
    this.#saving.begin();
    if (level === Level.MINUTE) this.#packing = { number, hour: period };
    this.#witness = undefined;
    const checksum = sumOf([level, period, number], buckets);
    this.#statements.setPacked.run(BigInt(level), BigInt(period), BigInt(number), buckets, checksum);
  }

  removePacked(level: Level, period: number, number: number): void {
    this.#saving.begin();
    this.#statements.removePacked.run(BigInt(level), BigInt(period), BigInt(number));
  }

  oldestPeriod(level: Level): number | undefined {
    const period = this.#statements.oldest.get(BigInt(level));
    return period === undefined || period === null ? undefined : Number(period);
  }

  dropPeriod(level: Level, period: number, limit: number): number {
    this.#saving.begin();
    return this.#statements.dropPeriod.run({ level, period, limit }).changes;
  }

  bytes(): number {
    const { db } = this.#saving;
    const pages = Number(db.pragma("page_count", { simple: true }));
    const free = Number(db.pragma("freelist_count", { simple: true }));
    return (pages - free) * Number(db.pragma("page_size", { simple: true }));
  }

  addChange(number: number, position: number, change: Change): void {
    this.#saving.begin();
    const columns = new ChangeColumns(1);
    columns.append(0, change);
    const packed = packChanges(columns, [0n], change.time);
    const checksum = sumOf([number, position, change.time], packed);
    this.#statements.addChange.run(BigInt(number), BigInt(position), BigInt(change.time), packed, checksum);
  }

  changes(numbers: readonly number[], before: number, limit: number): StoredNamedChange[] {
    const found: StoredNamedChange[] = [];
    for (const number of numbers) {
      for (const row of this.#statements.changes.all(
        BigInt(number),
        BigInt(Math.min(before, Number.MAX_SAFE_INTEGER)),
        BigInt(limit),
      )) {
        const [position, time] = [Number(row.position), Number(row.time_ms)];
        if (!fits(() => sumOf([number, position, time], row.change), row.checksum)) continue;
        found.push({ number, position, change: changesIn(row.change, time)[0]!.change });
      }
    }
    return found.sort((a, b) => b.position - a.position).slice(0, limit);
  }

  removeChanges(number: number): void {
    this.#saving.begin();
    this.#statements.removeChanges.run(BigInt(number));
  }

  oldestChange(): number | undefined {
    const position = this.#statements.oldestChange.get();
    return position === undefined || position === null ? undefined : Number(position);
  }

  dropChanges(before: number): void {
    this.#saving.begin();
    this.#statements.dropChanges.run(BigInt(before));
  }

  #counters(rows: readonly RawCounter[]): CounterRow[] {
    return rows.flatMap((row) => this.#counter(row) ?? []);
  }

  #counter(row: RawCounter): CounterRow | undefined {
    if (!fits(() => counterSum(row), row.checksum)) {
      this.#damaged.push(0);
      return undefined;
    }
    return {
      number: Number(row.number),
      name: row.name,
      uid: uidFromBytes(row.uid),
      from: Number(row.from_ms),
      to: row.to_ms === null ? undefined : Number(row.to_ms),
      erased: row.erased === 1n,
    };
  }

  #write(into: Statements["addCounter"], { number, name, uid, from, to, erased }: CounterRow): void {
    const row: Omit<RawCounter, "checksum"> = {
      number: BigInt(number),
      name,
      uid: uidToBytes(uid),
      from_ms: BigInt(from),
      to_ms: to === undefined ? null : BigInt(to),
      erased: erased ? 1n : 0n,
    };
    into.run({ ...row, checksum: counterSum(row) });
  }

  #sound({ bytes, checksum }: RawBuckets, key: readonly number[], from: number): Uint8Array | undefined {
    if (fits(() => sumOf(key, bytes), checksum)) return bytes;
    this.#damaged.push(from);
    return undefined;
  }

  /** Whether a row that is not found ought to be there. */
  #isMissing(level: Level, period: number, number: number): boolean {
    const end = period + PERIOD_MS[level];
    if (period < this.#head.droppedTo[level]! || period > this.#head.latest) return false;
    if (level !== Level.DAY) {
      const coarser = level === Level.MINUTE ? Level.QUARTER : Level.DAY;
      return this.#startsIn(coarser, periodStart(coarser, period), number).some(
        (at) => at >= period && at < end,
      );
    }
    for (let day = period; day < end; day += BUCKET_MS[Level.DAY]) {
      if (this.#startsIn(Level.QUARTER, day, number).some((at) => !this.#isNew(number, at))) return true;
    }
    return false;
  }

  #startsIn(level: Level, period: number, number: number): readonly number[] {
    const key = `${level}.${period}.${number}`;
    if (this.#witness?.key !== key) {
      const row = this.#statements.packed.get(BigInt(level), BigInt(period), BigInt(number));
      const sound = row !== undefined && fits(() => sumOf([level, period, number], row.bytes), row.checksum);
      const starts = sound ? unpackBuckets(level, period, row.bytes).map(({ start }) => start) : [];
      this.#witness = { key, starts };
    }
    return this.#witness.starts;
  }

  /** Whether a bucket of a quarter of an hour is of what is being packed. */
  #isNew(number: number, start: number): boolean {
    const { hour = Number.NaN, number: packed } = this.#packing ?? {};
    return number === packed && start >= hour && start < hour + PERIOD_MS[Level.MINUTE];
  }

  #count(table: "counters" | "minutes", rows: number, sum: number): void {
    this.#tables = { ...this.#tables, [table]: counted(this.#tables[table], rows, sum) };
  }
}

/** The end of a time of which nobody knows how long it is. */
const FOR_EVER = Number.MAX_SAFE_INTEGER;
/** Counters that are read at once. */
const PAGE = 1_000;

interface RawCounter {
  readonly number: bigint;
  readonly name: string;
  readonly uid: Uint8Array;
  readonly from_ms: bigint;
  readonly to_ms: bigint | null;
  readonly erased: bigint;
  readonly checksum: bigint;
}

interface RawBuckets {
  readonly bytes: Uint8Array;
  readonly checksum: bigint;
}

interface RawChange {
  readonly position: bigint;
  readonly time_ms: bigint;
  readonly change: Uint8Array;
  readonly checksum: bigint;
}

type Statements = ReturnType<typeof prepare>;

function prepare(db: Database) {
  type CounterParameters = Omit<RawCounter, "checksum"> & { checksum: number };
  const columns = "number, name, uid, from_ms, to_ms, erased, checksum";
  const counters = `SELECT ${columns} FROM counters`;
  type Key = bigint;
  return {
    byUid: db.prepare<[Uint8Array], RawCounter>(`${counters} WHERE uid = ?`),
    byNumber: db.prepare<[bigint], RawCounter>(`${counters} WHERE number = ?`),
    named: db.prepare<[string], RawCounter>(`${counters} WHERE name = ? ORDER BY number`),
    under: db.prepare<[string, bigint, string, number], RawCounter>(
      `${counters} WHERE (name, number) > (?, ?) AND name < ? ORDER BY name, number LIMIT ?`,
    ),
    lastNumber: db.prepare<[], bigint>("SELECT coalesce(max(number), 0) FROM counters").pluck(),
    disown: db.prepare<[bigint]>("UPDATE counters SET uid = randomblob(16) WHERE number = ?"),
    addCounter: db.prepare<[CounterParameters]>(
      `INSERT INTO counters (${columns}) VALUES ($number, $name, $uid, $from_ms, $to_ms, $erased, $checksum)`,
    ),
    setCounter: db.prepare<[CounterParameters]>(
      `UPDATE counters SET name = $name, uid = $uid, from_ms = $from_ms, to_ms = $to_ms, erased = $erased,
        checksum = $checksum WHERE number = $number`,
    ),
    open: db.prepare<[Key, Key], RawBuckets>(
      "SELECT bucket AS bytes, checksum FROM minutes WHERE start_ms = ? AND number = ?",
    ),
    addOpen: db.prepare<[Key, Key, Uint8Array, number]>(
      "INSERT INTO minutes (start_ms, number, bucket, checksum) VALUES (?, ?, ?, ?)",
    ),
    changeOpen: db.prepare<[Uint8Array, number, Key, Key]>(
      "UPDATE minutes SET bucket = ?, checksum = ? WHERE start_ms = ? AND number = ?",
    ),
    removeOpen: db.prepare<[Key, Key]>("DELETE FROM minutes WHERE start_ms = ? AND number = ?"),
    // One search a start, however many counters have it.
    starts: db
      .prepare<[], bigint>(
        `WITH RECURSIVE starts (start_ms) AS (
          SELECT min(start_ms) FROM minutes
          UNION ALL
          SELECT (SELECT min(start_ms) FROM minutes WHERE start_ms > starts.start_ms) FROM starts
            WHERE starts.start_ms IS NOT NULL
        ) SELECT start_ms FROM starts WHERE start_ms IS NOT NULL`,
      )
      .pluck(),
    openAt: db
      .prepare<[Key, bigint], bigint>("SELECT number FROM minutes WHERE start_ms = ? ORDER BY number LIMIT ?")
      .pluck(),
    packed: db.prepare<[Key, Key, Key], RawBuckets>(
      "SELECT buckets AS bytes, checksum FROM packed WHERE level = ? AND period_ms = ? AND number = ?",
    ),
    setPacked: db.prepare<[Key, Key, Key, Uint8Array, number]>(
      "REPLACE INTO packed (level, period_ms, number, buckets, checksum) VALUES (?, ?, ?, ?, ?)",
    ),
    removePacked: db.prepare<[Key, Key, Key]>(
      "DELETE FROM packed WHERE level = ? AND period_ms = ? AND number = ?",
    ),
    oldest: db.prepare<[Key], bigint | null>("SELECT min(period_ms) FROM packed WHERE level = ?").pluck(),
    dropPeriod: db.prepare<[{ level: number; period: number; limit: number }]>(
      `DELETE FROM packed WHERE level = $level AND period_ms = $period AND number IN (
        SELECT number FROM packed WHERE level = $level AND period_ms = $period ORDER BY number LIMIT $limit)`,
    ),
    addChange: db.prepare<[Key, Key, bigint, Uint8Array, number]>(
      "REPLACE INTO changes (number, position, time_ms, change, checksum) VALUES (?, ?, ?, ?, ?)",
    ),
    changes: db.prepare<[Key, bigint, bigint], RawChange>(
      `SELECT position, time_ms, change, checksum FROM changes WHERE number = ? AND position < ?
        ORDER BY position DESC LIMIT ?`,
    ),
    oldestChange: db.prepare<[], bigint | null>("SELECT min(position) FROM changes").pluck(),
    dropChanges: db.prepare<[bigint]>("DELETE FROM changes WHERE position < ?"),
    removeChanges: db.prepare<[Key]>("DELETE FROM changes WHERE number = ?"),
  };
}

/** Starts with one more, mostly the latest. */
function withStart(starts: readonly number[], start: number): readonly number[] {
  if (starts.at(-1) === start || starts.includes(start)) return starts;
  if (start > (starts.at(-1) ?? -1)) {
    (starts as number[]).push(start); // In place: there may be thousands.
    return starts;
  }
  return [...starts, start].sort((a, b) => a - b);
}

function counterSum({ number, name, uid, from_ms, to_ms, erased }: Omit<RawCounter, "checksum">): number {
  return new Checksum()
    .int64(number)
    .text(name)
    .bytes(uid)
    .int64(from_ms)
    .optional(to_ms ?? undefined)
    .int64(erased).value;
}

/** Over a row's key too, so that no row passes for another. */
function sumOf(key: readonly number[], bytes: Uint8Array): number {
  const sum = new Checksum();
  for (const each of key) sum.number(each);
  return sum.bytes(bytes).value;
}

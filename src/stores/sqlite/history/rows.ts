import type { Database } from "better-sqlite3";
import type { Change } from "../../../core/change.ts";
import { TallyError } from "../../../core/errors.ts";
import type { Level } from "../../../core/levels.ts";
import { endOf } from "../../../core/selection.ts";
import { uidFromBytes, uidToBytes } from "../../../core/uid.ts";
import { fits } from "../../shared/checksum.ts";
import type {
  CounterRow,
  EndedPage,
  HistoryHead,
  HistoryRows,
  StoredNamedChange,
} from "../../shared/history/rows.ts";
import type { StoredHead } from "./head.ts";
import { NamedChangeRows } from "./named-changes.ts";
import {
  counterSum,
  prepare,
  type RawBuckets,
  type RawCounter,
  type Statements,
  sumOf,
} from "./statements.ts";
import { counted, minuteSum, type Tables } from "./tables.ts";
import { Witnesses } from "./witnesses.ts";

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
 * - of packed rows each time that one is not found: see witnesses.ts.
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
  readonly #witnesses: Witnesses;
  readonly #changes: NamedChangeRows;

  constructor(saving: Saving) {
    this.#saving = saving;
    this.#statements = prepare(saving.db);
    this.#head = saving.head;
    this.#tables = saving.head.tables;
    this.#witnesses = new Witnesses(this.#statements);
    this.#changes = new NamedChangeRows(this.#statements);
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
    this.#witnesses.forget();
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
    if (this.#write(this.#statements.setCounter, counter) === 1) return;
    this.#write(this.#statements.addCounter, counter);
    this.#count("counters", 1, counter.number);
  }

  ended(after: number, before: number, limit: number): EndedPage {
    const { endOf, ended } = this.#statements;
    const last = endOf.get(BigInt(after), BigInt(limit)) ?? null;
    if (last === null) return { numbers: [], last: undefined };
    return { numbers: ended.all(BigInt(after), last, BigInt(before)).map(Number), last: Number(last) };
  }

  removeCounter(number: number): void {
    this.#saving.begin();
    const { changes } = this.#statements.removeCounter.run(BigInt(number));
    if (changes === 1) this.#count("counters", -1, -number);
  }

  counterAt(number: number): CounterRow {
    const raw = this.#statements.byNumber.get(BigInt(number));
    const counter = raw && this.#counter(raw);
    if (counter !== undefined) return counter;
    throw new TallyError("ROW_CORRUPT", `counter ${number} of the history is damaged`, { part: "history" });
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
    if (this.#witnesses.isMissing(this.#head, level, period, number)) this.#damaged.push(period);
    return undefined;
  }

  setPacked(level: Level, period: number, number: number, buckets: Uint8Array): void {
    this.#saving.begin();
    this.#witnesses.writes(level, period, number);
    const checksum = sumOf([level, period, number], buckets);
    this.#statements.setPacked.run(BigInt(level), BigInt(period), BigInt(number), buckets, checksum);
  }

  removePacked(level: Level, period: number, number: number): void {
    this.#saving.begin();
    this.#witnesses.removes(level, period, number);
    this.#statements.removePacked.run(BigInt(level), BigInt(period), BigInt(number));
  }

  oldestPeriod(level: Level): number | undefined {
    const period = this.#statements.oldest.get(BigInt(level));
    return period === undefined || period === null ? undefined : Number(period);
  }

  dropPeriod(level: Level, period: number, limit: number): number {
    this.#saving.begin();
    this.#witnesses.drops(level, this.#head.droppedTo[level]!);
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
    this.#changes.add(number, position, change);
  }

  changes(numbers: readonly number[], before: number, limit: number): StoredNamedChange[] {
    return this.#changes.of(numbers, before, limit);
  }

  removeChanges(number: number): void {
    this.#saving.begin();
    this.#changes.remove(number);
  }

  oldestChange(): number | undefined {
    return this.#changes.oldest();
  }

  dropChanges(before: number): void {
    this.#saving.begin();
    this.#changes.drop(before);
  }

  #counters(rows: readonly RawCounter[]): CounterRow[] {
    return rows.flatMap((row) => this.#counter(row) ?? []);
  }

  #counter(row: RawCounter): CounterRow | undefined {
    if (!fits(() => counterSum(row), row.checksum)) {
      this.#damaged.push(0);
      return undefined;
    }
    return toCounterRow(row);
  }

  #write(into: Statements["addCounter"], { number, name, uid, from, to, erased }: CounterRow): number {
    const row: Omit<RawCounter, "checksum"> = {
      number: BigInt(number),
      name,
      uid: uidToBytes(uid),
      from_ms: BigInt(from),
      to_ms: to === undefined ? null : BigInt(to),
      erased: erased ? 1n : 0n,
    };
    return into.run({ ...row, checksum: counterSum(row) }).changes;
  }

  #sound({ bytes, checksum }: RawBuckets, key: readonly number[], from: number): Uint8Array | undefined {
    if (fits(() => sumOf(key, bytes), checksum)) return bytes;
    this.#damaged.push(from);
    return undefined;
  }

  #count(table: "counters" | "minutes", rows: number, sum: number): void {
    this.#tables = { ...this.#tables, [table]: counted(this.#tables[table], rows, sum) };
  }
}

/** A row that is sound, as a counter. */
export function toCounterRow({ number, name, uid, from_ms, to_ms, erased }: RawCounter): CounterRow {
  return {
    ...{ number: Number(number), name, uid: uidFromBytes(uid), from: Number(from_ms) },
    ...{ to: to_ms === null ? undefined : Number(to_ms), erased: erased === 1n },
  };
}

/** The end of a time of which nobody knows how long it is. */
const FOR_EVER = Number.MAX_SAFE_INTEGER;
/** Counters that are read at once. */
const PAGE = 1_000;

/** Starts with one more, mostly the latest. */
function withStart(starts: readonly number[], start: number): readonly number[] {
  if (starts.at(-1) === start || starts.includes(start)) return starts;
  if (start > (starts.at(-1) ?? -1)) {
    (starts as number[]).push(start); // In place: there may be thousands.
    return starts;
  }
  return [...starts, start].sort((a, b) => a - b);
}

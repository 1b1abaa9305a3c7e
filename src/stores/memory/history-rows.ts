import type { Change } from "../../core/change.ts";
import { LEVELS, type Level } from "../../core/levels.ts";
import type { HistoryRow } from "../../service/store-history-copying.ts";
import {
  type CounterRow,
  type EndedPage,
  type HistoryHead,
  type HistoryRows,
  NO_HISTORY,
  type StoredNamedChange,
} from "../shared/history/rows.ts";

/** History, kept in memory: see HistoryRows. */
export class HistoryRowsInMemory implements HistoryRows {
  #head = NO_HISTORY;
  readonly #counters = new Map<number, CounterRow>();
  #lastNumber = -1;
  readonly #byUid = new Map<string, number>();
  /** By name, the numbers of those that had it. */
  readonly #byName = new Map<string, number[]>();
  /** By minute, then by number. */
  readonly #open = new Map<number, Map<number, Uint8Array>>();
  #openStarts: readonly number[] | undefined;
  /** By level and period, then by number. */
  readonly #packed = LEVELS.map(() => new Map<number, Map<number, Uint8Array>>());
  /** By number, in the order of their positions; and all their positions, of which some may be gone. */
  readonly #changes = new Map<number, StoredNamedChange[]>();
  readonly #positions: { readonly position: number; readonly number: number }[] = [];
  #firstPosition = 0;
  #bytes = 0;

  head(): HistoryHead {
    return this.#head;
  }

  setHead(head: HistoryHead): void {
    this.#head = head;
  }

  save(): void {}

  undo(): void {}

  counterOf(uid: string): CounterRow | undefined {
    const number = this.#byUid.get(uid);
    return number === undefined ? undefined : this.#counters.get(number);
  }

  counterAt(number: number): CounterRow {
    return this.#counters.get(number)!;
  }

  addCounter(counter: Omit<CounterRow, "number">): number {
    const number = this.#lastNumber + 1;
    this.setCounter({ ...counter, number });
    return number;
  }

  setCounter(counter: CounterRow): void {
    const { number, name, uid } = counter;
    const isNew = !this.#counters.has(number);
    this.#counters.set(number, counter);
    if (!isNew) return;
    this.#lastNumber = Math.max(this.#lastNumber, number);
    this.#byUid.set(uid, number);
    const numbers = this.#byName.get(name);
    if (numbers === undefined) this.#byName.set(name, [number]);
    else numbers.push(number);
  }

  ended(after: number, before: number): EndedPage {
    const numbers: number[] = [];
    for (const { number, to = Number.POSITIVE_INFINITY } of this.#counters.values())
      if (number > after && to < before && !this.#changes.has(number)) numbers.push(number);
    return { numbers, last: undefined };
  }

  removeCounter(number: number): void {
    const { name, uid } = this.#counters.get(number)!;
    this.#counters.delete(number);
    this.#byUid.delete(uid);
    const others = this.#byName.get(name)!.filter((each) => each !== number);
    if (others.length > 0) this.#byName.set(name, others);
    else this.#byName.delete(name);
  }

  named(name: string): CounterRow[] {
    return (this.#byName.get(name) ?? []).map((number) => this.#counters.get(number)!);
  }

  *under(prefix: string): Iterable<CounterRow> {
    for (const counter of this.#counters.values()) if (counter.name.startsWith(prefix)) yield counter;
  }

  open(start: number, number: number): Uint8Array | undefined {
    return this.#open.get(start)?.get(number);
  }

  setOpen(start: number, number: number, bucket: Uint8Array): void {
    if (!this.#open.has(start)) this.#openStarts = undefined;
    this.#put(this.#open, start, number, bucket);
  }

  removeOpen(start: number, number: number): void {
    this.#remove(this.#open, start, number);
    if (!this.#open.has(start)) this.#openStarts = undefined;
  }

  openStarts(): readonly number[] {
    this.#openStarts ??= [...this.#open.keys()].sort((a, b) => a - b);
    return this.#openStarts;
  }

  openAt(start: number, limit: number): number[] {
    const numbers: number[] = [];
    for (const number of this.#open.get(start)?.keys() ?? []) {
      if (numbers.push(number) === limit) break;
    }
    return numbers;
  }

  packed(level: Level, period: number, number: number): Uint8Array | undefined {
    return this.#packed[level]!.get(period)?.get(number);
  }

  setPacked(level: Level, period: number, number: number, buckets: Uint8Array): void {
    this.#put(this.#packed[level]!, period, number, buckets);
  }

  removePacked(level: Level, period: number, number: number): void {
    this.#remove(this.#packed[level]!, period, number);
  }

  oldestPeriod(level: Level): number | undefined {
    let oldest: number | undefined;
    for (const period of this.#packed[level]!.keys())
      if (oldest === undefined || period < oldest) oldest = period;
    return oldest;
  }

  dropPeriod(level: Level, period: number, limit: number): number {
    const numbers = [...(this.#packed[level]!.get(period)?.keys() ?? [])].slice(0, limit);
    for (const number of numbers) this.removePacked(level, period, number);
    return numbers.length;
  }

  bytes(): number {
    return this.#bytes;
  }

  addChange(number: number, position: number, change: Change): void {
    const each = { number, position, change };
    const changes = this.#changes.get(number);
    if (changes === undefined) this.#changes.set(number, [each]);
    else changes.push(each);
    this.#positions.push({ position, number });
  }

  /** After changes were added whose positions were not the highest. */
  orderChanges(): void {
    this.#positions.sort((a, b) => a.position - b.position);
  }

  changes(numbers: readonly number[], before: number, limit: number): StoredNamedChange[] {
    const found = numbers.flatMap((number) => this.#changes.get(number) ?? []);
    const earlier = found.filter(({ position }) => position < before);
    return earlier.sort((a, b) => b.position - a.position).slice(0, limit);
  }

  removeChanges(number: number): void {
    this.#changes.delete(number);
  }

  oldestChange(): number | undefined {
    return this.#positions[this.#firstPosition]?.position;
  }

  dropChanges(before: number): void {
    for (; (this.oldestChange() ?? before) < before; this.#firstPosition++) {
      const { position, number } = this.#positions[this.#firstPosition]!;
      const changes = this.#changes.get(number);
      if (changes?.[0]?.position !== position) continue; // Removed before.
      changes.shift();
      if (changes.length === 0) this.#changes.delete(number);
    }
    if (this.#firstPosition > this.#positions.length / 2) {
      this.#positions.splice(0, this.#firstPosition);
      this.#firstPosition = 0;
    }
  }

  /** All rows of a table, in no order. */
  *all(table: HistoryRow["table"]): Generator<HistoryRow> {
    if (table === "counters") for (const row of this.#counters.values()) yield { table, ...row };
    if (table === "minutes")
      for (const [start, rows] of this.#open)
        for (const [number, buckets] of rows) yield { table, start, number, buckets };
    if (table === "packed")
      for (const level of LEVELS)
        for (const [period, rows] of this.#packed[level]!)
          for (const [number, buckets] of rows) yield { table, level, period, number, buckets };
    if (table === "changes")
      for (const rows of this.#changes.values()) for (const row of rows) yield { table, ...row };
  }

  clear(): void {
    this.#head = NO_HISTORY;
    this.#counters.clear();
    this.#lastNumber = -1;
    this.#byUid.clear();
    this.#byName.clear();
    this.#open.clear();
    this.#openStarts = undefined;
    for (const level of this.#packed) level.clear();
    this.#changes.clear();
    this.#positions.length = 0;
    this.#firstPosition = 0;
    this.#bytes = 0;
  }

  #put(rows: Map<number, Map<number, Uint8Array>>, at: number, number: number, bytes: Uint8Array): void {
    let row = rows.get(at);
    if (row === undefined) {
      row = new Map();
      rows.set(at, row);
    }
    this.#bytes += sizeOf(bytes) - sizeOf(row.get(number));
    row.set(number, bytes);
  }

  #remove(rows: Map<number, Map<number, Uint8Array>>, at: number, number: number): void {
    const row = rows.get(at);
    if (row === undefined) return;
    this.#bytes -= sizeOf(row.get(number));
    row.delete(number);
    if (row.size === 0) rows.delete(at);
  }
}

/** About what a row takes in memory. */
function sizeOf(row: Uint8Array | undefined): number {
  return row === undefined ? 0 : row.length + ROW_BYTES;
}

const ROW_BYTES = 120;

import type { Change } from "../../../core/change.ts";
import type { Level } from "../../../core/levels.ts";
import {
  type CounterRow,
  type EndedPage,
  type HistoryHead,
  type HistoryRows,
  NO_HISTORY,
  type StoredNamedChange,
} from "../../shared/history/rows.ts";

/**
 * Some rows of history, loaded from the database before they are looked at; what is written stands here until it is saved.
 * What was not loaded is not there: whoever asks sees to it that all is that is looked at.
 */
export class LoadedRows implements HistoryRows {
  /** The number that the next counter gets. */
  nextNumber = 0;
  /** About how many bytes all buckets take, as they are saved. */
  size = 0;
  /** The lengths of rows as they are saved, by their keys. */
  readonly #saved = new Map<string, number>();
  /** The lowest position of a named change that is saved. */
  firstChange: number | undefined;
  /** By level, the oldest period that has rows. */
  readonly oldest = new Map<Level, number>();
  /** Counters that have a bucket of a minute, in the order of their numbers. */
  readonly #openAt = new Map<number, number[]>();
  #head: HistoryHead = NO_HISTORY;
  #starts: number[] = [];
  readonly #counters = new Map<number, CounterRow>();
  readonly #byUid = new Map<string, number>();
  readonly #open = new Map<string, Uint8Array>();
  readonly #packed = new Map<string, Uint8Array>();
  #changes: StoredNamedChange[] = [];
  /** What `ended` gives. */
  endedPage: EndedPage = { numbers: [], last: undefined };
  pending = nothing();

  load(counters: Iterable<CounterRow>): void {
    for (const counter of counters) {
      if (!this.#counters.has(counter.number)) this.#keep(counter);
    }
  }

  loadHead(head: HistoryHead, nextNumber: number): void {
    this.#head = head;
    this.nextNumber = nextNumber;
  }

  loadOpen(start: number, number: number, bucket: Uint8Array): void {
    this.#open.set(`${start} ${number}`, bucket);
    this.#saved.set(`${start} ${number}`, bucket.length);
  }

  loadStarts(starts: readonly number[]): void {
    this.#starts = [...starts];
  }

  loadOpenAt(start: number, numbers: number[]): void {
    this.#openAt.set(start, numbers);
  }

  loadPacked(level: Level, period: number, number: number, buckets: Uint8Array): void {
    this.#packed.set(`${level} ${period} ${number}`, buckets);
    this.#saved.set(`${level} ${period} ${number}`, buckets.length);
  }

  /** By how much the rows that are written are longer than what is saved of them. */
  get grown(): number {
    let bytes = 0;
    for (const [key, row] of [...this.pending.open, ...this.pending.packed]) {
      if (row === undefined) continue;
      const saved = this.#saved.get(key);
      bytes += saved === undefined ? row.length + ROW_BYTES : row.length - saved;
    }
    return bytes;
  }

  loadChanges(changes: StoredNamedChange[]): void {
    this.#changes = changes;
  }

  /** Others, that know how far history has come, and of which minutes there are buckets. */
  within(): LoadedRows {
    const rows = new LoadedRows();
    rows.loadHead(this.#head, this.nextNumber);
    rows.loadStarts(this.#starts);
    return rows;
  }

  /** Forget what was loaded and what was written, but for the head. */
  clear(): void {
    this.#counters.clear();
    this.#byUid.clear();
    this.#open.clear();
    this.#packed.clear();
    this.#saved.clear();
    this.#openAt.clear();
    this.oldest.clear();
    this.endedPage = { numbers: [], last: undefined };
    this.#starts = [];
    this.#changes = [];
    this.pending = nothing();
  }

  head(): HistoryHead {
    return this.#head;
  }

  setHead(head: HistoryHead): void {
    this.#head = head;
    this.pending.any = true;
  }

  save(): void {}

  undo(): void {
    this.clear();
  }

  counterOf(uid: string): CounterRow | undefined {
    const number = this.#byUid.get(uid);
    return number === undefined ? undefined : this.#counters.get(number);
  }

  counterAt(number: number): CounterRow {
    return this.#counters.get(number)!;
  }

  addCounter(counter: Omit<CounterRow, "number">): number {
    const number = this.nextNumber++;
    this.setCounter({ ...counter, number });
    return number;
  }

  setCounter(counter: CounterRow): void {
    this.#keep(counter);
    this.pending.counters.add(counter.number);
    this.pending.any = true;
  }

  ended(): EndedPage {
    return this.endedPage;
  }

  removeCounter(number: number): void {
    this.pending.gone.push(number);
    this.pending.any = true;
  }

  named(name: string): CounterRow[] {
    return this.under("").filter((counter) => counter.name === name);
  }

  under(prefix: string): CounterRow[] {
    const counters = [...this.#counters.values()].filter(({ name }) => name.startsWith(prefix));
    return counters.sort((a, b) => a.number - b.number);
  }

  open(start: number, number: number): Uint8Array | undefined {
    return this.#open.get(`${start} ${number}`);
  }

  setOpen(start: number, number: number, bucket: Uint8Array): void {
    this.#open.set(`${start} ${number}`, bucket);
    this.pending.open.set(`${start} ${number}`, bucket);
    this.pending.any = true;
    if (!this.#starts.includes(start)) this.#starts = [...this.#starts, start].sort((a, b) => a - b);
  }

  removeOpen(start: number, number: number): void {
    this.#open.delete(`${start} ${number}`);
    this.pending.open.set(`${start} ${number}`, undefined);
    this.pending.any = true;
  }

  openStarts(): readonly number[] {
    return this.#starts;
  }

  /** All that were loaded: how many a slice packs is for whoever loads them. */
  openAt(start: number): number[] {
    return this.#openAt.get(start) ?? [];
  }

  packed(level: Level, period: number, number: number): Uint8Array | undefined {
    return this.#packed.get(`${level} ${period} ${number}`);
  }

  setPacked(level: Level, period: number, number: number, buckets: Uint8Array): void {
    this.#packed.set(`${level} ${period} ${number}`, buckets);
    this.pending.packed.set(`${level} ${period} ${number}`, buckets);
    this.pending.any = true;
  }

  removePacked(level: Level, period: number, number: number): void {
    this.#packed.delete(`${level} ${period} ${number}`);
    this.pending.packed.set(`${level} ${period} ${number}`, undefined);
    this.pending.any = true;
  }

  oldestPeriod(level: Level): number | undefined {
    return this.oldest.get(level);
  }

  dropPeriod(level: Level, period: number, limit: number): number {
    this.pending.drop = { level, period, limit };
    this.pending.any = true;
    return limit;
  }

  bytes(): number {
    return this.size;
  }

  addChange(number: number, position: number, change: Change): void {
    this.pending.changes.push({ number, position, change });
    this.pending.any = true;
  }

  changes(): StoredNamedChange[] {
    return this.#changes;
  }

  removeChanges(number: number): void {
    this.pending.changes = this.pending.changes.filter((each) => each.number !== number);
    this.pending.forget.push(number);
    this.pending.any = true;
  }

  oldestChange(): number | undefined {
    return this.firstChange;
  }

  dropChanges(before: number): void {
    this.pending.dropChanges = before;
    this.pending.any = true;
  }

  #keep(counter: CounterRow): void {
    this.#counters.set(counter.number, counter);
    this.#byUid.set(counter.uid, counter.number);
  }
}

/** What was written, and is not saved. Rows by their keys, apart by spaces; undefined where one goes. */
function nothing() {
  return {
    any: false,
    counters: new Set<number>(),
    open: new Map<string, Uint8Array | undefined>(),
    packed: new Map<string, Uint8Array | undefined>(),
    changes: [] as StoredNamedChange[],
    /** Counters that go. */
    gone: [] as number[],
    /** Counters whose named changes go. */
    forget: [] as number[],
    /** Named changes of lower positions go. */
    dropChanges: undefined as number | undefined,
    drop: undefined as { readonly level: Level; readonly period: number; readonly limit: number } | undefined,
  };
}

/** About what a row takes beside its buckets, with its entry in the index. */
export const ROW_BYTES = 90;

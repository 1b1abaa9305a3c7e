import {
  decideBatch,
  decideTidying,
  keysToFind,
  type Loaded,
  requestKeys,
  type Save,
  touchedBy,
} from "../../core/batch.ts";
import type { Batch, Outcomes } from "../../core/columns.ts";
import type { Fixed, FullCounter } from "../../core/counter.ts";
import type { Epoch } from "../../core/epoch.ts";
import { TallyError } from "../../core/errors.ts";
import { type AsOf, present, presentAll } from "../../core/present.ts";
import { addSums, byRank, EMPTY_SUM, type Order, type Selection, type Sum } from "../../core/selection.ts";
import { isSettled } from "../../core/settling.ts";
import type { Calendar } from "../../core/window.ts";
import type { Store, StoreOptions, StoreTraits } from "../../service/store.ts";
import type { Copying } from "../../service/store-copying.ts";
import type { ChangeLogReads } from "../../service/store-log.ts";
import type { ChangePage, CounterPage, Counters } from "../../service/store-pages.ts";
import type { PolicyReads } from "../../service/store-policies.ts";
import type { StoreSize } from "../../service/store-size.ts";
import { knowKept, noteKept } from "../../telemetry/kept.ts";
import { Metrics } from "../../telemetry/metrics.ts";
import { ZoneCalendar } from "../shared/calendar.ts";
import { ClockDoubt } from "../shared/clock-doubt.ts";
import { ForgottenEarly } from "../shared/forgotten-early.ts";
import { covers, toMark } from "../shared/log-mark.ts";
import { CatalogueInMemory } from "./catalogue.ts";
import { ChangeLogInMemory } from "./change-log.ts";
import { MemoryCopying, type MemoryState } from "./copying.ts";
import { CountersInMemory } from "./counters.ts";
import { HistoryInMemory } from "./history.ts";
import { RequestIdsInMemory } from "./request-ids.ts";
import { SettlingInMemory } from "./settling.ts";

/**
 * Counters in memory: the reference model that the other stores are compared with, and `memory:` for trying
 * things out. Nothing survives the process.
 */
export class MemoryStore implements Store {
  readonly traits: StoreTraits = {
    title: "memory (nothing survives the process)",
    durability: "none",
    groups: "all",
    enforcesBounds: false,
    promise: "Nothing is saved: every counter is gone when this process ends.",
    commitsInFlight: 1,
    time: "process",
  };
  readonly failed = new Promise<never>(() => {});
  readonly copying: Copying;
  readonly catalogue = new CatalogueInMemory(
    () => this.#assertOpen(),
    () => this.#options.clock.now(),
  );
  readonly keyUses = this.catalogue.keyUses;
  readonly history: HistoryInMemory | undefined;

  readonly #options: StoreOptions;
  readonly #metrics: Metrics;
  readonly #decide: typeof decideBatch;
  readonly #calendar: Calendar;
  readonly #clockDoubt: ClockDoubt;
  readonly #counters = new CountersInMemory();
  readonly #requestIds: RequestIdsInMemory;
  readonly #log: ChangeLogInMemory;
  readonly #state: MemoryState;
  readonly #settling = new SettlingInMemory(this.catalogue, this.#counters);
  readonly #forgottenEarly = new ForgottenEarly();
  #closed = false;

  /**
   * @param decide    the rule; tests put another in its place
   * @param calendar  likewise
   */
  constructor(
    options: StoreOptions,
    decide: typeof decideBatch = decideBatch,
    calendar: Calendar = new ZoneCalendar(options.warn),
  ) {
    this.#options = options;
    this.#metrics = options.metrics ?? new Metrics();
    knowKept(this.#metrics);
    this.#decide = decide;
    this.#calendar = calendar;
    this.#clockDoubt = new ClockDoubt(options.warn);
    this.#clockDoubt.start(options.clock.now(), options.clock.monotonic(), undefined);
    this.#state = { startedMs: options.clock.monotonic(), changes: 0 };
    this.#requestIds = new RequestIdsInMemory(options.retention);
    this.#log = new ChangeLogInMemory(options.retention.changeLogBytesMax, (name) =>
      this.#counters.get(name),
    );
    if (options.history !== undefined) {
      const assertOpen = () => this.#assertOpen();
      this.history = new HistoryInMemory(options.history, options.clock, this.#log, assertOpen);
    }
    const parts = {
      counters: this.#counters,
      log: this.#log,
      requestIds: this.#requestIds,
      catalogue: this.catalogue,
      history: this.history,
      state: this.#state,
    };
    this.copying = new MemoryCopying(parts, options, () => this.#assertOpen());
  }

  get epoch(): Epoch {
    return this.catalogue.epoch;
  }

  now(): number {
    return this.#options.clock.now();
  }

  async commit(batch: Batch): Promise<Outcomes> {
    this.#assertOpen();
    const loaded = this.#load(batch);
    const now = this.#options.clock.now();
    const { outcomes, save } = this.#decide(batch, loaded, {
      now,
      calendar: this.#calendar,
      policies: this.#settling.policies,
      epoch: this.epoch,
      uidSeed: this.#options.newUid(),
    });
    if (save.held.length > 0) this.#settling.held(save, this.#options.clock.monotonic());
    this.#save(save, now);
    return outcomes;
  }

  readonly policies: PolicyReads = {
    progress: async (prefix) => {
      this.#assertOpen();
      return this.#settling.progress(prefix);
    },
  };

  async get(names: readonly string[]): Promise<(FullCounter | undefined)[]> {
    this.#assertOpen();
    const asOf = this.#asOf;
    return names.map((name) => {
      const counter = this.#counters.get(name);
      return counter && present(counter, asOf, this.#calendar);
    });
  }

  async list(selection: Selection, from: string, limit: number, marked = false): Promise<CounterPage> {
    this.#assertOpen();
    const counters: FullCounter[] = [];
    let next: string | undefined;
    for (const counter of this.#counters.select(selection, from)) {
      if (counters.length === limit) {
        next = counter.name;
        break;
      }
      counters.push(counter);
    }
    const mark = marked && { mark: toMark({ position: BigInt(this.#log.end), unplaced: [] }) };
    return { counters: presentAll(counters, this.#asOf, this.#calendar), corruptNames: [], next, ...mark };
  }

  covers(mark: string, position: string): boolean {
    return covers(mark, position);
  }

  async top(selection: Selection, n: number, order: Order): Promise<Counters> {
    this.#assertOpen();
    const counters = this.#presented(selection).sort(byRank(order)).slice(0, n);
    return { counters, corruptNames: [] };
  }

  async sum(selection: Selection): Promise<Sum> {
    this.#assertOpen();
    let sum = EMPTY_SUM;
    for (const { value } of this.#presented(selection)) {
      sum = addSums(sum, { count: 1, sum: value, lowest: value, highest: value, corruptNames: [] });
    }
    return sum;
  }

  async changesSince(cursor: string, limit: number): Promise<ChangePage> {
    this.#assertOpen();
    return this.#log.since(cursor, limit);
  }

  readonly changeLog: ChangeLogReads = {
    read: async (cursor, limit) => {
      this.#assertOpen();
      return this.#log.read(cursor, limit);
    },
    counters: async (ids) => {
      this.#assertOpen();
      return this.#log.counters(ids);
    },
  };

  async probeReads(): Promise<void> {
    this.#assertOpen();
  }

  async probeWrites(): Promise<void> {
    this.#assertOpen();
  }

  async maintain(): Promise<boolean> {
    this.#assertOpen();
    const plan = this.#requestIds.plan(this.#runMs());
    this.#forgottenEarly.tell(plan.early, this.#options.warn);
    this.#requestIds.forget(plan.forget.length);
    if (this.#log.drop(this.history?.droppable) || plan.forget.length > 0) this.#state.changes++;
    noteKept(this.#metrics, {
      changeLog: this.#log.kept,
      requestIds: this.#requestIds.keptAt(this.#runMs()),
    });
    const more = [this.#tidy(), this.#sweep(), this.#tidyHistory()];
    return more.includes(true);
  }

  async size(): Promise<StoreSize> {
    this.#assertOpen();
    return { counters: this.#counters.size, bytes: undefined, roomBytes: undefined };
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  get #asOf(): AsOf {
    const { clock, purpose = "serve" } = this.#options;
    return { now: clock.now(), asStored: purpose !== "serve" };
  }

  #presented(selection: Selection): FullCounter[] {
    return presentAll(this.#counters.select(selection), this.#asOf, this.#calendar);
  }

  /** Write down what time has done to some of the counters. Returns whether there are more to look at. */
  #tidy(): boolean {
    const { clock } = this.#options;
    const now = clock.now();
    if (this.#clockDoubt.look(now, clock.monotonic())) return false;
    const { due, more } = this.#counters.due(now, TIDIED_AT_ONCE);
    if (due.length > 0) this.#writeDown(due, now);
    return more;
  }

  /** Settle some of the counters by their policies. Returns whether there are more to look at. */
  #sweep(): boolean {
    const { clock } = this.#options;
    const now = clock.now();
    if (this.#clockDoubt.look(now, clock.monotonic())) return false; // It writes down what has expired, too.
    return this.#settling.slice(clock.monotonic(), (found) => this.#writeDown(found, now));
  }

  /** What time and policies have made of some counters. */
  #writeDown(counters: readonly FullCounter[], now: number): void {
    const fixed = new Map<number, Fixed>(counters.entries());
    const found = { names: counters.map(({ name }) => name), counters, fixed };
    const { policies } = this.#settling;
    const context = { now, calendar: this.#calendar, policies, uidSeed: this.#options.newUid() };
    this.#save(decideTidying(found, context), now);
  }

  #tidyHistory(): boolean {
    const { clock } = this.#options;
    const now = clock.now();
    const doubted = this.#clockDoubt.look(now, clock.monotonic());
    return this.history?.tidy(doubted ? undefined : now) ?? false;
  }

  #assertOpen(): void {
    if (this.#closed) throw new TallyError("STORE_UNAVAILABLE", "the store is closed");
  }

  #runMs(): number {
    return this.#options.clock.monotonic() - this.#state.startedMs;
  }

  #load(batch: Batch): Loaded {
    const touched = touchedBy(batch);
    const keys = requestKeys(batch, touched);
    const answered = new Map<string, Uint8Array>();
    for (const key of keysToFind(keys)) {
      const record = this.#requestIds.find(key);
      if (record !== undefined) answered.set(key, record);
    }
    const counters = touched.names.map((name) => this.#counters.get(name));
    const fixed = new Map<number, Fixed>();
    const { policies } = this.#settling;
    for (const [index, counter] of counters.entries()) {
      if (counter === undefined) continue;
      const mayGo = touched.whole.has(index) || counter.idleTtlMs !== undefined;
      if (mayGo || !isSettled(counter, counter.name, policies)) fixed.set(index, counter);
    }
    const { fullForMs } = this.#requestIds.plan(this.#runMs());
    return { ...touched, ...keys, counters, fixed, answered, requestIdsFullForMs: fullForMs };
  }

  #save(save: Save, now: number): void {
    if (save.changed.length === 0 && save.answers.size === 0) return;
    const runMs = this.#runMs(); // Before anything is changed: it is not ours, and may throw.
    this.#state.changes++;
    const saved = new Map<number, FullCounter>();
    for (const index of save.changed) {
      const name = save.names[index]!;
      const fixed = save.fixed.get(index) ?? this.#counters.get(name)!;
      const [value, revision] = [save.values[index]!, save.revisions[index]!];
      const timing = save.timings.has(index) ? save.timings.get(index) : this.#counters.get(name)?.timing;
      const counter = { ...fixed, name, value, revision, updateTime: save.updateTimes[index]!, timing };
      saved.set(index, counter);
      const keepHistory = save.deleted.get(index);
      if (keepHistory === undefined) this.#counters.set(counter);
      else this.#counters.delete(name);
      if (keepHistory === false) this.#log.hide(counter.uid);
    }
    if (save.answers.size > 0) this.#requestIds.save(save.answers, runMs);
    if (save.changes.count > 0) this.#log.append(save.changes, (index) => saved.get(index)!, now);
  }
}

/** Some milliseconds. */
const TIDIED_AT_ONCE = 1_000;

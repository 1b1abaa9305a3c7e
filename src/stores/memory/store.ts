import { decideBatch, type Loaded, requestKeys, type Save, touchedBy } from "../../core/batch.ts";
import type { Batch, Outcomes } from "../../core/columns.ts";
import type { Fixed, FullCounter } from "../../core/counter.ts";
import { TallyError } from "../../core/errors.ts";
import { addSums, byRank, EMPTY_SUM, type Order, type Selection, type Sum } from "../../core/selection.ts";
import type {
  ChangePage,
  Copying,
  CounterPage,
  Counters,
  ExportHead,
  ImportedCopy,
  ImportPart,
  ImportState,
  RequestIdPage,
  Store,
  StoreOptions,
  StoreTraits,
} from "../../service/store.ts";
import { ChangeLogInMemory } from "./change-log.ts";
import { CountersInMemory } from "./counters.ts";
import { RequestIdsInMemory } from "./request-ids.ts";

/**
 * Counters in memory: the reference model that the other stores are compared with, and `memory:` for trying
 * things out. Nothing survives the process.
 */
export class MemoryStore implements Store, Copying {
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
  readonly copying: Copying = this;

  readonly #options: StoreOptions;
  readonly #decide: typeof decideBatch;
  readonly #counters = new CountersInMemory();
  readonly #requestIds: RequestIdsInMemory;
  readonly #log: ChangeLogInMemory;
  /** When the running time was 0, by the monotonic clock. */
  #startedMs: number;
  /** How often anything was changed. */
  #changes = 0;
  /** What the store is known by, once a copy asked. */
  #storeId: string | undefined;
  #copy: ImportedCopy | undefined;
  #closed = false;

  /** @param decide  the rule; tests put another in its place */
  constructor(options: StoreOptions, decide: typeof decideBatch = decideBatch) {
    this.#options = options;
    this.#decide = decide;
    this.#startedMs = options.clock.monotonic();
    this.#requestIds = new RequestIdsInMemory(options.retention);
    this.#log = new ChangeLogInMemory(options.retention.changeLogBytesMax);
  }

  async commit(batch: Batch): Promise<Outcomes> {
    this.#assertOpen();
    const loaded = this.#load(batch);
    const { outcomes, save } = this.#decide(batch, loaded, {
      now: this.#options.clock.now(),
      uidSeed: this.#options.newUid(),
    });
    this.#save(save);
    return outcomes;
  }

  async get(names: readonly string[]): Promise<(FullCounter | undefined)[]> {
    this.#assertOpen();
    return names.map((name) => this.#counters.get(name));
  }

  async list(selection: Selection, from: string, limit: number): Promise<CounterPage> {
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
    return { counters, corruptNames: [], next };
  }

  async top(selection: Selection, n: number, order: Order): Promise<Counters> {
    this.#assertOpen();
    const counters = [...this.#counters.select(selection)].sort(byRank(order)).slice(0, n);
    return { counters, corruptNames: [] };
  }

  async sum(selection: Selection): Promise<Sum> {
    this.#assertOpen();
    let sum = EMPTY_SUM;
    for (const { value } of this.#counters.select(selection)) {
      sum = addSums(sum, { count: 1, sum: value, lowest: value, highest: value, corruptNames: [] });
    }
    return sum;
  }

  async changesSince(cursor: string, limit: number): Promise<ChangePage> {
    this.#assertOpen();
    return this.#log.since(cursor, limit);
  }

  async exportHead(): Promise<ExportHead> {
    this.#assertOpen();
    const { generations } = this.#requestIds;
    this.#storeId ??= this.#options.newUid();
    return { storeId: this.#storeId, state: `${this.#changes}`, runMs: this.#runMs(), generations };
  }

  async exportRequestIds(cursor: string, limit: number): Promise<RequestIdPage> {
    this.#assertOpen();
    return this.#requestIds.page(cursor, limit);
  }

  async importState(): Promise<ImportState> {
    this.#assertOpen();
    return { empty: this.#empty, copy: this.#copy };
  }

  async beginImport({ storeId, state, runMs, generations }: ExportHead): Promise<void> {
    this.#assertOpen();
    if (this.#copy === undefined && !this.#empty) {
      throw new TypeError("expected a store that is empty, or has a copy only");
    }
    this.#counters.clear();
    this.#log.clear();
    this.#requestIds.begin(generations);
    this.#startedMs = this.#options.clock.monotonic() - runMs;
    this.#copy = { storeId, state, progress: "", ended: false };
  }

  async import(part: ImportPart): Promise<void> {
    this.#assertOpen();
    for (const counter of part.counters ?? []) this.#counters.set(counter);
    this.#log.import(part);
    this.#requestIds.import(part.requestIds ?? []);
    this.#copy = { ...this.#copy!, progress: part.progress };
  }

  async endImport(): Promise<void> {
    this.#assertOpen();
    this.#copy = { ...this.#copy!, ended: true };
  }

  async probeReads(): Promise<void> {
    this.#assertOpen();
  }

  async probeWrites(): Promise<void> {
    this.#assertOpen();
  }

  async maintain(): Promise<boolean> {
    this.#assertOpen();
    const plan = this.#requestIds.plan(this.#runMs());
    if (plan.early) this.#options.warn(EARLY);
    this.#requestIds.forget(plan.forget.length);
    if (this.#log.drop() || plan.forget.length > 0) this.#changes++;
    return false;
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  get #empty(): boolean {
    return this.#counters.size === 0 && this.#log.empty && this.#requestIds.empty;
  }

  #assertOpen(): void {
    if (this.#closed) throw new TallyError("STORE_UNAVAILABLE", "the store is closed");
  }

  #runMs(): number {
    return this.#options.clock.monotonic() - this.#startedMs;
  }

  #load(batch: Batch): Loaded {
    const touched = touchedBy(batch);
    const keys = requestKeys(batch, touched);
    const answered = new Map<string, Uint8Array>();
    for (const key of keys) {
      const record = key === undefined ? undefined : this.#requestIds.find(key);
      if (record !== undefined) answered.set(key!, record);
    }
    const counters = touched.names.map((name) => this.#counters.get(name));
    const fixed = new Map<number, Fixed>();
    for (const index of touched.whole) {
      const counter = counters[index];
      if (counter !== undefined) fixed.set(index, counter);
    }
    const { fullForMs } = this.#requestIds.plan(this.#runMs());
    return { ...touched, counters, fixed, keys, answered, requestIdsFullForMs: fullForMs };
  }

  #save(save: Save): void {
    if (save.changed.length === 0 && save.answers.size === 0) return;
    const runMs = this.#runMs(); // Before anything is changed: it is not ours, and may throw.
    this.#changes++;
    this.#copy = undefined;
    const saved = new Map<number, FullCounter>();
    for (const index of save.changed) {
      const name = save.names[index]!;
      const fixed = save.fixed.get(index) ?? this.#counters.get(name)!;
      const [value, revision] = [save.values[index]!, save.revisions[index]!];
      const counter = { ...fixed, name, value, revision, updateTime: save.updateTimes[index]! };
      saved.set(index, counter);
      const keepHistory = save.deleted.get(index);
      if (keepHistory === undefined) this.#counters.set(counter);
      else this.#counters.delete(name);
      if (keepHistory === false) this.#log.hide(counter.uid);
    }
    if (save.answers.size > 0) this.#requestIds.save(save.answers, runMs);
    if (save.changed.length > 0) this.#log.append(save.changes, (index) => saved.get(index)!);
  }
}

/** What the operator is told when the room for request ids is used up. */
const EARLY =
  "The room for request ids is used up: ids are forgotten before their time, though never younger than the floor. " +
  "Give request_ids_bytes_max more room to keep them longer.";

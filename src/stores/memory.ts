import { decideBatch, type Loaded, requestKeys, type Save, touchedBy } from "../core/batch.ts";
import { type ChangeColumns, ChangeKind } from "../core/change.ts";
import type { Batch, Outcomes } from "../core/columns.ts";
import type { Fixed, FullCounter } from "../core/counter.ts";
import { TallyError } from "../core/errors.ts";
import { type Generation, planGenerations } from "../core/request-ids.ts";
import { addSums, byRank, EMPTY_SUM, type Order, type Selection, type Sum } from "../core/selection.ts";
import type {
  ChangePage,
  CounterPage,
  Counters,
  Store,
  StoredChange,
  StoreOptions,
  StoreTraits,
} from "../service/store.ts";
import { CountersInMemory } from "./memory-counters.ts";

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

  readonly #options: StoreOptions;
  readonly #startedMs: number;
  readonly #counters = new CountersInMemory();
  readonly #generations: RequestIds[] = [
    { id: 0, openedMs: 0, closedMs: undefined, bytes: 0, records: new Map() },
  ];
  readonly #log: Commit[] = [];
  /** By uid: what is left of the changes that were dropped. */
  readonly #openings = new Map<string, StoredChange>();
  /** The uids of counters that were deleted without their history, while the log has their deletion. */
  readonly #hidden = new Set<string>();
  #logBytes = 0;
  #position = 0;
  #closed = false;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#startedMs = options.clock.monotonic();
  }

  async commit(batch: Batch): Promise<Outcomes> {
    this.#assertOpen();
    const loaded = this.#load(batch);
    const { outcomes, save } = decideBatch(batch, loaded, {
      now: this.#options.clock.now(),
      uidSeed: this.#options.newUid(),
    });
    this.#save(save, loaded.names);
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
      sum = addSums(sum, { count: 1, sum: value, lowest: value, highest: value });
    }
    return sum;
  }

  async changesSince(cursor: string, limit: number): Promise<ChangePage> {
    this.#assertOpen();
    const { openedTo, after } = parseCursor(cursor);
    const floor = (this.#log[0]?.position ?? this.#position + 1) - 1;
    if (after < floor || openedTo !== undefined) {
      const uids = [...this.#openings.keys()].filter((uid) => openedTo === undefined || uid > openedTo);
      const page = uids.sort().slice(0, limit);
      const from = openedTo === undefined ? floor : after;
      if (page.length === 0) return this.changesSince(`${from}`, limit);
      return { changes: page.map((uid) => this.#openings.get(uid)!), cursor: `o${from}.${page.at(-1)}` };
    }
    const changes: StoredChange[] = [];
    let end = cursor;
    for (const commit of this.#log) {
      if (commit.position <= after) continue;
      const shown = commit.changes.filter((change) => this.#isShown(change));
      if (changes.length > 0 && changes.length + shown.length > limit) break;
      changes.push(...shown);
      end = `${commit.position}`;
    }
    return { changes, cursor: end };
  }

  async maintain(): Promise<boolean> {
    this.#assertOpen();
    const plan = this.#plan();
    if (plan.early) this.#options.warn(EARLY);
    this.#generations.splice(0, plan.forget.length);
    while (this.#logBytes > this.#options.retention.changeLogBytesMax && this.#log.length > 1) {
      const dropped = this.#log.shift()!;
      this.#logBytes -= dropped.changes.length * CHANGE_BYTES;
      for (const change of dropped.changes) this.#drop(change);
    }
    return false;
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #assertOpen(): void {
    if (this.#closed) throw new TallyError("STORE_UNAVAILABLE", "the store is closed");
  }

  #runMs(): number {
    return this.#options.clock.monotonic() - this.#startedMs;
  }

  #plan() {
    return planGenerations(this.#generations, this.#runMs(), this.#options.retention);
  }

  #load(batch: Batch): Loaded {
    const touched = touchedBy(batch);
    const keys = requestKeys(batch, touched);
    const answered = new Map<string, Uint8Array>();
    for (const key of keys) {
      if (key === undefined) continue;
      for (const { records } of this.#generations) {
        const record = records.get(key);
        if (record !== undefined) answered.set(key, record);
      }
    }
    const counters = touched.names.map((name) => this.#counters.get(name));
    const fixed = new Map<number, Fixed>();
    for (const index of touched.whole) {
      const counter = counters[index];
      if (counter !== undefined) fixed.set(index, counter);
    }
    return { ...touched, counters, fixed, keys, answered, requestIdsFullForMs: this.#plan().fullForMs };
  }

  #save(save: Save, names: readonly string[]): void {
    for (const index of save.changed) {
      const name = names[index]!;
      const fixed = save.fixed.get(index) ?? this.#counters.get(name)!;
      const [value, revision] = [save.values[index]!, save.revisions[index]!];
      this.#counters.set({ ...fixed, name, value, revision, updateTime: save.updateTimes[index]! });
    }
    if (save.answers.size > 0) this.#saveAnswers(save.answers);
    if (save.changed.length > 0) this.#saveChanges(save.changes, names);
    for (const [index, keepHistory] of save.deleted) this.#delete(names[index]!, keepHistory);
  }

  #delete(name: string, keepHistory: boolean): void {
    const { uid } = this.#counters.get(name)!;
    this.#counters.delete(name);
    if (keepHistory) return;
    this.#hidden.add(uid);
    this.#openings.delete(uid);
  }

  #saveAnswers(answers: ReadonlyMap<string, Uint8Array>): void {
    if (this.#plan().rotate) {
      const closed = this.#generations.at(-1)!;
      const runMs = this.#runMs();
      closed.closedMs = runMs;
      this.#generations.push({
        id: closed.id + 1,
        openedMs: runMs,
        closedMs: undefined,
        bytes: 0,
        records: new Map(),
      });
    }
    const open = this.#generations.at(-1)!;
    for (const [key, record] of answers) {
      open.records.set(key, record);
      open.bytes += key.length + record.length;
    }
  }

  #saveChanges(columns: ChangeColumns, names: readonly string[]): void {
    const position = ++this.#position;
    const changes = Array.from({ length: columns.count }, (_, k): StoredChange => {
      const name = names[columns.counters[k]!]!;
      return { ...columns.copy(k), name, uid: this.#counters.get(name)!.uid, position: `${position}` };
    });
    this.#log.push({ position, changes });
    this.#logBytes += changes.length * CHANGE_BYTES;
  }

  #isShown({ kind, uid }: StoredChange): boolean {
    return kind === ChangeKind.DELETE || !this.#hidden.has(uid);
  }

  #drop(change: StoredChange): void {
    const { kind, uid } = change;
    if (kind === ChangeKind.DELETE) {
      this.#openings.delete(uid);
      this.#hidden.delete(uid);
    } else if (!this.#hidden.has(uid)) this.#openings.set(uid, openingAfter(change));
  }
}

interface RequestIds extends Generation {
  closedMs: number | undefined;
  bytes: number;
  readonly records: Map<string, Uint8Array>;
}

interface Commit {
  readonly position: number;
  readonly changes: readonly StoredChange[];
}

/** About what a change takes; the bound is in bytes for every store. */
const CHANGE_BYTES = 32;

/** What the operator is told when the room for request ids is used up. */
export const EARLY =
  "The room for request ids is used up: ids are forgotten before their time, though never younger than the floor. " +
  "Give request_ids_bytes_max more room to keep them longer.";

/** What takes the place of a dropped change and of all before it. */
export function openingAfter(change: StoredChange): StoredChange {
  const { value, revision } = change;
  return {
    ...change,
    kind: ChangeKind.OPENING,
    firstRevision: revision,
    ops: 0,
    added: 0n,
    removed: 0n,
    low: value,
    high: value,
    caller: "",
    note: "",
  };
}

/** "123": after position 123. "o100.UID": openings were given up to that uid; after the last come the changes after 100. */
function parseCursor(cursor: string): { openedTo: string | undefined; after: number } {
  const [, after, openedTo] = /^o(\d+)\.([0-9a-f-]{36})$/.exec(cursor) ?? [];
  if (openedTo !== undefined) return { openedTo, after: Number(after) };
  if (!/^\d*$/.test(cursor))
    throw new TypeError(`expected a cursor of this store, got ${JSON.stringify(cursor)}`);
  return { openedTo: undefined, after: Number(cursor) };
}

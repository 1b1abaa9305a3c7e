import { decideBatch, type Loaded, requestKeys, type Save, touchedBy } from "../core/batch.ts";
import { type ChangeColumns, ChangeKind } from "../core/change.ts";
import type { Batch, Outcomes } from "../core/columns.ts";
import type { FullCounter } from "../core/counter.ts";
import { TallyError } from "../core/errors.ts";
import { type Generation, planGenerations } from "../core/request-ids.ts";
import type { ChangePage, Store, StoredChange, StoreOptions, StoreTraits } from "../service/store.ts";

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
  };
  readonly failed = new Promise<never>(() => {});

  readonly #options: StoreOptions;
  readonly #startedMs: number;
  readonly #counters = new Map<string, FullCounter>();
  readonly #generations: RequestIds[] = [
    { id: 0, openedMs: 0, closedMs: undefined, bytes: 0, records: new Map() },
  ];
  readonly #log: Commit[] = [];
  /** By uid: what is left of the changes that were dropped. */
  readonly #openings = new Map<string, StoredChange>();
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

  async changesSince(cursor: string, limit: number): Promise<ChangePage> {
    this.#assertOpen();
    const { openings, after } = parseCursor(cursor);
    const floor = (this.#log[0]?.position ?? this.#position + 1) - 1;
    if (after < floor || openings !== undefined) {
      const skip = openings ?? 0;
      const page = [...this.#openings.values()].slice(skip, skip + limit);
      const from = openings === undefined ? floor : after;
      if (page.length > 0) return { changes: page, cursor: `o${from}.${skip + page.length}` };
      return this.changesSince(`${from}`, limit);
    }
    const changes: StoredChange[] = [];
    let position = after;
    for (const commit of this.#log) {
      if (commit.position <= after) continue;
      if (changes.length > 0 && changes.length + commit.changes.length > limit) break;
      changes.push(...commit.changes);
      position = commit.position;
    }
    return { changes, cursor: changes.length === 0 ? cursor : `${position}` };
  }

  async maintain(): Promise<boolean> {
    this.#assertOpen();
    const plan = this.#plan();
    if (plan.early) this.#options.warn(EARLY);
    this.#generations.splice(0, plan.forget.length);
    while (this.#logBytes > this.#options.retention.changeLogBytesMax && this.#log.length > 1) {
      const dropped = this.#log.shift()!;
      this.#logBytes -= dropped.changes.length * CHANGE_BYTES;
      for (const change of dropped.changes) this.#openings.set(change.uid, openingAfter(change));
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
    return { ...touched, counters, keys, answered, requestIdsFullForMs: this.#plan().fullForMs };
  }

  #save(save: Save, names: readonly string[]): void {
    for (const index of save.changed) {
      const name = names[index]!;
      const updateTime = save.updateTimes[index]!;
      const created = save.created.get(index);
      const kept = created
        ? { ...created, name, settingsRevision: 1, createTime: updateTime }
        : this.#counters.get(name)!;
      const revision = save.revisions[index]!;
      this.#counters.set(name, { ...kept, value: save.values[index]!, revision, updateTime });
    }
    if (save.answers.size > 0) this.#saveAnswers(save.answers);
    if (save.changed.length > 0) this.#saveChanges(save.changes, names);
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

/** "123": after position 123. "o100.20": 20 openings were given, and after the last come the changes after 100. */
function parseCursor(cursor: string): { openings: number | undefined; after: number } {
  const [, after, openings] = /^o(\d+)\.(\d+)$/.exec(cursor) ?? [];
  if (openings !== undefined) return { openings: Number(openings), after: Number(after) };
  if (!/^\d*$/.test(cursor))
    throw new TypeError(`expected a cursor of this store, got ${JSON.stringify(cursor)}`);
  return { openings: undefined, after: Number(cursor) };
}

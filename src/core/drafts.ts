import { ByIndex } from "./by-index.ts";
import { type Change, ChangeColumns } from "./change.ts";
import {
  blankCounter,
  CORRUPT,
  type Counter,
  type Fixed,
  type FullCounter,
  putPlainSettings,
  putTimeSettings,
  type Timing,
} from "./counter.ts";
import type { Context, Loaded, Save } from "./load-save.ts";
import type { PolicySet } from "./policies.ts";
import { isSettled } from "./settling.ts";
import { expireTimeOf, isTimed } from "./timing.ts";

/**
 * The counters of a batch as it has left them so far, in columns by index: those of `Loaded.names`, and behind them those
 * that are made under a name whose counter was deleted before, or has expired (see Save). And the changes that led there.
 */
export class Drafts {
  readonly #loaded: Loaded;
  /** By index in `Loaded.names`: the index of the counter that has the name, or had it last. */
  readonly #latest: Uint32Array;
  /** The names of the counters behind those of `Loaded.names`. */
  readonly #remade: string[] = [];
  /** 0 where there is none, or none any more. */
  readonly exists: Uint8Array;
  readonly values: BigInt64Array;
  readonly revisions: Float64Array;
  readonly updateTimes: Float64Array;
  /** Where it is another than was loaded. */
  readonly timings: ByIndex<Timing | undefined>;
  /** The index of the counter's latest change, -1 while it has none. */
  readonly lastChange: Int32Array;
  /** Of the counters that the batch made or updated. */
  readonly fixed = new Map<number, Fixed>();
  readonly deleted = new Map<number, boolean>();
  /** Those that an update has made follow a policy. */
  readonly attached = new Set<number>();
  readonly changes: ChangeColumns;
  /** The counter that is being looked at: one object, filled anew each time. */
  readonly #counter = blankCounter();
  /** Whether it has settings of time just now. */
  #counterTimed = false;

  /**
   * @param ops      how many operations the batch has
   * @param context  with the policies that its counters may have missed
   */
  constructor(loaded: Loaded, ops: number, { policies, now }: Pick<Context, "policies" | "now">) {
    this.#loaded = loaded;
    const { counters, deletions } = loaded;
    const { remade, follows } = roomFor(loaded, now);
    const count = counters.length + deletions + remade;
    const buffer = new ArrayBuffer(33 * count);
    this.timings = new ByIndex(count);
    this.values = new BigInt64Array(buffer, 0, count);
    this.revisions = new Float64Array(buffer, 8 * count, count);
    this.updateTimes = new Float64Array(buffer, 16 * count, count);
    this.lastChange = new Int32Array(buffer, 24 * count, count).fill(-1);
    this.#latest = new Uint32Array(buffer, 28 * count, count);
    this.exists = new Uint8Array(buffer, 32 * count, count);
    for (let index = 0; index < counters.length; index++) {
      this.#latest[index] = index;
      const counter = counters[index];
      if (counter === undefined || counter === CORRUPT) continue;
      this.exists[index] = 1;
      this.values[index] = counter.value;
      this.revisions[index] = counter.revision;
      this.updateTimes[index] = counter.updateTime;
    }
    // One an operation, and two a counter for what time has made of it beforehand: a roll, and an expiry. Where policies
    // are followed, each operation may find its counter to be settled, and leave it so.
    const settled = follows ? 2 * ops + count : 0;
    this.changes = new ChangeColumns(ops + 2 * count + settled + missedBy(loaded, policies));
  }

  /** The counter that has the name at this index of `Loaded.names`, or had it last. */
  latest(name: number): number {
    return this.#latest[name]!;
  }

  /** A counter as the batch has left it so far, or as it was when it was deleted. Valid until the next call. */
  at(index: number): Counter {
    const fixed = this.fixed.size === 0 ? undefined : this.fixed.get(index);
    const loaded = this.#loaded.counters[index] as Counter | undefined;
    const settings = fixed ?? loaded!;
    const counter = this.#counter;
    putPlainSettings(counter, settings);
    counter.uid = settings.uid;
    counter.value = this.values[index]!;
    counter.revision = this.revisions[index]!;
    counter.updateTime = this.updateTimes[index]!;
    counter.settingsRevision = settings.settingsRevision;
    counter.policy = settings.policy;
    const timings = this.timings;
    const timing = timings.size !== 0 && timings.has(index) ? timings.get(index) : loaded?.timing;
    if (timing !== undefined || fixed !== undefined || this.#counterTimed) {
      putTimeSettings(counter, settings);
      counter.timing = timing;
      this.#counterTimed = timing !== undefined || isTimed(settings);
    }
    return counter;
  }

  /** What counting leaves as it is. @throws TypeError  of a counter of which a store was to load it, and did not */
  fixedOf(index: number): Fixed {
    const fixed = this.fixed.get(index) ?? this.#loaded.fixed.get(index);
    if (fixed === undefined)
      throw new TypeError("expected all of a counter that is to be settled, got its count");
    return fixed;
  }

  /** All of a counter that was made or updated. */
  whole(index: number, name: string): FullCounter {
    const [value, revision] = [this.values[index]!, this.revisions[index]!];
    const [updateTime, timing] = [this.updateTimes[index]!, this.timings.get(index)];
    return { ...this.fixed.get(index)!, name, value, revision, updateTime, timing };
  }

  /**
   * Make a counter under a name that has none: from nothing at revision 0, so that the changes of a counter sum up to its
   * value.
   *
   * @param name   its index in `Loaded.names`
   * @returns      the index of the counter
   */
  make(name: number, fixed: Fixed): number {
    let index = this.#latest[name]!;
    if (this.deleted.has(index)) {
      index = this.#loaded.names.length + this.#remade.push(this.#loaded.names[name]!) - 1;
      this.#latest[name] = index;
    }
    this.fixed.set(index, fixed);
    this.exists[index] = 1;
    return index;
  }

  /** End a counter. @param keepHistory  whether what the change log has of it is still given out */
  end(index: number, keepHistory: boolean): void {
    this.deleted.set(index, keepHistory);
    this.exists[index] = 0;
  }

  /** How things stand, to come back to: of the batch; and of each counter that is touched from now on, by `remember`. */
  mark(): Mark {
    return { changes: this.changes.count, remade: this.#remade.length, before: new Map() };
  }

  /** Keep in a mark how the counter of a name stands, unless it is kept there. @param name  its index in `Loaded.names` */
  remember({ before }: Mark, name: number): void {
    if (before.has(name)) return;
    const index = this.#latest[name]!;
    const lastChange = this.lastChange[index]!;
    before.set(name, {
      index,
      exists: this.exists[index]!,
      deleted: this.deleted.has(index),
      value: this.values[index]!,
      revision: this.revisions[index]!,
      updateTime: this.updateTimes[index]!,
      timed: this.timings.has(index),
      timing: this.timings.get(index),
      fixed: this.fixed.get(index),
      lastChange,
      change: lastChange === -1 ? undefined : this.changes.copy(lastChange),
    });
  }

  /** Undo all that was done since a mark, to the counters that it remembers. */
  backTo({ changes, remade, before }: Mark): void {
    for (const [name, was] of before) this.#restore(name, was);
    while (this.#remade.length > remade) this.#unmakeLast();
    this.changes.truncate(changes);
  }

  saved(): Omit<Save, "answers"> {
    const changed: number[] = [];
    for (let index = 0; index < this.lastChange.length; index++) {
      if (this.lastChange[index] !== -1 || this.timings.has(index) || this.fixed.has(index))
        changed.push(index);
    }
    const { names } = this.#loaded;
    const { values, revisions, updateTimes, timings, fixed, deleted, changes } = this;
    const held = [...this.attached].filter(
      (index) => fixed.get(index)?.policy?.revision === 0 && !deleted.has(index),
    );
    return {
      names: this.#remade.length === 0 ? names : [...names, ...this.#remade],
      ...{ changed, values, revisions, updateTimes, timings, fixed, deleted, held, changes },
    };
  }

  #restore(name: number, before: Before): void {
    const { index, exists, deleted, value, revision, updateTime, fixed, lastChange, change } = before;
    this.#latest[name] = index;
    if (!deleted) this.deleted.delete(index);
    this.exists[index] = exists;
    if (fixed === undefined) this.fixed.delete(index);
    else this.fixed.set(index, fixed);
    this.values[index] = value;
    this.revisions[index] = revision;
    this.updateTimes[index] = updateTime;
    if (before.timed) this.timings.set(index, before.timing);
    else this.timings.delete(index);
    this.lastChange[index] = lastChange;
    if (change !== undefined) this.changes.restore(lastChange, change);
  }

  /** Take the last one away that was made under a name whose counter had been deleted. */
  #unmakeLast(): void {
    this.#remade.pop();
    const index = this.#loaded.names.length + this.#remade.length;
    this.exists[index] = 0;
    this.updateTimes[index] = 0;
    this.revisions[index] = 0;
    this.values[index] = 0n;
    this.lastChange[index] = -1;
    this.fixed.delete(index);
    this.timings.delete(index);
    this.deleted.delete(index);
  }
}

/**
 * How many counters can be found to have expired, and then be made anew: those whose idle TTL has passed, and those whose
 * settings may become others before an operation. And whether any follows a policy, or may come to.
 */
function roomFor({ counters, whole }: Loaded, now: number): { remade: number; follows: boolean } {
  let remade = 0;
  let follows = whole.size > 0;
  for (let index = 0; index < counters.length; index++) {
    const counter = counters[index];
    if (counter === undefined || counter === CORRUPT) continue;
    if (counter.policy !== undefined) follows = true;
    else if (!(whole.size !== 0 && whole.has(index))) {
      const expires = counter.idleTtlMs === undefined ? undefined : expireTimeOf(counter);
      if (expires === undefined || now < expires) continue;
    }
    remade++;
  }
  return { remade, follows };
}

/**
 * How many changes policies can bring that came over the counters one after another: of each a change, and a roll before it;
 * and so of the last once more, where time has brought the value within its bounds.
 */
function missedBy({ counters, names }: Loaded, policies: PolicySet | undefined): number {
  let count = 0;
  for (let index = 0; policies !== undefined && index < counters.length; index++) {
    const counter = counters[index];
    if (counter === undefined || counter === CORRUPT || counter.policy === undefined) continue;
    if (!isSettled(counter, names[index]!, policies))
      count += 2 * (policies.stepsOf(names[index]!, counter).length + 1);
  }
  return count;
}

/** How a batch stood before a group of its operations. */
export interface Mark {
  readonly changes: number;
  readonly remade: number;
  /** By index in `Loaded.names`: the counters that the group touched, as they were. */
  readonly before: Map<number, Before>;
}

/** How a counter stood before a group touched it. */
interface Before {
  /** Of the counter that had the name. */
  readonly index: number;
  readonly exists: number;
  readonly deleted: boolean;
  readonly value: bigint;
  readonly revision: number;
  readonly updateTime: number;
  /** Whether it had another timing than was loaded, and which. */
  readonly timed: boolean;
  readonly timing: Timing | undefined;
  readonly fixed: Fixed | undefined;
  readonly lastChange: number;
  readonly change: Change | undefined;
}

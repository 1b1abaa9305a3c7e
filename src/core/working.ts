import { type Change, ChangeColumns, ChangeKind, changeKindOf } from "./change.ts";
import { type Batch, type CallHead, type Outcomes, opAt } from "./columns.ts";
import {
  blankCounter,
  CORRUPT,
  type Counter,
  type Fixed,
  type FullCounter,
  headroom,
  type Timing,
} from "./counter.ts";
import { decide, settingsFor, updated } from "./decide.ts";
import type { Refusal } from "./errors.ts";
import type { Context, Loaded, Save } from "./load-save.ts";
import { isRefusal, type Op, Verb } from "./op.ts";
import { isZoneUnknown, present } from "./present.ts";
import { putPlainSettings, putTimeSettings, type SettingKey } from "./settings.ts";
import { dueOf, expireTimeOf, isTimed, timingAfter, timingFor } from "./timing.ts";
import { uidAt } from "./uid.ts";

/**
 * The counters of a batch while it is judged, in columns by index: those of `Loaded.names`, and behind them those that
 * are made under a name whose counter was deleted before, or has expired (see Save).
 */
export class Working {
  readonly #batch: Batch;
  readonly #loaded: Loaded;
  readonly #context: Context;
  readonly #outcomes: Outcomes;
  /** By index in `Loaded.names`: the index of the counter that has the name, or had it last. */
  readonly #latest: Uint32Array;
  /** The names of the counters behind those of `Loaded.names`. */
  readonly #remade: string[] = [];
  /** 0 where there is none, or none any more. */
  readonly #exists: Uint8Array;
  readonly #values: BigInt64Array;
  readonly #revisions: Float64Array;
  readonly #updateTimes: Float64Array;
  /** Where it is another than was loaded. */
  readonly #timings = new Map<number, Timing | undefined>();
  /** The index of the counter's latest change, -1 while it has none. */
  readonly #lastChange: Int32Array;
  /** Of the counters that the batch made or updated. */
  readonly #fixed = new Map<number, Fixed>();
  readonly #deleted = new Map<number, boolean>();
  readonly #changes: ChangeColumns;
  /** While a group is judged: by index in `Loaded.names`, the counters it touched, as they were before it. */
  #before: Map<number, Before> | undefined;
  /** The counter that is being judged, handed to the rule: one object, filled anew for each operation. */
  readonly #counter = blankCounter();
  /** Whether it has settings of time just now. */
  #counterTimed = false;

  constructor(batch: Batch, loaded: Loaded, context: Context, outcomes: Outcomes) {
    this.#batch = batch;
    this.#loaded = loaded;
    this.#context = context;
    this.#outcomes = outcomes;
    const { counters, deletions } = loaded;
    const count = counters.length + deletions + mayExpire(loaded);
    const buffer = new ArrayBuffer(33 * count);
    this.#values = new BigInt64Array(buffer, 0, count);
    this.#revisions = new Float64Array(buffer, 8 * count, count);
    this.#updateTimes = new Float64Array(buffer, 16 * count, count);
    this.#lastChange = new Int32Array(buffer, 24 * count, count).fill(-1);
    this.#latest = new Uint32Array(buffer, 28 * count, count);
    this.#exists = new Uint8Array(buffer, 32 * count, count);
    for (let index = 0; index < counters.length; index++) {
      this.#latest[index] = index;
      const counter = counters[index];
      if (counter === undefined || counter === CORRUPT) continue;
      this.#exists[index] = 1;
      this.#values[index] = counter.value;
      this.#revisions[index] = counter.revision;
      this.#updateTimes[index] = counter.updateTime;
    }
    // One an operation, and two a counter for what time has made of it beforehand: a roll, and an expiry.
    this.#changes = new ChangeColumns(batch.ops.count + 2 * count);
  }

  op(i: number): Op {
    return opAt(this.#batch.ops, i, this.#loaded.names[this.#loaded.counterOf[i]!]!);
  }

  /** Apply a call's operations (`op` when it is a single one); returns the refusal of the call as a whole. */
  apply(call: CallHead, c: number, first: number, op: Op | undefined): Refusal | undefined {
    const { times, refusals } = this.#outcomes;
    times[c] = this.#context.now;
    if (op !== undefined) return this.#applySingle(first, op, call, c);
    if (call.allOrNothing) return this.#applyGroup(call, first);
    for (let i = first; i < call.end; i++) {
      const refusal = this.#applyOp(i, this.op(i), call.caller);
      if (refusal !== undefined) refusals.set(i, refusal);
    }
    return undefined;
  }

  appliedAny(first: number, end: number): boolean {
    for (let i = first; i < end; i++) if (this.#outcomes.revisions[i] !== 0) return true;
    return false;
  }

  saved(): Omit<Save, "answers"> {
    const changed: number[] = [];
    for (let index = 0; index < this.#lastChange.length; index++) {
      if (this.#lastChange[index] !== -1 || this.#timings.has(index)) changed.push(index);
    }
    const { names } = this.#loaded;
    return {
      names: this.#remade.length === 0 ? names : [...names, ...this.#remade],
      changed,
      values: this.#values,
      revisions: this.#revisions,
      updateTimes: this.#updateTimes,
      timings: this.#timings,
      fixed: this.#fixed,
      deleted: this.#deleted,
      changes: this.#changes,
    };
  }

  /**
   * Write down what time has done to the counter at index i of `Loaded.names`, without an operation: a roll that moved the
   * value, or the expiry. And when to look again.
   */
  settle(i: number): void {
    if (this.#exists[i] === 0) return;
    const stored = this.#counterAt(i);
    if (stored.timing === undefined) return;
    const counter = this.#presented(stored);
    if (counter === undefined) {
      this.#expire(i, stored);
      return;
    }
    if (counter.revision !== stored.revision) this.#roll(i, stored, counter);
    // A refill is in the change of the operation that meets it; until then the value stays as the log has it.
    const timing = counter.refill === undefined ? counter.timing! : stored.timing;
    const { now } = this.#context;
    const due = isZoneUnknown(counter, now)
      ? Math.min(now + ZONE_LOOK_MS, expireTimeOf(counter) ?? Number.POSITIVE_INFINITY)
      : dueOf(counter, timing.windowEnd);
    if (timing !== stored.timing || due !== timing.due) this.#timings.set(i, { ...timing, due });
  }

  #presented(stored: Counter): Counter | undefined {
    return present(stored, this.#context, this.#context.calendar);
  }

  #applySingle(i: number, op: Op, { caller }: CallHead, c: number): Refusal | undefined {
    const refusal = this.#applyOp(i, op, caller);
    if (refusal !== undefined) return refusal;
    const { times, uids, headroomUp, headroomDown } = this.#outcomes;
    const counter = this.#counterAt(this.#latest[this.#loaded.counterOf[i]!]!);
    const { up, down } = headroom(counter);
    times[c] = Math.max(this.#context.now, counter.updateTime);
    uids[c] = counter.uid;
    headroomUp[c] = up;
    headroomDown[c] = down;
    return undefined;
  }

  #applyGroup(call: CallHead, first: number): Refusal | undefined {
    const before = new Map<number, Before>();
    const changes = this.#changes.count;
    const remade = this.#remade.length;
    this.#before = before;
    let refusal: Refusal | undefined;
    for (let i = first; i < call.end && refusal === undefined; i++) {
      refusal = this.#applyOp(i, this.op(i), call.caller);
      if (refusal !== undefined) refusal = { ...refusal, index: i - first };
    }
    this.#before = undefined;
    if (refusal === undefined) return undefined;
    // What the group itself has used up no time gives back, for it is asked as a whole again.
    if (before.has(this.#loaded.counterOf[first + refusal.index!]!)) {
      const { retryAfterMs: _, ...never } = refusal;
      refusal = never;
    }
    for (const [name, was] of before) this.#restore(name, was);
    while (this.#remade.length > remade) this.#unmakeLast();
    this.#changes.truncate(changes);
    const { values, previous, revisions } = this.#outcomes;
    values.fill(0n, first, call.end);
    previous.fill(0n, first, call.end);
    revisions.fill(0, first, call.end);
    return refusal;
  }

  #applyOp(i: number, op: Op, caller: string): Refusal | undefined {
    const name = this.#loaded.counterOf[i]!;
    if (this.#loaded.counters[name] === CORRUPT) return { code: "ROW_CORRUPT" };
    let index = this.#latest[name]!;
    const stored = this.#exists[index] === 0 ? undefined : this.#counterAt(index);
    const counter = stored === undefined || stored.timing === undefined ? stored : this.#presented(stored);
    const value = decide(counter, op, this.#context);
    if (isRefusal(value)) return value;
    const vetoed = this.#context.vetoed?.get(i);
    if (vetoed !== undefined) return vetoed;

    if (this.#before !== undefined && !this.#before.has(name)) this.#before.set(name, this.#remember(index));
    const met = stored === counter ? undefined : this.#timePassed(index, stored!, counter);
    if (counter === undefined) {
      if (this.#deleted.has(index)) {
        index = this.#loaded.names.length + this.#remade.push(op.name) - 1;
        this.#latest[name] = index;
      }
      this.#create(index, i, op);
    }
    const moves = op.verb !== Verb.UPDATE && op.verb !== Verb.DELETE;
    const previous = this.#values[index]!;
    const revision = this.#revisions[index]! + (moves ? 1 : 0);
    const timing = counter?.timing;
    let time = Math.max(this.#context.now, this.#updateTimes[index]!);
    if (timing?.windowStart !== undefined) time = Math.max(time, timing.windowStart);
    this.#values[index] = value;
    if (moves) {
      this.#revisions[index] = revision;
      this.#updateTimes[index] = time;
      if (timing !== undefined) this.#move(index, timing, met ?? previous);
      else if (counter === undefined && op.settings !== undefined) this.#begin(index, i, op);
    } else if (op.verb === Verb.UPDATE) this.#update(index, i, op, timing);
    else {
      this.#deleted.set(index, op.keepHistory === true);
      this.#exists[index] = 0;
    }
    this.#note(index, op, previous, value, revision, time, caller, met);

    const outcomes = this.#outcomes;
    outcomes.values[i] = value;
    outcomes.previous[i] = counter === undefined ? settingsFor(op).initial : (met ?? previous);
    outcomes.revisions[i] = revision;
    return undefined;
  }

  /** A counter as the batch has left it so far, or as it was when it was deleted. Valid until the next call. */
  #counterAt(index: number): Counter {
    const fixed = this.#fixed.size === 0 ? undefined : this.#fixed.get(index);
    const loaded = this.#loaded.counters[index] as Counter | undefined;
    const settings = fixed ?? loaded!;
    const counter = this.#counter;
    putPlainSettings(counter, settings);
    counter.uid = settings.uid;
    counter.value = this.#values[index]!;
    counter.revision = this.#revisions[index]!;
    counter.updateTime = this.#updateTimes[index]!;
    counter.settingsRevision = settings.settingsRevision;
    const timings = this.#timings;
    const timing = timings.size !== 0 && timings.has(index) ? timings.get(index) : loaded?.timing;
    if (timing !== undefined || fixed !== undefined || this.#counterTimed) {
      putTimeSettings(counter, settings);
      counter.timing = timing;
      this.#counterTimed = timing !== undefined || isTimed(settings);
    }
    return counter;
  }

  /**
   * Take over what time has done to a counter before an operation that is accepted.
   *
   * @returns  the value that the operation meets, where a refill has moved it without a change of its own
   */
  #timePassed(index: number, stored: Counter, counter: Counter | undefined): bigint | undefined {
    if (counter === undefined) {
      this.#expire(index, stored);
      return undefined;
    }
    if (counter.revision !== stored.revision) this.#roll(index, stored, counter);
    this.#timings.set(index, counter.timing);
    return counter.refill === undefined ? undefined : counter.value;
  }

  /** The window has ended, and the value moved with it: as of its end. */
  #roll(index: number, stored: Counter, { value, revision }: Counter): void {
    const time = Math.max(stored.timing!.windowEnd!, stored.updateTime);
    this.#lastChange[index] = this.#changes.push(index, ChangeKind.ROLL, stored.value, value, revision, time);
    this.#values[index] = value;
    this.#revisions[index] = revision;
  }

  /** The counter is gone; before, its window may have ended. What comes under its name is another. */
  #expire(index: number, stored: Counter): void {
    const expires = expireTimeOf(stored)!;
    const last = present(stored, { now: expires - 1 }, this.#context.calendar)!;
    if (last.revision !== stored.revision) this.#roll(index, stored, last);
    const time = Math.max(expires, last.timing!.windowStart ?? expires);
    const met = this.#values[index]!;
    const k = this.#changes.push(index, ChangeKind.EXPIRE, met, last.value, last.revision, time);
    this.#lastChange[index] = k;
    this.#deleted.set(index, true);
    this.#exists[index] = 0;
  }

  /** Where a counter whose value an operation has changed is in time. @param previous  the value that it met */
  #move(index: number, timing: Timing, previous: bigint): void {
    const after = timingAfter(this.#counterAt(index), timing, previous, this.#context.now);
    if (after !== timing) this.#timings.set(index, after);
  }

  /** Where a counter that an operation has made is in time. */
  #begin(index: number, i: number, op: Op): void {
    if (!isTimed(op.settings!)) return;
    const counter = this.#counterAt(index);
    const { now, calendar } = this.#context;
    this.#timings.set(index, timingFor(counter, undefined, NO_KEYS, now, calendar!));
    this.#outcomes.counters.set(i, this.#whole(index, op.name));
  }

  /** All of a counter that was made or updated. */
  #whole(index: number, name: string): FullCounter {
    const [value, revision] = [this.#values[index]!, this.#revisions[index]!];
    const [updateTime, timing] = [this.#updateTimes[index]!, this.#timings.get(index)];
    return { ...this.#fixed.get(index)!, name, value, revision, updateTime, timing };
  }

  /** Make a counter: from nothing at revision 0, so that the changes of a counter sum up to its value. */
  #create(index: number, i: number, op: Op): void {
    this.#fixed.set(index, {
      ...settingsFor(op),
      uid: uidAt(this.#context.uidSeed, i),
      settingsRevision: 1,
      createTime: this.#context.now,
    });
    this.#exists[index] = 1;
  }

  #update(index: number, i: number, op: Op, timing: Timing | undefined): void {
    const before = this.#fixed.get(index) ?? this.#loaded.fixed.get(index)!;
    const fixed = { ...updated(before, op), settingsRevision: before.settingsRevision + 1 };
    this.#fixed.set(index, fixed);
    const { now, calendar } = this.#context;
    const after = isTimed(fixed)
      ? timingFor(this.#counterAt(index), timing, new Set(op.mask), now, calendar!)
      : undefined;
    if (after !== undefined || timing !== undefined) this.#timings.set(index, after);
    this.#outcomes.counters.set(i, this.#whole(index, op.name));
  }

  /** Note an operation's change, with the one before where they go together. */
  #note(
    index: number,
    op: Op,
    previous: bigint,
    value: bigint,
    revision: number,
    time: number,
    caller: string,
    met: bigint | undefined,
  ): void {
    const changes = this.#changes;
    const last = this.#lastChange[index]!;
    const add = op.verb === Verb.INCREMENT || op.verb === Verb.DECREMENT;
    if (add && last !== -1 && met === undefined && changes.merge(last, previous, value, revision, time))
      return;
    const k = changes.push(index, changeKindOf(op.verb), previous, value, revision, time, met);
    if (!add && (caller !== "" || op.note)) changes.remarks.set(k, { caller, note: op.note ?? "" });
    this.#lastChange[index] = k;
  }

  #remember(index: number): Before {
    const lastChange = this.#lastChange[index]!;
    return {
      index,
      exists: this.#exists[index]!,
      deleted: this.#deleted.has(index),
      value: this.#values[index]!,
      revision: this.#revisions[index]!,
      updateTime: this.#updateTimes[index]!,
      timed: this.#timings.has(index),
      timing: this.#timings.get(index),
      fixed: this.#fixed.get(index),
      lastChange,
      change: lastChange === -1 ? undefined : this.#changes.copy(lastChange),
    };
  }

  #restore(name: number, before: Before): void {
    const { index, exists, deleted, value, revision, updateTime, fixed, lastChange, change } = before;
    this.#latest[name] = index;
    if (!deleted) this.#deleted.delete(index);
    this.#exists[index] = exists;
    if (fixed === undefined) this.#fixed.delete(index);
    else this.#fixed.set(index, fixed);
    this.#values[index] = value;
    this.#revisions[index] = revision;
    this.#updateTimes[index] = updateTime;
    if (before.timed) this.#timings.set(index, before.timing);
    else this.#timings.delete(index);
    this.#lastChange[index] = lastChange;
    if (change !== undefined) this.#changes.restore(lastChange, change);
  }

  /** Take the last one away that was made under a name whose counter had been deleted. */
  #unmakeLast(): void {
    this.#remade.pop();
    const index = this.#loaded.names.length + this.#remade.length;
    this.#exists[index] = 0;
    this.#updateTimes[index] = 0;
    this.#revisions[index] = 0;
    this.#values[index] = 0n;
    this.#lastChange[index] = -1;
    this.#fixed.delete(index);
    this.#timings.delete(index);
    this.#deleted.delete(index);
  }
}

/** How many counters can be found to have expired, and then be made anew: those with an idle TTL, or that may get one. */
function mayExpire({ counters, whole }: Loaded): number {
  let count = 0;
  for (let index = 0; index < counters.length; index++) {
    const counter = counters[index];
    if (counter === undefined || counter === CORRUPT) continue;
    if (counter.idleTtlMs !== undefined || (whole.size !== 0 && whole.has(index))) count++;
  }
  return count;
}

/** Zones come to be known by a new release, not by looking. */
const ZONE_LOOK_MS = 3_600_000;

const NO_KEYS: ReadonlySet<SettingKey> = new Set();

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

import { encodeAnswer, replayAnswer, requestKey } from "./answer.ts";
import { type Change, changeOf, merge } from "./change.ts";
import {
  type Batch,
  type CallHead,
  callAt,
  nameReader,
  newOutcomes,
  type Outcomes,
  opAt,
} from "./columns.ts";
import { type Counter, type Details, headroom, NO_DETAILS } from "./counter.ts";
import { decide, settingsFor } from "./decide.ts";
import type { Refusal } from "./errors.ts";
import { isRefusal, type Op } from "./op.ts";
import { uidAt } from "./uid.ts";

/** Stands for a counter whose stored row fails its checksum. */
export const CORRUPT = Symbol("corrupt");

/** What a batch touches: what a store has to look for. */
export interface Touched {
  /** The names of the counters, each once. */
  readonly names: readonly string[];
  /** By operation: the index of its name in `names`. */
  readonly counterOf: Uint32Array;
  /** By call: the key of its request id, undefined without one. */
  readonly keys: readonly (string | undefined)[];
}

/** What a store found for a batch. */
export interface Loaded extends Touched {
  /** By index in `names`. */
  readonly counters: readonly (Counter | undefined | typeof CORRUPT)[];
  /** The records found under those keys; CORRUPT where one fails its checksum. */
  readonly answered: ReadonlyMap<string, Uint8Array | typeof CORRUPT>;
  /** Whether there is no room for new request ids; undefined when there is, else when to try again, in ms. */
  readonly requestIdsFullForMs: number | undefined;
}

export interface Context {
  /** The store's time: milliseconds since the Unix epoch. */
  readonly now: number;
  /** A fresh UUIDv7; the uids of the counters that this batch makes are derived from it. */
  readonly uidSeed: string;
  /** By operation: refusals that the database itself has given to operations which the rule accepts. */
  readonly vetoed?: ReadonlyMap<number, Refusal>;
}

/** What to write, all of it in one atomic step. */
export interface Save {
  readonly counters: readonly SavedCounter[];
  readonly answers: ReadonlyMap<string, Uint8Array>;
}

export interface SavedCounter {
  /** The index in `Loaded.counters`. */
  readonly index: number;
  readonly name: string;
  readonly counter: Counter;
  /** Set when the counter is new. */
  readonly created: Details | undefined;
  /** What happened to it, in the order of its revisions; at least one. */
  readonly changes: readonly Change[];
}

/** What a batch touches. */
export function touchedBy({ calls, ops }: Batch): Touched {
  const names: string[] = [];
  const indexes = new Map<string, number>();
  const counterOf = new Uint32Array(ops.count);
  const nameAt = nameReader(ops);
  for (let i = 0; i < ops.count; i++) {
    const name = nameAt(i);
    let index = indexes.get(name);
    if (index === undefined) {
      index = names.length;
      indexes.set(name, index);
      names.push(name);
    }
    counterOf[i] = index;
  }
  const keys = calls.requestIds.map((requestId, c) => {
    if (requestId === undefined) return undefined;
    const first = c === 0 ? 0 : calls.ends[c - 1]!;
    return requestKey(callAt(calls, c), names[counterOf[first]!]!);
  });
  return { names, counterOf, keys };
}

/**
 * Judge a batch on what the store found: the rule, replays, groups, and what to save.
 *
 * Each call is judged on what those before it left. A request id that was answered before, also by a call
 * earlier in this batch, replays. An all_or_nothing call works on an overlay that is dropped when one of its
 * operations is refused.
 *
 * Pure: the same arguments give the same result, and none of them is changed.
 */
export function decideBatch(
  batch: Batch,
  loaded: Loaded,
  context: Context,
): { outcomes: Outcomes; save: Save } {
  const outcomes = newOutcomes(batch.ops.count, batch.calls.count);
  const answers = new Map<string, Uint8Array>();
  const judged = new Working(batch, loaded, context, outcomes);
  let first = 0;
  for (let c = 0; c < batch.calls.count; c++) {
    const call = callAt(batch.calls, c);
    const key = loaded.keys[c];
    const op = call.single ? judged.op(first) : undefined;
    const record = key === undefined ? undefined : (answers.get(key) ?? loaded.answered.get(key));
    let refusal: Refusal | undefined;
    if (record === CORRUPT) refusal = { code: "ROW_CORRUPT" };
    else if (record !== undefined) refusal = replayAnswer(record, call, c, first, op, outcomes);
    else if (key !== undefined && loaded.requestIdsFullForMs !== undefined) {
      refusal = { code: "REQUEST_IDS_FULL", retryAfterMs: loaded.requestIdsFullForMs };
    } else refusal = judged.apply(call, c, first);
    if (refusal !== undefined) outcomes.callRefusals.set(c, refusal);
    else if (key !== undefined && record === undefined && judged.appliedAny(first, call.end)) {
      answers.set(key, encodeAnswer(call, c, first, op, outcomes));
    }
    first = call.end;
  }
  return { outcomes, save: { counters: judged.saved(), answers } };
}

/** A counter as the batch has left it so far. */
interface Slot {
  counter: Counter | undefined | typeof CORRUPT;
  created: Details | undefined;
  changes: Change[];
}

/** The counters of a batch while it is judged. */
class Working {
  readonly #batch: Batch;
  readonly #loaded: Loaded;
  readonly #context: Context;
  readonly #outcomes: Outcomes;
  readonly #slots: (Slot | undefined)[];
  /** While a group is judged: the slots it touched, as they were before it. */
  #before: Map<number, Slot> | undefined;

  constructor(batch: Batch, loaded: Loaded, context: Context, outcomes: Outcomes) {
    this.#batch = batch;
    this.#loaded = loaded;
    this.#context = context;
    this.#outcomes = outcomes;
    this.#slots = new Array(loaded.counters.length).fill(undefined);
  }

  op(i: number): Op {
    return opAt(this.#batch.ops, i, this.#loaded.names[this.#loaded.counterOf[i]!]!);
  }

  /** Apply a call's operations; returns the refusal of the call as a whole. */
  apply(call: CallHead, c: number, first: number): Refusal | undefined {
    const { times, refusals } = this.#outcomes;
    times[c] = this.#context.now;
    if (call.single) return this.#applyOp(first, call, c);
    if (call.allOrNothing) return this.#applyGroup(call, c, first);
    for (let i = first; i < call.end; i++) {
      const refusal = this.#applyOp(i, call, c);
      if (refusal !== undefined) refusals.set(i, refusal);
    }
    return undefined;
  }

  appliedAny(first: number, end: number): boolean {
    for (let i = first; i < end; i++) if (this.#outcomes.revisions[i] !== 0) return true;
    return false;
  }

  saved(): SavedCounter[] {
    const saved: SavedCounter[] = [];
    for (const [index, slot] of this.#slots.entries()) {
      if (slot === undefined || slot.changes.length === 0) continue;
      const { counter, created, changes } = slot;
      saved.push({ index, name: this.#loaded.names[index]!, counter: counter as Counter, created, changes });
    }
    return saved;
  }

  #applyGroup(call: CallHead, c: number, first: number): Refusal | undefined {
    const before = new Map<number, Slot>();
    this.#before = before;
    let refusal: Refusal | undefined;
    for (let i = first; i < call.end && refusal === undefined; i++) {
      refusal = this.#applyOp(i, call, c);
      if (refusal !== undefined) refusal = { ...refusal, index: i - first };
    }
    this.#before = undefined;
    if (refusal === undefined) return undefined;
    for (const [index, slot] of before) this.#slots[index] = slot;
    const { values, previous, revisions } = this.#outcomes;
    values.fill(0n, first, call.end);
    previous.fill(0n, first, call.end);
    revisions.fill(0, first, call.end);
    return refusal;
  }

  #applyOp(i: number, call: CallHead, c: number): Refusal | undefined {
    const index = this.#loaded.counterOf[i]!;
    const slot = this.#slot(index);
    const before = slot.counter;
    if (before === CORRUPT) return { code: "ROW_CORRUPT" };
    const op = this.op(i);
    const value = decide(before, op);
    if (isRefusal(value)) return value;
    const vetoed = this.#context.vetoed?.get(i);
    if (vetoed !== undefined) return vetoed;

    const { now, uidSeed } = this.#context;
    const after: Counter =
      before === undefined
        ? { uid: uidAt(uidSeed, i), value, ...withoutDetails(op), revision: 1, updateTime: now }
        : { ...before, value, revision: before.revision + 1, updateTime: Math.max(now, before.updateTime) };
    if (before === undefined) slot.created = op.settings ?? NO_DETAILS;
    slot.counter = after;
    // A creation counts from nothing, so that the changes of a counter sum up to its value.
    const from = before?.value ?? 0n;
    const change = changeOf(op.verb, from, after, call.caller, op.note);
    const merged = slot.changes.length === 0 ? undefined : merge(slot.changes.at(-1)!, change);
    if (merged === undefined) slot.changes.push(change);
    else slot.changes[slot.changes.length - 1] = merged;

    const { values, previous, revisions, times, uids, headroomUp, headroomDown } = this.#outcomes;
    values[i] = value;
    previous[i] = before?.value ?? after.initial;
    revisions[i] = after.revision;
    if (call.single) {
      times[c] = after.updateTime;
      uids[c] = after.uid;
      const { up, down } = headroom(after);
      headroomUp[c] = up;
      headroomDown[c] = down;
    }
    return undefined;
  }

  #slot(index: number): Slot {
    let slot = this.#slots[index];
    if (slot === undefined) {
      slot = { counter: this.#loaded.counters[index], created: undefined, changes: [] };
      this.#slots[index] = slot;
    }
    if (this.#before !== undefined && !this.#before.has(index)) {
      this.#before.set(index, { ...slot, changes: slot.changes.slice() });
    }
    return slot;
  }
}

function withoutDetails(op: Op): Pick<Counter, "initial" | "min" | "max" | "clamp" | "monotonic"> {
  const { initial, min, max, clamp, monotonic } = settingsFor(op);
  return { initial, min, max, clamp, monotonic };
}

import { encodeAnswer, isNoRecord, isOf, replayAnswer, requestKey } from "./answer.ts";
import {
  type Batch,
  type CallHead,
  callAt,
  nameReader,
  newOutcomes,
  type Outcomes,
  toCallColumns,
  toColumns,
  whoseIs,
} from "./columns.ts";
import { CORRUPT } from "./counter.ts";
import type { Refusal } from "./errors.ts";
import type { Context, Loaded, RequestKeys, Save, Touched } from "./load-save.ts";
import { type Op, Verb } from "./op.ts";
import { Working } from "./working.ts";

export type { Context, Loaded, Save, Touched } from "./load-save.ts";
export { CORRUPT };

/** The names that a batch touches. */
export function touchedBy({ ops }: Batch): Touched {
  const names: string[] = [];
  const indexes = new Map<string, number>();
  const counterOf = new Uint32Array(ops.count);
  const nameAt = nameReader(ops);
  for (let i = 0; i < ops.count; i++) {
    const name = nameAt(i);
    let index = indexes.get(name);
    if (index === undefined) {
      index = names.push(name) - 1;
      indexes.set(name, index);
    }
    counterOf[i] = index;
  }
  const whole = new Set<number>();
  let deletions = 0;
  for (const i of ops.extras.keys()) {
    if (ops.verbs[i] === Verb.DELETE) deletions++;
    if (ops.verbs[i] === Verb.UPDATE || ops.verbs[i] === Verb.DELETE) whole.add(counterOf[i]!);
  }
  return { names, counterOf, whole, deletions };
}

/** The keys of a batch's request ids. */
export function requestKeys({ calls }: Batch, { names, counterOf }: Touched): RequestKeys {
  const nameOf = (c: number) => names[counterOf[c === 0 ? 0 : calls.ends[c - 1]!]!]!;
  const keys = calls.requestIds.map((requestId, c) =>
    requestId === undefined ? undefined : requestKey(callAt(calls, c), nameOf(c)),
  );
  const mayBeFormer = calls.callers.some(({ formerCaller }) => formerCaller !== undefined);
  const formerKeys = !mayBeFormer
    ? undefined
    : keys.map((key, c) => {
        const { caller, formerCaller } = whoseIs(calls, c);
        return key === undefined || formerCaller === undefined || formerCaller === caller
          ? undefined
          : requestKey({ ...callAt(calls, c), caller: formerCaller }, nameOf(c));
      });
  return { keys, formerKeys };
}

/**
 * All keys that a store has to look for.
 *
 * @param only  the calls that are meant; all, unless given
 */
export function keysToFind({ keys, formerKeys }: RequestKeys, only?: ReadonlySet<number>): string[] {
  const found: string[] = [];
  for (const some of formerKeys === undefined ? [keys] : [keys, formerKeys]) {
    for (const [c, key] of some.entries()) {
      if (key !== undefined && (only === undefined || only.has(c))) found.push(key);
    }
  }
  return found;
}

/**
 * Judge a batch on what the store found: the rule, replays, groups, and what to save.
 *
 * Each call is judged on what those before it left. A request id that was answered before, also by a call
 * earlier in this batch, replays. An all_or_nothing call is undone when one of its operations is refused, and so are takes.
 *
 * Pure: the same arguments give the same result, and none of them is changed.
 */
export function decideBatch(
  batch: Batch,
  loaded: Loaded,
  context: Context,
): { outcomes: Outcomes; save: Save } {
  const outcomes = newOutcomes(batch.ops.count, batch.calls.count);
  outcomes.epoch = context.epoch;
  const answers = new Map<string, Uint8Array>();
  const judged = new Working(batch, loaded, context, outcomes);
  let first = 0;
  for (let c = 0; c < batch.calls.count; c++) {
    const call = callAt(batch.calls, c);
    if (context.only !== undefined && !context.only.has(c)) {
      first = call.end;
      continue;
    }
    const key = loaded.keys[c];
    const op = call.single ? judged.op(first) : undefined;
    const record = key === undefined ? undefined : recordOf(loaded, answers, call, c, op);
    let refusal: Refusal | undefined;
    if (record === CORRUPT) refusal = requestIdDamaged(op);
    else if (record !== undefined) refusal = replayed(record, call, c, first, op, outcomes);
    else if (key !== undefined && loaded.requestIdsFullForMs !== undefined) {
      refusal = { code: "REQUEST_IDS_FULL", retryAfterMs: loaded.requestIdsFullForMs };
    } else refusal = judged.apply(call, c, first, op);
    if (refusal !== undefined) outcomes.callRefusals.set(c, refusal);
    else if (key !== undefined && record === undefined && judged.isToBeKept(call, first)) {
      answers.set(key, encodeAnswer(call, c, first, op, outcomes));
    }
    first = call.end;
  }
  return { outcomes, save: { ...judged.saved(), answers } };
}

/**
 * Write down what time has done to some counters, without an operation: the rolls that moved values, the expiries. The same
 * as the next operation on each would; and when each is to be looked at again (see Timing.due).
 *
 * Pure, as decideBatch is.
 *
 * @param found  those that are due, by name; `fixed` of all of them
 */
export function decideTidying(found: Pick<Loaded, "names" | "counters" | "fixed">, context: Context): Save {
  const nothing = { keys: [], answered: new Map(), requestIdsFullForMs: undefined };
  const touched = { counterOf: new Uint32Array(0), whole: new Set<number>(), deletions: 0 };
  const tidied = new Working(NO_OPERATIONS, { ...touched, ...nothing, ...found }, context, newOutcomes(0, 0));
  for (let index = 0; index < found.names.length; index++) tidied.settle(index);
  return { ...tidied.saved(), answers: new Map() };
}

const NO_OPERATIONS: Batch = { calls: toCallColumns([]), ops: toColumns([]) };

/**
 * The record that call c is answered from; undefined: it is judged afresh. One that is kept under its former caller is its
 * own only if it is of the same operations: another is of somebody else who did not have to say who they are.
 *
 * @param answers  what the calls before it in the batch have been answered, by key
 */
export function recordOf(
  { keys, formerKeys, answered }: Pick<Loaded, "keys" | "formerKeys" | "answered">,
  answers: ReadonlyMap<string, Uint8Array>,
  call: CallHead,
  c: number,
  op: Op | undefined,
): Uint8Array | typeof CORRUPT | undefined {
  const key = keys[c];
  if (key === undefined) return undefined;
  const own = answers.get(key) ?? answered.get(key);
  const formerKey = formerKeys?.[c];
  if (own !== undefined || formerKey === undefined) return own;
  const former = answers.get(formerKey) ?? answered.get(formerKey);
  if (former === undefined || former === CORRUPT) return former; // A damaged one may be its own.
  return isOf(former, call, op) ? former : undefined;
}

/** The answer of a record, unless it is no record: stores without a checksum over them may have anything there. */
function replayed(
  record: Uint8Array,
  call: CallHead,
  c: number,
  first: number,
  op: Op | undefined,
  outcomes: Outcomes,
): Refusal | undefined {
  try {
    return replayAnswer(record, call, c, first, op, outcomes);
  } catch (error) {
    if (!isNoRecord(error)) throw error;
    forget(outcomes, c, first, call.end);
    return requestIdDamaged(op);
  }
}

/** @param op  of a call of one; the id of a batch is no counter's */
function requestIdDamaged(op: Op | undefined): Refusal {
  return { code: "ROW_CORRUPT", part: "request_id", ...(op !== undefined && { name: op.name }) };
}

/** What a record has filled in of a call that comes to nothing. */
function forget(outcomes: Outcomes, c: number, first: number, end: number): void {
  const { values, previous, revisions, times, uids, refusals, counters } = outcomes;
  outcomes.replayed[c] = 0;
  times[c] = 0;
  uids[c] = "";
  for (const column of [values, previous] as const) column.fill(0n, first, end);
  revisions.fill(0, first, end);
  for (let i = first; i < end; i++) {
    refusals.delete(i);
    counters.delete(i);
  }
}

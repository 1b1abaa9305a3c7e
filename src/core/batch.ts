import { encodeAnswer, replayAnswer, requestKey } from "./answer.ts";
import type { ChangeColumns } from "./change.ts";
import { type Batch, type CallHead, callAt, nameReader, newOutcomes, type Outcomes } from "./columns.ts";
import { CORRUPT, type Counter, type Fixed } from "./counter.ts";
import type { Refusal } from "./errors.ts";
import { type Op, Verb } from "./op.ts";
import type { AsOf } from "./present.ts";
import { Working } from "./working.ts";

export { CORRUPT };

/** What a batch touches: what a store has to look for. */
export interface Touched {
  /** The names of the counters, each once. */
  readonly names: readonly string[];
  /** By operation: the index of its name in `names`. */
  readonly counterOf: Uint32Array;
  /** By index, those of the names that are updated or deleted: a store has to look for all that is kept about them. */
  readonly whole: ReadonlySet<number>;
  /** How many operations delete: so many counters more can come to be under these names. */
  readonly deletions: number;
}

/** What a store found for a batch. */
export interface Loaded extends Touched {
  /** By index in `names`. */
  readonly counters: readonly (Counter | undefined | typeof CORRUPT)[];
  /** Of the counters in `whole`, where there are any. */
  readonly fixed: ReadonlyMap<number, Fixed>;
  /** By call: the key of its request id (`requestKeys`), undefined without one. */
  readonly keys: readonly (string | undefined)[];
  /** The records found under those keys; CORRUPT where one fails its checksum, or may be there unfound. */
  readonly answered: ReadonlyMap<string, Uint8Array | typeof CORRUPT>;
  /** Whether there is no room for new request ids; undefined when there is, else when to try again, in ms. */
  readonly requestIdsFullForMs: number | undefined;
}

/** What a batch is decided with, beside what was loaded for it. */
export interface Context extends AsOf {
  /** A fresh UUIDv7; the uids of the counters that this batch makes are derived from it. */
  readonly uidSeed: string;
  /** By operation: refusals that the database itself has given to operations which the rule accepts. */
  readonly vetoed?: ReadonlyMap<number, Refusal>;
  /** By call: those that are judged now; the outcomes of the others stay as they were made. All, unless given. */
  readonly only?: ReadonlySet<number> | undefined;
}

/**
 * What to write, all of it in one atomic step. In columns by counter: those of `Loaded.names`, by their indexes there;
 * behind them those that were made under a name whose counter the batch had deleted, in the order in which they came
 * to be. Written in the order of their indexes, each deletion with its counter, no two have a name at the same time.
 */
export interface Save {
  /** By index: the names. */
  readonly names: readonly string[];
  /** The counters that changed, in the order of their indexes. Those below are among them. */
  readonly changed: readonly number[];
  readonly values: BigInt64Array;
  readonly revisions: Float64Array;
  readonly updateTimes: Float64Array;
  /** What counting leaves as it is, of those that are new or whose settings were updated. */
  readonly fixed: ReadonlyMap<number, Fixed>;
  /** Those that are to go, after what else is here of them; true where their history is still given out. */
  readonly deleted: ReadonlyMap<number, boolean>;
  readonly changes: ChangeColumns;
  /** The records to keep, by the key of the request id. */
  readonly answers: ReadonlyMap<string, Uint8Array>;
}

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

/** By call, the key under which its answer is kept; undefined without a request id. */
export function requestKeys({ calls }: Batch, { names, counterOf }: Touched): (string | undefined)[] {
  return calls.requestIds.map((requestId, c) => {
    if (requestId === undefined) return undefined;
    const first = c === 0 ? 0 : calls.ends[c - 1]!;
    return requestKey(callAt(calls, c), names[counterOf[first]!]!);
  });
}

/**
 * Judge a batch on what the store found: the rule, replays, groups, and what to save.
 *
 * Each call is judged on what those before it left. A request id that was answered before, also by a call
 * earlier in this batch, replays. An all_or_nothing call is undone when one of its operations is refused.
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
    if (context.only !== undefined && !context.only.has(c)) {
      first = call.end;
      continue;
    }
    const key = loaded.keys[c];
    const op = call.single ? judged.op(first) : undefined;
    const record = key === undefined ? undefined : (answers.get(key) ?? loaded.answered.get(key));
    let refusal: Refusal | undefined;
    if (record === CORRUPT) refusal = { code: "ROW_CORRUPT" };
    else if (record !== undefined) refusal = replayed(record, call, c, first, op, outcomes);
    else if (key !== undefined && loaded.requestIdsFullForMs !== undefined) {
      refusal = { code: "REQUEST_IDS_FULL", retryAfterMs: loaded.requestIdsFullForMs };
    } else refusal = judged.apply(call, c, first, op);
    if (refusal !== undefined) outcomes.callRefusals.set(c, refusal);
    else if (key !== undefined && record === undefined && judged.appliedAny(first, call.end)) {
      answers.set(key, encodeAnswer(call, c, first, op, outcomes));
    }
    first = call.end;
  }
  return { outcomes, save: { ...judged.saved(), answers } };
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
    if (!(error instanceof RangeError || error instanceof SyntaxError)) throw error;
    forget(outcomes, c, first, call.end);
    return { code: "ROW_CORRUPT" };
  }
}

/** What was filled in of a call that comes to nothing. */
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

/** Short ways to say what callers ask, and to read what a store answered. */

import { type OpColumns, type Outcomes, type Takes, toColumns } from "../../src/core/columns.ts";
import type { FullCounter } from "../../src/core/counter.ts";
import type { Refusal } from "../../src/core/errors.ts";
import type { Verdict } from "../../src/core/limits.ts";
import { type Op, Verb } from "../../src/core/op.ts";
import { DEFAULTS, type Settings } from "../../src/core/settings.ts";
import { toBatch } from "../../src/service/call.ts";
import type { Store } from "../../src/service/store.ts";

/** What one caller asks for in one request. */
export interface Asked {
  readonly caller: string;
  readonly callerName?: string | undefined;
  readonly formerCaller?: string | undefined;
  readonly requestId: string | undefined;
  readonly ops: Op | OpColumns;
  readonly allOrNothing: boolean;
  readonly takes?: Takes;
}

export function update(
  name: string,
  settings: Partial<Settings>,
  { mask = Object.keys(settings) as (keyof Settings)[], ...options }: OpOptions & Pick<Op, "mask"> = {},
): Op {
  const to: Settings = { ...DEFAULTS, ...settings };
  return { ...op(Verb.UPDATE, name, 0n, options), settings: to, mask };
}

/** Deletion of a counter. */
export const remove = (name: string, options: OpOptions & Pick<Op, "keepHistory"> = {}): Op =>
  op(Verb.DELETE, name, 0n, { keepHistory: false, ...options });

type OpOptions = Pick<Partial<Op>, "mustExist" | "mayCreate" | "etag" | "uid" | "note">;
type Who = Pick<Asked, "callerName" | "formerCaller"> & { caller?: string };
type CallOptions = Who & { id?: string | undefined; allOrNothing?: boolean };

export const increment = (name: string, amount = 1n, options: OpOptions = {}): Op =>
  op(Verb.INCREMENT, name, amount, options);
export const decrement = (name: string, amount = 1n, options: OpOptions = {}): Op =>
  op(Verb.DECREMENT, name, amount, options);
export const set = (name: string, value: bigint, options: OpOptions = {}): Op =>
  op(Verb.SET, name, value, options);
export const reset = (name: string, options: OpOptions = {}): Op => op(Verb.RESET, name, 0n, options);

/** A take from a limit that must be there. */
export const take = (name: string, amount = 1n, options: OpOptions = {}): Op =>
  op(Verb.TAKE, name, amount, { mustExist: true, ...options });
export const giveBack = (name: string, amount: bigint, windowStart?: number): Op => ({
  ...op(Verb.GIVE_BACK, name, amount, {}),
  windowStart,
});

export function create(name: string, settings: Partial<Settings> & { value?: bigint } = {}): Op {
  const { value, ...given } = settings;
  const full: Settings = { ...DEFAULTS, ...given };
  return { ...op(Verb.CREATE, name, value ?? full.initial, {}), settings: full };
}

function op(verb: Verb, name: string, amount: bigint, options: OpOptions): Op {
  return { verb, name, amount, mustExist: false, ...options };
}

/** One operation as a request of its own. */
export function single(op: Op, { id, caller = "", ...who }: CallOptions = {}): Asked {
  return { caller, ...who, requestId: id, ops: op, allOrNothing: false };
}

/** Several operations as one BatchApply. */
export function batch(
  ops: readonly Op[],
  { id, caller = "", allOrNothing = false, ...who }: CallOptions = {},
): Asked {
  return { caller, ...who, requestId: id, ops: toColumns(ops), allOrNothing };
}

/** Takes from limits, all or nothing. */
export function takes(
  ops: readonly Op[],
  { id, caller = "", ...who }: CallOptions = {},
  manner: Takes = "take",
): Asked {
  return { caller, ...who, requestId: id, ops: toColumns(ops), allOrNothing: false, takes: manner };
}

/** The answer to one request: its refusal as a whole, or a result an operation. */
export interface Answer {
  readonly refused: Refusal | undefined;
  readonly replayed: boolean;
  readonly time: number;
  readonly results: readonly Result[];
  /** Of limits: one an operation. */
  readonly verdicts?: readonly Verdict[];
}
export type Result =
  | {
      value: bigint;
      previous: bigint;
      revision: number;
      /** Of an update: the counter just after. */
      counter?: FullCounter;
    }
  | Refusal;

/** Have a store apply some requests in one commit. */
export async function commit(store: Pick<Store, "commit">, ...asked: Asked[]): Promise<Answer[]> {
  return answersOf(asked, await store.commit(toBatch(asked)));
}

/** Have a store apply one operation on its own; the result or the refusal. */
export async function apply(
  store: Pick<Store, "commit">,
  op: Op,
  options: CallOptions = {},
): Promise<Result> {
  const [answer] = await commit(store, single(op, options));
  return answer!.refused ?? answer!.results[0]!;
}

export function answersOf(asked: readonly Asked[], outcomes: Outcomes): Answer[] {
  let first = 0;
  return asked.map(({ ops }, c) => {
    const end = first + ("verbs" in ops ? ops.count : 1);
    const results: Result[] = [];
    const verdicts: Verdict[] = [];
    for (let i = first; i < end; i++) {
      const { values, previous, revisions, refusals, counters } = outcomes;
      const counter = counters.get(i);
      const verdict = outcomes.verdicts.get(i);
      if (verdict !== undefined) verdicts.push(verdict);
      const applied = { value: values[i]!, previous: previous[i]!, revision: revisions[i]! };
      results.push(refusals.get(i) ?? { ...applied, ...(counter && { counter }) });
    }
    first = end;
    const refused = outcomes.callRefusals.get(c);
    return {
      refused,
      replayed: outcomes.replayed[c] === 1,
      time: outcomes.times[c]!,
      results: refused ? [] : results,
      ...(verdicts.length > 0 && { verdicts }),
    };
  });
}

import { encodeAsked } from "../../core/answer.ts";
import {
  CORRUPT,
  type Context,
  type decideBatch,
  type Loaded,
  recordOf,
  type Save,
} from "../../core/batch.ts";
import { type Batch, callAt, opAt, toCallColumns, toColumns } from "../../core/columns.ts";
import type { Counter, Fixed } from "../../core/counter.ts";
import { counterDamaged, type Refusal } from "../../core/errors.ts";
import { isInTheWay } from "../../core/limits.ts";
import { type Op, Verb } from "../../core/op.ts";
import { uidAt } from "../../core/uid.ts";

/** One accepted operation, as it is to be written on its own; or what is to be taken back. */
export type Step = Write | typeof UNDO_GROUP;

/** What was written since a write that `beginsGroup`, because the rule refuses a later operation of it. */
export const UNDO_GROUP = Symbol("undo group");

/** One accepted operation, as it is to be written on its own. */
export interface Write {
  readonly op: Op;
  /** Of its counter, in `Loaded.names`. */
  readonly index: number;
  /** The first that is written of an all_or_nothing call, or of takes: if a later one of it is refused, all go back to before this. */
  readonly beginsGroup: boolean;
  readonly inGroup: boolean;
  /** Its counter as it stands in the database by now; undefined when there is none. */
  readonly before: Standing | undefined;
  /** Whether that has expired: then it is deleted first, its history kept, and the operation makes another. */
  readonly expired: boolean;
  readonly after: Standing;
  /** What counting leaves as it is, where the operation makes the counter or updates it. */
  readonly fixed: Fixed | undefined;
}

/** A counter as it stands after the operations before. */
export interface Standing extends Counter {
  /** Undefined for a counter of which not all was loaded. */
  readonly fixed: Fixed | undefined;
}

type Decided = ReturnType<typeof decideBatch>;

/**
 * Save a batch that the database refuses as a whole, one operation after another: so that what has a rule against it
 * there is refused alone, and its neighbours count. What was written for the operations before stays written, so what
 * comes out at the end is what the database has.
 *
 * @param decide  the rule: asked about each operation on what those before it left, and in the end about the batch
 * @param vetoed  what the database has refused before; what it refuses now is put in here
 * @returns       step by step what to write; each is answered with the refusal, if it cannot be. In the end, what was
 *                decided: the changes and the answers are yet to be saved
 */
export function* oneByOne(
  decide: typeof decideBatch,
  batch: Batch,
  facts: Loaded,
  context: Omit<Context, "vetoed">,
  vetoed: Map<number, Refusal>,
): Generator<Step, Decided, Refusal | undefined> {
  const standing = facts.counters.map((counter, index) => standingOf(counter, facts.fixed.get(index)));
  /** What was asked under the request ids under which something was written, by key. */
  const answered = new Map<string, Uint8Array>();
  const full = facts.requestIdsFullForMs !== undefined;
  let first = 0;
  for (let c = 0; c < batch.calls.count; c++) {
    const call = callAt(batch.calls, c);
    const { end, allOrNothing, takes } = call;
    const inGroup = allOrNothing || takes !== undefined;
    if (context.only !== undefined && !context.only.has(c)) {
      first = end;
      continue;
    }
    const key = facts.keys[c];
    const asked =
      key !== undefined && call.single
        ? opAt(batch.ops, first, facts.names[facts.counterOf[first]!]!)
        : undefined;
    const replays = key !== undefined && (full || recordOf(facts, answered, call, c, asked) !== undefined);
    /** The counters that the call wrote, as they were before it. */
    const before = new Map<number, Standing | undefined>();
    let undone = false;
    for (let i = replays || takes === "dry run" ? end : first; i < end && !undone; i++) {
      const index = facts.counterOf[i]!;
      const was = standing[index];
      const op = opAt(batch.ops, i, facts.names[index]!);
      const corrupt = facts.counters[index] === CORRUPT;
      const judged = corrupt
        ? counterDamaged(op.name)
        : (vetoed.get(i) ?? alone(decide, op, was, context, i));
      if ("code" in judged ? takes !== undefined && !isInTheWay(judged, op) : asksOnly(op)) continue;
      let refusal: Refusal | undefined;
      if ("code" in judged) {
        refusal = judged;
        if (inGroup && before.size > 0) yield UNDO_GROUP;
      } else {
        refusal = yield { ...judged, index, inGroup, beginsGroup: inGroup && before.size === 0 };
        if (refusal !== undefined) vetoed.set(i, refusal);
        else {
          if (!before.has(index)) before.set(index, was);
          standing[index] = op.verb === Verb.DELETE ? undefined : judged.after;
        }
      }
      undone = refusal !== undefined && inGroup;
    }
    if (undone) for (const [of, was] of before) standing[of] = was;
    else if (key !== undefined && (before.size > 0 || takes !== undefined))
      answered.set(key, encodeAsked(call, asked));
    first = end;
  }
  return decide(batch, facts, { ...context, vetoed });
}

/** Whether a take is a question: whatever it is answered, it leaves nothing to write. */
function asksOnly({ verb, amount }: Op): boolean {
  return verb === Verb.TAKE && amount === 0n;
}

/** An operation as if it were the whole batch; or why the rule refuses it. */
function alone(
  decide: typeof decideBatch,
  op: Op,
  before: Standing | undefined,
  { now, calendar, policies, uidSeed }: Context,
  i: number,
): Pick<Write, "op" | "before" | "expired" | "after" | "fixed"> | Refusal {
  const facts = {
    ...{
      names: [op.name],
      counterOf: new Uint32Array(1),
      whole: new Set<number>(),
      keys: [undefined],
      deletions: 0,
    },
    ...{ counters: [before], answered: new Map(), requestIdsFullForMs: undefined },
    fixed: new Map(before?.fixed === undefined ? [] : [[0, before.fixed]]),
  };
  const context = { now, calendar, policies, uidSeed: uidAt(uidSeed, i) };
  const { outcomes, save } = decide({ calls: ALONE, ops: toColumns([op]) }, facts, context);
  const refused = outcomes.callRefusals.get(0);
  if (refused !== undefined) return refused;
  const at = save.names.length - 1; // What is made in the place of one that has expired is behind it.
  const made = save.fixed.get(at);
  const fixed = made ?? before?.fixed;
  const [value, revision, updateTime] = [save.values[at]!, save.revisions[at]!, save.updateTimes[at]!];
  const timing = save.timings.has(at) || at > 0 ? save.timings.get(at) : before?.timing;
  return {
    op,
    before,
    expired: at > 0,
    after: { ...(made ?? before!), value, revision, updateTime, timing, fixed },
    fixed: made,
  };
}

const HEAD = { caller: "", requestId: undefined, single: true, allOrNothing: false, digest: undefined };
const ALONE = toCallColumns([{ ...HEAD, end: 1 }]);

/**
 * The row ids of the counters of a batch that was decided.
 *
 * @param found  by index in `Loaded.names`, those of the rows that were loaded
 * @param made   by uid, those of the rows that were made
 * @returns      by index in `Save`
 */
export function rowIdsOf(
  { names, fixed }: Pick<Save, "names" | "fixed">,
  found: readonly (bigint | undefined)[],
  made: ReadonlyMap<string, bigint>,
): (bigint | undefined)[] {
  return names.map((_, index) => found[index] ?? made.get(fixed.get(index)?.uid ?? ""));
}

function standingOf(
  counter: Counter | undefined | typeof CORRUPT,
  fixed: Fixed | undefined,
): Standing | undefined {
  return counter === undefined || counter === CORRUPT ? undefined : { ...counter, fixed };
}

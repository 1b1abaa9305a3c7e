import type { CallHead, Outcomes } from "./columns.ts";
import { CORRUPT } from "./counter.ts";
import type { Drafts, Mark } from "./drafts.ts";
import type { Refusal } from "./errors.ts";
import { pathFor, policyFor } from "./following.ts";
import { isInTheWay, isVerdict, type Limited, limitState } from "./limits.ts";
import type { Context, Loaded } from "./load-save.ts";
import { type Op, settingsFor } from "./op.ts";
import { present } from "./present.ts";

/** Judges the calls of a batch that take from limits, and tells how the limits stand. */
export class Takes {
  readonly #working: Applying;
  readonly #drafts: Drafts;
  readonly #loaded: Loaded;
  readonly #context: Context;
  readonly #outcomes: Outcomes;

  constructor({ working, drafts, loaded, context, outcomes }: TakesOf) {
    this.#working = working;
    this.#drafts = drafts;
    this.#loaded = loaded;
    this.#context = context;
    this.#outcomes = outcomes;
  }

  /**
   * Every take is judged, each on what those before it have left; then all stand, or none, and each has its verdict.
   *
   * @param first  the call's first operation
   * @param by     who asks, as the change log has it
   */
  apply(call: CallHead, first: number, by: string): Refusal | undefined {
    const mark = this.#drafts.mark();
    const taken = new Map<number, bigint>();
    /** By index in `Loaded.names`: the take that made the counter, and whose settings it has where it is unmade again. */
    const makers = new Map<number, Op>();
    const judged: { readonly op: Op; readonly refused: Refusal | undefined; readonly taken: bigint }[] = [];
    for (let i = first; i < call.end; i++) {
      const op = this.#working.op(i);
      const name = this.#loaded.counterOf[i]!;
      const sum = (taken.get(name) ?? 0n) + (op.amount || 1n);
      const uid = this.#uidOf(name);
      const refused = this.#take(i, op, by, mark);
      if (refused !== undefined && !isVerdict(refused, op)) {
        this.#working.undo(mark, first, call.end);
        return { ...refused, index: i - first };
      }
      if (op.amount !== 0n) taken.set(name, sum);
      if (this.#uidOf(name) !== uid) makers.set(name, op);
      judged.push({ op, refused, taken: sum });
    }
    const stands = judged.every(({ op, refused }) => refused === undefined || !isInTheWay(refused, op));
    if (!stands || call.takes === "dry run") this.#working.undo(mark, first, call.end);
    for (const [k, { op, refused, taken }] of judged.entries()) {
      const maker = makers.get(this.#loaded.counterOf[first + k]!);
      this.tell(first + k, op, refused, taken, maker);
      if (refused?.shadow && stands && call.takes === "take") this.#outcomes.refusals.set(first + k, refused);
    }
    return undefined;
  }

  /** Of the counter that has the name at this index of `Loaded.names`, as the batch has left it so far. */
  #uidOf(name: number): string | undefined {
    const index = this.#drafts.latest(name);
    return this.#drafts.exists[index] === 0 ? undefined : this.#drafts.at(index).uid;
  }

  /** One take of a call; of what asks only nothing stays. */
  #take(i: number, op: Op, by: string, mark: Mark): Refusal | undefined {
    if (op.amount !== 0n) return this.#working.applyIn(mark, i, op, by);
    const before = this.#drafts.mark();
    const refused = this.#working.applyIn(before, i, op, by);
    this.#working.undo(before, i, i + 1);
    return refused;
  }

  /**
   * Tell how a limit stands after its call.
   *
   * @param refused  why there was no room
   * @param taken    how much the call takes from it, up to this
   * @param maker    the operation whose settings it has, or would
   */
  tell(i: number, op: Op, refused: Refusal | undefined, taken: bigint, maker = op): void {
    const allowed = refused === undefined || !isInTheWay(refused, op);
    const over = refused?.code === "ABOVE_MAX";
    const found = this.#limitOf(i, maker);
    const needed = over ? taken : undefined;
    const limit = found && limitState(found.counter, this.#context, needed, found.remade, found.policy);
    this.#outcomes.verdicts.set(i, { allowed, over, limit });
  }

  /** The limit of a take as the batch has left it; of a counter that is not there, as it would be made. */
  #limitOf(i: number, op: Op): { counter: Limited; policy: string | undefined; remade: boolean } | undefined {
    const index = this.#drafts.latest(this.#loaded.counterOf[i]!);
    const stored = this.#drafts.exists[index] === 0 ? undefined : this.#drafts.at(index);
    const path = pathFor(this.#drafts, index, op, stored, this.#context);
    const counter =
      path === undefined ? stored && present(stored, this.#context, this.#context.calendar) : path.counter;
    if (counter !== undefined) {
      if (counter.max === undefined) return undefined;
      const policy = counter.policy?.prefix;
      return { counter, policy, remade: policy !== undefined || op.settings !== undefined };
    }
    const policy = policyFor(op, this.#context);
    if (policy === CORRUPT) return undefined; // Then the call was refused.
    const made = settingsFor(op, policy);
    if (made.max === undefined) return undefined;
    const asMade = { ...made, value: made.initial, updateTime: 0, timing: undefined };
    return { counter: asMade, policy: policy?.prefix, remade: false };
  }
}

/** Applies operations of a batch, and undoes them. */
interface Applying {
  op(i: number): Op;
  applyIn(mark: Mark, i: number, op: Op, by: string): Refusal | undefined;
  undo(mark: Mark, first: number, end: number): void;
}

/** The batch in which takes are judged, and what it stands on. */
interface TakesOf {
  readonly working: Applying;
  readonly drafts: Drafts;
  readonly loaded: Loaded;
  readonly context: Context;
  readonly outcomes: Outcomes;
}

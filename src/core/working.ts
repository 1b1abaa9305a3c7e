import { ChangeKind, changeKindOf } from "./change.ts";
import { type Batch, type CallHead, type Outcomes, opAt } from "./columns.ts";
import { blankCounter, CORRUPT, headroom, type Timing } from "./counter.ts";
import { decide, isRefusal, updated } from "./decide.ts";
import { Drafts, type Mark } from "./drafts.ts";
import { counterDamaged, type Refusal } from "./errors.ts";
import {
  attach,
  cannotFollow,
  isShadow,
  POLICIES_DAMAGED,
  pathFor,
  policyFor,
  settleMoved,
} from "./following.ts";
import type { Context, Loaded, Save } from "./load-save.ts";
import { type Op, settingsFor, Verb } from "./op.ts";
import { begin, bringBack, expireIfPassed, follow, move, settle, takeOver } from "./passing.ts";
import { present } from "./present.ts";
import { DEFAULTS, FOLLOWED_KEYS, type SettingKey, type Settings } from "./settings.ts";
import { Takes } from "./takes.ts";
import { isTimed } from "./timing.ts";
import { uidAt } from "./uid.ts";

/** A batch while it is judged: each operation on what those before it have left. */
export class Working {
  readonly #batch: Batch;
  readonly #loaded: Loaded;
  readonly #context: Context;
  readonly #outcomes: Outcomes;
  readonly #drafts: Drafts;
  /** The counter that an operation meets, where it is another than is stored: one object, filled anew each time. */
  readonly #seen = blankCounter();
  /** How it stood before the group that is being judged. */
  #group: Mark | undefined;
  #limits: Takes | undefined;

  constructor(batch: Batch, loaded: Loaded, context: Context, outcomes: Outcomes) {
    this.#batch = batch;
    this.#loaded = loaded;
    this.#context = context;
    this.#outcomes = outcomes;
    this.#drafts = new Drafts(loaded, batch.ops.count, context);
  }

  op(i: number): Op {
    return opAt(this.#batch.ops, i, this.#loaded.names[this.#loaded.counterOf[i]!]!);
  }

  /** Apply a call's operations (`op` when it is a single one); returns the refusal of the call as a whole. */
  apply(call: CallHead, c: number, first: number, op: Op | undefined): Refusal | undefined {
    const { times, refusals } = this.#outcomes;
    times[c] = this.#context.now;
    if (op !== undefined) return this.#applySingle(first, op, call, c);
    if (call.takes !== undefined) return this.#takes().apply(call, first, nameOf(call));
    if (call.allOrNothing) return this.#applyGroup(call, first);
    const by = nameOf(call);
    for (let i = first; i < call.end; i++) {
      const refusal = this.#applyOp(i, this.op(i), by);
      if (refusal !== undefined) refusals.set(i, refusal);
    }
    return undefined;
  }

  /**
   * Whether what a call was answered is to be answered again under its request id: when it applied something; and takes that
   * were allowed, also where all their limits are only tried out.
   */
  isToBeKept({ takes, end }: CallHead, first: number): boolean {
    const { revisions, verdicts } = this.#outcomes;
    for (let i = first; i < end; i++) {
      if (revisions[i] !== 0) return true;
      if (takes === "take" && !verdicts.get(i)!.allowed) return false;
    }
    return takes === "take";
  }

  /** Write down what time has done to the counter at this index of `Loaded.names`, without an operation. */
  settle(name: number): void {
    const drafts = this.#drafts;
    const context = this.#context;
    if (drafts.exists[name] === 0) return;
    const stored = drafts.at(name);
    const path = pathFor(
      drafts,
      name,
      { name: this.#loaded.names[name]!, verb: Verb.INCREMENT },
      stored,
      context,
    );
    if (path !== undefined) follow(drafts, name, path, context);
    settle(drafts, name, context);
  }

  saved(): Omit<Save, "answers"> {
    return this.#drafts.saved();
  }

  /** Those of its calls that take from limits: most batches have none. */
  #takes(): Takes {
    this.#limits ??= new Takes({
      ...{ working: this, drafts: this.#drafts },
      ...{ loaded: this.#loaded, context: this.#context, outcomes: this.#outcomes },
    });
    return this.#limits;
  }

  #applySingle(i: number, op: Op, call: CallHead, c: number): Refusal | undefined {
    const refusal = this.#applyOp(i, op, nameOf(call));
    if (refusal !== undefined) return refusal;
    const { times, uids, headroomUp, headroomDown } = this.#outcomes;
    const counter = this.#drafts.at(this.#drafts.latest(this.#loaded.counterOf[i]!));
    const { up, down } = headroom(counter);
    times[c] = Math.max(this.#context.now, counter.updateTime);
    uids[c] = counter.uid;
    headroomUp[c] = up;
    headroomDown[c] = down;
    if (op.verb === Verb.GIVE_BACK) this.#takes().tell(i, op, undefined, 0n);
    return undefined;
  }

  #applyGroup(call: CallHead, first: number): Refusal | undefined {
    const mark = this.#drafts.mark();
    const by = nameOf(call);
    let refusal: Refusal | undefined;
    for (let i = first; i < call.end && refusal === undefined; i++) {
      refusal = this.applyIn(mark, i, this.op(i), by);
      if (refusal !== undefined) refusal = { ...refusal, index: i - first };
    }
    if (refusal === undefined) return undefined;
    // What the group itself has used up no time gives back, for it is asked as a whole again.
    if (mark.before.has(this.#loaded.counterOf[first + refusal.index!]!)) {
      const { retryAfterMs: _, ...never } = refusal;
      refusal = never;
    }
    this.undo(mark, first, call.end);
    return refusal;
  }

  /** Apply an operation of a group, which is undone as a whole. @param mark  how all stood before it */
  applyIn(mark: Mark, i: number, op: Op, by: string): Refusal | undefined {
    this.#group = mark;
    const refusal = this.#applyOp(i, op, by);
    this.#group = undefined;
    return refusal;
  }

  /** Undo a group. @param first  the first of its operations, and the one past its last */
  undo(mark: Mark, first: number, end: number): void {
    this.#drafts.backTo(mark);
    const { values, previous, revisions } = this.#outcomes;
    values.fill(0n, first, end);
    previous.fill(0n, first, end);
    revisions.fill(0, first, end);
  }

  /** @param by  the name of who asks, for the change log */
  #applyOp(i: number, op: Op, by: string): Refusal | undefined {
    const drafts = this.#drafts;
    const context = this.#context;
    const name = this.#loaded.counterOf[i]!;
    if (this.#loaded.counters[name] === CORRUPT) return counterDamaged(op.name);
    let index = drafts.latest(name);
    let stored = drafts.exists[index] === 0 ? undefined : drafts.at(index);
    if (stored?.timing !== undefined) stored = bringBack(drafts, index, stored, context);
    const path = stored?.policy === undefined ? undefined : pathFor(drafts, index, op, stored, context);
    const counter =
      path !== undefined
        ? path.counter
        : stored === undefined || stored.timing === undefined
          ? stored
          : present(stored, context, context.calendar, this.#seen);
    const policy = counter === undefined ? policyFor(op, context) : undefined;
    if (policy === CORRUPT) return POLICIES_DAMAGED;
    const made = counter === undefined ? settingsFor(op, policy) : DEFAULTS;
    const value = decide(counter, op, context, made);
    if (isRefusal(value)) {
      const shadow = op.verb === Verb.TAKE && value.code === "ABOVE_MAX" && isShadow(op, counter, context);
      return shadow ? { ...value, shadow } : value;
    }
    const refused = context.vetoed?.get(i) ?? (op.follow ? cannotFollow(op.name, context) : undefined);
    if (refused !== undefined) return refused;

    if (this.#group !== undefined) drafts.remember(this.#group, name);
    if (path !== undefined) follow(drafts, index, path, context);
    const left = path === undefined ? stored! : drafts.at(index);
    let met = stored === counter ? undefined : takeOver(drafts, index, left, counter, context);
    if (met === drafts.values[index] && path !== undefined) met = undefined; // It is in the change of the settings.
    if (counter === undefined) {
      const uid = uidAt(context.uidSeed, i);
      const followed = policy && { prefix: policy.prefix, revision: policy.revision };
      index = drafts.make(name, {
        ...made,
        ...{ uid, settingsRevision: 1, createTime: context.now, policy: followed },
      });
    }
    const moves = op.verb !== Verb.UPDATE && op.verb !== Verb.DELETE;
    const isHeld = moves && counter?.policy?.revision === 0;
    const previous = drafts.values[index]!;
    const revision = drafts.revisions[index]! + (moves ? 1 : 0);
    const timing = counter?.timing;
    let time = Math.max(context.now, drafts.updateTimes[index]!);
    if (timing?.windowStart !== undefined) time = Math.max(time, timing.windowStart);
    drafts.values[index] = value;
    if (moves) {
      drafts.revisions[index] = revision;
      drafts.updateTimes[index] = time;
      if (timing !== undefined) move(drafts, index, timing, met ?? previous, context.now);
      else if (counter === undefined && made !== DEFAULTS) this.#begin(index, i, op, made);
    } else if (op.verb === Verb.UPDATE) this.#update(index, i, op, timing);
    else drafts.end(index, op.keepHistory === true);
    this.#note(index, op, previous, value, revision, time, by, met);
    if (op.verb === Verb.UPDATE) expireIfPassed(drafts, index, context);
    else if (isHeld) settleMoved(drafts, index, op.name, context);

    const outcomes = this.#outcomes;
    outcomes.values[i] = value;
    outcomes.previous[i] = counter === undefined ? made.initial : (met ?? previous);
    outcomes.revisions[i] = revision;
    return undefined;
  }

  /** Where a counter that an operation has made is in time. */
  #begin(index: number, i: number, op: Op, made: Settings): void {
    if (!isTimed(made)) return;
    begin(this.#drafts, index, undefined, NO_KEYS, this.#context);
    if (op.verb === Verb.CREATE) this.#outcomes.counters.set(i, this.#drafts.whole(index, op.name));
  }

  #update(index: number, i: number, op: Op, timing: Timing | undefined): void {
    const drafts = this.#drafts;
    const before = drafts.fixedOf(index);
    const settingsRevision = before.settingsRevision + 1;
    const own = op.mask!.some((key) => FOLLOWED_KEYS.includes(key));
    const policy = own ? undefined : before.policy;
    drafts.fixed.set(index, { ...updated(before, op), settingsRevision, policy });
    if (op.follow) attach(drafts, index, op.name, timing, this.#context);
    else begin(drafts, index, timing, new Set(op.mask), this.#context);
    this.#outcomes.counters.set(i, drafts.whole(index, op.name));
  }

  /** Note an operation's change, with the one before where they go together. */
  #note(
    index: number,
    op: Op,
    previous: bigint,
    value: bigint,
    revision: number,
    time: number,
    by: string,
    met: bigint | undefined,
  ): void {
    const { changes, lastChange } = this.#drafts;
    const last = lastChange[index]!;
    const kind = changeKindOf(op.verb);
    const add = kind === ChangeKind.ADD;
    if (add && last !== -1 && met === undefined && changes.merge(last, previous, value, revision, time))
      return;
    const k = changes.push(index, kind, previous, value, revision, time, met);
    if (!add && (by !== "" || op.note)) changes.remarks.set(k, { caller: by, note: op.note ?? "" });
    lastChange[index] = k;
  }
}

/** Who asks, as the change log has it. */
function nameOf({ caller, callerName }: CallHead): string {
  return callerName ?? caller;
}

const NO_KEYS: ReadonlySet<SettingKey> = new Set();

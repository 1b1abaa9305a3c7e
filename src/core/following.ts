/** Which policy a counter comes under in a batch, and what that makes of it. */
import { CORRUPT, type Counter, type Timing } from "./counter.ts";
import type { Drafts } from "./drafts.ts";
import type { Refusal } from "./errors.ts";
import type { Context } from "./load-save.ts";
import { type Op, Verb } from "./op.ts";
import { follow } from "./passing.ts";
import type { Policy } from "./policy.ts";
import { isSettled, type Path, pathOf, settlingOf } from "./settling.ts";

/**
 * What its policies make of a counter that an operation meets; undefined when nothing. Deletions do not settle what may wait;
 * and updates are judged by the settings revision that is stored, or a settings etag that was just read would be out of date
 * at once.
 *
 * @param stored  as the batch has left it so far; undefined where there is none
 */
export function pathFor(
  drafts: Drafts,
  index: number,
  { name, verb }: Pick<Op, "name" | "verb">,
  stored: Counter | undefined,
  context: Context,
): Path | undefined {
  const { policies } = context;
  if (stored?.policy === undefined || policies === undefined || isSettled(stored, name, policies))
    return undefined;
  const path = pathOf({ ...stored }, name, drafts.fixedOf(index), policies, context);
  if (path === undefined || (verb !== Verb.UPDATE && verb !== Verb.DELETE)) return path;
  if (verb === Verb.DELETE && !path.timed) return undefined;
  const { counter } = path;
  return { ...path, counter: counter && { ...counter, settingsRevision: stored.settingsRevision } };
}

/**
 * Settle a counter that has not all of its policy, once an operation has moved its value: as long as that is beyond a bound,
 * the bound is the value.
 */
export function settleMoved(drafts: Drafts, index: number, name: string, context: Context): void {
  const path = pathFor(drafts, index, { name, verb: Verb.INCREMENT }, drafts.at(index), context);
  if (path !== undefined) follow(drafts, index, path, context);
}

/** The policy of the counter that an operation would make; none of one that brings its settings. */
export function policyFor(
  { name, verb, settings }: Op,
  { policies }: Context,
): Policy | undefined | typeof CORRUPT {
  const makes = verb === Verb.INCREMENT || verb === Verb.SET || verb === Verb.TAKE;
  return makes && settings === undefined ? policies?.for(name) : undefined;
}

/** Whether the limit of a take is only tried out: by the policy that it follows, or would. */
export function isShadow(
  { name, settings }: Op,
  counter: Counter | undefined,
  { policies }: Context,
): boolean {
  const follows = counter === undefined ? settings === undefined : counter.policy !== undefined;
  const policy = follows ? policies?.for(name) : undefined;
  return policy !== undefined && policy !== CORRUPT && policy.enforcement === "shadow";
}

/** Why a counter of this name cannot follow a policy. */
export function cannotFollow(name: string, { policies }: Context): Refusal | undefined {
  const policy = policies?.for(name);
  if (policy === CORRUPT) return POLICIES_DAMAGED;
  return policy === undefined ? { code: "POLICY_NOT_FOUND", expected: NONE_TO_FOLLOW } : undefined;
}

/** Have a counter follow its policy, by the update that was made of it; its value is as of now. */
export function attach(
  drafts: Drafts,
  index: number,
  name: string,
  timing: Timing | undefined,
  context: Context,
): void {
  const policy = context.policies!.for(name) as Policy;
  const fixed = drafts.fixedOf(index);
  const counter = { ...drafts.at(index), timing, policy: undefined };
  const { fixed: attached, keys, timing: after } = settlingOf(counter, fixed, policy, context)!;
  drafts.fixed.set(index, { ...attached, settingsRevision: fixed.settingsRevision });
  drafts.attached.add(index);
  if (after !== undefined || timing !== undefined) drafts.timings.set(index, keys.size > 0 ? after : timing);
}

const NONE_TO_FOLLOW = "No policy is for this name";

/** Why no counter is made that may follow a policy, while nobody can tell what one of them is. */
export const POLICIES_DAMAGED: Refusal = { code: "ROW_CORRUPT", part: "policies" };

import { CORRUPT, type Counter, type Fixed, putCountingSettings, type Timing } from "./counter.ts";
import { type Judging, refillConflict } from "./decide.ts";
import type { PolicySet, PolicyStep } from "./policies.ts";
import type { Policy } from "./policy.ts";
import { present } from "./present.ts";
import { FOLLOWED_KEYS, isSame, type SettingKey, type Settings } from "./settings.ts";
import { isTimed, timingFor } from "./timing.ts";
import { isCalendar } from "./window.ts";

/** What a policy makes of a counter that follows it. */
export interface Settling {
  /** What it is from now on, beside its count. */
  readonly fixed: Fixed;
  /** The settings that are others than they were. */
  readonly keys: ReadonlySet<SettingKey>;
  readonly timing: Timing | undefined;
  /** The counter as of the policy, before time goes on under it. */
  readonly counter: Counter;
}

/** One policy after another that a counter comes under, each as of when it was set. */
interface Passage extends Settling {
  /** The counter as of that time, by the settings it had until then. */
  readonly before: Counter;
  readonly time: number;
}

/** What the policies that a counter has missed make of it. */
export interface Path {
  /** Those of them that change a setting. */
  readonly passages: readonly Passage[];
  /** What the last of them leaves. */
  readonly fixed: Fixed;
  /** The counter as of now; undefined when there is none any more. */
  readonly counter: Counter | undefined;
  /** Whether time went by otherwise by one of the policies than by the settings before it. */
  readonly timed: boolean;
}

/** Whether a counter has what the policy says that it is to follow; true of one that follows none. */
export function isSettled(
  { policy: followed }: Pick<Counter, "policy">,
  name: string,
  policies: PolicySet,
): boolean {
  if (followed === undefined) return true;
  const policy = policies.for(name);
  if (policy === CORRUPT) return true; // As far as anybody can tell.
  return policy !== undefined && policy.prefix === followed.prefix && policy.revision === followed.revision;
}

/**
 * What the policies that a counter has missed make of it: whoever settles it, and when, its time goes by the settings that
 * it had until another policy was set, and from then on by those. A policy that says nothing else of time is taken over as
 * of now: then the value that it meets is the latest.
 *
 * @param stored  as it is kept; what time did to it later than a policy was set stays
 * @returns       undefined when all of it is so already
 */
export function pathOf(
  stored: Counter,
  name: string,
  fixed: Fixed,
  policies: PolicySet,
  judging: Judging,
): Path | undefined {
  return pathAlong(policies.stepsOf(name, stored), stored, fixed, judging);
}

/** @param again  whether it was gone along before, and what was beyond a bound then is looked at as of now */
function pathAlong(
  steps: readonly PolicyStep[],
  stored: Counter,
  fixed: Fixed,
  judging: Judging,
  again = false,
): Path | undefined {
  const { calendar, now } = judging;
  const passages: Passage[] = [];
  let [counter, left, time, timed]: [Counter, Fixed, number, boolean] = [
    stored,
    fixed,
    knownAt(stored),
    false,
  ];
  let isBeyond = left.policy!.revision === 0;
  for (const [k, step] of steps.entries()) {
    const { policy } = step;
    // Beyond a bound it follows the last one that there was, until the value fits or there is another.
    if (policy === undefined && k > 0 && isBeyond) continue;
    const matters = policy !== undefined && changesTime(left, policy.settings);
    const isLast = steps[k + 1]?.policy === undefined;
    if (policy !== undefined && !matters && !isLast) continue;
    // What says nothing else of time is taken over as of now; or, if another came after there was none, of when there was none.
    const asOf = matters ? step.time : steps[k + 2] && steps[k + 1]!.time;
    time = Math.min(now, Math.max(time, asOf ?? now));
    const before = policy === undefined ? counter : present(counter, { now: time }, calendar);
    if (before === undefined) break;
    const settling = settlingOf(before, left, policy, { calendar, now: time });
    isBeyond = (settling?.fixed ?? left).policy?.revision === 0;
    if (settling === undefined) continue;
    // Another came before the value fitted: it is as if this one had been set over, and not taken away.
    if (isBeyond && !matters && steps.slice(k + 1).some(isAnother(policy))) continue;
    left = settling.fixed;
    if (settling.keys.size === 0) counter = { ...counter, policy: left.policy };
    else {
      passages.push({ ...settling, before, time });
      counter = settling.counter;
    }
    timed ||= matters;
    // From then on its settings are its own, whatever was set since: so it is the same whenever it is settled.
    if (policy === undefined) break;
  }
  if (left === fixed) return undefined;
  const seen = present(counter, judging, calendar);
  // The value may have been beyond a bound when the policy was set, and is not any more: its window has ended since.
  const isPart = left.policy?.revision === 0 && !again;
  const further =
    isPart && seen && pathAlong(lastUnder(left.policy!.prefix, steps), seen, left, judging, true);
  if (!further) return { passages, fixed: left, counter: seen, timed };
  return { ...further, passages: [...passages, ...further.passages], timed: timed || further.timed };
}

/** The last of the steps to a policy of this prefix, and those behind it. */
function lastUnder(prefix: string, steps: readonly PolicyStep[]): readonly PolicyStep[] {
  return steps.slice(steps.findLastIndex(({ policy }) => policy?.prefix === prefix));
}

/** Whether a step is to another policy than this one. */
function isAnother(policy: Policy | undefined): (step: PolicyStep) => boolean {
  return (step) => step.policy !== undefined && step.policy !== policy;
}

/** The latest time that is in what is kept of a counter. */
function knownAt({ updateTime, timing }: Counter): number {
  return Math.max(updateTime, timing?.windowStart ?? 0, timing?.refillTime ?? 0);
}

/** Whether time goes by otherwise with other settings. */
function changesTime(before: Settings, after: Settings): boolean {
  return (isTimed(before) || isTimed(after)) && TIME_KEYS.some((key) => !isSame(before, after, key));
}

const TIME_KEYS = ["initial", "window", "refill", "idleTtlMs"] as const;

/**
 * What a policy makes of a counter, as of now.
 *
 * The value stays. A bound that it is beyond is, while it is, the value itself: so nothing more goes in, and the counter is
 * settled again and again (its `policy.revision` is 0) until it fits, or its window has ended. Labels and description
 * stay as well.
 *
 * @param counter  as of now
 * @param fixed    what else is kept of it
 * @param policy   undefined: there is none any more, and it keeps its settings as its own
 * @returns        undefined when all of it is so already
 */
export function settlingOf(
  counter: Counter,
  fixed: Fixed,
  policy: Policy | undefined,
  judging: Judging,
): Settling | undefined {
  const { calendar, now } = judging;
  if (policy === undefined) {
    const own = { ...fixed, policy: undefined };
    return { fixed: own, keys: NONE, timing: counter.timing, counter: { ...counter, policy: undefined } };
  }
  const { settings, whole } = inForce(policy.settings, fixed, counter.value, judging);
  const followed = { prefix: policy.prefix, revision: whole ? policy.revision : 0 };
  const keys = new Set(FOLLOWED_KEYS.filter((key) => !isSame(settings, fixed, key)));
  const { prefix, revision } = counter.policy ?? { prefix: undefined, revision: 0 };
  if (keys.size === 0 && prefix === followed.prefix && revision === followed.revision) return undefined;
  const settingsRevision = fixed.settingsRevision + (keys.size > 0 ? 1 : 0);
  const after: Fixed = { ...fixed, ...settings, policy: followed, settingsRevision };
  const settled = { ...counter, policy: followed, settingsRevision };
  putCountingSettings(settled, settings);
  const timing = keys.size === 0 ? counter.timing : timingFor(settled, counter.timing, keys, now, calendar!);
  return { fixed: after, keys, timing, counter: { ...settled, timing } };
}

const NONE: ReadonlySet<SettingKey> = new Set();

/** The settings of a policy as far as they go with a value; and whether that is all of them. */
function inForce(
  policy: Settings,
  before: Settings,
  value: bigint,
  { now, calendar }: Judging,
): { settings: Settings; whole: boolean } {
  const settings: { -readonly [Key in keyof Settings]: Settings[Key] } = { ...policy };
  settings.labels = before.labels;
  settings.description = before.description;
  let whole = true;
  if (policy.max !== undefined && value > policy.max) [settings.max, whole] = [value, false];
  if (policy.min !== undefined && value < policy.min) [settings.min, whole] = [value, false];
  // Between bounds so far apart what comes back could not be reckoned any more.
  if (!whole && policy.refill !== undefined && refillConflict(settings) !== undefined)
    settings.refill = undefined;
  const { window } = policy;
  if (window !== undefined && isCalendar(window) && !isSame(policy, before, "window")) {
    // Of a server with newer time zone data; until this one has them, that one may settle it.
    if (calendar?.windowAt(window, now) === undefined) [settings.window, whole] = [before.window, false];
  }
  return { settings, whole };
}

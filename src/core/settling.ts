import { CORRUPT, type Counter, type Fixed, type Timing } from "./counter.ts";
import { type Judging, refillConflict } from "./decide.ts";
import type { Policy, PolicySet } from "./policies.ts";
import { present } from "./present.ts";
import { FOLLOWED_KEYS, isSame, putCountingSettings, type SettingKey, type Settings } from "./settings.ts";
import { timingFor } from "./timing.ts";
import { isCalendar } from "./window.ts";

/** What a policy makes of a counter that follows it. */
export interface Settling {
  /** What it is from now on, beside its count. */
  readonly fixed: Fixed;
  /** The settings that are others than they were. */
  readonly keys: ReadonlySet<SettingKey>;
  readonly timing: Timing | undefined;
  /** The counter, as of now; undefined when by its new idle TTL there is none any more. */
  readonly counter: Counter | undefined;
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
  return { fixed: after, keys, timing, counter: present({ ...settled, timing }, judging, calendar) };
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

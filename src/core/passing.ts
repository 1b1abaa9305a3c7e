/** What time has done to the counters of a batch, written down: the rolls and expiries that nobody had met before. */
import { ChangeKind } from "./change.ts";
import type { Counter, Timing } from "./counter.ts";
import type { Drafts } from "./drafts.ts";
import type { Context } from "./load-save.ts";
import { broughtBack, isZoneUnknown, present } from "./present.ts";
import type { SettingKey } from "./settings.ts";
import type { Path } from "./settling.ts";
import { dueOf, expireTimeOf, isTimed, timingAfter, timingFor } from "./timing.ts";

/**
 * Write down that a counter is no longer where a clock has left it that was far ahead, whatever becomes of the operation.
 *
 * @returns  as it is then
 */
export function bringBack(drafts: Drafts, index: number, stored: Counter, context: Context): Counter {
  const timing = broughtBack(stored, context.now, context.calendar);
  if (timing === undefined) return stored;
  drafts.timings.set(index, timing);
  return drafts.at(index);
}

/**
 * Take over what time has done to a counter before an operation that is accepted.
 *
 * @param stored   as the batch has left it so far
 * @param counter  the same as of now
 * @returns        the value that the operation meets, where a refill has moved it without a change of its own
 */
export function takeOver(
  drafts: Drafts,
  index: number,
  stored: Counter,
  counter: Counter | undefined,
  context: Context,
): bigint | undefined {
  if (counter === undefined) {
    expire(drafts, index, stored, context);
    return undefined;
  }
  if (counter.revision !== stored.revision) roll(drafts, index, stored, counter);
  drafts.timings.set(index, counter.timing);
  return counter.refill === undefined ? undefined : counter.value;
}

/** Take over what policies make of a counter, before an operation that is accepted, or by itself: but not what comes then. */
export function follow(drafts: Drafts, index: number, { passages, fixed }: Path, context: Context): void {
  for (const { before, time, keys, timing, ...passage } of passages) {
    const met = takeOver(drafts, index, drafts.at(index), before, context);
    drafts.fixed.set(index, passage.fixed);
    const { changes, values, revisions, updateTimes } = drafts;
    const [previous, value] = [values[index]!, before.value];
    const told = Math.max(time, updateTimes[index]!, timing?.windowStart ?? 0);
    const k = changes.push(index, ChangeKind.SETTINGS, previous, value, revisions[index]!, told, met);
    changes.remarks.set(k, { caller: `policy:${passage.fixed.policy!.prefix}`, note: "" });
    drafts.lastChange[index] = k;
    values[index] = value;
    drafts.timings.set(index, timing);
  }
  drafts.fixed.set(index, fixed);
}

/**
 * Write down what time has done to a counter, without an operation: a roll that moved the value, or the expiry. And when
 * to look again.
 */
export function settle(drafts: Drafts, index: number, context: Context): void {
  if (drafts.exists[index] === 0) return;
  const stored = drafts.at(index);
  if (stored.timing === undefined) return;
  const counter = present(stored, context, context.calendar);
  if (counter === undefined) {
    expire(drafts, index, stored, context);
    return;
  }
  if (counter.revision !== stored.revision) roll(drafts, index, stored, counter);
  // A refill is in the change of the operation that meets it; until then the value stays as the log has it.
  const timing = counter.refill === undefined ? counter.timing! : stored.timing;
  const { now } = context;
  const due = isZoneUnknown(counter, now)
    ? Math.min(now + ZONE_LOOK_MS, expireTimeOf(counter) ?? Number.POSITIVE_INFINITY)
    : dueOf(counter, timing.windowEnd);
  if (timing !== stored.timing || due !== timing.due) drafts.timings.set(index, { ...timing, due });
}

/** Where a counter whose value an operation has changed is in time. @param previous  the value that it met */
export function move(drafts: Drafts, index: number, timing: Timing, previous: bigint, now: number): void {
  const after = timingAfter(drafts.at(index), timing, previous, now);
  if (after !== timing) drafts.timings.set(index, after);
}

/**
 * Where a counter that was made or updated is in time.
 *
 * @param timing   as it was; undefined where time did nothing to it
 * @param changed  the settings that were updated
 */
export function begin(
  drafts: Drafts,
  index: number,
  timing: Timing | undefined,
  changed: ReadonlySet<SettingKey>,
  { now, calendar }: Context,
): void {
  const after = isTimed(drafts.fixed.get(index)!)
    ? timingFor(drafts.at(index), timing, changed, now, calendar!)
    : undefined;
  if (after !== undefined || timing !== undefined) drafts.timings.set(index, after);
}

/** The window has ended, and the value moved with it: as of its end. */
function roll(drafts: Drafts, index: number, stored: Counter, { value, revision }: Counter): void {
  const time = Math.max(stored.timing!.windowEnd!, stored.updateTime);
  const { changes } = drafts;
  drafts.lastChange[index] = changes.push(index, ChangeKind.ROLL, stored.value, value, revision, time);
  drafts.values[index] = value;
  drafts.revisions[index] = revision;
}

/**
 * A counter whose settings were changed is gone at once where it has an idle TTL by now that has passed already. Written down
 * with that change: whoever follows the log would else meet an end that is earlier than what came before it.
 */
export function expireIfPassed(drafts: Drafts, index: number, context: Context): void {
  const stored = drafts.at(index);
  if (stored.timing === undefined || present(stored, context, context.calendar) !== undefined) return;
  expire(drafts, index, stored, context);
}

/** The counter is gone; before, its window may have ended. What comes under its name is another. */
function expire(drafts: Drafts, index: number, stored: Counter, { calendar }: Context): void {
  const expires = expireTimeOf(stored)!;
  const last = present(stored, { now: expires - 1 }, calendar)!;
  if (last.revision !== stored.revision) roll(drafts, index, stored, last);
  const { changes, lastChange } = drafts;
  const before = lastChange[index]!;
  const noted = before === -1 ? expires : changes.times[before]!;
  const time = Math.max(expires, last.timing!.windowStart ?? expires, noted);
  const met = drafts.values[index]!;
  drafts.lastChange[index] = changes.push(index, ChangeKind.EXPIRE, met, last.value, last.revision, time);
  drafts.end(index, true);
}

/** Zones come to be known by a new release, not by looking. */
const ZONE_LOOK_MS = 3_600_000;

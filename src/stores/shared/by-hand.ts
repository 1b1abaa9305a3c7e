/** Taking a counter that somebody changed by hand, in the database itself, as it stands: see Accepting.accept. */
import { type Change, ChangeKind } from "../../core/change.ts";
import { type FullCounter, highest, lowest, type Timing } from "../../core/counter.ts";
import { refillConflict } from "../../core/decide.ts";
import { isName } from "../../core/name.ts";
import { dueOf, isTimed } from "../../core/timing.ts";

/** Why a row cannot be a counter: a clause. Undefined when it can. */
export function flawOf({ name, uid, value, revision, updateTime, ...rest }: FullCounter): string | undefined {
  if (!isName(name)) return "its name is none that a counter can have";
  if (!/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/.test(uid)) return "its uid is none";
  if (value < lowest(rest) || value > highest(rest)) {
    return `its value ${value} is outside its bounds ${lowest(rest)} to ${highest(rest)}`;
  }
  if (!isRevision(revision)) return `its revision is ${revision}`;
  if (!isRevision(rest.settingsRevision)) return `its settings revision is ${rest.settingsRevision}`;
  for (const time of [updateTime, rest.createTime]) {
    if (!(time >= 0 && time <= 8.64e15)) return `${time} is none of its times`;
  }
  if (!isLabels(rest.labels)) return "its labels are no JSON object of texts";
  return typeof rest.description === "string" ? timingFlawOf(rest) : "its description is no text";
}

/** The same of what time does to it. */
function timingFlawOf(
  counter: Omit<FullCounter, "name" | "uid" | "value" | "revision" | "updateTime">,
): string | undefined {
  const { timing, window, refill, idleTtlMs } = counter;
  if (isTimed(counter) !== (timing !== undefined)) return "where it is in time is not kept with it";
  const { windowStart, windowEnd } = timing ?? {};
  if (window !== undefined && !(windowStart! < windowEnd!)) return "its window has no start and end";
  if (window === undefined && windowEnd !== undefined) return "it has a window's end and no window";
  if (idleTtlMs !== undefined && idleTtlMs < 1n) return `its idle TTL is ${idleTtlMs}`;
  const conflict = refill && refillConflict(counter);
  return conflict && `its refill ${conflict}`;
}

function isRevision(revision: number): boolean {
  return Number.isSafeInteger(revision) && revision >= 0;
}

function isLabels(labels: unknown): boolean {
  if (typeof labels !== "object" || labels === null || Array.isArray(labels)) return false;
  return Object.values(labels).every((each) => typeof each === "string");
}

/**
 * The counter as it goes on: at a revision that no caller has seen, so that no etag of before fits it.
 *
 * @param logged  the highest revision that the change log has
 */
export function accepted(counter: FullCounter, logged: number, now: number): FullCounter {
  const revision = Math.max(counter.revision, logged) + 1;
  const settingsRevision = Math.max(counter.settingsRevision, 1);
  const after = { ...counter, revision, settingsRevision, updateTime: Math.max(now, counter.updateTime) };
  return { ...after, timing: after.timing && timingOf(after, after.timing, now) };
}

/** Where it is in time with the value that it has now: what begins with the value begins now. */
function timingOf(counter: FullCounter, timing: Timing, now: number): Timing {
  const { refill, value, initial } = counter;
  const refills = refill !== undefined && value !== initial;
  const goesOn = refills && timing.refillTime !== undefined;
  return {
    ...timing,
    refillTime: refills ? (timing.refillTime ?? now) : undefined,
    refillCarry: goesOn ? timing.refillCarry : 0n,
    due: dueOf(counter, timing.windowEnd),
  };
}

/** What stands for all that was before: whoever follows goes on from here. */
export function openingOf({ value, revision, updateTime: time }: FullCounter): Change {
  return changeOf(ChangeKind.OPENING, value, revision, time);
}

/** The end of what the log had of it before, which has the log drop what it keeps of that in its time. */
export function endAt(now: number): Change {
  return changeOf(ChangeKind.DELETE, 0n, 0, now);
}

function changeOf(kind: ChangeKind, value: bigint, revision: number, time: number): Change {
  return {
    ...{ kind, firstRevision: revision + 1, revision, ops: 0, added: 0n, removed: 0n },
    ...{ low: value, high: value, value, time, caller: "", note: "" },
  };
}

/** What a counter is called, of which only what it was known by is left; a legal name. */
export function nameOfLost(id: bigint | string): string {
  return `changed-by-hand.${id}`;
}

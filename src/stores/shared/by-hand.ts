/** Taking a counter that somebody changed by hand, in the database itself, as it stands: see Accepting.accept. */
import { type Change, ChangeKind } from "../../core/change.ts";
import { type FullCounter, highest, lowest } from "../../core/counter.ts";
import { isName } from "../../core/name.ts";

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
  return typeof rest.description === "string" ? undefined : "its description is no text";
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
  return { ...counter, revision, settingsRevision, updateTime: Math.max(now, counter.updateTime) };
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

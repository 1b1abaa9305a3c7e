import type { Counter } from "./counter.ts";
import { UINT64_MAX } from "./int64.ts";
import { Verb } from "./op.ts";

/**
 * What became of one counter in one commit, for its history: the increments and decrements that stood next to
 * each other as one change, and each set, reset and creation as its own.
 *
 * `value - (added - removed)` is the value before; the sums of all changes of a counter give its value.
 */
export interface Change {
  readonly kind: ChangeKind;
  /** The revisions that this change covers, both inclusive. */
  readonly firstRevision: number;
  readonly revision: number;
  /** How many operations: revision - firstRevision + 1. */
  readonly ops: number;
  /** How much the value went up and down in all, each 0 to 2^64-1 (one set can move it by that much). */
  readonly added: bigint;
  readonly removed: bigint;
  /** The lowest and the highest value that one of its operations left. */
  readonly low: bigint;
  readonly high: bigint;
  /** The value after. */
  readonly value: bigint;
  /** Milliseconds since the Unix epoch; never earlier than the counter's change before. */
  readonly time: number;
  /** Who and why, for sets, resets and creations; increments of many callers stand in one change and name no one. */
  readonly caller: string;
  readonly note: string;
}

/**
 * `OPENING` stands for changes that were dropped to keep the log within its size: it gives a counter's value
 * after the last of them (added and removed 0), and what a follower knew before is replaced by it.
 */
export const ChangeKind = { ADD: 0, SET: 1, RESET: 2, CREATE: 3, OPENING: 4 } as const;
export type ChangeKind = (typeof ChangeKind)[keyof typeof ChangeKind];

export function changeKindOf(verb: Verb): ChangeKind {
  switch (verb) {
    case Verb.INCREMENT:
    case Verb.DECREMENT:
      return ChangeKind.ADD;
    case Verb.SET:
      return ChangeKind.SET;
    case Verb.RESET:
      return ChangeKind.RESET;
    case Verb.CREATE:
      return ChangeKind.CREATE;
  }
}

/** The change that one operation makes; `after` is the counter after it. */
export function changeOf(
  verb: Verb,
  previous: bigint,
  after: Counter,
  caller: string,
  note: string | undefined,
): Change {
  const kind = changeKindOf(verb);
  const { value, revision, updateTime } = after;
  return {
    kind,
    firstRevision: revision,
    revision,
    ops: 1,
    added: value > previous ? value - previous : 0n,
    removed: value < previous ? previous - value : 0n,
    low: value,
    high: value,
    value,
    time: updateTime,
    caller: kind === ChangeKind.ADD ? "" : caller,
    note: kind === ChangeKind.ADD ? "" : (note ?? ""),
  };
}

/** Two neighbouring changes of one counter in one commit as one, or undefined when they must stay apart. */
export function merge(earlier: Change, later: Change): Change | undefined {
  if (earlier.kind !== ChangeKind.ADD || later.kind !== ChangeKind.ADD) return undefined;
  const added = earlier.added + later.added;
  const removed = earlier.removed + later.removed;
  if (added > UINT64_MAX || removed > UINT64_MAX) return undefined;
  return {
    ...later,
    firstRevision: earlier.firstRevision,
    ops: earlier.ops + later.ops,
    added,
    removed,
    low: earlier.low < later.low ? earlier.low : later.low,
    high: earlier.high > later.high ? earlier.high : later.high,
  };
}

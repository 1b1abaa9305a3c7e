import { type Change, ChangeKind } from "../../core/change.ts";

/** What takes the place of a counter's changes that were dropped: what the last of them left. */
export function openingAt({ value, revision, time }: Pick<Change, "value" | "revision" | "time">): Change {
  return {
    ...{ kind: ChangeKind.OPENING, firstRevision: revision + 1, revision, ops: 0, added: 0n, removed: 0n },
    ...{ low: value, high: value, value, time, caller: "", note: "" },
  };
}

/** What history ought to say, written from what it is said to be: from the changes themselves. */
import { ChangeKind, endsCounter } from "../../../src/core/change.ts";
import { BUCKET_MS, bucketStart, type Level } from "../../../src/core/levels.ts";
import type { StoredChange } from "../../../src/service/store-pages.ts";

/**
 * The points of a name, or of a prefix.
 *
 * @param all    the changes of its counters, in the order of the log
 * @param named  whether of a name
 */
export function pointsOf(all: readonly StoredChange[], edges: Float64Array, named: boolean) {
  const values = new Map<string, bigint>();
  const changes = countedChanges(all);
  let k = 0;
  const take = (before: number) => {
    const taken: StoredChange[] = [];
    // In order of time, which is that of the log for each counter.
    for (; k < ordered.length && ordered[k]!.time < before; k++) {
      taken.push(ordered[k]!);
      values.set(ordered[k]!.uid, endsCounter(ordered[k]!.kind) ? 0n : ordered[k]!.value);
    }
    return taken;
  };
  const ordered = [...changes].sort((a, b) => a.time - b.time);
  const sum = () => [...values.values()].reduce((a, b) => a + b, 0n);
  take(edges[0]!);
  const [opens, closes, lows, highs] = [[], [], [], []] as [bigint[], bigint[], bigint[], bigint[]];
  const sums = { added: [] as bigint[], removed: [] as bigint[], rolled: [] as bigint[] };
  const counts: number[] = [];
  for (let i = 0; i + 1 < edges.length; i++) {
    opens.push(sum());
    const taken = take(edges[i + 1]!);
    closes.push(sum());
    let [added, removed, rolled, ops] = [0n, 0n, 0n, 0];
    const left: bigint[] = [];
    for (const change of taken) {
      const rolls = change.kind === ChangeKind.ROLL;
      if (rolls) rolled += change.added - change.removed;
      else {
        added += change.added;
        removed += change.removed;
        ops += change.ops;
      }
      if (endsCounter(change.kind)) {
        rolled -= change.value;
        left.push(change.value - change.added + change.removed); // What it was.
      } else left.push(change.low, change.high);
    }
    sums.added.push(added);
    sums.removed.push(removed);
    sums.rolled.push(rolled);
    counts.push(ops);
    const close = closes.at(-1)!;
    lows.push(left.reduce((a, b) => (a < b ? a : b), left[0] ?? close));
    highs.push(left.reduce((a, b) => (a > b ? a : b), left[0] ?? close));
  }
  return {
    ...{ opens, closes, lows: named ? lows : undefined, highs: named ? highs : undefined },
    ...{ ...sums, changes: Float64Array.from(counts) },
  };
}

/** Those that history counts: not of counters that were deleted without theirs. */
export function countedChanges(all: readonly StoredChange[]): StoredChange[] {
  const given = deletedOnly(all);
  return inOrder(all.filter(({ uid }) => !given.has(uid)));
}

/** What left the value where it was left nothing; and what came after settings that met a refill was not before them. */
function inOrder(changes: readonly StoredChange[]): StoredChange[] {
  const notBefore = new Map<string, number>();
  const moving = changes.filter((c) => c.kind !== ChangeKind.SETTINGS || c.added !== c.removed);
  return moving.map((change) => {
    const time = Math.max(change.time, notBefore.get(change.uid) ?? change.time);
    if (change.kind === ChangeKind.SETTINGS) notBefore.set(change.uid, time);
    return { ...change, time };
  });
}

/** Those of which the log gives the deletion alone: they were deleted without their history. */
function deletedOnly(changes: readonly StoredChange[]): Set<string> {
  const kinds = new Map<string, number[]>();
  for (const { uid, kind } of changes) kinds.set(uid, [...(kinds.get(uid) ?? []), kind]);
  return new Set(
    [...kinds].filter(([, of]) => of.length === 1 && of[0] === ChangeKind.DELETE).map(([uid]) => uid),
  );
}

/** Edges of a level: from before an instant until after another, in so many points. */
export function edgesOf(level: Level, from: number, to: number, most = 200): Float64Array {
  const [first, last] = [bucketStart(level, from), bucketStart(level, to) + BUCKET_MS[level]];
  const step = Math.max(1, Math.ceil((last - first) / BUCKET_MS[level] / most)) * BUCKET_MS[level];
  const edges = [first];
  while (edges.at(-1)! < last) edges.push(edges.at(-1)! + step);
  return Float64Array.from(edges);
}

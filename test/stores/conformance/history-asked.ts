/** Questions that begin anywhere, as inside of what is packed together: what was before, and after, is not theirs. */
import { fc } from "@fast-check/vitest";
import { expect } from "vitest";
import { endsCounter } from "../../../src/core/change.ts";
import { BUCKET_MS, bucketStart, LEVELS, Level } from "../../../src/core/levels.ts";
import type { HistoryQuery } from "../../../src/service/store-history.ts";
import type { StoredChange } from "../../../src/service/store-pages.ts";
import { allChanges } from "./changes.ts";
import { countedChanges, pointsOf } from "./history-expected.ts";
import { expectPoints, type Followed } from "./history-following.ts";

const question = fc.record({
  level: fc.constantFrom(...LEVELS),
  /** Which change it is near to, and how many buckets before or after that it begins. */
  change: fc.nat(),
  later: fc.integer({ min: -40, max: 40 }),
  /** How many buckets each of its points has. */
  points: fc.array(fc.constantFrom(1, 1, 1, 2, 7), { minLength: 1, maxLength: 5 }),
  prefix: fc.option(fc.nat(), { nil: undefined, freq: 2 }),
});

/**
 * Random questions are answered from a plain list of the changes, and what a counter was at an instant is what its points
 * are there. Minutes must be kept from the first change on.
 */
export async function expectAnswersAreLog(followed: Followed, prefixes: readonly string[]): Promise<void> {
  const all = await allChanges(followed.store);
  const names = [...new Set(all.map(({ name }) => name))];
  const under = new Map<string, StoredChange[]>();
  for (const name of names)
    under.set(
      name,
      all.filter((change) => change.name === name),
    );
  await fc.assert(
    fc.asyncProperty(question, async ({ level, change, later, points: sizes, prefix }) => {
      const near = all[change % all.length]!;
      const edges = [bucketStart(level, near.time) + later * BUCKET_MS[level]];
      for (const size of sizes) edges.push(edges.at(-1)! + size * BUCKET_MS[level]);
      const of: HistoryQuery["of"] =
        prefix === undefined ? { name: near.name } : { prefix: prefixes[prefix % prefixes.length]! };
      const mine =
        "name" in of
          ? under.get(of.name)!
          : names.filter((name) => name.startsWith(of.prefix)).flatMap((name) => under.get(name)!);
      const asked = { of, level, edges: Float64Array.from(edges) };
      const { points } = await followed.query(asked);
      expectPoints(points, pointsOf(mine, asked.edges, "name" in of), "points");
      expect(points.gaps).toEqual(new Uint8Array(sizes.length));
      if (!("name" in of)) return;
      const past = await followed.history.asOf(of.name, edges[0]!);
      expect(past && "value" in past ? past.value : past).toBe(valueAt(mine, edges[0]!));
    }),
    { numRuns: followed.store.traits.durability === "fsync" ? 40 : 200 }, // A question costs those some milliseconds.
  );
}

/** The value of a name's counter at the end of a minute; undefined where there was none. */
function valueAt(all: readonly StoredChange[], time: number): bigint | undefined {
  const at = bucketStart(Level.MINUTE, time);
  const last = countedChanges(all)
    .filter((change) => change.time < at)
    .at(-1);
  return last === undefined || endsCounter(last.kind) ? undefined : last.value;
}

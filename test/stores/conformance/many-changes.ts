import { expect, it } from "vitest";
import { decideBatch } from "../../../src/core/batch.ts";
import { ChangeKind } from "../../../src/core/change.ts";
import type { Store } from "../../../src/service/store.ts";
import { batch, commit, increment, single } from "../../support/calls.ts";
import { openHere } from "../../support/here.ts";
import type { StoreKind } from "../../support/stores.ts";
import { allChanges, expectSumsEqualValues } from "./changes.ts";
import { columnsAsObjects } from "./columns.ts";

/** How long before its commit a counter's first change was. */
const EARLIER_MS = 90_000;

/**
 * As time will have it: before each operation's change, a counter takes one that is as old as when it fell due. Here
 * the first change of each counter is split into three, of which two are earlier than the commit.
 */
const belated: typeof decideBatch = (given, loaded, context) => {
  const decided = decideBatch(given, loaded, context);
  const { changes } = decided.save;
  const { counters } = changes;
  const all = Array.from({ length: changes.count }, (_, k) => ({
    index: counters[k]!,
    change: changes.copy(k),
  }));
  changes.truncate(0);
  const seen = new Set<number>();
  for (const { index, change } of all) {
    if (!seen.has(index)) {
      const { firstRevision, value, added, removed } = change;
      const none = { ...change, firstRevision, revision: firstRevision - 1, ops: 0, added: 0n, removed: 0n };
      const before = value - added + removed;
      for (const ago of [EARLIER_MS, 1]) {
        const early = { ...none, kind: ChangeKind.SETTINGS, low: before, high: before, value: before };
        changes.append(index, { ...early, time: context.now - ago });
      }
    }
    seen.add(index);
    changes.append(index, change);
  }
  return decided;
};

/** The change log takes more than one change an operation, and changes that are earlier than their commit. */
export function manyChangesSuite(kind: StoreKind): void {
  it("two changes a counter beside one an operation, earlier than their commit", async () => {
    const here = await openHere(kind.name, { decide: belated });
    try {
      const names = ["a", "b", "c"];
      await commit(here.store, ...names.map((name) => single(increment(name, 2n))));
      here.clock.advance(5_000);
      await commit(here.store, batch(names.map((name) => increment(name))));
      const store = (await here.reopen()) as Store;
      const changes = await allChanges(store);
      for (const name of names) {
        const mine = changes.filter((change) => change.name === name);
        expect(mine.map((change) => [change.kind, change.value])).toEqual([
          ...[ChangeKind.SETTINGS, ChangeKind.SETTINGS, ChangeKind.ADD].map((of, i) => [of, i < 2 ? 0n : 2n]),
          ...[ChangeKind.SETTINGS, ChangeKind.SETTINGS, ChangeKind.ADD].map((of, i) => [of, i < 2 ? 2n : 3n]),
        ]);
        for (const [i, at] of [2, 5].entries()) {
          const committed = mine[at]!.time;
          expect(mine.slice(3 * i, at).map(({ time }) => committed - time)).toEqual([EARLIER_MS, 1]);
        }
      }
      expect(await columnsAsObjects(store, 4)).toEqual(changes);
      await expectSumsEqualValues(store, names);
    } finally {
      await here.dispose();
    }
  });
}

import { fc } from "@fast-check/vitest";
import { expect, it } from "vitest";
import { ChangeKind } from "../../../src/core/change.ts";
import type { CommitColumns } from "../../../src/core/commit-columns.ts";
import { INT64_MAX, INT64_MIN } from "../../../src/core/int64.ts";
import type { Store } from "../../../src/service/store.ts";
import type { LoggedCounter, LogPage } from "../../../src/service/store-log.ts";
import type { StoredChange } from "../../../src/service/store-pages.ts";
import {
  apply,
  batch,
  commit,
  create,
  decrement,
  increment,
  remove,
  reset,
  set,
  single,
  update,
} from "../../support/calls.ts";
import { Etags, prefixed, sketches } from "../../support/random-requests.ts";
import type { StoreKind } from "../../support/stores.ts";
import { allChanges } from "./changes.ts";
import { damaged } from "./damaged.ts";
import { timeNow, using } from "./using.ts";

/** The change log in columns tells what it tells as objects: see ChangeLogReads in src/service/store-log.ts. */
export function columnsSuite(kind: StoreKind): void {
  const it_ = using(kind, it);

  it_("every kind of change, each with the counter that it is of", async (opened) => {
    const { store } = opened;
    await commit(
      store,
      batch([create("a", { value: 5n }), increment("a", 2n), decrement("a", 9n), set("a", INT64_MAX)], {
        caller: "me",
      }),
    );
    await commit(
      store,
      single(set("a", INT64_MIN, { note: "why é" })),
      single(update("a", { description: "d" })),
    );
    await commit(store, batch([increment("b", 3n), reset("b"), remove("b", { keepHistory: true })]));
    await commit(store, batch([increment("b"), remove("b"), increment("b", 7n)]));
    const [{ commits }] = (await allPages(store, 1_000)) as [LogPage];
    const counters = await store.changeLog.counters(commits.counterIds);
    expect(counters.map((counter) => [counter?.name, counter?.history])).toEqual([
      ["a", true],
      ["b", true],
      ["b", false],
      ["b", true],
    ]);
    expect(new Set(counters.map((counter) => counter?.uid)).size).toBe(4);
    const { ADD, SET, RESET, CREATE, SETTINGS, DELETE } = ChangeKind;
    expect(told(commits)).toEqual([
      [0, CREATE, "1-1", 5n, [5n, 0n], [5n, 5n], "me", ""],
      [0, ADD, "2-3", -2n, [2n, 9n], [-2n, 7n], "", ""],
      [0, SET, "4-4", INT64_MAX, [INT64_MAX + 2n, 0n], [INT64_MAX, INT64_MAX], "me", ""],
      [0, SET, "5-5", INT64_MIN, [0n, 2n ** 64n - 1n], [INT64_MIN, INT64_MIN], "", "why é"],
      [0, SETTINGS, "6-5", INT64_MIN, [0n, 0n], [INT64_MIN, INT64_MIN], "", ""],
      [1, ADD, "1-1", 3n, [3n, 0n], [3n, 3n], "", ""],
      [1, RESET, "2-2", 0n, [0n, 3n], [0n, 0n], "", ""],
      [1, DELETE, "3-2", 0n, [0n, 0n], [0n, 0n], "", ""],
      [2, ADD, "1-1", 1n, [1n, 0n], [1n, 1n], "", ""],
      [2, DELETE, "2-1", 1n, [0n, 0n], [1n, 1n], "", ""],
      [3, ADD, "1-1", 7n, [7n, 0n], [7n, 7n], "", ""],
    ]);
    expect([...commits.ends]).toEqual([3, 5, 8, 11]);
    expect([...commits.times]).toEqual(Array(4).fill(timeNow(opened)));
    expect([...commits.changes.times.subarray(0, 11)]).toEqual(Array(11).fill(timeNow(opened)));
    expect(await columnsAsObjects(store, 1)).toEqual(await allChanges(store)); // Without what b was at first.
  });

  it_("pages never split a commit, and their cursors are those of changesSince", async ({ store }) => {
    const log = store.changeLog;
    const nothing = await log.read("", 3);
    expect([nothing.cursor, nothing.commits.count, nothing.openings, nothing.dropped]).toEqual([
      "",
      0,
      false,
      false,
    ]);
    await commit(store, batch(Array.from({ length: 10 }, (_, i) => increment(`n${i}`))));
    await apply(store, increment("x"));
    await apply(store, increment("x"));
    const first = await log.read("", 3);
    expect([...first.commits.ends]).toEqual([10]);
    expect((await store.changesSince("", 3)).cursor).toBe(first.cursor);
    const second = await log.read(first.cursor, 3);
    expect([...second.commits.ends]).toEqual([1, 2]);
    expect([...second.commits.positions]).toEqual([1, 2].map((n) => first.commits.positions[0]! + n));
    expect((await log.read((await store.changesSince(first.cursor, 1)).cursor, 3)).commits.count).toBe(1);
    const end = await log.read(second.cursor, 3);
    expect([end.cursor, end.commits.count]).toEqual([second.cursor, 0]);
    expect(await log.read(first.cursor, 1)).toMatchObject({ commits: { count: 1 } });
  });

  it_("pages of large commits end by their bytes, whatever the limit is", async ({ store }) => {
    const ops = Array.from({ length: 8_000 }, (_, i) => increment(`n${i}`, 2n ** 40n + BigInt(i)));
    for (let round = 0; round < 12; round++) await commit(store, batch(ops));
    const pages = await allPages(store, 1_000_000);
    expect(pages.length).toBeGreaterThan(1);
    const counts = pages.map(({ commits }) => commits.count);
    expect(Math.max(...counts)).toBeLessThan(12);
    expect(counts.reduce((sum, count) => sum + count)).toBe(12);
    for (const { commits } of pages) {
      expect(commits.counterIds).toHaveLength(8_000); // Each counter once a page.
      expect(commits.changes.buffer.byteLength).toBeLessThan(100 * commits.changes.count); // And no room beside.
    }
  });

  it_("a counter is known by one id, and what is made anew under its name by another", async ({ store }) => {
    await commit(store, batch([increment("a"), increment("b")]));
    await commit(store, batch([increment("b"), increment("a")]));
    await commit(store, batch([remove("a", { keepHistory: true }), increment("a")]));
    const ids = (await allPages(store, 1)).map(({ commits }) => [...commits.counterIds]);
    const [[a, b]] = ids as [[bigint, bigint]];
    expect(ids[1]).toEqual([b, a]);
    expect([ids[2]![0], ids[2]!.length]).toEqual([a, 2]);
    const asked = BigInt64Array.from([ids[2]![1]!, 2n ** 60n, a, b, a]);
    const found = await store.changeLog.counters(asked);
    expect(found.map((counter) => counter?.name)).toEqual(["a", undefined, "a", "b", "a"]);
    expect(found[0]!.uid).not.toBe(found[2]!.uid);
    expect(found[2]).toEqual(found[4]);
  });

  const small = using(kind, it, { retention: { changeLogBytesMax: 1_000 } });

  small("who stands where the log was dropped is told, and gets openings", async ({ store }) => {
    const log = store.changeLog;
    const fill = async (rounds: number) => {
      for (let round = 0; round < rounds; round++)
        await commit(store, batch(Array.from({ length: 10 }, (_, i) => increment(`n${(round + i) % 25}`))));
      while (await store.maintain());
    };
    await apply(store, increment("gone"));
    const [{ commits: early }] = (await allPages(store, 5)) as [LogPage];
    await apply(store, remove("gone", { keepHistory: true }));
    await fill(2);
    const before = await log.read("", 5);
    await fill(40);
    const behind = await log.read(before.cursor, 5);
    expect([behind.dropped, behind.openings, behind.commits.changes.count]).toEqual([true, true, 5]);
    const fresh = await log.read("", 5);
    expect([fresh.dropped, fresh.openings]).toEqual([false, true]); // Who begins has missed nothing.
    const next = await log.read(behind.cursor, 5);
    expect([next.dropped, next.openings]).toEqual([false, true]);
    for (const { commits } of [behind, fresh, next]) {
      const { changes, count } = commits;
      expect(count).toBe(1);
      expect([...changes.kinds]).toEqual(Array(5).fill(ChangeKind.OPENING));
      expect([...changes.added, ...changes.removed]).toEqual(Array(10).fill(0n));
      expect(changes.copy(0).ops).toBe(0);
    }
    expect(await columnsAsObjects(store, 5)).toEqual(await allChanges(store));
    expect(await log.counters(early.counterIds)).toEqual([undefined]); // Nothing of it is left.
    await fill(40);
    const pages = await allPages(store, 5, next.cursor);
    const again = pages.findIndex(({ dropped }) => dropped); // While it read openings, more was dropped.
    expect(again).toBeGreaterThan(0);
    expect(pages.slice(0, again).every(({ openings }) => openings)).toBe(true);
    expect(await expanded(store, pages.slice(again))).toEqual(await allChanges(store));
  });

  if (kind.name !== "memory") {
    it("a damaged commit is told by its position; what stands before it is read", async () => {
      const bytes = kind.name === "sqlite" ? "x'ff'" : "'\\xff'";
      await damaged(kind, `UPDATE @change_log SET changes = ${bytes} WHERE position = 2`, {
        fill: async (store) => {
          for (const name of ["a", "b", "c"]) await apply(store, increment(name));
          await allChanges(store); // So that each has its position.
        },
        test: async ({ changeLog }) => {
          const page = await changeLog.read("", 1);
          expect([...page.commits.positions]).toEqual([1]);
          for (const limit of [1, 100]) {
            await expect(changeLog.read(page.cursor, limit)).rejects.toMatchObject({
              name: "TallyError",
              message: expect.stringMatching(/change log is damaged at position 2\b.*restore .* backup/),
            });
          }
          expect([...(await changeLog.read("2", 1)).commits.positions]).toEqual([3]);
        },
      });
    });
  }

  it_("a store that is closed reads nothing", async (opened) => {
    const { store } = opened;
    await apply(store, increment("a"));
    await store.close();
    const closed = { code: "STORE_UNAVAILABLE" };
    await expect(store.changeLog.read("", 1)).rejects.toMatchObject(closed);
    await expect(store.changeLog.counters(BigInt64Array.of(1n))).rejects.toMatchObject(closed);
    await opened.reopen();
  });

  /**
   * Goal: the columns are the objects, change by change. Method: random requests on few names, with maintenance between that
   * drops what is old; then both are read from the beginning and from where a page ended before, by pages of random sizes.
   */
  const dropping = using(kind, it, { retention: { changeLogBytesMax: 600 } });
  dropping("after random requests columns and objects are the same, change by change", async (opened) => {
    const { store } = opened;
    const etags = new Etags(opened);
    const name = fc.constantFrom("a", "b", "c", "d", "e");
    let histories = 0;
    let [openings, afterEnds] = [0, 0];
    const history = fc.array(fc.array(sketches(name), { minLength: 1, maxLength: 4 }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(history, fc.nat(), fc.integer({ min: 1, max: 20 }), async (requests, pick, limit) => {
        const prefix = `h${histories++}.`;
        for (const each of requests)
          await commit(store, ...(await etags.into(each.map((sketch) => prefixed(sketch, prefix)))));
        await store.maintain();
        expect(await columnsAsObjects(store, limit)).toEqual(await allChanges(store));
        const ends = (await allPages(store, limit)).filter((page) => !page.openings);
        openings += (await allPages(store, limit)).length - ends.length;
        const from = ends[pick % Math.max(ends.length, 1)]?.cursor;
        if (from === undefined) return;
        const rest = await expanded(store, await allPages(store, limit, from));
        const objects = await store.changesSince(from, 100_000);
        expect(rest).toEqual(objects.changes);
        afterEnds += rest.length;
      }),
      { numRuns: 40 }, // On failure fast-check prints the seed.
    );
    expect(Math.min(openings, afterEnds)).toBeGreaterThan(10);
  });
}

/** Every page from a cursor on. */
export async function allPages(store: Store, limit: number, from = ""): Promise<LogPage[]> {
  const pages: LogPage[] = [];
  for (let cursor = from; ; ) {
    const page = await store.changeLog.read(cursor, limit);
    if (page.cursor === cursor) return pages;
    if (page.commits.count > 0) pages.push(page);
    cursor = page.cursor;
  }
}

/** The whole log by its columns. */
export async function columnsAsObjects(store: Store, limit: number): Promise<StoredChange[]> {
  return expanded(store, await allPages(store, limit));
}

/** What columns tell, as `changesSince` has it; each counter is looked up once. */
export async function expanded(store: Store, pages: readonly LogPage[]): Promise<StoredChange[]> {
  const ids = [...new Set(pages.flatMap(({ commits }) => [...commits.counterIds]))];
  const found = await store.changeLog.counters(BigInt64Array.from(ids));
  const counters = new Map<bigint, LoggedCounter>();
  for (const [i, id] of ids.entries()) if (found[i] !== undefined) counters.set(id, found[i]);
  return pages.flatMap(({ commits }) => {
    const { changes: of, ends, counterIds } = commits;
    expect([ends.at(-1), of.counters.length]).toEqual([of.count, of.count]);
    return Array.from({ length: of.count }, (_, k): StoredChange[] => {
      const commit = ends.findIndex((end) => k < end);
      const counter = counters.get(counterIds[of.counters[k]!]!);
      const kind = of.kinds[k]! as ChangeKind;
      if (counter === undefined || (!counter.history && kind !== ChangeKind.DELETE)) return [];
      const [firstRevision, revision] = [of.firstRevisions[k]!, of.revisions[k]!];
      const change = {
        ...{ kind, firstRevision, revision, ops: revision - firstRevision + 1 },
        ...{ added: of.added[k]!, removed: of.removed[k]!, low: of.low[k]!, high: of.high[k]! },
        ...{ value: of.values[k]!, time: of.times[k]! },
        ...{ caller: of.remarks.get(k)?.caller ?? "", note: of.remarks.get(k)?.note ?? "" },
      };
      return [{ ...change, name: counter.name, uid: counter.uid, position: commits.position(commit) }];
    }).flat();
  });
}

function told({ changes: of }: CommitColumns) {
  return Array.from({ length: of.count }, (_, k) => [
    ...[of.counters[k], of.kinds[k], `${of.firstRevisions[k]}-${of.revisions[k]}`, of.values[k]],
    ...[
      [of.added[k], of.removed[k]],
      [of.low[k], of.high[k]],
    ],
    ...[of.remarks.get(k)?.caller ?? "", of.remarks.get(k)?.note ?? ""],
  ]);
}

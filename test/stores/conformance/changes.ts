import { expect, it } from "vitest";
import { ChangeKind } from "../../../src/core/change.ts";
import { INT64_MAX, INT64_MIN } from "../../../src/core/int64.ts";
import type { Store } from "../../../src/service/store.ts";
import type { StoredChange } from "../../../src/service/store-pages.ts";
import {
  apply,
  batch,
  commit,
  create,
  decrement,
  increment,
  reset,
  set,
  single,
} from "../../support/calls.ts";
import type { StoreKind } from "../../support/stores.ts";
import { using } from "./using.ts";

/** What the change log tells, and that its sums equal the values, also after the oldest of it was dropped. */
export function changesSuite(kind: StoreKind): void {
  const it_ = using(kind, it);

  it_(
    "increments and decrements of one counter in one commit are one change; sets and resets their own",
    async ({ store }) => {
      const ops = [
        increment("a", 5n),
        increment("b"),
        decrement("a", 7n),
        increment("a", 3n),
        set("a", 10n, { note: "why" }),
        increment("a"),
        reset("a"),
      ];
      await commit(store, batch(ops, { caller: "me" }));
      const changes = await allChanges(store);
      const brief = changes
        .filter(({ name }) => name === "a")
        .map(({ kind, firstRevision, revision, ops, added, removed, low, high, value, caller, note }) => ({
          kind,
          firstRevision,
          revision,
          ops,
          added,
          removed,
          low,
          high,
          value,
          caller,
          note,
        }));
      expect(brief).toEqual([
        {
          kind: ChangeKind.ADD,
          firstRevision: 1,
          revision: 3,
          ops: 3,
          added: 8n,
          removed: 7n,
          low: -2n,
          high: 5n,
          value: 1n,
          caller: "",
          note: "",
        },
        {
          kind: ChangeKind.SET,
          firstRevision: 4,
          revision: 4,
          ops: 1,
          added: 9n,
          removed: 0n,
          low: 10n,
          high: 10n,
          value: 10n,
          caller: "me",
          note: "why",
        },
        {
          kind: ChangeKind.ADD,
          firstRevision: 5,
          revision: 5,
          ops: 1,
          added: 1n,
          removed: 0n,
          low: 11n,
          high: 11n,
          value: 11n,
          caller: "",
          note: "",
        },
        {
          kind: ChangeKind.RESET,
          firstRevision: 6,
          revision: 6,
          ops: 1,
          added: 0n,
          removed: 11n,
          low: 0n,
          high: 0n,
          value: 0n,
          caller: "me",
          note: "",
        },
      ]);
      expect(changes.filter(({ name }) => name === "b")).toMatchObject([
        { revision: 1, added: 1n, value: 1n },
      ]);
    },
  );

  it_("refusals and replays leave no change", async ({ store }) => {
    await apply(store, increment("a"), { id: "r" });
    const { cursor } = await store.changesSince("", 100);
    await commit(
      store,
      single(increment("a"), { id: "r" }),
      single(decrement("none")),
      batch([increment("a"), decrement("none")], { allOrNothing: true }),
    );
    expect(await store.changesSince(cursor, 100)).toEqual({ changes: [], cursor });
  });

  it_("a creation counts from nothing, and one set can move from edge to edge", async ({ store }) => {
    await apply(store, create("a", { value: INT64_MIN }));
    await apply(store, set("a", INT64_MAX));
    await apply(store, set("a", INT64_MIN));
    expect(await allChanges(store)).toMatchObject([
      { kind: ChangeKind.CREATE, added: 0n, removed: 2n ** 63n, value: INT64_MIN },
      { kind: ChangeKind.SET, added: 2n ** 64n - 1n, removed: 0n, value: INT64_MAX },
      { kind: ChangeKind.SET, added: 0n, removed: 2n ** 64n - 1n, value: INT64_MIN },
    ]);
  });

  it_("pages never split a commit, and a follower that comes back finds what is new", async ({ store }) => {
    await commit(store, batch(Array.from({ length: 10 }, (_, i) => increment(`n${i}`))));
    await apply(store, increment("x"));
    const first = await store.changesSince("", 3);
    expect(first.changes).toHaveLength(10);
    const second = await store.changesSince(first.cursor, 3);
    expect(second.changes).toMatchObject([{ name: "x" }]);
    expect(await store.changesSince(second.cursor, 3)).toEqual({ changes: [], cursor: second.cursor });
    await apply(store, increment("y"));
    expect((await store.changesSince(second.cursor, 3)).changes).toMatchObject([{ name: "y" }]);
  });

  const small = using(kind, it, { retention: { changeLogBytesMax: 1_000 } });

  small(
    "past its size whole commits are dropped, openings take their place, and the sums still equal the values",
    async (opened) => {
      let { store } = opened;
      for (let round = 0; round < 40; round++) {
        await commit(
          store,
          batch(Array.from({ length: 10 }, (_, i) => increment(`n${(round + i) % 25}`, BigInt(i + 1)))),
        );
        if (round === 3) await apply(store, increment("early", 7n));
      }
      while (await store.maintain());
      const changes = await allChanges(store);
      const openings = changes.filter(({ kind }) => kind === ChangeKind.OPENING);
      expect(openings.length).toBeGreaterThan(10);
      expect(openings).toContainEqual(expect.objectContaining({ name: "early", value: 7n, revision: 1 }));
      expect(
        new Set(changes.filter(({ kind }) => kind !== ChangeKind.OPENING).map(({ position }) => position))
          .size,
      ).toBeLessThan(20);
      await expectSumsEqualValues(store);

      if (store.traits.durability === "fsync") {
        store = await opened.reopen();
        expect(await allChanges(store)).toEqual(changes);
        await apply(store, increment("n1"));
        await expectSumsEqualValues(store);
      }
    },
  );

  small(
    "a follower in the middle of the openings while more is dropped still ends up right",
    async ({ store }) => {
      const fill = async (rounds: number) => {
        for (let round = 0; round < rounds; round++) {
          await commit(store, batch(Array.from({ length: 10 }, (_, i) => increment(`n${(round + i) % 25}`))));
        }
        while (await store.maintain());
      };
      await fill(40);
      const follower = new Follower();
      follower.take((await store.changesSince("", 5)).changes);
      let { cursor } = await store.changesSince("", 5);
      await fill(40);
      for (;;) {
        const page = await store.changesSince(cursor, 5);
        if (page.changes.length === 0) break;
        follower.take(page.changes);
        cursor = page.cursor;
      }
      await follower.expectUpToDate(store);
    },
  );
}

/** Read the whole log, in small pages. */
export async function allChanges(store: Store): Promise<StoredChange[]> {
  const changes: StoredChange[] = [];
  for (let cursor = ""; ; ) {
    const page = await store.changesSince(cursor, 7);
    if (page.cursor === cursor) return changes;
    changes.push(...page.changes);
    cursor = page.cursor;
  }
}

/**
 * Every counter's value is the sum of its changes, and no revision is missing or there twice.
 *
 * @param live  counters that must be among them
 */
export async function expectSumsEqualValues(store: Store, live: readonly string[] = []): Promise<Follower> {
  const follower = new Follower();
  follower.take(await allChanges(store));
  await follower.expectUpToDate(store);
  follower.expectToKnow(live);
  return follower;
}

/** Knows counters from the change log alone. */
export class Follower {
  readonly #known = new Map<string, { name: string; sum: bigint; revision: number }>();
  /** By uid, counters whose deletion came, and whether anything came before it. */
  readonly deleted = new Map<string, boolean>();
  readonly #concurrent: boolean;

  /**
   * @param concurrent  whether others commit meanwhile: a counter may then change and be deleted without its history
   *                    between two pages, and of that only the deletion is told
   */
  constructor(concurrent = false) {
    this.#concurrent = concurrent;
  }

  take(changes: readonly StoredChange[]): void {
    for (const change of changes) {
      expect(this.deleted.has(change.uid), `${change.name} changes after its deletion`).toBe(false);
      const { uid, name, kind, firstRevision, revision, added, removed, value, ops, low, high } = change;
      if (kind === ChangeKind.OPENING) {
        this.#known.set(uid, { name, sum: value, revision });
        continue;
      }
      if (kind === ChangeKind.DELETE) {
        const last = this.#known.get(uid);
        const behind = this.#concurrent && last !== undefined && last.revision < revision;
        if (last !== undefined && !behind) expect(last).toEqual({ name, sum: value, revision });
        expect([ops, added, removed, low, high]).toEqual([0, 0n, 0n, value, value]);
        this.deleted.set(uid, last !== undefined);
        this.#known.delete(uid);
        continue;
      }
      const known = this.#known.get(uid) ?? { name, sum: 0n, revision: 0 };
      if (kind === ChangeKind.SETTINGS) expect([added, removed, ops]).toEqual([0n, 0n, 0]);
      if (revision <= known.revision) continue; // Delivered before.
      expect(firstRevision, `the change after revision ${known.revision} of ${name}`).toBe(
        known.revision + 1,
      );
      expect(ops).toBe(revision - firstRevision + 1);
      expect(low <= value && value <= high).toBe(true);
      const sum = known.sum + added - removed;
      expect(sum, `${name} at revision ${revision}`).toBe(value);
      this.#known.set(uid, { name, sum, revision });
    }
  }

  expectToKnow(names: readonly string[]): void {
    const known = new Set([...this.#known.values()].map(({ name }) => name));
    expect(names.filter((name) => !known.has(name))).toEqual([]);
  }

  async expectUpToDate(store: Store): Promise<void> {
    expect(this.#known.size + this.deleted.size).toBeGreaterThan(0);
    const known = [...this.#known].map(([uid, { name, sum: value, revision }]) => {
      return { name, uid, value, revision };
    });
    // Many in one question: to ask for each took most of the time where a store is far away.
    for (let from = 0; from < known.length; from += 1_000) {
      const some = known.slice(from, from + 1_000);
      expect(await store.get(some.map(({ name }) => name))).toMatchObject(some);
    }
  }
}

import { describe, expect, it } from "vitest";
import { ChangeKind } from "../../../src/core/change.ts";
import type { FullCounter } from "../../../src/core/counter.ts";
import type { Store } from "../../../src/service/store.ts";
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
import type { StoreKind } from "../../support/stores.ts";
import { allChanges, expectSumsEqualValues } from "./changes.ts";
import { timeNow, using } from "./using.ts";

/** Deletions: the name is free, the request ids stay, and the history does if it was asked to. */
export function deletingSuite(kind: StoreKind): void {
  const it_ = using(kind, it);

  it_("a deleted counter is gone; one made under its name is another", async ({ store }) => {
    await apply(store, create("a", { value: 7n, max: 9n, labels: { l: "1" }, description: "d" }));
    const before = await read(store, "a");
    expect(await apply(store, remove("a"))).toEqual({ value: 7n, previous: 7n, revision: 1 });
    expect(await store.get(["a"])).toEqual([undefined]);
    for (const op of [
      remove("a"),
      reset("a"),
      update("a", { max: 1n }),
      increment("a", 1n, { mustExist: true }),
    ]) {
      expect(await apply(store, op)).toEqual({ code: "COUNTER_NOT_FOUND" });
    }
    expect(await apply(store, increment("a", 50n))).toEqual({ value: 50n, previous: 0n, revision: 1 });
    const after = await read(store, "a");
    expect(after).toMatchObject({ max: undefined, labels: {}, description: "", settingsRevision: 1 });
    expect(after.uid).not.toBe(before.uid);
    for (const etag of [`${before.uid}.1`, `${before.uid}.2`]) {
      const mismatch = { code: "ETAG_MISMATCH", etag: `${after.uid}.1` };
      expect(await apply(store, set("a", 0n, { etag }))).toEqual(mismatch);
      expect(await apply(store, remove("a", { etag }))).toEqual(mismatch);
    }
    expect(await apply(store, update("a", { max: 99n }, { etag: `${before.uid}.s1` }))).toMatchObject({
      code: "ETAG_MISMATCH",
    });
    await apply(store, create("labelled", { labels: { l: "1" } }));
    await apply(store, remove("labelled"));
    expect(await apply(store, create("labelled", { labels: { l: "1" } }))).toMatchObject({ revision: 1 });
  });

  it_("only at the etag given", async ({ store }) => {
    await apply(store, increment("a"));
    const { uid } = await read(store, "a");
    await apply(store, increment("a"));
    await apply(store, update("a", { max: 5n })); // No change of the value.
    expect(await apply(store, remove("a", { etag: `${uid}.1` }))).toEqual({
      code: "ETAG_MISMATCH",
      etag: `${uid}.2`,
    });
    expect(await apply(store, remove("a", { etag: `${uid}.2` }))).toMatchObject({ value: 2n });
  });

  it_("by uid, whatever the value has become; one that was made anew is another", async ({ store }) => {
    await apply(store, create("a", { initial: 3n }));
    const { uid } = await read(store, "a");
    await apply(store, increment("a"));
    expect(await apply(store, reset("a", { uid }))).toEqual({ value: 3n, previous: 4n, revision: 3 });
    await apply(store, increment("a"));
    expect(await apply(store, remove("a", { uid }))).toMatchObject({ value: 4n });
    await apply(store, increment("a", 7n));
    for (const op of [remove("a", { uid }), reset("a", { uid })])
      expect(await apply(store, op)).toEqual({ code: "COUNTER_NOT_FOUND" });
    const answers = await commit(
      store,
      single(remove("a")),
      single(increment("a", 9n)),
      single(remove("a", { uid: (await read(store, "a")).uid })),
    );
    expect(answers.map(({ refused }) => refused?.code)).toEqual([undefined, undefined, "COUNTER_NOT_FOUND"]);
    expect((await read(store, "a")).value).toBe(9n);
  });

  it_("in one commit: what came before counts, and each deletion stands alone", async ({ store, clock }) => {
    await apply(store, increment("a", 5n));
    clock.advance(7);
    const answers = await commit(
      store,
      single(increment("a", 2n)),
      single(update("a", { max: 7n })),
      single(remove("a")),
      single(create("b", { value: 3n })),
      batch([increment("b"), increment("c")]),
      single(remove("b", { keepHistory: true })),
      single(remove("none")),
    );
    expect(answers.map(({ refused, results }) => refused?.code ?? results.at(-1))).toMatchObject([
      { value: 7n },
      { value: 7n },
      { value: 7n, revision: 2 },
      { value: 3n },
      { value: 1n },
      { value: 4n, revision: 2 },
      "COUNTER_NOT_FOUND",
    ]);
    expect(answers[2]!.time).toEqual(timeNow({ store, clock }));
    expect((await store.get(["a", "b", "c"])).map((found) => (found as FullCounter)?.value)).toEqual([
      undefined,
      undefined,
      1n,
    ]);
    await apply(store, increment("a"));
    await apply(store, increment("b"));
    await expectSumsEqualValues(store, ["a", "b", "c"]);
  });

  it_("in one commit: what is made under a deleted counter's name is another", async (opened) => {
    let { store } = opened;
    await apply(store, create("a", { value: 5n, max: 9n, labels: { team: "old" } }));
    const first = await read(store, "a");
    const answers = await commit(
      store,
      single(increment("a", 2n)),
      single(remove("a", { keepHistory: true })),
      single(increment("a", 1n, { mustExist: true })),
      single(set("a", 1n, { etag: `${first.uid}.2` })),
      single(increment("a", 40n)),
      single(create("a", { value: 1n })),
      single(update("a", { labels: { team: "middle" } })),
      single(remove("a", { keepHistory: true })),
      single(remove("a")),
      single(create("a", { value: 3n, labels: { team: "new" } })),
      batch([increment("a"), increment("b")]),
      single(create("passing")),
      single(remove("passing", { keepHistory: true })),
      single(increment("passing")),
    );
    expect(answers.map(({ refused, results }) => refused?.code ?? results[0])).toMatchObject([
      { value: 7n, previous: 5n, revision: 2 },
      { value: 7n, previous: 7n, revision: 2 },
      ...["COUNTER_NOT_FOUND", "COUNTER_NOT_FOUND"],
      { value: 40n, previous: 0n, revision: 1 },
      "COUNTER_EXISTS",
      {
        value: 40n,
        revision: 1,
        counter: { max: undefined, labels: { team: "middle" }, settingsRevision: 2 },
      },
      { value: 40n, previous: 40n, revision: 1 },
      "COUNTER_NOT_FOUND",
      { value: 3n, previous: 0n, revision: 1 },
      { value: 4n, previous: 3n, revision: 2 },
      { value: 0n, revision: 1 },
      { value: 0n, revision: 1 },
      { value: 1n, previous: 0n, revision: 1 },
    ]);
    if (store.traits.durability === "fsync") store = await opened.reopen();
    const last = await read(store, "a");
    expect(last).toMatchObject({
      value: 4n,
      revision: 2,
      settingsRevision: 1,
      labels: { team: "new" },
      max: undefined,
    });
    for (const team of ["old", "middle", "new"]) {
      const { counters } = await store.list({ prefix: "", labels: { team } }, "", 10);
      expect(counters.map(({ uid }) => uid)).toEqual(team === "new" ? [last.uid] : []);
    }
    const { counters } = await store.list({ prefix: "", labels: {} }, "", 10);
    expect(counters.map(({ name }) => name)).toEqual(["a", "b", "passing"]);

    const changes = await allChanges(store);
    const mine = changes.filter(({ name }) => name === "a");
    const uids = [...new Set(mine.map(({ uid }) => uid))];
    expect(uids).toHaveLength(3);
    expect([uids[0], uids[2]]).toEqual([first.uid, last.uid]);
    expect(mine.map(({ uid, kind, revision, value }) => [uids.indexOf(uid), kind, revision, value])).toEqual([
      [0, ChangeKind.CREATE, 1, 5n],
      [0, ChangeKind.ADD, 2, 7n],
      [0, ChangeKind.DELETE, 2, 7n],
      [1, ChangeKind.ADD, 1, 40n],
      [1, ChangeKind.SETTINGS, 1, 40n],
      [1, ChangeKind.DELETE, 1, 40n],
      [2, ChangeKind.CREATE, 1, 3n],
      [2, ChangeKind.ADD, 2, 4n],
    ]);
    await apply(store, increment("a"));
    await apply(store, increment("passing"));
    await expectSumsEqualValues(store, ["a", "b", "passing"]);
  });

  it_("in one commit: a replayed deletion does not meet what was made since", async ({ store }) => {
    await apply(store, increment("a", 5n));
    const asked = [
      single(remove("a"), { id: "d" }),
      single(increment("a", 2n), { id: "i" }),
      single(remove("a"), { id: "d" }),
      single(increment("a", 2n), { id: "i" }),
      batch([remove("a"), increment("a", 7n)], { id: "B" }),
      batch([remove("a"), increment("a", 7n)], { id: "B" }),
      single(remove("a"), { id: "d" }),
    ];
    const first = await commit(store, ...asked);
    expect(
      first.map(({ replayed, results }) => [replayed, results.map((each) => "value" in each && each.value)]),
    ).toEqual([
      [false, [5n]],
      [false, [2n]],
      [true, [5n]],
      [true, [2n]],
      [false, [2n, 7n]],
      [true, [2n, 7n]],
      [true, [5n]],
    ]);
    const { uid } = await read(store, "a");
    expect((await commit(store, ...asked)).map((answer) => ({ ...answer, replayed: true }))).toEqual(
      first.map((answer) => ({ ...answer, replayed: true })),
    );
    expect(await read(store, "a")).toMatchObject({ uid, value: 7n, revision: 1 });
    await expectSumsEqualValues(store, ["a"]);
  });

  it_("a refused group takes back what it deleted, and what it made under those names", async ({ store }) => {
    await apply(store, create("a", { value: 5n, labels: { l: "1" } }));
    const before = await read(store, "a");
    const { cursor } = await store.changesSince("", 100);
    const group = [
      increment("a"),
      remove("a"),
      increment("a", 50n),
      remove("a"),
      set("a", 9n),
      increment("new"),
      remove("new"),
      increment("new", 3n),
    ];
    const [refused] = await commit(
      store,
      batch([...group, decrement("none")], { allOrNothing: true, id: "r" }),
    );
    expect(refused!.refused).toEqual({ code: "COUNTER_NOT_FOUND", index: group.length });
    expect(await store.get(["a", "new"])).toEqual([before, undefined]);
    expect(await store.changesSince(cursor, 100)).toEqual({ changes: [], cursor });

    // The same with neighbours: what came before it in the commit stays, and what comes after finds that.
    const around = await commit(
      store,
      single(remove("a", { keepHistory: true })),
      single(increment("a", 2n)),
      batch([...group, decrement("none")], { allOrNothing: true }),
      single(increment("a", 3n)),
      single(increment("new", 4n)),
      batch(group, { allOrNothing: true }),
      single(increment("a")),
    );
    expect(around.map(({ refused, results }) => refused?.code ?? results.at(-1))).toMatchObject([
      ...[{ value: 5n }, { value: 2n }, "COUNTER_NOT_FOUND", { value: 5n, revision: 2 }, { value: 4n }],
      ...[
        { value: 3n, revision: 1 },
        { value: 10n, revision: 2 },
      ],
    ]);
    expect(await read(store, "a")).toMatchObject({ value: 10n, revision: 2, labels: {} });
    expect(await read(store, "new")).toMatchObject({ value: 3n, revision: 1 });
    const { deleted } = await expectSumsEqualValues(store, ["a", "new"]);
    expect([deleted.size, deleted.get(before.uid)]).toEqual([4, true]);

    await commit(
      store,
      single(remove("a")),
      batch([increment("a"), decrement("none")], { allOrNothing: true }),
    );
    expect(await store.get(["a"])).toEqual([undefined]);
  });

  it_("busy counters are updated and deleted like others", async ({ store }) => {
    const busy = async () => {
      for (let n = 0; n < 5; n++) await apply(store, increment("a"));
    };
    await busy();
    await apply(store, update("a", { max: 9n }));
    await busy();
    expect(await read(store, "a")).toMatchObject({ value: 9n, revision: 9, max: 9n });
    expect(await apply(store, remove("a"))).toMatchObject({ value: 9n, revision: 9 });
    expect(await store.get(["a"])).toEqual([undefined]);
    await busy();
    expect(await read(store, "a")).toMatchObject({ value: 5n, revision: 5, max: undefined });
    await expectSumsEqualValues(store, ["a"]);
  });

  it_("request ids outlive the counter: what was answered is answered again", async (opened) => {
    let { store } = opened;
    const { clock } = opened;
    const asked = [
      single(create("a", { value: 3n }), { id: "c" }),
      single(increment("a", 2n), { id: "i" }),
      single(update("a", { max: 9n }), { id: "u" }),
      single(remove("a"), { id: "d" }),
    ];
    const first = await commit(store, ...asked);
    clock.advance(100);
    if (store.traits.durability === "fsync") store = await opened.reopen();
    const replays = first.map((answer) => ({ ...answer, replayed: true }));
    expect(await commit(store, ...asked)).toEqual(replays);
    expect(await store.get(["a"])).toEqual([undefined]);
    await apply(store, increment("a", 40n));
    expect(await commit(store, ...asked)).toEqual(replays);
    expect(await read(store, "a")).toMatchObject({ value: 40n, revision: 1 });
    for (const [other, field] of [
      [remove("a", { keepHistory: true }), "keep_history"],
      [remove("a", { etag: "e" }), "etag"],
      [remove("a", { note: "n" }), "note"],
      [reset("a"), "the method"],
    ] as const) {
      expect(await apply(store, other, { id: "d" })).toEqual({ code: "REQUEST_ID_REUSED", field });
    }
  });

  it_("what was deleted stays so after closing and opening, and uids are not used twice", async (opened) => {
    let { store } = opened;
    if (store.traits.durability === "none") return;
    const uids = new Set<string>();
    for (let round = 0; round < 4; round++) {
      await commit(store, single(increment("a")), single(increment("kept")));
      uids.add((await read(store, "a")).uid);
      await commit(store, single(remove("a", { keepHistory: round % 2 === 0 })));
      store = await opened.reopen();
      expect(await store.get(["a"])).toEqual([undefined]);
    }
    expect(uids.size).toBe(4);
    expect(await read(store, "kept")).toMatchObject({ value: 4n, revision: 4 });
    await expectSumsEqualValues(store, ["kept"]);
  });

  describe("the history", () => {
    it_("is given out, the deletion last, when it was kept", async ({ store, clock }) => {
      await apply(store, set("a", 5n, { note: "first" }));
      await apply(store, increment("a"));
      const { uid } = await read(store, "a");
      clock.advance(3);
      await commit(store, single(remove("a", { keepHistory: true, note: "why" }), { caller: "me" }));
      await apply(store, increment("a", 9n));
      const changes = await allChanges(store);
      expect(changes).toMatchObject([
        { name: "a", uid, kind: ChangeKind.SET, value: 5n, note: "first" },
        { name: "a", uid, kind: ChangeKind.ADD, value: 6n },
        {
          name: "a",
          uid,
          kind: ChangeKind.DELETE,
          firstRevision: 3,
          revision: 2,
          ops: 0,
          added: 0n,
          removed: 0n,
          low: 6n,
          high: 6n,
          value: 6n,
          time: timeNow({ store, clock }),
          caller: "me",
          note: "why",
        },
        { name: "a", kind: ChangeKind.ADD, value: 9n, revision: 1 },
      ]);
      expect(changes[3]!.uid).not.toBe(uid);
    });

    it_("is not given out otherwise, but for the deletion; nobody else's suffers", async ({ store }) => {
      await commit(store, single(increment("a")), single(increment("b")));
      await apply(store, increment("a"));
      await commit(
        store,
        single(increment("a")),
        single(remove("a", { note: "why" })),
        single(increment("b")),
      );
      await apply(store, increment("a"));
      const brief = (await allChanges(store)).map(({ name, kind, value }) => [name, kind, value]);
      expect(brief).toEqual([
        ["b", ChangeKind.ADD, 1n],
        ["a", ChangeKind.DELETE, 3n],
        ["b", ChangeKind.ADD, 2n],
        ["a", ChangeKind.ADD, 1n],
      ]);
    });

    it_("commits whose changes are all hidden do not end the log", async ({ store }) => {
      for (let n = 0; n < 20; n++) await apply(store, increment("a"));
      await apply(store, remove("a"));
      await apply(store, increment("b"));
      const changes = [];
      let pages = 0;
      for (let cursor = ""; ; pages++) {
        const page = await store.changesSince(cursor, 3);
        if (page.cursor === cursor) break;
        changes.push(...page.changes);
        cursor = page.cursor;
      }
      expect(changes).toMatchObject([{ kind: ChangeKind.DELETE, revision: 20 }, { name: "b" }]);
      expect(pages).toBeLessThan(22);
    });

    const small = using(kind, it, { retention: { changeLogBytesMax: 400 } });

    small("goes with the deletion, when the log has grown past it", async (opened) => {
      let { store } = opened;
      await apply(store, increment("kept", 3n));
      await apply(store, increment("hidden", 3n));
      await fill(store);
      // Their changes are openings now.
      expect(await openings(store)).toEqual(expect.arrayContaining(["hidden", "kept"]));
      await apply(store, remove("kept", { keepHistory: true }));
      await apply(store, remove("hidden"));
      const left = await openings(store);
      expect(left).toContain("kept");
      expect(left).not.toContain("hidden");
      const ends = (await allChanges(store)).filter(({ kind }) => kind === ChangeKind.DELETE);
      expect(ends.map(({ name }) => name)).toEqual(["kept", "hidden"]);
      await fill(store);
      if (store.traits.durability === "fsync") store = await opened.reopen();
      const changes = await allChanges(store);
      expect(changes.filter(({ name }) => name === "kept" || name === "hidden")).toEqual([]);
      await expectSumsEqualValues(store, ["n0"]);
    });

    small("a follower in the middle of the openings misses none for a deletion", async ({ store }) => {
      await commit(store, ...Array.from({ length: 12 }, (_, i) => single(increment(`old${i}`))));
      await fill(store);
      const page = await store.changesSince("", 5);
      const gone = page.changes.slice(0, 3).map(({ name }) => name);
      await commit(store, ...gone.map((name) => single(remove(name))));
      const names = page.changes.map(({ name }) => name);
      for (let cursor = page.cursor; ; ) {
        const next = await store.changesSince(cursor, 5);
        if (next.cursor === cursor) break;
        names.push(...next.changes.map(({ name }) => name));
        cursor = next.cursor;
      }
      for (let i = 0; i < 12; i++) expect(names).toContain(`old${i}`);
    });
  });
}

/** Enough changes for the log to forget what it had. */
async function fill(store: Store): Promise<void> {
  const note = "n".repeat(60);
  for (let n = 0; n < 40; n++) await apply(store, set(`n${n % 3}`, BigInt(n), { note }));
  while (await store.maintain());
}

async function openings(store: Store): Promise<string[]> {
  const changes = await allChanges(store);
  return changes.filter(({ kind }) => kind === ChangeKind.OPENING).map(({ name }) => name);
}

async function read(store: Store, name: string): Promise<FullCounter> {
  const [found] = await store.get([name]);
  return found as FullCounter;
}

import { expect, it } from "vitest";
import { ChangeKind } from "../../../src/core/change.ts";
import { DEFAULTS } from "../../../src/core/settings.ts";
import {
  apply,
  batch,
  commit,
  create,
  decrement,
  increment,
  remove,
  set,
  single,
  take,
  takes,
  update,
} from "../../support/calls.ts";
import type { StoreKind } from "../../support/stores.ts";
import { allChanges } from "./changes.ts";
import { using } from "./using.ts";

/** What who asks makes of it: whether counters may come to be, and what the change log tells of them. */
export function callersSuite(kind: StoreKind): void {
  const it_ = using(kind, it);
  const mayNot = { mayCreate: false } as const;

  it_("who may not make counters changes those that are there, and is refused others", async ({ store }) => {
    const missing = [increment("a", 1n, mayNot), set("a", 1n, mayNot), decrement("a", 1n, mayNot)];
    for (const op of missing) expect(await apply(store, op)).toEqual({ code: "COUNTER_NOT_FOUND" });
    const bringing = { ...increment("a", 1n, mayNot), settings: { ...DEFAULTS, max: 5n } };
    expect(await apply(store, bringing)).toEqual({ code: "COUNTER_NOT_FOUND" });
    expect(await store.get(["a"])).toEqual([undefined]);
    await apply(store, create("a", { value: 3n }));
    expect(await apply(store, increment("a", 2n, mayNot))).toEqual({ value: 5n, previous: 3n, revision: 2 });
    expect(await apply(store, set("a", 9n, mayNot))).toMatchObject({ value: 9n });
    await apply(store, remove("a"));
    expect(await apply(store, increment("a", 1n, mayNot))).toEqual({ code: "COUNTER_NOT_FOUND" });
  });

  it_("in a batch it is said operation by operation, and what one has made is there", async ({ store }) => {
    const [one, other] = await commit(
      store,
      batch([increment("a", 1n, mayNot), increment("a"), increment("a", 5n, mayNot), set("b", 1n, mayNot)]),
      batch([increment("c"), increment("d", 1n, mayNot)], { allOrNothing: true }),
    );
    expect(one!.results).toEqual([
      { code: "COUNTER_NOT_FOUND" },
      { value: 1n, previous: 0n, revision: 1 },
      { value: 6n, previous: 1n, revision: 2 },
      { code: "COUNTER_NOT_FOUND" },
    ]);
    expect(other!.refused).toEqual({ code: "COUNTER_NOT_FOUND", index: 1 });
    expect(await store.get(["b", "c", "d"])).toEqual([undefined, undefined, undefined]);
  });

  it_("calls that meet in a commit each have their own permission", async ({ store }) => {
    const answers = await commit(
      store,
      batch([increment("a"), increment("b")]),
      single(increment("c", 1n, mayNot)),
      batch([increment("a", 1n, mayNot), increment("d", 1n, mayNot)]),
      single(increment("d")),
    );
    expect(answers.map(({ refused, results }) => refused ?? results)).toMatchObject([
      [{ value: 1n }, { value: 1n }],
      { code: "COUNTER_NOT_FOUND" },
      [{ value: 2n }, { code: "COUNTER_NOT_FOUND" }],
      [{ value: 1n }],
    ]);
  });

  it_(
    "a limit that would have to be made is refused, also to who takes where there is none",
    async (opened) => {
      const { store } = opened;
      const settings = { ...DEFAULTS, max: 5n };
      const needed = { ...take("a", 1n, mayNot), settings };
      const free = { ...take("a", 1n, { mustExist: false, ...mayNot }), settings };
      const refused = async (op: typeof free) => (await commit(store, takes([op])))[0]!.refused;
      expect(await refused(needed)).toEqual({ code: "LIMIT_NOT_FOUND", index: 0 });
      expect(await refused(free)).toEqual({ code: "COUNTER_NOT_FOUND", index: 0 });
      expect(await store.get(["a"])).toEqual([undefined]);
      const nothingSaysSo = takes([take("a", 1n, { mustExist: false, ...mayNot })]);
      expect((await commit(store, nothingSaysSo))[0]!.verdicts).toMatchObject([{ allowed: true }]);
      await apply(store, create("a", { max: 5n }));
      const [taken] = await commit(store, takes([needed, free]));
      expect(taken!.verdicts).toMatchObject([{ allowed: true }, { allowed: true, limit: { remaining: 3n } }]);
    },
  );

  it_("a grant that was given or taken away makes no other call of a retry", async ({ store }) => {
    const settings = { ...DEFAULTS, max: 5n };
    const calls = (may: object) => [
      single(increment("a", 1n, may), { id: "r" }),
      batch([increment("b", 2n, may), set("c", 3n, may)], { id: "B" }),
      takes([{ ...take("d", 1n, may), settings }], { id: "T" }),
      single(increment("e", 1n, may), { id: "s" }),
    ];
    await apply(store, increment("e"));
    const first = await commit(store, ...calls({}));
    const again = await commit(store, ...calls(mayNot));
    expect(again.map(({ refused, replayed }) => [refused, replayed])).toEqual(
      Array(4).fill([undefined, true]),
    );
    expect(again.map(({ results }) => results)).toEqual(first.map(({ results }) => results));
    await commit(store, single(increment("e", 1n, mayNot), { id: "t" }));
    const [given] = await commit(store, single(increment("e", 1n), { id: "t" }));
    expect(given).toMatchObject({ replayed: true, results: [{ value: 3n }] });
  });

  it_("the change log has a caller's name, and request ids go by who it is", async ({ store }) => {
    const ada = { caller: "4fK2", callerName: "ada" };
    await commit(
      store,
      single(create("a"), { ...ada, id: "r" }),
      batch([set("a", 4n, { note: "why" }), increment("a")], ada),
      batch([set("a", 6n), set("b", 1n)], { ...ada, allOrNothing: true }),
      single(update("a", { max: 9n }), ada),
      single(set("b", 2n), { caller: "6gL3" }),
      single(set("b", 3n), { caller: "6gL3", callerName: "" }),
      single(remove("b", { keepHistory: true }), ada),
    );
    const told = (await allChanges(store)).map(({ name, kind, caller, note }) => [name, kind, caller, note]);
    const { CREATE, SET, ADD, SETTINGS, DELETE } = ChangeKind;
    const by = (name: string) => told.filter(([each]) => each === name);
    expect(by("a")).toEqual([
      ["a", CREATE, "ada", ""],
      ["a", SET, "ada", "why"],
      ["a", ADD, "", ""],
      ["a", SET, "ada", ""],
      ["a", SETTINGS, "ada", ""],
    ]);
    expect(by("b")).toEqual([
      ["b", SET, "ada", ""],
      ["b", SET, "6gL3", ""],
      ["b", SET, "", ""],
      ["b", DELETE, "ada", ""],
    ]);
    const [renamed] = await commit(
      store,
      single(create("a"), { caller: "4fK2", callerName: "bea", id: "r" }),
    );
    expect(renamed!.replayed).toBe(true);
    const [namesake] = await commit(
      store,
      single(create("a"), { caller: "7hM4", callerName: "ada", id: "r" }),
    );
    expect(namesake!.refused).toEqual({ code: "COUNTER_EXISTS" });
  });
}

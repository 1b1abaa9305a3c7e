import { v7 } from "uuid";
import { describe, expect, it } from "vitest";
import type { Op } from "../../../src/core/op.ts";
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

const HOUR = 3_600_000;

/** What a request id is good for: counted once, answered the same, for as long as promised. */
export function exactlyOnceSuite(kind: StoreKind): void {
  const it_ = using(kind, it);

  it_("the same id again counts nothing and answers as the first time", async ({ store, clock }) => {
    const [first] = await commit(store, single(increment("a", 5n), { id: "r1" }));
    clock.advance(1_000);
    await apply(store, increment("a"));
    const [again] = await commit(store, single(increment("a", 5n), { id: "r1" }));
    expect(again).toEqual({ ...first, replayed: true });
    expect((await store.get(["a"]))[0]).toMatchObject({ value: 6n, revision: 2 });
  });

  it_(
    "a creation that gives no settings is the one that gives what they are by default",
    async ({ store }) => {
      const { settings: _, ...bare } = create("a");
      const [first] = await commit(store, single(bare, { id: "r1" }));
      for (const op of [bare, create("a")]) {
        expect((await commit(store, single(op, { id: "r1" })))[0]).toEqual({ ...first, replayed: true });
      }
      const [other] = await commit(store, single(create("a", { max: 9n }), { id: "r1" }));
      expect(other!.refused).toEqual({ code: "REQUEST_ID_REUSED", field: "max" });
    },
  );

  it_("equal ids that meet in one commit count once", async ({ store }) => {
    const asked = Array.from({ length: 20 }, () => single(increment("a"), { id: "r1" }));
    const answers = await commit(store, ...asked);
    expect(answers.map(({ replayed }) => replayed)).toEqual([false, ...Array(19).fill(true)]);
    for (const { results } of answers) expect(results).toEqual([{ value: 1n, previous: 0n, revision: 1 }]);
  });

  it_(
    "replay comes before state: a retried create, and a reset by an etag that it moved itself",
    async ({ store }) => {
      const made = create("a", { value: 3n });
      const [first] = await commit(store, single(made, { id: "c" }));
      const [counter] = await store.get(["a"]);
      const back = reset("a", { etag: `${(counter as { uid: string }).uid}.1` });
      const [firstReset] = await commit(store, single(back, { id: "r" }));
      expect((await commit(store, single(made, { id: "c" })))[0]).toEqual({ ...first, replayed: true });
      expect((await commit(store, single(back, { id: "r" })))[0]).toEqual({ ...firstReset, replayed: true });
      expect((await store.get(["a"]))[0]).toMatchObject({ value: 0n, revision: 2 });
    },
  );

  it_("a refusal is not remembered: the id is judged afresh", async ({ store }) => {
    await apply(store, create("a", { value: 5n, max: 5n }));
    expect(await apply(store, increment("a"), { id: "r" })).toMatchObject({ code: "ABOVE_MAX" });
    await apply(store, decrement("a"));
    expect(await apply(store, increment("a"), { id: "r" })).toMatchObject({ value: 5n });
  });

  it_("an id belongs to its counter and to its caller", async ({ store }) => {
    await apply(store, increment("a"), { id: "r" });
    expect(await apply(store, increment("b"), { id: "r" })).toMatchObject({ value: 1n });
    expect(await apply(store, increment("a"), { id: "r", caller: "other" })).toMatchObject({ value: 2n });
    const [whole] = await commit(store, batch([increment("a")], { id: "r" }));
    expect(whole).toMatchObject({ replayed: false, results: [{ value: 3n }] });
  });

  it_("an id reused for another request is refused, with the field that differs", async ({ store }) => {
    const settings = { value: 1n, initial: 1n, min: 0n, max: 9n, labels: { a: "b" }, description: "x" };
    const firsts: [Op, [Op, string][]][] = [
      [
        increment("a", 5n),
        [
          [increment("a", 6n), "amount"],
          [decrement("a", 5n), "the method"],
          [increment("a", 5n, { mustExist: true }), "must_exist"],
        ],
      ],
      [
        set("a", 5n),
        [
          [set("a", 6n), "value"],
          [set("a", 5n, { note: "n" }), "note"],
          [set("a", 5n, { etag: "e" }), "etag"],
        ],
      ],
      [
        create("c", settings),
        [
          [create("c", { ...settings, value: 2n }), "value"],
          [create("c", { ...settings, initial: 2n }), "initial"],
          [create("c", { ...settings, min: undefined }), "min"],
          [create("c", { ...settings, max: 10n }), "max"],
          [create("c", { ...settings, clamp: true }), "on_bound"],
          [create("c", { ...settings, monotonic: true }), "monotonic"],
          [create("c", { ...settings, labels: { a: "c" } }), "labels"],
          [create("c", { ...settings, description: "y" }), "description"],
        ],
      ],
    ];
    for (const [n, [first, others]] of firsts.entries()) {
      await apply(store, first, { id: `r${n}` });
      for (const [other, field] of others) {
        expect(await apply(store, other, { id: `r${n}` })).toEqual({ code: "REQUEST_ID_REUSED", field });
      }
    }
    expect((await store.get(["a"]))[0]).toMatchObject({ value: 5n, revision: 2 });
  });

  it_("a batch that applied something replays whole, refusals included", async ({ store }) => {
    await apply(store, create("full", { value: 1n, max: 1n }));
    const asked = batch(
      [
        increment("a", 2n),
        increment("full"),
        set("b", -(2n ** 63n)),
        set("b", 2n ** 63n - 1n),
        decrement("none"),
      ],
      { id: "B" },
    );
    const [first] = await commit(store, asked);
    await apply(store, decrement("full"));
    const [again] = await commit(store, asked);
    expect(again).toEqual({ ...first, replayed: true });
    expect(first!.results[1]).toEqual({ code: "ABOVE_MAX", value: 1n, max: 1n, requested: 1n });
    expect(first!.results[3]).toEqual({ value: 2n ** 63n - 1n, previous: -(2n ** 63n), revision: 2 });
    expect((await store.get(["a", "full"])).map((counter) => (counter as { value: bigint }).value)).toEqual([
      2n,
      0n,
    ]);
  });

  it_("a batch's id reused for another batch is refused and applies nothing", async ({ store }) => {
    await commit(store, batch([increment("a"), increment("b")], { id: "B" }));
    const others = [
      batch([increment("a"), increment("c")], { id: "B" }),
      batch([increment("a", 2n), increment("b")], { id: "B" }),
      batch([increment("a"), decrement("b")], { id: "B" }),
      batch([increment("a")], { id: "B" }),
      batch([increment("ab"), increment("")], { id: "B" }),
      batch([increment("a"), increment("b", 1n, { mustExist: true })], { id: "B" }),
    ];
    for (const other of others) {
      expect((await commit(store, other))[0]!.refused).toEqual({
        code: "REQUEST_ID_REUSED",
        field: "operations",
      });
    }
    const [group] = await commit(
      store,
      batch([increment("a"), increment("b")], { id: "B", allOrNothing: true }),
    );
    expect(group!.refused).toEqual({ code: "REQUEST_ID_REUSED", field: "all_or_nothing" });
    expect(
      (await store.get(["a", "b", "c"])).map((counter) => (counter as { value: bigint } | undefined)?.value),
    ).toEqual([1n, 1n, undefined]);
  });

  it_("a batch that applied nothing, and a refused group, are judged afresh", async ({ store }) => {
    const nothing = batch([decrement("a"), decrement("b")], { id: "B" });
    const group = batch([increment("b"), decrement("a")], { id: "G", allOrNothing: true });
    await commit(store, nothing, group);
    await apply(store, increment("a", 5n));
    const [second, third] = await commit(store, nothing, group);
    expect(second!.results).toEqual([
      { value: 4n, previous: 5n, revision: 2 },
      { code: "COUNTER_NOT_FOUND" },
    ]);
    expect(third).toMatchObject({
      refused: undefined,
      replayed: false,
      results: [{ value: 1n }, { value: 3n }],
    });
  });

  it_("ids survive closing and opening, if the store is durable", async (opened) => {
    await commit(opened.store, single(increment("a"), { id: "r" }), batch([increment("b")], { id: "B" }));
    const store = await opened.reopen();
    const answers = await commit(
      store,
      single(increment("a"), { id: "r" }),
      batch([increment("b")], { id: "B" }),
    );
    expect(answers.map(({ replayed }) => replayed)).toEqual(
      Array(2).fill(store.traits.durability === "fsync"),
    );
    expect((await store.get(["a", "b"])).map((counter) => (counter as { value: bigint }).value)).toEqual([
      1n,
      1n,
    ]);
  });

  describe("retention", () => {
    it_(
      "an id lives through three generation changes with a restart between, and is forgotten after its time",
      async (opened) => {
        let { store } = opened;
        const { clock } = opened;
        const durable = store.traits.durability === "fsync";
        const id = v7();
        await apply(store, increment("a"), { id });
        for (let turn = 0; turn < 3; turn++) {
          clock.advance(4 * HOUR); // A generation spans 3 hours.
          await apply(store, increment("other"), { id: v7() });
          await maintainAll(store);
          if (turn === 1 && durable) store = await opened.reopen();
        }
        expect((await commit(store, single(increment("a"), { id })))[0]!.replayed).toBe(true);
        clock.advance(16 * HOUR); // It is 28 hours old, of which a restart hides none.
        await apply(store, increment("other"), { id: v7() });
        clock.advance(9 * HOUR);
        await maintainAll(store);
        expect((await commit(store, single(increment("a"), { id })))[0]!.replayed).toBe(false);
      },
    );

    it_(
      "a jump of the clock forgets nothing early, and a random id is found in an old generation",
      async ({ store, clock }) => {
        const ids = ["zz", "00", v7(), "~", "mm"];
        for (const id of ids) await apply(store, increment("a"), { id });
        clock.advance(4 * HOUR);
        for (let n = 0; n < 3; n++) await apply(store, increment("b"), { id: `other${n}` });
        clock.wallMs += 10 * 365 * 86_400_000;
        await maintainAll(store);
        for (const id of ids)
          expect((await commit(store, single(increment("a"), { id })))[0]!.replayed).toBe(true);
        expect((await store.get(["a"]))[0]).toMatchObject({ value: 5n });
      },
    );

    const small = using(kind, it, { retention: { requestIdsBytesMax: 20_000 } });

    small(
      "past its room the oldest ids go first, with a warning, but none that is younger than the floor",
      async ({ store, clock, warnings }) => {
        const old = v7();
        await apply(store, increment("a"), { id: old });
        const fill = async () => {
          let taken = 0;
          for (; taken < 1_000; taken++) {
            const result = await apply(store, increment("b"), { id: `${v7()}-fill` });
            if ("code" in result) {
              expect(result).toMatchObject({ code: "REQUEST_IDS_FULL", retryAfterMs: expect.any(Number) });
              break;
            }
            if (taken % 20 === 0) await maintainAll(store);
          }
          return taken;
        };
        const taken = await fill();
        expect(taken).toBeGreaterThan(50);
        expect(taken).toBeLessThan(1_000);
        expect(warnings).toEqual([]);
        // Full of ids that must be kept: live ones still replay, and calls without an id still count.
        expect((await commit(store, single(increment("a"), { id: old })))[0]!.replayed).toBe(true);
        expect(await apply(store, increment("a"))).toMatchObject({ value: 2n });
        clock.advance(2 * HOUR);
        await maintainAll(store);
        expect(warnings).toHaveLength(1);
        expect(await fill()).toBeGreaterThan(50);
      },
    );

    small("the room is taken by callers as well: an id has who it belongs to", async ({ store }) => {
      const caller = "c".repeat(1_000);
      let taken = 0;
      for (; taken < 1_000; taken++) {
        const result = await apply(store, increment("b"), { id: v7(), caller });
        if ("code" in result) break;
        await maintainAll(store);
      }
      expect(taken).toBeGreaterThan(10);
      expect(taken).toBeLessThan(30); // 20,000 bytes: without its caller each would take less than 200.
    });
  });
}

async function maintainAll(store: { maintain(): Promise<boolean> }): Promise<void> {
  while (await store.maintain());
}

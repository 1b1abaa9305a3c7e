import { describe, expect, it } from "vitest";
import { INT64_MAX, INT64_MIN } from "../../../src/core/int64.ts";
import { toBatch } from "../../../src/service/call.ts";
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
import { timeNow, using } from "./using.ts";

/** What `Store.commit` owes: the rule, in order, each outcome in its place, refusals that disturb nobody. */
export function commitSuite(kind: StoreKind): void {
  const it_ = using(kind, it);

  describe("one operation", () => {
    it_("an increment makes a missing counter, from 0", async ({ store }) => {
      expect(await apply(store, increment("a", 5n))).toEqual({ value: 5n, previous: 0n, revision: 1 });
      expect(await apply(store, increment("a", 2n))).toEqual({ value: 7n, previous: 5n, revision: 2 });
    });

    it_(
      "a decrement or reset of a missing counter is refused, and so is what must exist",
      async ({ store }) => {
        for (const op of [
          decrement("a"),
          reset("a"),
          increment("a", 1n, { mustExist: true }),
          set("a", 1n, { mustExist: true }),
          set("a", 1n, { etag: "x" }),
        ]) {
          expect(await apply(store, op)).toEqual({ code: "COUNTER_NOT_FOUND" });
        }
        expect(await store.get(["a"])).toEqual([undefined]);
      },
    );

    it_("set makes a counter and moves it; reset takes it back to its initial value", async ({ store }) => {
      expect(await apply(store, set("a", -3n))).toEqual({ value: -3n, previous: 0n, revision: 1 });
      expect(await apply(store, reset("a"))).toEqual({ value: 0n, previous: -3n, revision: 2 });
      await apply(store, create("b", { initial: 10n, value: 4n }));
      expect(await apply(store, reset("b"))).toEqual({ value: 10n, previous: 4n, revision: 2 });
    });

    it_(
      "at its maximum an increment is refused and changes nothing; below it what fits is allowed",
      async ({ store }) => {
        await apply(store, create("a", { value: 9n, max: 10n }));
        expect(await apply(store, increment("a", 2n))).toEqual({
          code: "ABOVE_MAX",
          value: 9n,
          max: 10n,
          requested: 2n,
        });
        expect(await apply(store, increment("a", 1n))).toMatchObject({ value: 10n, revision: 2 });
        expect(await apply(store, set("a", 11n))).toEqual({
          code: "VALUE_OUTSIDE_BOUNDS",
          field: "value",
          requested: 11n,
          max: 10n,
        });
        expect((await store.get(["a"]))[0]).toMatchObject({ value: 10n, revision: 2 });
      },
    );

    it_("at its minimum a decrement is refused", async ({ store }) => {
      await apply(store, create("a", { min: 0n }));
      expect(await apply(store, decrement("a"))).toEqual({
        code: "BELOW_MIN",
        value: 0n,
        min: 0n,
        requested: 1n,
      });
    });

    it_(
      "a clamping counter stops at its bounds, and takes a revision even where it cannot move",
      async ({ store }) => {
        await apply(store, create("a", { min: -2n, max: 5n, clamp: true }));
        expect(await apply(store, increment("a", 100n))).toEqual({ value: 5n, previous: 0n, revision: 2 });
        expect(await apply(store, increment("a", 1n))).toEqual({ value: 5n, previous: 5n, revision: 3 });
        expect(await apply(store, decrement("a", 100n))).toEqual({ value: -2n, previous: 5n, revision: 4 });
        expect(await apply(store, set("a", 6n))).toMatchObject({ code: "VALUE_OUTSIDE_BOUNDS" });
      },
    );

    it_("a monotonic counter never goes down", async ({ store }) => {
      await apply(store, create("a", { value: 5n, monotonic: true }));
      expect(await apply(store, decrement("a"))).toEqual({ code: "MONOTONIC", value: 5n });
      expect(await apply(store, set("a", 4n))).toEqual({ code: "MONOTONIC", value: 5n, requested: 4n });
      expect(await apply(store, reset("a"))).toEqual({ code: "MONOTONIC", value: 5n, requested: 0n });
      expect(await apply(store, set("a", 5n))).toMatchObject({ value: 5n, revision: 2 });
    });

    it_("int64's edges hold exactly, without bounds and with a clamp", async ({ store }) => {
      await apply(store, set("a", INT64_MAX - 1n));
      expect(await apply(store, increment("a"))).toMatchObject({ value: INT64_MAX });
      expect(await apply(store, increment("a"))).toEqual({
        code: "ABOVE_MAX",
        value: INT64_MAX,
        max: INT64_MAX,
        requested: 1n,
      });
      expect(await apply(store, set("a", INT64_MIN))).toEqual({
        value: INT64_MIN,
        previous: INT64_MAX,
        revision: 3,
      });
      expect(await apply(store, decrement("a", INT64_MAX))).toMatchObject({
        code: "BELOW_MIN",
        min: INT64_MIN,
      });
      await apply(store, create("b", { value: INT64_MIN + 1n, clamp: true }));
      expect(await apply(store, decrement("b", INT64_MAX))).toMatchObject({ value: INT64_MIN });
      expect((await store.get(["a", "b"])).map((counter) => (counter as { value: bigint }).value)).toEqual([
        INT64_MIN,
        INT64_MIN,
      ]);
      await apply(store, set("c", 2n ** 53n));
      expect(await apply(store, increment("c"))).toMatchObject({ value: 2n ** 53n + 1n });
    });

    it_("create refuses a name that is taken, and values outside the bounds it gives", async ({ store }) => {
      expect(await apply(store, create("a", { value: 3n, min: 0n, max: 5n }))).toEqual({
        value: 3n,
        previous: 0n,
        revision: 1,
      });
      expect(await apply(store, create("a"))).toEqual({ code: "COUNTER_EXISTS" });
      expect(await apply(store, create("b", { max: -1n }))).toEqual({
        code: "VALUE_OUTSIDE_BOUNDS",
        field: "initial",
        requested: 0n,
        max: -1n,
      });
      expect(await apply(store, create("b", { value: 6n, max: 5n }))).toMatchObject({
        code: "VALUE_OUTSIDE_BOUNDS",
        field: "value",
        requested: 6n,
      });
    });

    it_("an etag that is not the counter's refuses; the right one does not", async ({ store }) => {
      await apply(store, increment("a"));
      const [counter] = await store.get(["a"]);
      const etag = `${(counter as { uid: string }).uid}.1`;
      expect(await apply(store, set("a", 5n, { etag: "old" }))).toEqual({ code: "ETAG_MISMATCH", etag });
      expect(await apply(store, set("a", 5n, { etag }))).toMatchObject({ value: 5n, revision: 2 });
      expect(await apply(store, reset("a", { etag }))).toMatchObject({ code: "ETAG_MISMATCH" });
    });
  });

  describe("a batch", () => {
    it_("gives one result an operation, in order, each on what the one before left", async ({ store }) => {
      const [answer] = await commit(
        store,
        batch([increment("a", 2n), increment("b"), decrement("a", 5n), set("a", 1n), reset("b")]),
      );
      expect(answer!.results).toEqual([
        { value: 2n, previous: 0n, revision: 1 },
        { value: 1n, previous: 0n, revision: 1 },
        { value: -3n, previous: 2n, revision: 2 },
        { value: 1n, previous: -3n, revision: 3 },
        { value: 0n, previous: 1n, revision: 2 },
      ]);
    });

    it_("a refused operation does not stop the rest of its batch", async ({ store }) => {
      await apply(store, create("full", { value: 1n, max: 1n }));
      const [answer] = await commit(
        store,
        batch([increment("a"), increment("full"), decrement("missing"), increment("a")]),
      );
      expect(answer!.results).toEqual([
        { value: 1n, previous: 0n, revision: 1 },
        { code: "ABOVE_MAX", value: 1n, max: 1n, requested: 1n },
        { code: "COUNTER_NOT_FOUND" },
        { value: 2n, previous: 1n, revision: 2 },
      ]);
      expect(await store.get(["missing"])).toEqual([undefined]);
    });

    it_("all or nothing: the first refusal and its index, and nothing is applied", async ({ store }) => {
      await apply(store, create("full", { value: 1n, max: 1n }));
      await apply(store, increment("a", 7n));
      const asked = [
        single(increment("a")),
        batch([increment("a"), increment("new"), increment("full"), increment("a")], { allOrNothing: true }),
        single(increment("a")),
        batch([increment("a"), increment("full2")], { allOrNothing: true }),
      ];
      const answers = await commit(store, ...asked);
      expect(answers[0]!.results).toEqual([{ value: 8n, previous: 7n, revision: 2 }]);
      expect(answers[1]!.refused).toEqual({ code: "ABOVE_MAX", value: 1n, max: 1n, requested: 1n, index: 2 });
      expect(answers[2]!.results).toEqual([{ value: 9n, previous: 8n, revision: 3 }]);
      expect(answers[3]!.results).toHaveLength(2);
      const counters = await store.get(["a", "new", "full", "full2"]);
      expect(counters.map((counter) => (counter as { value: bigint } | undefined)?.value)).toEqual([
        10n,
        undefined,
        1n,
        1n,
      ]);
    });

    it_("an operation may look at a counter that the same batch made", async ({ store }) => {
      const [first, second] = await commit(
        store,
        single(create("a", { max: 2n })),
        single(increment("a", 3n)),
      );
      expect(first!.refused).toBeUndefined();
      expect(second!.refused).toMatchObject({ code: "ABOVE_MAX", max: 2n });
    });

    it_("8,000 operations on as many counters, and on one", async ({ store }) => {
      const many = Array.from({ length: 8_000 }, (_, i) => increment(`n${i}`));
      const [answer] = await commit(store, batch(many));
      expect(answer!.results.every((result) => "value" in result && result.value === 1n)).toBe(true);
      const [hot] = await commit(store, batch(Array.from({ length: 8_000 }, () => increment("hot"))));
      expect(hot!.results.at(-1)).toEqual({ value: 8_000n, previous: 7_999n, revision: 8_000 });
    });
  });

  describe("time and identity", () => {
    it_(
      "a durable commit says how long its parts took; one that changes nothing saved nothing",
      async ({ store }) => {
        const began = performance.now();
        const applied = await store.commit(toBatch([single(increment("a"))]));
        const tookMs = performance.now() - began;
        const refused = await store.commit(toBatch([single(reset("none"))]));
        expect(refused.callRefusals.size).toBe(1);
        if (store.traits.durability === "none") return expect(applied.timings).toEqual({});
        const { loadMs = 0, decideMs = 0, saveMs = 0, syncMs = 0 } = applied.timings;
        for (const ms of [loadMs, decideMs, syncMs]) expect(ms).toBeGreaterThan(0);
        expect(loadMs + decideMs + saveMs + syncMs).toBeLessThanOrEqual(tookMs);
        expect(refused.timings).toEqual({ loadMs: expect.any(Number), decideMs: expect.any(Number) });
      },
    );

    it_("a counter's time never goes back, whatever the clock does", async ({ store, clock }) => {
      const [first] = await commit(store, single(increment("a")));
      clock.wallMs -= 400 * 86_400_000;
      const [second] = await commit(store, single(increment("a")));
      if (store.traits.time === "process") expect(second!.time).toBe(first!.time);
      else expect(second!.time).toBeGreaterThanOrEqual(first!.time); // No test can turn the server's clock back.
    });

    it_("every counter has a uid of its own, also those made in one batch", async ({ store }) => {
      await commit(store, batch(Array.from({ length: 500 }, (_, i) => increment(`n${i}`))));
      const counters = await store.get(Array.from({ length: 500 }, (_, i) => `n${i}`));
      const uids = new Set(counters.map((counter) => (counter as { uid: string }).uid));
      expect(uids.size).toBe(500);
      for (const uid of uids)
        expect(uid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    });
  });

  describe("reading", () => {
    it_("answers by name, in order, the missing as undefined, settings and all", async ({ store, clock }) => {
      const settings = {
        value: 4n,
        initial: 2n,
        min: -1n,
        max: 9n,
        clamp: true,
        labels: { team: "a", "x.y": "é\u{1F600}" },
        description: "für alle",
        history: false,
      };
      await apply(store, create("a", settings));
      const [a, none, again] = await store.get(["a", "b", "a"]);
      const { value, ...rest } = settings;
      expect(a).toEqual({
        name: "a",
        value,
        ...rest,
        monotonic: false,
        uid: expect.any(String),
        revision: 1,
        settingsRevision: 1,
        createTime: timeNow({ store, clock }),
        updateTime: timeNow({ store, clock }),
      });
      expect(none).toBeUndefined();
      expect(again).toEqual(a);
    });

    it_("sees every commit that resolved before", async ({ store }) => {
      for (let n = 1n; n <= 50n; n++) {
        await apply(store, increment("a"));
        expect(((await store.get(["a"]))[0] as { value: bigint }).value).toBe(n);
      }
    });
  });

  it_(
    "commits that are asked for at once run one after another, one at a time in the order asked",
    async ({ store }) => {
      const results = await Promise.all(Array.from({ length: 100 }, () => apply(store, increment("a"))));
      const values = results.map((result) => (result as { value: bigint }).value);
      if (store.traits.commitsInFlight > 1) values.sort((a, b) => Number(a - b));
      expect(values).toEqual(Array.from({ length: 100 }, (_, i) => BigInt(i + 1)));
    },
  );

  it_("what was committed is there after closing and opening, if the store is durable", async (opened) => {
    await apply(opened.store, create("a", { value: 41n, max: 42n, labels: { k: "v" } }));
    await apply(opened.store, increment("a"));
    const before = await opened.store.get(["a"]);
    const store = await opened.reopen();
    const durable = store.traits.durability === "fsync";
    expect(await store.get(["a"])).toEqual(durable ? before : [undefined]);
    if (durable) expect(await apply(store, increment("a"))).toMatchObject({ code: "ABOVE_MAX", value: 42n });
  });

  it_("a closed store says so", async ({ store }) => {
    await store.close();
    await expect(apply(store, increment("a"))).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await expect(store.get(["a"])).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  });
}

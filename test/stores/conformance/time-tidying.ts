import { expect } from "vitest";
import { ChangeKind } from "../../../src/core/change.ts";
import { apply, commit, create, decrement, increment, single } from "../../support/calls.ts";
import {
  ALL,
  byNumbers,
  expectLogLeadsTo,
  type It,
  log,
  MINUTE,
  quota,
  read,
  tidy,
  withoutDue,
} from "./time-log.ts";

const { CREATE, ROLL, EXPIRE } = ChangeKind;

/** What is written down when nobody comes; clocks that jump. */
export function tidying(it_: It): void {
  it_(
    "writes down what the next change would have written, once, and reads are the same before and after",
    async (opened) => {
      const { store } = opened;
      const from = opened.now();
      for (let n = 0; n < 3; n++) {
        await apply(store, create(`q${n}`, quota(opened, { value: BigInt(n) })));
        await apply(store, create(`idle${n}`, { value: BigInt(n), idleTtlMs: BigInt((n + 1) * MINUTE) }));
      }
      await apply(
        store,
        create("bucket", { min: 0n, max: 9n, value: 9n, refill: { amount: 1n, everyMs: MINUTE } }),
      );
      await tidy(store);
      expect(await log(store)).toHaveLength(7);
      await opened.pass(2 * MINUTE);
      const before = (await store.list(ALL, "", 99)).counters;
      await tidy(store);
      const after = (await store.list(ALL, "", 99)).counters;
      expect(after.map(withoutDue)).toEqual(before.map(withoutDue));
      const written = (await log(store, from)).slice(7);
      expect(written.sort(byNumbers)).toEqual([
        [ROLL, 2, 2, 0n, -2n, MINUTE],
        [ROLL, 2, 2, 0n, -1n, MINUTE],
        [EXPIRE, 2, 1, 0n, 0n, MINUTE],
        [EXPIRE, 2, 1, 1n, 0n, 2 * MINUTE],
      ]);
      await tidy(store);
      expect(await log(store)).toHaveLength(11);
      expect(await apply(store, increment("q2"))).toEqual({ value: 1n, previous: 0n, revision: 3 });
      expect(await apply(store, increment("idle2"))).toMatchObject({ revision: 2 });
      await opened.pass(MINUTE);
      await tidy(store); // idle2 was changed meanwhile: it is looked at, and stays.
      expect(await read(store, "idle2")).toMatchObject({ value: 3n });
      expect((await log(store)).slice(13).map(([kind]) => kind)).toEqual([ROLL]);
    },
  );

  it_(
    "removes nothing for ten minutes after the clock has jumped, and says so; reads hide it all the same",
    async (opened) => {
      const { store, warnings } = opened;
      await apply(store, create("idle", { value: 1n, idleTtlMs: BigInt(MINUTE) }));
      await opened.jump(3_650 * 24 * 60 * MINUTE); // Ten years, while no time passed, and before anybody has looked.
      await tidy(store);
      expect(await store.get(["idle"])).toEqual([undefined]);
      expect(warnings).toEqual([expect.stringContaining("clock")]);
      await opened.jump(-3_650 * 24 * 60 * MINUTE);
      await tidy(store);
      expect(await read(store, "idle")).toMatchObject({ value: 1n });
      expect(await log(store)).toHaveLength(1);
      await opened.pass(10 * MINUTE + 1);
      await tidy(store);
      expect((await log(store)).map(([kind]) => kind)).toEqual([CREATE, EXPIRE]);
    },
  );

  it_(
    "removes nothing after a restart under such a clock either: no time is saved that is doubted",
    async (opened) => {
      const TEN_YEARS = 3_650 * 24 * 60 * MINUTE;
      await apply(opened.store, create("idle", { value: 1n, idleTtlMs: BigInt(60 * MINUTE) }));
      await opened.pass(20_000);
      await tidy(opened.store); // The time is saved now and then.
      await opened.jump(TEN_YEARS);
      await opened.pass(20_000);
      await tidy(opened.store);
      if (opened.store.traits.durability === "fsync") await opened.reopen();
      await tidy(opened.store);
      expect(await opened.store.get(["idle"])).toEqual([undefined]);
      await opened.jump(-TEN_YEARS);
      expect(await read(opened.store, "idle")).toMatchObject({ value: 1n });
    },
  );

  it_(
    "looking early at a bucket writes nothing, and its log goes on as if nobody had looked",
    async (opened) => {
      const { store } = opened;
      const bucket = {
        min: 0n,
        max: 90n,
        refill: { amount: 1n, everyMs: 7_000 },
        idleTtlMs: BigInt(2 * MINUTE),
      };
      await apply(store, create("b", { ...bucket, value: 90n }));
      await opened.pass(MINUTE);
      await apply(store, increment("b"));
      await opened.pass(MINUTE); // When it would have been gone, had nobody come.
      const before = await read(store, "b");
      await tidy(store);
      expect(withoutDue(await read(store, "b"))).toEqual(withoutDue(before));
      expect(await log(store)).toHaveLength(2);
      await apply(store, increment("b"));
      await expectLogLeadsTo(store);
    },
  );

  it_(
    "a clock that was set back changes no value, and no change is earlier than its window",
    async (opened) => {
      const { store } = opened;
      const from = opened.now();
      await apply(store, create("q", quota(opened, { value: 3n })));
      await apply(
        store,
        create("b", { min: 0n, max: 9n, value: 9n, refill: { amount: 1n, everyMs: 1_000 } }),
      );
      await opened.pass(MINUTE + 1_000);
      await apply(store, increment("q", 2n));
      await opened.jump(-31_000); // Into the window before.
      const [answer] = await commit(store, single(increment("q", 3n)));
      expect(answer).toMatchObject({ time: from + MINUTE + 1_000, results: [{ value: 5n, previous: 2n }] });
      expect(await apply(store, increment("q"))).toMatchObject({ code: "ABOVE_MAX", value: 5n });
      await apply(store, create("r", quota(opened, { value: 3n })));
      const begun = opened.now();
      await opened.pass(MINUTE);
      await tidy(store);
      await opened.jump(-1_000); // Its window was begun by the tidying, and nothing was changed in it yet.
      expect((await commit(store, single(increment("r"))))[0]).toMatchObject({ time: begun + MINUTE });
      await opened.jump(-10 * MINUTE); // Further back than a window: it is the one of now, and the value stays.
      expect(await apply(store, decrement("q"))).toMatchObject({ value: 4n, previous: 5n });
      const { timing } = await read(store, "q");
      expect(timing!.windowEnd! - opened.now()).toBeLessThanOrEqual(MINUTE);
      await expectLogLeadsTo(store);
    },
  );
}

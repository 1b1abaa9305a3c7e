import { expect } from "vitest";
import { ChangeKind } from "../../../src/core/change.ts";
import type { Settings } from "../../../src/core/settings.ts";
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
import { ALL, expectLogLeadsTo, type It, log, MINUTE, quota, read } from "./time-log.ts";

const { ADD, RESET, CREATE, SETTINGS, DELETE, ROLL } = ChangeKind;

/** Windows that end: seen at once, and written down once. */
export function windows(it_: It): void {
  it_(
    "at the end of a window the value is back at initial, in every read, and nothing is written",
    async (opened) => {
      const { store } = opened;
      const from = opened.now();
      await apply(store, create("q", quota(opened, { initial: 1n })));
      const made = await read(store, "q");
      expect(made.timing).toMatchObject({ windowStart: from, windowEnd: from + MINUTE });
      await opened.pass(MINUTE - 1);
      expect(await apply(store, increment("q", 3n))).toEqual({ value: 4n, previous: 1n, revision: 2 });
      const last = await read(store, "q");
      await opened.pass(1);
      const rolled = { value: 1n, revision: 3, updateTime: last.updateTime, uid: made.uid };
      expect(await read(store, "q")).toMatchObject({
        ...rolled,
        timing: { windowStart: from + MINUTE, windowEnd: from + 2 * MINUTE },
      });
      expect((await store.list(ALL, "", 9)).counters).toMatchObject([rolled]);
      expect((await store.top(ALL, 9, "highest")).counters).toMatchObject([rolled]);
      expect(await store.sum(ALL)).toMatchObject({ count: 1, sum: 1n, lowest: 1n, highest: 1n });
      expect(await log(store)).toHaveLength(2);
    },
  );

  it_(
    "the first change after it writes the roll down, as of the window's end, and counts from there",
    async (opened) => {
      const { store } = opened;
      const from = opened.now();
      await apply(store, create("q", quota(opened, { value: 5n })));
      expect(await apply(store, increment("q"))).toMatchObject({ code: "ABOVE_MAX" });
      await opened.pass(3 * MINUTE + 7); // Three windows: two of them empty, which leave nothing.
      const answers = await commit(store, single(increment("q", 2n)), single(increment("q")));
      expect(answers.map(({ results }) => results)).toEqual([
        [{ value: 2n, previous: 0n, revision: 3 }],
        [{ value: 3n, previous: 2n, revision: 4 }],
      ]);
      expect(await log(store, from)).toEqual([
        [CREATE, 1, 1, 5n, 5n, 0],
        [ROLL, 2, 2, 0n, -5n, MINUTE],
        [ADD, 3, 4, 3n, 3n, 3 * MINUTE + 7],
      ]);
      await expectLogLeadsTo(store);
      await opened.pass(MINUTE);
      await apply(store, reset("q"));
      await opened.pass(MINUTE);
      expect(await apply(store, increment("q"))).toEqual({ value: 1n, previous: 0n, revision: 7 });
      expect((await log(store)).slice(3).map(([kind]) => kind)).toEqual([ROLL, RESET, ADD]);
    },
  );

  it_("a change that is refused writes nothing, and the next reader sees the same again", async (opened) => {
    const { store } = opened;
    await apply(store, create("q", quota(opened, { value: 4n })));
    await opened.pass(MINUTE);
    const before = [await read(store, "q"), await log(store)];
    expect(await apply(store, increment("q", 6n))).toEqual({
      code: "ABOVE_MAX",
      value: 0n,
      max: 5n,
      requested: 6n,
    });
    const [group] = await commit(
      store,
      batch([increment("q", 5n), increment("other"), increment("q")], { allOrNothing: true }),
    );
    expect(group!.refused).toMatchObject({ code: "ABOVE_MAX", index: 2, value: 5n });
    expect(group!.refused).not.toHaveProperty("retryAfterMs"); // It asks for six: no window ever has room for it.
    expect([await read(store, "q"), await log(store)]).toEqual(before);
    await commit(store, batch([increment("q", 5n), decrement("q")], { allOrNothing: true }));
    expect((await log(store)).map(([kind, , , value]) => [kind, value])).toEqual([
      [CREATE, 4n],
      [ROLL, 0n],
      [ADD, 4n],
    ]);
  });

  it_("a refusal at a bound says when there will be room, if ever", async (opened) => {
    const { store } = opened;
    await apply(store, create("q", quota(opened, { value: 5n, initial: 1n })));
    await apply(store, create("down", quota(opened, { value: 0n, initial: 5n, min: 0n })));
    await opened.pass(1);
    expect(await apply(store, increment("q", 4n))).toMatchObject({
      code: "ABOVE_MAX",
      retryAfterMs: MINUTE - 1,
    });
    expect(await apply(store, increment("q", 5n))).not.toHaveProperty("retryAfterMs");
    expect(await apply(store, decrement("down", 5n))).toMatchObject({
      code: "BELOW_MIN",
      retryAfterMs: MINUTE - 1,
    });
    expect(await apply(store, decrement("down", 6n))).not.toHaveProperty("retryAfterMs");
    expect(await apply(store, set("q", 6n))).not.toHaveProperty("retryAfterMs");
  });

  it_("and so do those within a batch, but not in a replay of it", async (opened) => {
    const { store } = opened;
    await apply(store, create("q", quota(opened)));
    await opened.pass(1);
    const asked = batch([increment("q", 3n), increment("q", 3n), increment("q", 6n)], {
      id: "r",
    });
    const [first] = await commit(store, asked);
    expect(first!.results[1]).toMatchObject({ code: "ABOVE_MAX", retryAfterMs: MINUTE - 1 });
    expect(first!.results[2]).not.toHaveProperty("retryAfterMs");
    const [again] = await commit(store, asked);
    const { retryAfterMs: _, ...told } = first!.results[1] as { retryAfterMs: number };
    expect(again!.results[1]).toEqual(told);
  });

  it_(
    "an etag from before the end of a window has gone; the log of two that ended at once is in order",
    async (opened) => {
      const { store } = opened;
      await apply(store, create("q", quota(opened, { value: 4n, monotonic: true })));
      const { uid } = await read(store, "q");
      await opened.pass(MINUTE);
      expect(await apply(store, set("q", 2n, { etag: `${uid}.1` }))).toEqual({
        code: "ETAG_MISMATCH",
        etag: `${uid}.2`,
      });
      // What callers may not do to a monotonic counter, the window has done.
      expect(await apply(store, set("q", 2n, { etag: `${uid}.2` }))).toEqual({
        value: 2n,
        previous: 0n,
        revision: 3,
      });
      expect(await apply(store, decrement("q"))).toMatchObject({ code: "MONOTONIC" });
      await opened.pass(MINUTE);
      expect(await apply(store, remove("q"))).toMatchObject({ value: 0n, revision: 4 });
      expect((await log(store)).at(-1)).toEqual([DELETE, 5, 4, 0n, 0n, expect.any(Number)]);
    },
  );

  it_(
    "a retry is answered as the first time and counts once, in the window before; one that was refused is judged now",
    async (opened) => {
      const { store } = opened;
      const make = single(create("q", quota(opened, { value: 4n })), { id: "made" });
      const [made] = await commit(store, make);
      const asked = single(increment("q"), { id: "first" });
      const refused = single(increment("q"), { id: "second" });
      const [first] = await commit(store, asked);
      expect((await commit(store, refused))[0]!.refused).toMatchObject({ code: "ABOVE_MAX" });
      await opened.pass(MINUTE);
      expect((await commit(store, asked))[0]).toEqual({ ...first, replayed: true });
      expect((await commit(store, make))[0]).toEqual({ ...made, replayed: true });
      expect(await read(store, "q")).toMatchObject({ value: 0n });
      expect((await commit(store, refused))[0]).toMatchObject({
        replayed: false,
        results: [{ value: 1n, previous: 0n }],
      });
      expect((await commit(store, asked))[0]).toEqual({ ...first, replayed: true });
    },
  );

  it_(
    "another window begins as of now, and the value stays; what the old one had come to is written first",
    async (opened) => {
      const { store } = opened;
      const from = opened.now();
      await apply(store, create("q", quota(opened, { value: 4n })));
      await opened.pass(MINUTE + 5);
      await apply(store, increment("q", 2n));
      const window = { everyMs: 10 * MINUTE, anchorMs: from };
      const asked = single(update("q", { window }), { id: "u" });
      const [changed] = await commit(store, asked);
      const timing = { windowStart: from, windowEnd: from + 10 * MINUTE };
      expect(changed!.results).toMatchObject([{ value: 2n, counter: { value: 2n, window, timing } }]);
      await opened.pass(2 * MINUTE);
      expect(await apply(store, increment("q"))).toMatchObject({ value: 3n, previous: 2n });
      await opened.pass(7 * MINUTE);
      await apply(store, update("q", { max: 9n }));
      expect((await log(store)).slice(2).map(([kind, , , value]) => [kind, value])).toEqual([
        ...[
          [ADD, 2n],
          [SETTINGS, 2n],
          [ADD, 3n],
          [ROLL, 0n],
          [SETTINGS, 0n],
        ],
      ]);
      await apply(store, update("q", { window: undefined }));
      await opened.pass(100 * MINUTE);
      expect(await read(store, "q")).toMatchObject({ value: 0n, timing: undefined });
      expect((await commit(store, asked))[0]).toEqual({ ...changed, replayed: true });
      await expectLogLeadsTo(store);
    },
  );

  it_("clamping acts on what the window left", async (opened) => {
    const { store } = opened;
    await apply(store, create("q", quota(opened, { value: 5n, clamp: true })));
    await opened.pass(MINUTE);
    expect(await apply(store, increment("q", 9n))).toEqual({ value: 5n, previous: 0n, revision: 3 });
  });

  it_(
    "settings that do not go together are refused, when made and when changed, and change nothing",
    async ({ store }) => {
      const refill = { amount: 3n, everyMs: 1_000 };
      const bounds = { min: 0n, max: 10n };
      const window = { everyMs: MINUTE, anchorMs: 0 };
      const conflict = (settings: Partial<Settings>) => apply(store, create("no", settings));
      for (const settings of [
        ...[{ refill }, { refill, max: 3n }, { refill, min: 0n }, { ...bounds, refill, window }],
        ...[
          { ...bounds, refill, monotonic: true },
          { ...bounds, refill: { amount: 11n, everyMs: 1_000 } },
        ],
        { min: 0n, max: 2n ** 62n, refill: { amount: 2n, everyMs: 3 } },
      ]) {
        expect(await conflict(settings)).toMatchObject({ code: "SETTINGS_CONFLICT", field: "refill" });
      }
      expect(await conflict({ window: { unit: "day", timeZone: "Mars/Olympus", day: 1 } })).toMatchObject({
        ...{ code: "INVALID_FIELD", field: "window.time_zone", got: '"Mars/Olympus"' },
      });
      await apply(store, create("bucket", { ...bounds, refill }));
      const before = await read(store, "bucket");
      for (const settings of [{ window }, { monotonic: true }, { max: undefined }, { max: 2n }] as const) {
        expect(await apply(store, update("bucket", settings))).toMatchObject({ code: "SETTINGS_CONFLICT" });
      }
      expect(await read(store, "bucket")).toEqual(before);
      expect(await store.get(["no"])).toEqual([undefined]);
      expect(
        await apply(store, create("yes", { min: 0n, max: 2n ** 62n, refill: { amount: 4n, everyMs: 4 } })),
      ).toMatchObject({
        ...{ value: 0n, previous: 0n, revision: 1 },
      });
    },
  );
}

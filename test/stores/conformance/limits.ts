import { expect, it } from "vitest";
import type { Refusal } from "../../../src/core/errors.ts";
import type { Verdict } from "../../../src/core/limits.ts";
import type { Op } from "../../../src/core/op.ts";
import { DEFAULTS, type Settings } from "../../../src/core/settings.ts";
import {
  apply,
  batch,
  commit,
  create,
  giveBack,
  increment,
  set,
  single,
  take,
  takes,
} from "../../support/calls.ts";
import { casesOn } from "../../support/full.ts";
import type { Opened } from "../../support/opened.ts";
import type { StoreKind } from "../../support/stores.ts";
import { bucketOfMany } from "./limits-bucket.ts";
import { expectLogLeadsTo, type It, log, MINUTE, quota, read } from "./time-log.ts";
import { using } from "./using.ts";

/** Limits: takes, all or nothing, each with a verdict; and what is given back. */
export function limitsSuite(kind: StoreKind): void {
  const it_ = using(kind, it, { handClock: true });
  taking(it_);
  making(it_);
  asking(it_);
  retrying(it_);
  givingBack(it_);
  const takesMin = casesOn(kind, 100_000);
  it_(`a token bucket decides as exact arithmetic does, ${takesMin} times for 64 callers`, (opened) =>
    bucketOfMany(opened, takesMin),
  );
}

/** Take in a call of its own. */
async function taken(store: Opened["store"], ops: readonly Op[], id?: string) {
  const [answer] = await commit(store, takes(ops, { id }));
  return answer!;
}

/** Allowed or not, take by take, and what remains. */
function short(verdicts: readonly Verdict[] | undefined): unknown {
  return verdicts?.map(({ allowed, limit }) => [allowed, limit?.remaining]);
}

function taking(it_: It): void {
  it_("what there is room for is taken, and what is told is how the limit stands after", async (opened) => {
    const { store } = opened;
    await apply(store, create("q", quota(opened)));
    const began = opened.now();
    await opened.pass(1_000);
    expect(await taken(store, [take("q", 2n)])).toMatchObject({
      refused: undefined,
      results: [{ value: 2n, previous: 0n, revision: 2 }],
      verdicts: [
        {
          allowed: true,
          limit: {
            max: 5n,
            quota: 5n,
            remaining: 3n,
            periodMs: MINUTE,
            moreAfterMs: 59_000,
            resetTime: began + MINUTE,
            retryAfterMs: undefined,
            windowStart: began,
          },
        },
      ],
    });
    expect(await read(store, "q")).toMatchObject({ value: 2n, revision: 2 });
    await expectLogLeadsTo(store);
  });

  it_(
    "what there is no room for is answered, and consumes nothing, however often it is asked",
    async (opened) => {
      const { store } = opened;
      await apply(store, create("q", quota(opened, { value: 3n })));
      const before = await log(store);
      for (let n = 0; n < 3; n++) {
        const { refused, results, verdicts } = await taken(store, [take("q", 3n)]);
        expect(refused).toBeUndefined();
        expect(results).toEqual([{ value: 0n, previous: 0n, revision: 0 }]);
        expect(verdicts).toMatchObject([{ allowed: false, limit: { remaining: 2n, retryAfterMs: MINUTE } }]);
      }
      expect(await log(store)).toEqual(before);
      expect((await taken(store, [take("q", 6n)])).verdicts![0]!.limit!.retryAfterMs).toBeUndefined(); // There never is.
      expect(short((await taken(store, [take("q", 2n)])).verdicts)).toEqual([[true, 0n]]);
    },
  );

  it_("all are judged, and one that is refused leaves the others as they were", async (opened) => {
    const { store } = opened;
    for (const [name, max] of [
      ["a", 9n],
      ["b", 1n],
      ["c", 2n],
    ] as const)
      await apply(store, create(name, { max }));
    await taken(store, [take("b")]);
    const before = await log(store);
    const refused = await taken(store, [take("a", 9n), take("b"), take("c", 3n), take("a")]);
    expect(short(refused.verdicts)).toEqual([
      ...[
        [true, 9n],
        [false, 0n],
        [false, 2n],
        [false, 9n],
      ], // The last, behind the nine of the first.
    ]);
    expect(await log(store)).toEqual(before);
    const allowed = await taken(store, [take("a", 4n), take("c", 2n), take("a", 5n)]);
    expect(short(allowed.verdicts)).toEqual([
      ...[
        [true, 0n],
        [true, 0n],
        [true, 0n],
      ],
    ]);
    expect(allowed.results).toEqual([
      { value: 4n, previous: 0n, revision: 2 },
      { value: 2n, previous: 0n, revision: 2 },
      { value: 9n, previous: 4n, revision: 3 },
    ]);
    await expectLogLeadsTo(store);
  });

  it_("takes of one limit are told to wait until there is room for them together", async (opened) => {
    const { store } = opened;
    const bucket = { min: 0n, max: 10n, value: 8n, refill: { amount: 1n, everyMs: 1_000 } };
    await apply(store, create("b", bucket));
    const { verdicts } = await taken(store, [take("b", 2n), take("b", 3n), take("b", 9n)]);
    expect(verdicts!.map(({ allowed, limit }) => [allowed, limit!.retryAfterMs])).toEqual([
      ...[
        [true, undefined],
        [false, 3_000],
        [false, undefined],
      ],
    ]);
    await opened.pass(3_000);
    expect(short((await taken(store, [take("b", 2n), take("b", 3n)])).verdicts)).toEqual([
      ...[
        [true, 0n],
        [true, 0n],
      ],
    ]);
  });

  it_(
    "what was used up under a clock far ahead comes back when it is told to, once the clock is right",
    async (opened) => {
      const AHEAD = 366 * 24 * 60 * MINUTE;
      const { store } = opened;
      const bucket = { min: 0n, max: 9n, value: 9n, refill: { amount: 1n, everyMs: 7_000 } };
      await opened.jump(AHEAD);
      await apply(store, create("q", quota(opened, { value: 5n })));
      await apply(store, create("alone", quota(opened, { value: 5n })));
      await apply(store, create("b", bucket));
      await opened.jump(-AHEAD);
      for (let n = 0; n < 2; n++) {
        const { verdicts } = await taken(store, [take("q"), take("b")]);
        expect(verdicts!.map(({ allowed }) => allowed)).toEqual([false, false]);
        expect(await apply(store, increment("alone"))).toMatchObject({ code: "ABOVE_MAX" });
        const [q, b] = verdicts!.map(({ limit }) => limit!.retryAfterMs!);
        await opened.pass(b!);
        expect(short((await taken(store, [take("b")])).verdicts)).toEqual([[true, 0n]]);
        await opened.pass(q! - b!);
        expect(short((await taken(store, [take("q", 5n)])).verdicts)).toEqual([[true, 0n]]);
        expect(await apply(store, increment("alone", 5n))).toEqual({
          value: 5n,
          previous: 0n,
          revision: 3 + 2 * n,
        });
        await apply(store, set("b", 9n));
      }
      await expectLogLeadsTo(store);
    },
  );

  it_(
    "what is forgotten when it is idle has room again then, if the take would make it anew",
    async (opened) => {
      const { store } = opened;
      const settings = { ...DEFAULTS, max: 3n, idleTtlMs: 60_000n };
      await apply(store, create("logins", settings));
      await taken(store, [take("logins", 3n)]);
      await opened.pass(1_000);
      const waits = async (amount: bigint, given = {}) => {
        const { verdicts } = await taken(store, [{ ...take("logins", amount), ...given }]);
        return verdicts![0]!.limit!.retryAfterMs;
      };
      expect(await waits(1n)).toBeUndefined(); // Nobody makes it again.
      expect(await waits(1n, { settings })).toBe(59_000);
      expect(await waits(4n, { settings })).toBeUndefined(); // There is never so much.
      expect((await taken(store, [take("logins")])).verdicts).toMatchObject([
        { limit: { periodMs: 60_000, moreAfterMs: 59_000, resetTime: opened.now() + 59_000 } },
      ]);
    },
  );

  it_("a counter that stops at its bounds gives no part of an amount", async ({ store }) => {
    await apply(store, create("c", { max: 5n, clamp: true, value: 3n }));
    expect(short((await taken(store, [take("c", 3n)])).verdicts)).toEqual([[false, 2n]]);
    expect(await read(store, "c")).toMatchObject({ value: 3n, revision: 1 });
  });

  it_("to the last millisecond of a window, and from the first of the next", async (opened) => {
    const { store } = opened;
    await apply(store, create("q", quota(opened)));
    const began = opened.now();
    await opened.pass(MINUTE - 1);
    expect(short((await taken(store, [take("q", 5n)])).verdicts)).toEqual([[true, 0n]]);
    expect((await taken(store, [take("q")])).verdicts).toMatchObject([
      { allowed: false, limit: { retryAfterMs: 1 } },
    ]);
    await opened.pass(1);
    const { verdicts } = await taken(store, [take("q", 5n)]);
    expect(verdicts).toMatchObject([
      { allowed: true, limit: { remaining: 0n, windowStart: began + MINUTE } },
    ]);
    expect((await taken(store, [take("q")])).verdicts).toMatchObject([
      { allowed: false, limit: { retryAfterMs: MINUTE } },
    ]);
    await expectLogLeadsTo(store);
  });

  it_("a call that is refused leaves rolls and expiries to who comes next", async (opened) => {
    const { store } = opened;
    await apply(store, create("q", quota(opened, { value: 5n })));
    await apply(store, create("gone", { max: 5n, value: 5n, idleTtlMs: 1_000n }));
    await apply(store, create("full", { max: 1n, value: 1n }));
    const before = await log(store);
    await opened.pass(MINUTE);
    expect(short((await taken(store, [take("q"), take("full")])).verdicts)).toEqual([
      [true, 5n],
      [false, 0n],
    ]);
    expect((await taken(store, [take("q"), take("gone")])).refused).toEqual({
      code: "LIMIT_NOT_FOUND",
      index: 1,
    });
    expect(await log(store)).toEqual(before);
    expect((await taken(store, [take("q", 5n)])).results).toEqual([{ value: 5n, previous: 0n, revision: 3 }]);
  });

  it_(
    "there is no limit without a counter, nor without a maximum: the whole call is refused",
    async ({ store }) => {
      await apply(store, create("q", { max: 5n }));
      await apply(store, set("endless", 1n));
      for (const name of ["missing", "endless"]) {
        const refusal = { code: "LIMIT_NOT_FOUND", index: 2 };
        const answer = await taken(store, [take("q", 6n), take("q"), take(name)], "id");
        expect(answer).toMatchObject({ refused: refusal, results: [] });
        expect(answer).not.toHaveProperty("verdicts");
        expect(await apply(store, giveBack(name, 1n))).toEqual({ code: "LIMIT_NOT_FOUND" });
      }
      expect(await read(store, "q")).toMatchObject({ value: 0n, revision: 1 });
      expect(await store.get(["missing"])).toEqual([undefined]);
      // Where there need not be one, there is room, and nothing is made.
      const need = { mustExist: false };
      const { verdicts } = await taken(store, [
        take("missing", 9n, need),
        take("q"),
        take("endless", 9n, need),
      ]);
      expect(short(verdicts)).toEqual([
        [true, undefined],
        [true, 4n],
        [true, undefined],
      ]);
      expect(await store.get(["missing"])).toEqual([undefined]);
      expect(await read(store, "endless")).toMatchObject({ value: 1n, revision: 1 });
    },
  );
}

/** What a quota of three that is made by the take itself is told. */
const THREE = { ...DEFAULTS, max: 3n, window: { everyMs: MINUTE, anchorMs: 0 } };
const makes = (name: string, amount: bigint, settings: Settings = THREE): Op => ({
  ...take(name, amount),
  settings,
});

function making(it_: It): void {
  it_(
    "a take makes its limit, if it is missing, and if there is room; another one keeps its own",
    async (opened) => {
      const { store } = opened;
      const refused = await taken(store, [makes("q", 4n)]);
      const limit = { max: 3n, quota: 3n, remaining: 3n, periodMs: MINUTE, retryAfterMs: undefined };
      expect(refused.verdicts).toMatchObject([{ allowed: false, over: true, limit }]);
      const [dry] = await commit(store, takes([makes("q", 2n)], {}, "dry run"));
      expect(dry!.verdicts).toMatchObject([{ allowed: true, limit }]);
      expect(await store.get(["q"])).toEqual([undefined]);
      const made = await taken(store, [makes("q", 2n)]);
      expect(made).toMatchObject({
        results: [{ value: 2n, previous: 0n, revision: 1 }],
        verdicts: [{ allowed: true, limit: { remaining: 1n, periodMs: MINUTE } }],
      });
      expect(await read(store, "q")).toMatchObject({ max: 3n, window: THREE.window, settingsRevision: 1 });
      expect(short((await taken(store, [makes("q", 2n, { ...THREE, max: 9n })])).verdicts)).toEqual([
        [false, 1n],
      ]);
      await expectLogLeadsTo(store);
    },
  );

  it_("two of one call make one; what is refused beside them makes none", async (opened) => {
    const { store } = opened;
    await apply(store, create("full", { max: 1n, value: 1n }));
    const refused = await taken(store, [makes("q", 1n), makes("q", 2n), take("full")]);
    expect(short(refused.verdicts)).toEqual([
      ...[
        [true, 3n],
        [true, 3n],
        [false, 0n],
      ],
    ]);
    expect(await store.get(["q"])).toEqual([undefined]);
    const asked = await taken(store, [makes("q", 1n), makes("q", 2n, { ...THREE, max: 9n }), makes("q", 0n)]);
    expect(short(asked.verdicts)).toEqual([
      ...[
        [true, 3n],
        [true, 3n],
        [false, 3n],
      ],
    ]); // As the first of them would make it.
    const over = await taken(store, [makes("q", 2n), take("q", 2n), makes("q", 1n, { ...THREE, max: 9n })]);
    expect(over.verdicts?.map(({ allowed, limit }) => [allowed, limit?.max, limit?.quota])).toEqual([
      [true, 3n, 3n],
      [false, 3n, 3n],
      [true, 3n, 3n],
    ]);
    const [dry] = await commit(store, takes([makes("q", 2n), take("q", 2n)], {}, "dry run"));
    expect(short(dry!.verdicts)).toEqual([
      [true, 3n],
      [false, 3n],
    ]);
    expect(await store.get(["q"])).toEqual([undefined]);
    const allowed = await taken(store, [makes("q", 1n), makes("q", 2n, { ...THREE, max: 9n })]);
    expect(short(allowed.verdicts)).toEqual([
      ...[
        [true, 0n],
        [true, 0n],
      ],
    ]);
    expect(await read(store, "q")).toMatchObject({ value: 3n, max: 3n, revision: 2 });
    await expectLogLeadsTo(store);
  });

  it_("in the place of one that has expired, with its own settings and another uid", async (opened) => {
    const { store } = opened;
    const idle = { ...DEFAULTS, max: 2n, idleTtlMs: 1_000n };
    await taken(store, [makes("logins", 2n, idle)]);
    const first = await read(store, "logins");
    expect(short((await taken(store, [makes("logins", 1n, idle)])).verdicts)).toEqual([[false, 0n]]);
    await opened.pass(1_000);
    expect((await taken(store, [take("logins")])).refused).toEqual({ code: "LIMIT_NOT_FOUND", index: 0 });
    const again = await taken(store, [makes("logins", 1n, { ...idle, max: 5n })]);
    expect(short(again.verdicts)).toEqual([[true, 4n]]);
    const second = await read(store, "logins");
    expect(second).toMatchObject({ value: 1n, max: 5n, revision: 1 });
    expect(second.uid).not.toBe(first.uid);
    await expectLogLeadsTo(store);
  });

  it_(
    "settings that are none refuse the call; and without a maximum they are no limit",
    async ({ store }) => {
      const refill = { amount: 1n, everyMs: 1_000 };
      const settings: [Partial<Settings>, Partial<Refusal>][] = [
        [{ refill }, { code: "SETTINGS_CONFLICT", field: "if_missing.refill" }],
        [{ initial: 9n }, { code: "VALUE_OUTSIDE_BOUNDS", field: "if_missing.initial" }],
        [{ max: undefined }, { code: "LIMIT_NOT_FOUND", expected: "if_missing must have a max to make one" }],
      ];
      for (const [given, refusal] of settings) {
        const answer = await taken(store, [makes("ok", 1n), makes("q", 1n, { ...THREE, ...given })]);
        expect(answer.refused).toMatchObject({ ...refusal, index: 1 });
      }
      expect(await store.get(["ok", "q"])).toEqual([undefined, undefined]);
    },
  );

  it_("an id belongs to the settings as well, and answers after the counter is gone", async (opened) => {
    const { store } = opened;
    const idle = { ...DEFAULTS, max: 2n, idleTtlMs: 1_000n };
    const first = await taken(store, [makes("q", 1n, idle)], "id");
    await opened.pass(1_000);
    const { verdicts: _, ...replay } = { ...first, replayed: true };
    expect(await taken(store, [makes("q", 1n, idle)], "id")).toEqual(replay);
    for (const [other, field] of [
      [[makes("q", 1n, { ...idle, max: 3n })], "if_missing"],
      [[take("q", 1n)], "if_missing"],
      [[makes("q", 2n, idle)], "amount"],
      [[makes("p", 1n, idle)], "name"],
      [[makes("q", 1n, idle), makes("q", 1n, idle)], "takes"],
    ] as const) {
      const { refused } = await taken(store, [...other], "id");
      expect(refused).toEqual({ code: "REQUEST_ID_REUSED", field });
    }
  });
}

function asking(it_: It): void {
  it_(
    "a dry run judges as a take does, each on what those before it would leave, and takes nothing",
    async (opened) => {
      const { store } = opened;
      await apply(store, create("q", quota(opened, { value: 1n })));
      const before = await log(store);
      const ask = async (...ops: Op[]) =>
        short((await commit(store, takes(ops, {}, "dry run")))[0]!.verdicts);
      expect(await ask(take("q", 4n))).toEqual([[true, 4n]]);
      expect(await ask(take("q", 5n))).toEqual([[false, 4n]]);
      expect(await ask(take("q", 2n), take("q", 3n), take("q", 2n))).toEqual([
        ...[
          [true, 4n],
          [false, 4n],
          [true, 4n],
        ],
      ]);
      expect(await ask(take("q", 0n), take("q", 4n), take("q", 0n))).toEqual([
        ...[
          [true, 4n],
          [true, 4n],
          [false, 4n],
        ],
      ]);
      expect(await log(store)).toEqual(before);
    },
  );

  it_("an amount of 0 asks for 1 and takes nothing, beside others that are taken", async (opened) => {
    const { store } = opened;
    await apply(store, create("q", quota(opened, { value: 3n })));
    const { verdicts, results } = await taken(store, [take("q", 0n), take("q", 2n)]);
    expect(short(verdicts)).toEqual([
      ...[
        [true, 0n],
        [true, 0n],
      ],
    ]);
    expect(results).toMatchObject([{ revision: 0 }, { value: 5n, previous: 3n, revision: 2 }]);
    expect(short((await taken(store, [take("q", 0n)])).verdicts)).toEqual([[false, 0n]]);
    expect((await taken(store, [take("q", 0n)])).verdicts![0]!.limit!.retryAfterMs).toBe(MINUTE);
    expect(await read(store, "q")).toMatchObject({ value: 5n, revision: 2 });
    await expectLogLeadsTo(store);
  });
}

function retrying(it_: It): void {
  it_("an allowed take is made once under its id, also when the window has ended since", async (opened) => {
    const { store } = opened;
    await apply(store, create("q", quota(opened)));
    const ops = [take("q", 3n), take("q", 2n)];
    const first = await taken(store, ops, "id");
    const { verdicts: _, ...replay } = { ...first, replayed: true };
    const [, again] = await commit(store, takes([take("q")]), takes(ops, { id: "id" }));
    expect(again).toEqual(replay);
    await opened.pass(MINUTE);
    expect(await taken(store, ops, "id")).toEqual(replay);
    expect(await read(store, "q")).toMatchObject({ value: 0n, revision: 4 });
  });

  it_("one that was not allowed is judged anew under the same id", async (opened) => {
    const { store } = opened;
    await apply(store, create("q", quota(opened, { value: 4n })));
    const ask = () => taken(store, [take("q", 2n)], "id");
    expect(await ask()).toMatchObject({ replayed: false, verdicts: [{ allowed: false }] });
    expect(await ask()).toMatchObject({ replayed: false, verdicts: [{ allowed: false }] });
    await opened.pass(MINUTE);
    expect(await ask()).toMatchObject({ replayed: false, verdicts: [{ allowed: true }] });
    expect(await ask()).toMatchObject({ replayed: true, results: [{ value: 2n }] });
    expect(await read(store, "q")).toMatchObject({ value: 2n });
  });

  it_("an id belongs to its request: another amount, or another method, is refused", async (opened) => {
    const { store } = opened;
    await apply(store, create("q", quota(opened)));
    await taken(store, [take("q")], "id");
    const reused = (field: string) => ({ refused: { code: "REQUEST_ID_REUSED", field } });
    expect(await taken(store, [take("q", 2n)], "id")).toMatchObject(reused("amount"));
    for (const allOrNothing of [false, true]) {
      const [answer] = await commit(store, batch([increment("q")], { id: "id", allOrNothing }));
      expect(answer).toMatchObject(reused("the method"));
    }
    await commit(store, batch([increment("q")], { id: "batch" }));
    expect(await taken(store, [take("q")], "batch")).toMatchObject(reused("the method"));
  });
}

function givingBack(it_: It): void {
  it_("toward initial and never past it; told is how the limit stands after", async (opened) => {
    const { store } = opened;
    await apply(store, create("q", quota(opened, { initial: 1n, value: 4n })));
    const began = opened.now();
    const [answer] = await commit(store, single(giveBack("q", 2n)));
    expect(answer).toMatchObject({
      results: [{ value: 2n, previous: 4n, revision: 2 }],
      verdicts: [{ allowed: true, limit: { max: 5n, quota: 4n, remaining: 3n, resetTime: began + MINUTE } }],
    });
    expect(await apply(store, giveBack("q", 2n))).toEqual({ value: 1n, previous: 2n, revision: 3 });
    expect(await apply(store, giveBack("q", 2n ** 63n - 1n))).toEqual({
      value: 1n,
      previous: 1n,
      revision: 4,
    });
    await apply(store, set("q", -3n));
    expect(await apply(store, giveBack("q", 2n))).toEqual({ value: -3n, previous: -3n, revision: 6 });
    await expectLogLeadsTo(store);
  });

  it_("nothing of a window that is over", async (opened) => {
    const { store } = opened;
    await apply(store, create("q", quota(opened)));
    const began = opened.now();
    await taken(store, [take("q", 4n)]);
    await opened.pass(MINUTE - 1);
    expect(await apply(store, giveBack("q", 1n, began))).toMatchObject({ value: 3n, previous: 4n });
    await opened.pass(1);
    await taken(store, [take("q", 2n)]);
    expect(await apply(store, giveBack("q", 1n, began))).toMatchObject({ value: 2n, previous: 2n });
    expect(await apply(store, giveBack("q", 1n))).toMatchObject({ value: 1n, previous: 2n });
    expect(await apply(store, giveBack("q", 1n, began + MINUTE))).toMatchObject({ value: 0n, previous: 1n });
    await expectLogLeadsTo(store);
  });

  it_("not of what never goes down", async ({ store }) => {
    await apply(store, create("m", { max: 5n, value: 3n, monotonic: true }));
    expect(await apply(store, giveBack("m", 1n))).toEqual({ code: "MONOTONIC", value: 3n });
  });

  it_("once under its id, which belongs to the amount and the window", async (opened) => {
    const { store } = opened;
    await apply(store, create("q", quota(opened, { value: 5n })));
    const began = opened.now();
    const first = await apply(store, giveBack("q", 2n, began), { id: "id" });
    expect(first).toEqual({ value: 3n, previous: 5n, revision: 2 });
    expect(await apply(store, giveBack("q", 2n, began), { id: "id" })).toEqual(first);
    await opened.pass(MINUTE);
    expect(await apply(store, giveBack("q", 2n, began), { id: "id" })).toEqual(first);
    const reused = (field: string) => ({ code: "REQUEST_ID_REUSED", field });
    expect(await apply(store, giveBack("q", 2n), { id: "id" })).toEqual(reused("window_start"));
    expect(await apply(store, giveBack("q", 2n, began + 1), { id: "id" })).toEqual(reused("window_start"));
    expect(await apply(store, giveBack("q", 1n, began), { id: "id" })).toEqual(reused("amount"));
    expect(await apply(store, increment("q", 2n), { id: "id" })).toEqual(reused("the method"));
    expect(await read(store, "q")).toMatchObject({ value: 0n });
  });
}

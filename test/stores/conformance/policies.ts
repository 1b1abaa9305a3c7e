import { expect, it } from "vitest";
import { ChangeKind } from "../../../src/core/change.ts";
import type { Enforcement, Policy } from "../../../src/core/policy.ts";
import { DEFAULTS, type Settings } from "../../../src/core/settings.ts";
import { toBatch } from "../../../src/service/call.ts";
import { Policies } from "../../../src/service/policies.ts";
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
  take,
  takes,
  update,
} from "../../support/calls.ts";
import type { StoreKind } from "../../support/stores.ts";
import { allChanges } from "./changes.ts";
import { policiesModel } from "./policies-model.ts";
import { policiesOfTime } from "./policies-of-time.ts";
import { expectLogLeadsTo, type It, MINUTE, read, tidy } from "./time-log.ts";
import { using } from "./using.ts";

/** Settings for the counters of a prefix, and for the counter that a change makes. */
export function policiesSuite(kind: StoreKind): void {
  const it_ = using(kind, it, { handClock: true });
  missing(it_);
  making(it_);
  following(it_);
  trying(it_);
  asOf(it_);
  takenAway(it_);
  holding(it_);
  sweeping(it_);
  policiesModel(kind, it_);
  policiesOfTime(kind, it_);
}

function missing(it_: It): void {
  it_("if_missing says what a change makes, and nothing of a counter that is there", async (opened) => {
    const { store } = opened;
    const bounded: Settings = { ...DEFAULTS, initial: 2n, max: 5n, labels: { a: "b" }, history: false };
    expect(await apply(store, bringing(increment("a", 3n), bounded))).toEqual({
      value: 5n,
      previous: 2n,
      revision: 1,
    });
    expect(await read(store, "a")).toMatchObject({ ...bounded, settingsRevision: 1, policy: undefined });
    expect(await apply(store, bringing(increment("a"), { ...bounded, max: 9n }))).toMatchObject({
      code: "ABOVE_MAX",
      max: 5n,
    });
    expect(await apply(store, bringing(set("s", -1n), { ...DEFAULTS, min: -1n }))).toMatchObject({
      previous: 0n,
    });
    expect(await read(store, "s")).toMatchObject({ min: -1n, value: -1n });
    const refill = { amount: 1n, everyMs: 9 };
    const window = { unit: "day", timeZone: "Mars/Olympus", day: 1 } as const;
    for (const [op, code, field] of [
      [bringing(increment("none", 4n), bounded), "ABOVE_MAX", undefined],
      [bringing(set("none", 6n), bounded), "VALUE_OUTSIDE_BOUNDS", "value"],
      [
        bringing(increment("none"), { ...bounded, initial: 6n }),
        "VALUE_OUTSIDE_BOUNDS",
        "if_missing.initial",
      ],
      [bringing(set("none", 1n), { ...bounded, refill }), "SETTINGS_CONFLICT", "if_missing.refill"],
      [bringing(increment("none"), { ...bounded, window }), "INVALID_FIELD", "if_missing.window.time_zone"],
      [bringing(decrement("none"), bounded), "COUNTER_NOT_FOUND", undefined],
    ] as const) {
      const refused = await apply(store, op);
      expect(refused).toMatchObject({ code, ...(field !== undefined && { field }) });
    }
    expect(opened.warnings).toEqual([]); // Who asked was told of the time zone.
    expect(await read(store, "none")).toBeUndefined();
    await expectLogLeadsTo(store);
  });

  it_("what if_missing makes is in time from then on, in a batch and in a group too", async (opened) => {
    const { store } = opened;
    const window = { everyMs: MINUTE, anchorMs: opened.now() };
    const daily: Settings = { ...DEFAULTS, max: 2n, window };
    const [answer] = await commit(
      store,
      batch([
        bringing(increment("q"), daily),
        bringing(increment("q"), daily),
        bringing(increment("q"), daily),
      ]),
    );
    expect(answer!.results).toMatchObject([{ value: 1n }, { value: 2n }, { code: "ABOVE_MAX" }]);
    const group = [bringing(increment("g"), daily), increment("q")];
    expect(await commit(store, batch(group, { allOrNothing: true }))).toMatchObject([
      { refused: { code: "ABOVE_MAX", index: 1, retryAfterMs: MINUTE } },
    ]);
    expect(await read(store, "g")).toBeUndefined();
    await opened.pass(MINUTE);
    expect(await apply(store, increment("q"))).toMatchObject({ value: 1n, previous: 0n });
    await expectLogLeadsTo(store);
  });

  it_("a request id compares if_missing, of one change and of a batch", async ({ store }) => {
    const to = (max: bigint): Settings => ({ ...DEFAULTS, max });
    for (const asked of [
      (settings?: Settings) =>
        single(settings ? bringing(increment("a"), settings) : increment("a"), { id: "1" }),
      (settings?: Settings) =>
        batch([increment("b"), settings ? bringing(set("c", 1n), settings) : set("c", 1n)], { id: "2" }),
    ]) {
      const [first] = await commit(store, asked(to(5n)));
      expect(await commit(store, asked(to(5n)))).toEqual([{ ...first!, replayed: true }]);
      for (const other of [asked(to(6n)), asked()]) {
        expect(await commit(store, other)).toMatchObject([{ refused: { code: "REQUEST_ID_REUSED" } }]);
      }
    }
  });
}

function making(it_: It): void {
  it_("what Increment and Set make follows the policy with the longest prefix, whole", async ({ store }) => {
    await setPolicy(store, "", { max: 9n, labels: { of: "all" } });
    const { revision } = await setPolicy(store, "shop.", { initial: 3n, description: "of the shop" });
    await setPolicy(store, "shop.page.", { min: 0n });
    expect(await apply(store, increment("shop.a"))).toEqual({ value: 4n, previous: 3n, revision: 1 });
    expect(await read(store, "shop.a")).toMatchObject({
      ...{ ...DEFAULTS, initial: 3n, description: "of the shop" },
      policy: { prefix: "shop.", revision },
      settingsRevision: 1,
    });
    await apply(store, set("shop.page.x", 1n));
    await apply(store, increment("other"));
    expect(await read(store, "shop.page.x")).toMatchObject({
      ...DEFAULTS,
      min: 0n,
      policy: { prefix: "shop.page." },
    });
    expect(await read(store, "other")).toMatchObject({
      max: 9n,
      labels: { of: "all" },
      policy: { prefix: "" },
    });
    expect(await apply(store, set("shop.page.y", -1n))).toMatchObject({ code: "VALUE_OUTSIDE_BOUNDS" });
    await apply(store, create("shop.own"));
    await apply(store, bringing(increment("shop.mine"), { ...DEFAULTS, max: 1n }));
    for (const name of ["shop.own", "shop.mine"]) expect((await read(store, name)).policy).toBeUndefined();
    await tidy(store);
    expect(await read(store, "shop.own")).toMatchObject({ ...DEFAULTS, settingsRevision: 1 });
  });

  it_(
    "a policy counts for what was asked before it no more, and for what comes after it at once",
    async (opened) => {
      const { store } = opened;
      await apply(store, increment("before"));
      await setPolicy(store, "", { max: 1n });
      await apply(store, increment("after"));
      expect(await apply(store, increment("after"))).toMatchObject({ code: "ABOVE_MAX", max: 1n });
      expect(await apply(store, increment("before"))).toMatchObject({ value: 2n });
      await tidy(store);
      expect((await read(store, "before")).policy).toBeUndefined();
    },
  );

  it_(
    "a take that a limit on trial let pass is answered so under its id, and takes nothing, ever",
    async (opened) => {
      const { store } = opened;
      await setPolicy(
        store,
        "trial.",
        { max: 1n, window: { everyMs: MINUTE, anchorMs: opened.now() } },
        "shadow",
      );
      const ask = async (id?: string) => (await commit(store, takes([take("trial.a")], { id })))[0]!;
      expect(await ask()).toMatchObject({ verdicts: [{ allowed: true, over: false }] });
      const before = await allChanges(store);
      const first = await ask("id");
      expect(first).toMatchObject({ replayed: false, verdicts: [{ allowed: true, over: true }] });
      const replay = { replayed: true, time: first.time, results: [{ code: "ABOVE_MAX", shadow: true }] };
      expect(await ask("id")).toMatchObject(replay);
      const again = takes([take("trial.a")], { id: "one" });
      const [once, twice] = await commit(store, again, again);
      expect([once!.replayed, twice!.replayed]).toEqual([false, true]);
      expect(await allChanges(store)).toEqual(before);
      await opened.pass(MINUTE);
      expect(await ask("id")).toMatchObject(replay);
      expect((await read(store, "trial.a")).value).toBe(0n);
      expect(await ask()).toMatchObject({ results: [{ value: 1n, previous: 0n }] });
      await setPolicy(store, "trial.", { max: 1n });
      expect(await ask("id")).toMatchObject(replay);
      expect(await ask("new")).toMatchObject({ replayed: false, verdicts: [{ allowed: false, over: true }] });
      await expectLogLeadsTo(store);
    },
  );

  it_("policies are what they were after closing and opening, if the store is durable", async (opened) => {
    if (opened.store.traits.durability === "none") return;
    await setPolicy(opened.store, "a", { max: 1n }, "shadow");
    await setPolicy(opened.store, "b", { max: 2n });
    await new Policies(opened.store.catalogue!).remove("b");
    await apply(opened.store, increment("a"));
    const before = await read(opened.store, "a");
    const store = await opened.reopen();
    expect(await read(store, "a")).toEqual(before);
    expect(before.policy).toMatchObject({ prefix: "a" });
    expect(await apply(store, increment("a"))).toMatchObject({ code: "ABOVE_MAX" });
    expect((await apply(store, increment("b"))) && (await read(store, "b")).policy).toBeUndefined();
    expect((await new Policies(store.catalogue!).read()).all).toMatchObject([
      { prefix: "a", enforcement: "shadow" },
    ]);
  });
}

function following(it_: It): void {
  it_(
    "a changed policy reaches a counter with the next change of it: its own change, by the policy",
    async (opened) => {
      const { store } = opened;
      await setPolicy(store, "a", { max: 5n });
      await apply(store, increment("a", 5n), { caller: "me" });
      const { revision } = await setPolicy(store, "a", { max: 8n, initial: 1n });
      await opened.pass(1_000);
      expect(await apply(store, increment("a", 2n))).toEqual({ value: 7n, previous: 5n, revision: 2 });
      expect(await read(store, "a")).toMatchObject({
        ...{ max: 8n, initial: 1n, settingsRevision: 2, policy: { prefix: "a", revision } },
      });
      expect((await allChanges(store)).map(({ kind, caller, value }) => [kind, caller, value])).toEqual([
        [ChangeKind.ADD, "", 5n],
        [ChangeKind.SETTINGS, "policy:a", 5n],
        [ChangeKind.ADD, "", 7n],
      ]);
      await expectLogLeadsTo(store);
    },
  );

  it_("a change that is refused settles nothing, alone and in a group", async ({ store }) => {
    await setPolicy(store, "a", { max: 5n });
    await apply(store, increment("a", 5n));
    const before = await read(store, "a");
    await setPolicy(store, "a", { max: 4n });
    expect(await apply(store, increment("a"))).toMatchObject({ code: "ABOVE_MAX", max: 5n });
    const group = batch([decrement("a"), increment("b", 9n), decrement("none")], { allOrNothing: true });
    expect(await commit(store, group)).toMatchObject([{ refused: { code: "COUNTER_NOT_FOUND" } }]);
    expect(await read(store, "a")).toEqual(before);
    expect(await allChanges(store)).toHaveLength(1);
  });

  it_("labels and description are a counter's own once it is made", async ({ store }) => {
    await setPolicy(store, "a", { max: 5n, labels: { of: "policy" }, description: "first" });
    await apply(store, increment("a"));
    await apply(store, update("a", { labels: { mine: "1" } }));
    await setPolicy(store, "a", { max: 6n, labels: { of: "another" }, description: "second" });
    await apply(store, increment("a"));
    expect(await read(store, "a")).toMatchObject({
      ...{ max: 6n, labels: { mine: "1" }, description: "first", policy: { prefix: "a" } },
    });
  });

  it_(
    "an update of any other setting has it follow none; follow attaches it again, in one change",
    async ({ store }) => {
      await setPolicy(store, "a", { max: 5n });
      await apply(store, increment("a"));
      for (const [settings, mask] of [
        [{ max: 9n }, ["max"]],
        [{ history: false }, ["history"]],
        [{ idleTtlMs: 5_000n }, ["labels", "idleTtlMs"]],
      ] as const) {
        await apply(store, update("a", settings, { mask: [...mask] }));
        expect(await read(store, "a")).toMatchObject({ ...settings, policy: undefined });
        const { settingsRevision } = await read(store, "a");
        const followed = { ...update("a", { labels: { l: "1" } }), follow: true as const };
        const answer = {
          max: 5n,
          history: true,
          idleTtlMs: undefined,
          labels: { l: "1" },
          policy: { prefix: "a" },
        };
        expect(await apply(store, followed, { id: `${mask}` })).toMatchObject({
          counter: { ...answer, settingsRevision: settingsRevision + 1 },
        });
        expect(await read(store, "a")).toMatchObject({ ...answer, settingsRevision: settingsRevision + 1 });
        const [again] = await commit(store, single(followed, { id: `${mask}` }));
        expect(again).toMatchObject({ replayed: true, results: [{ counter: answer }] });
      }
      await apply(store, increment("b"));
      expect(await apply(store, { ...update("b", {}), follow: true })).toMatchObject({
        code: "POLICY_NOT_FOUND",
      });
    },
  );

  it_(
    "a longer prefix takes over, a policy that goes hands on; with none left the settings stay",
    async (opened) => {
      const { store } = opened;
      const policies = new Policies(store.catalogue!);
      await setPolicy(store, "", { max: 50n });
      await setPolicy(store, "a", { max: 5n });
      await apply(store, increment("a.b"));
      for (const [change, settings, prefix] of [
        [() => setPolicy(store, "a.", { max: 6n }), { max: 6n }, "a."],
        [() => policies.remove("a."), { max: 5n }, "a"],
        [() => policies.remove("a"), { max: 50n }, ""],
      ] as const) {
        await change();
        await apply(store, increment("a.b"));
        expect(await read(store, "a.b")).toMatchObject({ ...settings, policy: { prefix } });
      }
      await policies.remove("");
      const before = await read(store, "a.b");
      await apply(store, increment("a.b"));
      expect(await read(store, "a.b")).toMatchObject({
        ...{ max: 50n, settingsRevision: before.settingsRevision, policy: undefined },
      });
      await setPolicy(store, "", { max: 1n });
      await tidy(store);
      expect(await read(store, "a.b")).toMatchObject({ max: 50n, policy: undefined });
    },
  );

  it_("a roll is settled with: the window that begins is the policy's as of now", async (opened) => {
    const { store } = opened;
    const window = { everyMs: MINUTE, anchorMs: opened.now() };
    await setPolicy(store, "q", { max: 5n, window });
    await apply(store, increment("q", 5n));
    await opened.pass(MINUTE + 1);
    await setPolicy(store, "q", { max: 2n, window: { ...window, everyMs: 2 * MINUTE } });
    await tidy(store);
    expect(await read(store, "q")).toMatchObject({
      ...{ value: 0n, max: 2n, policy: { prefix: "q" } },
      timing: { windowStart: opened.now() - MINUTE - 1, windowEnd: opened.now() + MINUTE - 1 },
    });
    expect((await allChanges(store)).map(({ kind }) => kind)).toEqual([
      ...[ChangeKind.ADD, ChangeKind.ROLL, ChangeKind.SETTINGS],
    ]);
    expect(await apply(store, increment("q", 3n))).toMatchObject({ code: "ABOVE_MAX" });
    await expectLogLeadsTo(store);
  });

  it_(
    "a shorter idle TTL ends a counter at once, and the change that meets it makes another",
    async (opened) => {
      const { store } = opened;
      await setPolicy(store, "i", { max: 9n });
      await apply(store, increment("i", 4n));
      const { uid } = await read(store, "i");
      await opened.pass(MINUTE);
      const { revision } = await setPolicy(store, "i", { max: 9n, idleTtlMs: 1_000n });
      expect(await apply(store, increment("i"))).toEqual({ value: 1n, previous: 0n, revision: 1 });
      const made = await read(store, "i");
      expect(made.uid).not.toBe(uid);
      expect(made.policy).toEqual({ prefix: "i", revision });
      expect((await allChanges(store)).map(({ kind }) => kind)).toEqual([
        ...[ChangeKind.ADD, ChangeKind.SETTINGS, ChangeKind.EXPIRE, ChangeKind.ADD],
      ]);
      await expectLogLeadsTo(store);
    },
  );

  it_("nothing of what a refill has moved goes over to the one that is made after it", async (opened) => {
    const { store } = opened;
    const bucket = { min: 0n, max: 9n, refill: { amount: 1n, everyMs: 1_000 } };
    await setPolicy(store, "i", bucket);
    await apply(store, increment("i", 8n));
    await opened.pass(3_500);
    await setPolicy(store, "i", { ...bucket, idleTtlMs: 1_000n });
    expect(await apply(store, increment("i"))).toEqual({ value: 1n, previous: 0n, revision: 1 });
    const last = (await allChanges(store)).at(-1);
    expect(last).toMatchObject({ added: 1n, removed: 0n, low: 1n, high: 1n });
    await expectLogLeadsTo(store);
  });

  it_("what a refill has moved until then is in the change of the settings", async (opened) => {
    const { store } = opened;
    const bucket = { min: 0n, max: 9n, refill: { amount: 1n, everyMs: 1_000 } };
    await setPolicy(store, "b", bucket);
    await apply(store, increment("b", 8n));
    await opened.pass(3_500);
    await setPolicy(store, "b", { ...bucket, max: 20n });
    expect(await apply(store, increment("b"))).toEqual({ value: 6n, previous: 5n, revision: 2 });
    await expectLogLeadsTo(store);
    await opened.pass(500);
    expect(await read(store, "b"), "half a unit was kept").toMatchObject({ value: 5n, max: 20n });
  });
}

function trying(it_: It): void {
  it_("a take that a limit in shadow let pass is answered once under its id", async (opened) => {
    const { store } = opened;
    const window = { everyMs: MINUTE, anchorMs: opened.now() };
    await setPolicy(store, "s", { max: 1n, window }, "shadow");
    await apply(store, increment("s"));
    const ask = async () => (await commit(store, takes([take("s")], { id: "1" })))[0]!;
    const first = await ask();
    expect(first).toMatchObject({ replayed: false, verdicts: [{ allowed: true, over: true }] });
    const again = { replayed: true, results: [{ code: "ABOVE_MAX", shadow: true }] };
    expect(await ask()).toMatchObject(again);
    await setPolicy(store, "s", { max: 1n, window });
    expect(await ask()).toMatchObject(again);
    await opened.pass(MINUTE);
    expect(await ask()).toMatchObject(again);
    expect(await apply(store, increment("s"))).toMatchObject({ value: 1n, previous: 0n });
  });
}

/** A counter of each way that one comes to be settled, and how it is. */
const MEETINGS = {
  swept: (store: Store) => tidy(store),
  taken: async (store: Store) => {
    const [answer] = await commit(store, takes([take("c", 50n)], {}));
    expect(answer!.verdicts).toMatchObject([{ allowed: false, limit: { remaining: 20n } }]);
    await apply(store, increment("c", 0n));
  },
  changed: (store: Store) => apply(store, increment("c", 0n)),
  updated: (store: Store) => apply(store, update("c", { labels: { a: "b" } })),
};

function asOf(it_: It): void {
  for (const [how, meet] of Object.entries(MEETINGS)) {
    it_(`a window that was changed holds as of then, for a counter that is ${how} later`, async (opened) => {
      const { store } = opened;
      const window = { everyMs: MINUTE, anchorMs: opened.now() };
      const long = { everyMs: 60 * MINUTE, anchorMs: opened.now() };
      await setPolicy(store, "c", { max: 100n, window });
      await apply(store, increment("c", 80n));
      await opened.pass(MINUTE - 1_000);
      await setPolicy(store, "c", { max: 100n, window: long });
      await opened.pass(2_000);
      await meet(store);
      expect(await read(store, "c")).toMatchObject({ value: 80n, window: long });
      expect(await apply(store, increment("c", 50n))).toMatchObject({ code: "ABOVE_MAX" });
      await opened.pass(60 * MINUTE);
      expect(await apply(store, increment("c", 50n))).toMatchObject({ value: 50n });
      expect((await allChanges(store)).map(({ kind }) => kind)).toContain(ChangeKind.ROLL);
      await expectLogLeadsTo(store);
    });
  }

  it_("what time did by a policy stays, and goes on by each that was set since", async (opened) => {
    const { store } = opened;
    const bucket = (everyMs: number) => ({ min: 0n, max: 1_000n, refill: { amount: 1n, everyMs } });
    await setPolicy(store, "b", bucket(1_000));
    for (const name of ["b.swept", "b.met"]) await apply(store, increment(name, 900n));
    await opened.pass(10_000);
    await setPolicy(store, "b", bucket(100));
    await opened.pass(10_000);
    await setPolicy(store, "b", bucket(3_600_000));
    await opened.pass(600_000);
    expect(await apply(store, increment("b.met"))).toMatchObject({ previous: 790n, value: 791n });
    await tidy(store);
    for (const [name, value] of [
      ["b.met", 791n],
      ["b.swept", 790n],
    ] as const)
      expect(await read(store, name)).toMatchObject({ value, ...bucket(3_600_000) });
    await expectLogLeadsTo(store);
  });

  it_("a window that ended by the policy before rolls then, and one by the policy after", async (opened) => {
    const { store } = opened;
    const every = (minutes: number) => ({ everyMs: minutes * MINUTE, anchorMs: opened.now() });
    const [short, long] = [every(1), every(10)];
    await setPolicy(store, "w", { window: short });
    await apply(store, increment("w", 5n));
    const began = opened.now();
    await opened.pass(2 * MINUTE);
    await setPolicy(store, "w", { window: long, initial: 1n });
    await opened.pass(10 * MINUTE);
    expect(await apply(store, increment("w"))).toMatchObject({ previous: 1n, value: 2n });
    const changes = await allChanges(store);
    expect(changes.map(({ kind, value, time }) => [kind, value, time - began])).toEqual([
      [ChangeKind.ADD, 5n, 0],
      [ChangeKind.ROLL, 0n, MINUTE],
      [ChangeKind.SETTINGS, 0n, 2 * MINUTE],
      [ChangeKind.ROLL, 1n, 10 * MINUTE],
      [ChangeKind.ADD, 2n, 12 * MINUTE],
    ]);
    await expectLogLeadsTo(store);
  });

  it_("a counter that another policy keeps for ever does not go when the one before says", async (opened) => {
    const { store } = opened;
    const policies = new Policies(store.catalogue!);
    await setPolicy(store, "", { max: 9n });
    for (const [name, change] of [
      ["same", () => setPolicy(store, "same", { max: 9n })],
      ["long", () => setPolicy(store, "long.", { max: 9n })],
      ["gone", () => policies.remove("gone")],
    ] as const) {
      await setPolicy(store, name, { max: 9n, idleTtlMs: 5_000n });
      await apply(store, increment(`${name}.a`));
      await apply(store, increment(`${name}.b`));
      await opened.pass(4_000);
      await change();
      await opened.pass(2_000);
      expect(await apply(store, increment(`${name}.a`))).toMatchObject({ value: 2n });
      await tidy(store);
      expect(await read(store, `${name}.b`)).toMatchObject({ value: 1n, idleTtlMs: undefined });
      await opened.pass(MINUTE);
    }
    await expectLogLeadsTo(store);
  });
}

function takenAway(it_: It): void {
  for (const meet of ["an operation", "the sweep"]) {
    it_(`a policy that is taken away leaves its last settings, by ${meet}`, async (opened) => {
      const { store } = opened;
      const policies = new Policies(store.catalogue!);
      const settled = () => (meet === "the sweep" ? tidy(store) : apply(store, increment("e", 0n)));
      await setPolicy(store, "e", { max: 10n });
      await apply(store, increment("e"));
      await setPolicy(store, "e", { max: 3n });
      await policies.remove("e");
      expect((await policies.read()).all).toEqual([]);
      await settled();
      expect(await read(store, "e")).toMatchObject({ max: 3n, policy: undefined });
      expect(await apply(store, increment("e", 5n))).toMatchObject({ code: "ABOVE_MAX", max: 3n });
      const { revision } = await setPolicy(store, "e", { max: 9n });
      expect((await policies.read()).get("e")).toMatchObject({ revision });
      await expectLogLeadsTo(store);
    });
  }

  it_(
    "its counters follow none that is set later, whether they were settled meanwhile or not",
    async (opened) => {
      const { store } = opened;
      const policies = new Policies(store.catalogue!);
      await setPolicy(store, "f.", { max: 10n });
      const names = ["met", "swept", "late"];
      for (const name of names) await apply(store, increment(`f.${name}`, 9n));
      await policies.remove("f.");
      await apply(store, increment("f.met", 0n));
      for (const prefix of ["f.", "", "f.l"]) await setPolicy(store, prefix, { max: 100n });
      for (const name of ["f.met", "f.late"])
        expect(await apply(store, increment(name, 50n))).toMatchObject({ code: "ABOVE_MAX", max: 10n });
      await tidy(store);
      for (const name of names)
        expect(await read(store, `f.${name}`)).toMatchObject({ value: 9n, max: 10n, policy: undefined });
      expect(await apply(store, increment("f.new", 50n))).toMatchObject({ value: 50n });
      await expectLogLeadsTo(store);
    },
  );

  it_("handed on to a shorter one that is taken away as well, they keep that one's", async (opened) => {
    const { store } = opened;
    const policies = new Policies(store.catalogue!);
    await setPolicy(store, "g.", { max: 20n });
    await setPolicy(store, "g.h.", { max: 10n });
    for (const name of ["g.h.met", "g.h.late"]) await apply(store, increment(name, 9n));
    await policies.remove("g.h.");
    expect(await apply(store, increment("g.h.met", 3n))).toMatchObject({ value: 12n });
    await policies.remove("g.");
    await setPolicy(store, "g.h.", { max: 5n });
    expect(await apply(store, increment("g.h.late", 3n))).toMatchObject({ value: 12n });
    await tidy(store);
    for (const name of ["g.h.met", "g.h.late"])
      expect(await read(store, name)).toMatchObject({ value: 12n, max: 20n, policy: undefined });
    await expectLogLeadsTo(store);
  });

  it_(
    "and one beyond the bound of a shorter prefix is settled once, though a longer one held when that was set",
    async (opened) => {
      const { store } = opened;
      const policies = new Policies(store.catalogue!);
      const window = { everyMs: 10 * MINUTE, anchorMs: opened.now() };
      const timed = { window, idleTtlMs: 6_000_000n, refill: { amount: 1n, everyMs: 86_400_000 } };
      for (const [key, setting] of Object.entries(timed)) {
        for (const [of, shorter] of [
          ["longer", {}],
          ["both", { [key]: setting }],
        ] as const) {
          const prefix = `${key}.${of}.`;
          await setPolicy(store, `${prefix}a`, { min: 0n, max: 8n, [key]: setting });
          await setPolicy(store, prefix, {});
          await setPolicy(store, prefix, { min: 0n, max: 1n, ...shorter });
          for (const name of ["met", "left"]) await apply(store, increment(`${prefix}a.${name}`, 3n));
          await policies.remove(`${prefix}a`);
          for (const name of ["met", "met", "left"])
            expect(await apply(store, increment(`${prefix}a.${name}`)), prefix).toMatchObject({
              code: "ABOVE_MAX",
              max: 3n,
            });
          await tidy(store);
          const settled = await read(store, `${prefix}a.left`);
          expect(settled).toMatchObject({
            value: 3n,
            max: 3n,
            settingsRevision: 2,
            policy: { prefix, revision: 0 },
          });
          await opened.pass(MINUTE);
          await tidy(store);
          expect(await read(store, `${prefix}a.left`)).toMatchObject({ settingsRevision: 2 });
          expect(await apply(store, decrement(`${prefix}a.left`, 3n))).toMatchObject({ value: 0n });
          expect(await read(store, `${prefix}a.left`)).toMatchObject({ max: 1n, settingsRevision: 3 });
          expect(await apply(store, remove(`${prefix}a.met`, { keepHistory: true }))).toMatchObject({
            value: 3n,
          });
        }
      }
      await expectLogLeadsTo(store);
    },
  );

  it_("and so does one whose bound the value was beyond, once the value fits", async (opened) => {
    const { store } = opened;
    const policies = new Policies(store.catalogue!);
    const window = { everyMs: MINUTE, anchorMs: opened.now() };
    await setPolicy(store, "e", { max: 10n, window });
    for (const name of ["e1", "e2"]) await apply(store, increment(name, 10n));
    await setPolicy(store, "e", { max: 3n, window });
    await tidy(store);
    await policies.remove("e");
    await opened.pass(1_000);
    await tidy(store);
    expect(await read(store, "e1")).toMatchObject({ value: 10n, max: 10n, policy: { prefix: "e" } });
    await opened.pass(MINUTE);
    expect(await apply(store, increment("e1", 4n))).toMatchObject({ code: "ABOVE_MAX", max: 3n });
    await opened.pass(MINUTE);
    await tidy(store);
    for (const name of ["e1", "e2"])
      expect(await read(store, name)).toMatchObject({ value: 0n, max: 3n, policy: undefined });
    expect(await store.maintain()).toBe(false);
    await expectLogLeadsTo(store);
  });
}

function holding(it_: It): void {
  it_(
    "beyond a bound that was lowered nothing more goes in, and the bound follows the value down",
    async (opened) => {
      const { store } = opened;
      await setPolicy(store, "q", { max: 10n });
      await apply(store, increment("q", 8n));
      const { revision } = await setPolicy(store, "q", { max: 5n, min: 0n });
      await tidy(store);
      expect(await read(store, "q")).toMatchObject({ value: 8n, max: 8n, min: 0n, policy: { revision: 0 } });
      expect(await store.policies!.progress("q")).toEqual({ applied: 0, remaining: 1 });
      expect(await apply(store, increment("q"))).toMatchObject({ code: "ABOVE_MAX", max: 8n });
      expect(await apply(store, decrement("q", 2n))).toMatchObject({ value: 6n });
      expect(await apply(store, increment("q"))).toMatchObject({ code: "ABOVE_MAX", max: 6n });
      await opened.pass(MINUTE);
      await tidy(store);
      expect(await read(store, "q")).toMatchObject({ value: 6n, max: 6n });
      expect(await apply(store, decrement("q", 2n))).toMatchObject({ value: 4n });
      await opened.pass(MINUTE);
      await tidy(store);
      expect(await read(store, "q")).toMatchObject({ value: 4n, max: 5n, policy: { prefix: "q", revision } });
      expect(await store.policies!.progress("q")).toEqual({ applied: 1, remaining: 0 });
      await expectLogLeadsTo(store);
    },
  );

  it_("and the same for a minimum that was raised", async ({ store }) => {
    await setPolicy(store, "m", {});
    await apply(store, set("m", 2n));
    await setPolicy(store, "m", { min: 5n, initial: 7n });
    await tidy(store);
    expect(await read(store, "m")).toMatchObject({ value: 2n, min: 2n, initial: 7n });
    expect(await apply(store, decrement("m"))).toMatchObject({ code: "BELOW_MIN", min: 2n });
    expect(await apply(store, reset("m"))).toMatchObject({ value: 7n });
    expect(await apply(store, decrement("m", 3n))).toMatchObject({ code: "BELOW_MIN", min: 5n });
  });

  it_(
    "a bound that was lowered below a value holds once time has brought it within, though nobody settled it before",
    async (opened) => {
      const { store } = opened;
      const policies = new Policies(store.catalogue!);
      const window = { everyMs: MINUTE, anchorMs: opened.now() };
      const refill = { amount: 1n, everyMs: 1_000 };
      for (const prefix of ["w.", "r.", "d."]) {
        await setPolicy(store, prefix, { min: 0n, max: 50n });
        for (const name of ["inc", "take", "all"]) await apply(store, increment(prefix + name, 7n));
      }
      await setPolicy(store, "w.", { max: 3n, window });
      await setPolicy(store, "d.", { max: 3n, window });
      await policies.remove("d.");
      await setPolicy(store, "r.", { min: 0n, max: 3n, refill: { ...refill, everyMs: 10_000 } });
      await opened.pass(MINUTE);

      for (const [prefix, value] of [["w.", 0n] as const, ["d.", 0n] as const, ["r.", 1n] as const]) {
        const much = 4n - value;
        const refused = { code: "ABOVE_MAX", max: 3n, value };
        expect(await apply(store, increment(`${prefix}inc`, much))).toMatchObject(refused);
        const [answer] = await commit(store, takes([take(`${prefix}take`, much)], {}));
        expect(answer!.verdicts).toMatchObject([
          { allowed: false, limit: { max: 3n, remaining: 3n - value } },
        ]);
        const up = await commit(store, batch([1n, 1n, 1n, 1n].map((n) => increment(`${prefix}all`, n))));
        expect(up[0]!.results.map((each) => ("code" in each ? each.code : each.value))).toEqual(
          [1n, 2n, 3n, 4n].map((n) => (n + value > 3n ? "ABOVE_MAX" : n + value)),
        );
        expect(await read(store, `${prefix}all`)).toMatchObject({ value: 3n, max: 3n });
      }
      expect((await read(store, "d.all")).policy).toBeUndefined();
      await expectLogLeadsTo(store);
    },
  );

  it_(
    "one whose policy was taken away while it was beyond a bound has its own settings once it fits, or another policy",
    async (opened) => {
      const { store } = opened;
      const policies = new Policies(store.catalogue!);
      const window = { everyMs: MINUTE, anchorMs: opened.now() };
      for (const prefix of ["early.", "late."]) {
        await setPolicy(store, prefix, { max: 50n });
        for (const name of ["met", "swept"]) await apply(store, increment(prefix + name, 7n));
      }
      await tidy(store);
      for (const prefix of ["early.", "late."]) {
        await setPolicy(store, prefix, { max: 3n, window });
        await policies.remove(prefix);
      }
      await opened.pass(MINUTE / 2);
      await setPolicy(store, "early.", { max: 9n, window });
      await opened.pass(MINUTE / 2);
      await setPolicy(store, "late.", { max: 9n, window });
      for (const [prefix, max, policy] of [
        ["early.", 9n, { prefix: "early." }] as const,
        ["late.", 3n, undefined] as const,
      ]) {
        expect(await apply(store, increment(`${prefix}met`, max + 1n))).toMatchObject({
          code: "ABOVE_MAX",
          max,
        });
        expect(await apply(store, increment(`${prefix}met`, max))).toMatchObject({
          value: max,
          previous: 0n,
        });
        await tidy(store);
        for (const name of ["met", "swept"]) {
          const found = await read(store, prefix + name);
          expect(found).toMatchObject({ max, window, ...(policy && { policy }) });
          if (policy === undefined) expect(found.policy).toBeUndefined();
        }
      }
      await expectLogLeadsTo(store);
    },
  );

  it_(
    "a policy that is taken away while the value is beyond its bound is passed over once another is set, as one set over is",
    async (opened) => {
      const { store } = opened;
      const policies = new Policies(store.catalogue!);
      for (const [prefix, isTakenAway] of [["over.", false] as const, ["away.", true] as const]) {
        await setPolicy(store, prefix, { max: 50n });
        await apply(store, increment(`${prefix}n`, 7n));
        for (const max of [3n, 4n]) {
          await setPolicy(store, prefix, { max, clamp: true });
          if (isTakenAway) await policies.remove(prefix);
        }
        await setPolicy(store, prefix, { max: 50n });
        await apply(store, increment(`${prefix}n`));
        const found = await read(store, `${prefix}n`);
        expect(found, prefix).toMatchObject({ value: 8n, max: 50n, clamp: false, settingsRevision: 1 });
        expect(found.policy!.revision, prefix).toBeGreaterThan(0);
      }
      await expectLogLeadsTo(store);
    },
  );

  it_(
    "one that is made to follow a policy while it is beyond a bound is settled once it fits, though all others were before, and after a start too",
    async (opened) => {
      const durable = opened.store.traits.durability === "fsync";
      for (const name of ["f.asked", "f.again"]) await apply(opened.store, set(name, -7n));
      await setPolicy(opened.store, "f.", { min: 0n, max: 30n, refill: { amount: 1n, everyMs: 1_000 } });
      await setPolicy(opened.store, "g.", { max: 3n });
      await opened.pass(MINUTE);
      await tidy(opened.store);
      for (const name of ["f.asked", "f.again"]) {
        await apply(opened.store, { ...update(name, {}), follow: true });
        expect(await read(opened.store, name)).toMatchObject({ min: -7n, policy: { revision: 0 } });
        if (name === "f.again" && durable) await opened.reopen();
        await opened.pass(MINUTE);
        await tidy(opened.store);
        const { revision } = (await new Policies(opened.store.catalogue!).read()).get("f.")!;
        expect(await read(opened.store, name), name).toMatchObject({ min: 0n, policy: { revision } });
      }
      expect(await opened.store.policies!.progress("f.")).toEqual({ applied: 2, remaining: 0 });
      await expectLogLeadsTo(opened.store);
    },
  );

  it_(
    "one that is beyond a bound is settled by what moves it: its answer, and what is read, say what holds next",
    async (opened) => {
      const { store } = opened;
      await apply(store, set("t.a", 7n));
      await setPolicy(store, "t.", { max: 3n });
      await apply(store, { ...update("t.a", {}), follow: true });
      const down = await store.commit(toBatch([single(decrement("t.a", 2n))]));
      expect([down.values[0], down.headroomUp[0]]).toEqual([5n, 0n]);
      expect(await read(store, "t.a")).toMatchObject({ value: 5n, max: 5n, policy: { revision: 0 } });
      const several = batch([decrement("t.a", 1n), decrement("t.a", 2n), increment("t.a", 2n)]);
      expect((await commit(store, several))[0]!.results).toMatchObject([
        { value: 4n },
        { value: 2n },
        { code: "ABOVE_MAX", max: 3n },
      ]);
      const settled = await read(store, "t.a");
      expect(settled).toMatchObject({ value: 2n, max: 3n });
      expect(settled.policy!.revision).toBeGreaterThan(0);
      await expectLogLeadsTo(store);
    },
  );

  it_(
    "an update after a policy was set changes what that one says, whoever has settled it",
    async (opened) => {
      const { store } = opened;
      for (const [prefix, isSettled] of [["one.", true] as const, ["two.", false] as const]) {
        await setPolicy(store, prefix, { max: 10n });
        await apply(store, increment(`${prefix}a`));
        await apply(store, increment(`${prefix}b`));
        await setPolicy(store, prefix, { max: 5n });
        if (isSettled) await tidy(store);
        const before = await read(store, `${prefix}a`);
        const own = { ...update(`${prefix}a`, { clamp: true }), mask: ["clamp"] as const };
        expect(await apply(store, own)).not.toHaveProperty("code");
        expect(await read(store, `${prefix}a`)).toMatchObject({ max: 5n, clamp: true, policy: undefined });
        expect((await read(store, `${prefix}a`)).settingsRevision).toBeGreaterThan(before.settingsRevision);
        await apply(store, update(`${prefix}b`, { description: "d" }));
        expect(await read(store, `${prefix}b`)).toMatchObject({ max: 5n, policy: { prefix } });
      }
      await expectLogLeadsTo(store);
    },
  );

  it_(
    "what was set while the value was beyond a bound is gone through, one after another",
    async (opened) => {
      const { store } = opened;
      const window = { everyMs: MINUTE, anchorMs: opened.now() };
      await setPolicy(store, "s", { max: 50n });
      await apply(store, increment("s", 7n));
      await setPolicy(store, "s", { max: 3n, window });
      await tidy(store);
      expect(await read(store, "s")).toMatchObject({ value: 7n, max: 7n, policy: { revision: 0 } });
      await setPolicy(store, "s", { max: 3n, window, initial: 2n });
      await opened.pass(MINUTE);
      await setPolicy(store, "s", { max: 9n });
      expect(await apply(store, increment("s"))).toMatchObject({ previous: 2n, value: 3n });
      expect(await read(store, "s")).toMatchObject({ max: 9n, window: undefined });
      await expectLogLeadsTo(store);
    },
  );

  it_(
    "so many as go between such bounds refill; with the refill that could not be reckoned they do not",
    async (opened) => {
      const { store } = opened;
      await setPolicy(store, "r", {});
      await apply(store, set("r", 2n ** 61n));
      const bucket = { min: 0n, max: 9n, refill: { amount: 1n, everyMs: 1_000 } };
      await setPolicy(store, "r", bucket);
      await tidy(store);
      expect(await read(store, "r")).toMatchObject({ max: 2n ** 61n, refill: undefined, timing: undefined });
      expect(await apply(store, set("r", 9n))).toMatchObject({ value: 9n });
      await opened.pass(MINUTE);
      await tidy(store);
      expect(await read(store, "r")).toMatchObject(bucket);
    },
  );
}

function sweeping(it_: It): void {
  it_(
    "a changed policy reaches all that follow it by itself, in one round, and says how far it is",
    async (opened) => {
      const { store } = opened;
      await setPolicy(store, "n.", { max: 5n });
      await setPolicy(store, "n.long.", { max: 6n });
      const names = Array.from({ length: 300 }, (_, i) => `n.${i % 3 === 0 ? "long." : ""}${i}`);
      await commit(store, batch(names.map((name) => increment(name))));
      await apply(store, create("n.own", { max: 7n }));
      await setPolicy(store, "n.", { max: 50n });
      expect(await store.policies!.progress("n.")).toEqual({ applied: 0, remaining: 200 });
      expect(await store.policies!.progress("n.long.")).toEqual({ applied: 100, remaining: 0 });
      await tidy(store);
      expect(await store.policies!.progress("n.")).toEqual({ applied: 200, remaining: 0 });
      const { counters } = await store.list({ prefix: "", labels: {} }, "", 1_000);
      expect(
        counters.filter(({ max, settingsRevision }) => max === 50n && settingsRevision === 2),
      ).toHaveLength(200);
      expect(
        counters.filter(({ max, settingsRevision }) => max === 6n && settingsRevision === 1),
      ).toHaveLength(100);
      const changes = (await allChanges(store)).filter(({ caller }) => caller === "policy:n.");
      expect(changes).toHaveLength(200);
      expect(
        new Set(changes.map(({ kind, ops, added, removed }) => `${kind} ${ops} ${added} ${removed}`)),
      ).toEqual(new Set([`${ChangeKind.SETTINGS} 0 0 0`]));
      expect(await store.maintain()).toBe(false);
      await expectLogLeadsTo(store);
    },
  );

  it_(
    "what only its enforcement or labels say moves no setting, and is told as applied",
    async ({ store }) => {
      await setPolicy(store, "n", { max: 5n });
      await apply(store, increment("n"));
      await setPolicy(store, "n", { max: 5n, labels: { a: "b" } }, "shadow");
      expect(await store.policies!.progress("n")).toEqual({ applied: 0, remaining: 1 });
      await tidy(store);
      expect(await store.policies!.progress("n")).toEqual({ applied: 1, remaining: 0 });
      expect(await read(store, "n")).toMatchObject({ settingsRevision: 1, labels: {} });
      expect(await allChanges(store)).toHaveLength(1);
    },
  );

  it_(
    "while the clock is in doubt nothing is settled: what has expired by it may be there",
    async (opened) => {
      const { store } = opened;
      const idle = { idleTtlMs: 3_600_000n };
      await setPolicy(store, "i", { max: 9n, ...idle });
      await apply(store, increment("i"));
      await tidy(store);
      await setPolicy(store, "i", { max: 8n, ...idle });
      await opened.jump(400 * 24 * 60 * MINUTE);
      await tidy(store);
      expect((await allChanges(store)).map(({ kind }) => kind)).toEqual([ChangeKind.ADD]);
      await opened.jump(-400 * 24 * 60 * MINUTE);
      await opened.pass(10 * MINUTE);
      await tidy(store);
      expect(await read(store, "i")).toMatchObject({ value: 1n, max: 8n });
      await expectLogLeadsTo(store);
    },
  );

  it_("what was not settled when a store was closed is once it is open, if it is durable", async (opened) => {
    if (opened.store.traits.durability === "none") return;
    await setPolicy(opened.store, "n", { max: 5n });
    await apply(opened.store, increment("n", 4n));
    await apply(opened.store, increment("n2", 1n));
    await setPolicy(opened.store, "n", { max: 3n });
    const store = await opened.reopen();
    await tidy(store);
    expect(await read(store, "n")).toMatchObject({ max: 4n, policy: { revision: 0 } });
    expect(await read(store, "n2")).toMatchObject({ max: 3n });
    await apply(store, decrement("n"));
    const again = await opened.reopen();
    await tidy(again);
    expect(await read(again, "n")).toMatchObject({ max: 3n, value: 3n });
    expect(await again.policies!.progress("n")).toEqual({ applied: 2, remaining: 0 });
  });
}

/** An operation with the settings of what it makes. */
function bringing<Of extends ReturnType<typeof increment>>(op: Of, settings: Settings): Of {
  return { ...op, settings };
}

/** Set a policy, and give it back. */
export async function setPolicy(
  store: Store,
  prefix: string,
  settings: Partial<Settings>,
  enforcement: Enforcement = "enforce",
): Promise<Policy> {
  const policy = await new Policies(store.catalogue!).set(prefix, { ...DEFAULTS, ...settings }, enforcement);
  if ("code" in policy) throw new TypeError(`expected a policy, got ${policy.code}`);
  return policy;
}

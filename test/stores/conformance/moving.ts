import { expect, it } from "vitest";
import { ChangeKind } from "../../../src/core/change.ts";
import { INT64_MAX, INT64_MIN } from "../../../src/core/int64.ts";
import { copyStore } from "../../../src/service/copy.ts";
import { Policies } from "../../../src/service/policies.ts";
import type { Purpose, Store } from "../../../src/service/store.ts";
import type { Copying, ImportPart } from "../../../src/service/store-copying.ts";
import type { StoredChange } from "../../../src/service/store-pages.ts";
import {
  type Answer,
  type Asked,
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
import { describeWith } from "../../support/needs.ts";
import type { Opened } from "../../support/opened.ts";
import { UNLIKE_DEFAULTS } from "../../support/settings.ts";
import { type StoreKind, targetsOf } from "../../support/stores.ts";
import { allChanges, expectSumsEqualValues } from "./changes.ts";
import { setPolicy } from "./policies.ts";
import { expectLogLeadsTo } from "./time-log.ts";

const HOUR = 3_600_000;

/** What a store is worth moves into another one, whatever kind that is: callers and followers see no difference. */
export function movingSuite(kind: StoreKind): void {
  for (const target of targetsOf(kind))
    describeWith(target.needs, `to ${target.name}`, () => moves(kind, target));
}

function moves(kind: StoreKind, target: StoreKind): void {
  const it_ = between(kind, target);
  const toSmall = between(kind, target, SMALL);

  it_("counters, changes and sums are what they were", async (from, to) => {
    await fill(from);
    const was = await seen(from.store);
    expect(was.openings.map(({ name }) => name)).toEqual(expect.arrayContaining(["kept", "page:9"]));
    const copied = await copyStore(from.store, to.store);
    expect(await seen(to.store)).toEqual(was);
    expect(await seen(from.store)).toEqual(was);
    expect(copied).toEqual({
      before: false,
      resumed: false,
      counters: was.counters.length,
      sum: was.sum.sum,
      changes: was.openings.length + was.commits.flat().length,
      requestIds: expect.any(Number),
    });
    expect(copied.requestIds).toBeGreaterThan(10);
    const store = await reopened(to);
    expect(await seen(store)).toEqual(was);
    await expectSumsEqualValues(store, ["page:3", "edge"]);
  });

  between(kind, target, undefined, true)(...countersInTime);
  between(kind, target, undefined, true)(...policiesAndFollowers);

  it_("what was asked before the move is answered after it as the first time", async (from, to) => {
    const { asked, answers } = await fill(from);
    await copyStore(from.store, to.store);
    const store = await reopened(to);
    const was = await seen(store);
    const again = await commit(store, ...asked);
    expect(again).toEqual(answers.map((answer) => ({ ...answer, replayed: true })));
    expect(again.filter(({ replayed }) => replayed).length).toBeGreaterThan(10);
    expect(await seen(store)).toEqual(was);
  });

  toSmall(
    "counting goes on: revisions, new counters under old names, the log and its dropping",
    async (from, to) => {
      await fill(from);
      await copyStore(from.store, to.store);
      const store = await reopened(to);
      const [before] = await store.get(["page:3"]);
      const { uid, value, revision } = before as { uid: string; value: bigint; revision: number };
      expect(await apply(store, increment("page:3"))).toMatchObject({
        value: value + 1n,
        revision: revision + 1,
      });
      const changes = await allChanges(store);
      const gone = changes.filter(({ kind }) => kind === ChangeKind.DELETE);
      for (const { name } of gone) await apply(store, remove(name)); // Some were made again.
      for (const { name } of gone) expect(await apply(store, increment(name))).toMatchObject({ revision: 1 });
      for (let n = 0; n < 30; n++) {
        await apply(store, set("page:3", BigInt(n), { note: "n".repeat(60) }));
        await apply(store, increment(`new${n}`));
        if (n % 10 === 9) while (await store.maintain());
      }
      await expectSumsEqualValues(store, ["page:3", "new29"]);
      expect((await store.get(["page:3"]))[0]).toMatchObject({ uid, value: 29n });
      const uids = (await store.list({ prefix: "", labels: {} }, "", 1_000)).counters.map(({ uid }) => uid);
      const dead = new Set(gone.map(({ uid }) => uid));
      expect(uids.filter((uid) => dead.has(uid))).toEqual([]);
    },
  );

  it_("request ids live as long as they would have lived in the source", async (from, to) => {
    await apply(from.store, increment("a"), { id: "old" });
    from.clock.advance(4 * HOUR); // A generation spans 3 hours.
    while (await from.store.maintain());
    await apply(from.store, increment("a"), { id: "young" });
    from.clock.advance(18 * HOUR); // The old one is closed since.
    await copyStore(from.store, to.store);
    const store = await reopened(to);
    const replays = async (id: string) => (await commit(store, single(increment("a"), { id })))[0]!.replayed;
    to.clock.advance(5 * HOUR);
    while (await store.maintain());
    expect([await replays("old"), await replays("young")]).toEqual([true, true]);
    to.clock.advance(2 * HOUR); // 24 hours after its generation was closed.
    while (await store.maintain());
    expect([await replays("old"), await replays("young")]).toEqual([false, true]);
  });

  it_("an empty store is copied too", async (from, to) => {
    expect(await copyStore(from.store, to.store)).toMatchObject({ counters: 0, sum: 0n, changes: 0 });
    await apply(await reopened(to), increment("a"));
    await expectSumsEqualValues(to.store, ["a"]);
  });

  it_("openings are given out though no change is left that was not dropped", async (from, to) => {
    await fill(from);
    const { counters, openings } = await seen(from.store);
    const copying = to.store.copying!;
    await copying.beginImport(await from.store.copying!.exportHead());
    const placed = openings.map((opening) => ({ ...opening, position: "" }));
    await copying.import({ counters, openings: placed, progress: "all" });
    await copying.endImport();
    expect(await seen(await reopened(to))).toMatchObject({ counters, openings });
  });

  it_("stopped after any part, the next run goes on, and ends as if nothing had been", async (from, to) => {
    await fill(from);
    await reopened(from, "copyFrom"); // Which does what was left to do.
    const was = await seen(from.store);
    for (let parts = 1; ; parts++) {
      if (parts % 4 === 0) {
        await reopened(from, "copyFrom");
        await reopened(to, "copyTo");
        expect((await to.store.copying!.importState()).copy).toMatchObject({ ended: false });
        await expectNotServed(to);
      }
      const copy = copyStore(from.store, failingAfter(to.store, 1), { partMax: 10 });
      const end = await copy.then(
        ({ resumed }) => ({ resumed }),
        (error: Error) => error.message,
      );
      if (end === "stopped here") continue;
      expect(end).toEqual({ resumed: true });
      expect(parts).toBeGreaterThan(10);
      break;
    }
    expect(await seen(await reopened(to))).toEqual(was);
  });

  it_("once the source has been served again, the next run begins anew", async (from, to) => {
    await fill(from);
    await expect(copyStore(from.store, failingAfter(to.store, 3), { partMax: 5 })).rejects.toThrow("stopped");
    await apply(from.store, increment("page:3"));
    await apply(from.store, increment("later"));
    expect(await copyStore(from.store, to.store, { partMax: 5 })).toMatchObject({ resumed: false });
    const { version } = await from.store.catalogue!.read(0);
    await from.store.catalogue!.write({ kind: "key", key: "later", body: "{}", expectedVersion: 0 });
    expect(await copyStore(from.store, to.store, { partMax: 2 })).toMatchObject({ resumed: false });
    expect((await to.store.catalogue!.read(version)).entries).toMatchObject([{ key: "later" }]);
    expect(await seen(to.store)).toEqual(await seen(from.store));
    expect(await copyStore(from.store, to.store)).toMatchObject({ before: true });
  });

  it_("a target that has anything else is refused, and stays as it is", async (from, to) => {
    await fill(from);
    await apply(to.store, increment("mine"));
    const was = await seen(to.store);
    await expect(copyStore(from.store, to.store)).rejects.toThrow("of its own; a copy needs an empty one");
    await expect(to.store.copying!.beginImport(await from.store.copying!.exportHead())).rejects.toThrow(
      "expected a store that is empty",
    );
    await apply(to.store, remove("mine"));
    await expect(copyStore(from.store, to.store)).rejects.toThrow("Nothing was changed");
    expect((await seen(to.store)).commits).toHaveLength(was.commits.length);
  });

  it_("nor is a copy of one store gone on with from another, or counted over", async (from, to) => {
    await fill(from);
    const other = await kind.open();
    try {
      await apply(other.store, increment("other"));
      await expect(copyStore(other.store, failingAfter(to.store, 1))).rejects.toThrow("stopped");
      await expect(copyStore(from.store, to.store)).rejects.toThrow("a copy of another store");
      await copyStore(other.store, to.store);
      await expect(copyStore(from.store, to.store)).rejects.toThrow("a copy of another store");
      await apply(to.store, increment("other"));
      await expect(copyStore(other.store, to.store)).rejects.toThrow("of its own");
      await expect(copyStore(other.store, await reopened(to, "copyTo"))).rejects.toThrow("of its own");
    } finally {
      await other.dispose();
    }
  });

  it_("nor is a catalogue written over, be it all there is, or written after a copy", async (from, to) => {
    const write = (expectedVersion: number, body: string | undefined) =>
      to.store.catalogue!.write({ kind: "key", key: "mine", body, expectedVersion });
    await copyStore(from.store, to.store);
    expect(await write(0, "{}")).toBe(1);
    await expect(copyStore(from.store, to.store)).rejects.toThrow("of its own; a copy needs an empty one");
    await write(1, undefined);
    await expect(copyStore(from.store, await reopened(to, "copyTo"))).rejects.toThrow("of its own");
    expect((await to.store.catalogue!.read(0)).entries).toMatchObject([{ key: "mine", version: 2 }]);
  });

  it_("when keys were last used comes along, as it is at the end of the last run", async (from, to) => {
    await fill(from);
    const key = (id: string) => ({ kind: "key", key: id, body: "{}", expectedVersion: 0 }) as const;
    const uses = async (store: Store) => Object.fromEntries(await store.keyUses!.read(["a", "b", "gone"]));
    for (const id of ["a", "b", "c"]) await from.store.catalogue!.write(key(id));
    await from.store.keyUses!.note(
      new Map([
        ["a", HOUR],
        ["gone", HOUR],
      ]),
    );
    await copyStore(from.store, to.store);
    expect(await uses(to.store)).toEqual({ a: HOUR });
    await from.store.keyUses!.note(
      new Map([
        ["a", 2 * HOUR],
        ["b", HOUR],
      ]),
    );
    expect(await copyStore(from.store, to.store)).toMatchObject({ before: true });
    const store = await reopened(to);
    expect(await uses(store)).toEqual({ a: 2 * HOUR, b: HOUR });
    await store.keyUses!.note(new Map([["b", 3 * HOUR]]));
    expect(await uses(store)).toEqual({ a: 2 * HOUR, b: 3 * HOUR });
  });

  const differences: [string, (part: ImportPart) => ImportPart][] = [
    ["an entry of the catalogue", changing("catalogue", (entry) => ({ ...entry, body: "[]" }))],
    ["a lost entry", (part) => ({ ...part, catalogue: (part.catalogue ?? []).slice(1) })],
    ["a value", changing("counters", (c) => ({ ...c, value: c.value - 1n }))],
    ["a label", changing("counters", (c) => ({ ...c, labels: { ...c.labels, more: "x" } }))],
    [
      "a settings revision",
      changing("counters", (c) => ({ ...c, settingsRevision: c.settingsRevision + 1 })),
    ],
    ["an opening", changing("openings", (o) => ({ ...o, value: o.value - 1n }))],
    ["an answer", changing("requestIds", (r) => ({ ...r, record: r.record.slice(1) }))],
    ["a lost commit", (part) => ({ ...part, commits: (part.commits ?? []).slice(1) })],
    [
      "a time in the log",
      (part) => ({
        ...part,
        commits: (part.commits ?? []).map((commit) => commit.map((c) => ({ ...c, time: c.time + 1 }))),
      }),
    ],
  ];

  it_(
    "a copy that is not the same does not end: it is told, and the next run begins anew",
    async (from, to) => {
      await fill(from);
      for (const [what, change] of differences) {
        const copy = copyStore(
          from.store,
          importing(to.store, (copying, part) => copying.import(change(part))),
        );
        await expect(copy, what).rejects.toThrow(/is not what the source has; it differs in /);
        expect((await to.store.copying!.importState()).copy).toMatchObject({ ended: false });
      }
      expect(await copyStore(from.store, to.store)).toMatchObject({ resumed: false });
      expect(await seen(to.store)).toEqual(await seen(from.store));
    },
  );
}

/** So small that changes are dropped. */
const SMALL = { changeLogBytesMax: 1_000 };

/** Windows that have ended, refills under way, and counters that have expired, none of it written down yet. */
const countersInTime: [name: string, test: (from: Opened, to: Opened) => Promise<void>] = [
  "counters in time are copied as they are stored, and go on as they would have",
  async (from, to) => {
    const minutes = { everyMs: 60_000, anchorMs: from.now() };
    const days = { unit: "day", timeZone: "Europe/Berlin", day: 1 } as const;
    const bucket = { min: 0n, max: 9n, refill: { amount: 1n, everyMs: 7_000 } };
    await commit(
      from.store,
      single(create("quota", { value: 4n, max: 5n, window: minutes })),
      single(create("daily", { value: 4n, window: days, idleTtlMs: 86_400_000n })),
      single(create("bucket", { ...bucket, value: 9n })),
      single(create("idle", { value: 4n, idleTtlMs: 60_000n, labels: { team: "a" } })),
    );
    await from.pass(10_000);
    await apply(from.store, increment("bucket"));
    const durable = from.store.traits.durability !== "none";
    if (durable) await from.pass(50_000);
    const source = await reopened(from, "copyFrom");
    expect(await copyStore(source, await reopened(to, "copyTo"))).toMatchObject({ counters: 4 });
    const was = await seen(source);
    expect(was.counters.map(({ value }) => value)).toEqual([9n, 4n, 4n, 4n]);
    const [store, original] = [await reopened(to), await reopened(from)];
    await to.pass(60_000);
    if (!durable) await from.pass(50_000);
    const names = ["quota", "daily", "bucket", "idle"];
    const now = await original.get(names);
    expect(now).toMatchObject([{ value: 0n, revision: 2 }, { value: 4n }, { value: 2n }, undefined]);
    expect(await store.get(names)).toEqual(now);
    expect(await seen(store)).toEqual({ ...(await seen(original)), commits: was.commits });
    while (await store.maintain());
    await commit(store, ...["quota", "idle", "bucket"].map((name) => single(increment(name))));
    await expectLogLeadsTo(store);
  },
];

/** Policies that were set, changed and taken away; counters that follow them, settled, not settled, and not wholly. */
const policiesAndFollowers: [name: string, test: (from: Opened, to: Opened) => Promise<void>] = [
  "policies go along, and so does how far they have come to the counters that follow them",
  async (from, to) => {
    const policies = new Policies(from.store.catalogue!);
    const window = { everyMs: 60_000, anchorMs: from.now() };
    await setPolicy(from.store, "", { max: 100n });
    await setPolicy(from.store, "q.", { max: 9n, window });
    await setPolicy(from.store, "gone.", { max: 7n }, "shadow");
    await setPolicy(from.store, "settled.", { max: 5n });
    for (const name of ["q.a", "q.b", "gone.a", "settled.a", "other"])
      await apply(from.store, increment(name, 4n));
    await apply(from.store, create("settled.own"));
    await setPolicy(from.store, "settled.", { max: 3n, initial: 1n });
    while (await from.store.maintain()); // "settled.a" is beyond its bound, and follows it in part.
    await from.pass(45_000);
    await setPolicy(from.store, "q.", { max: 8n, window: { ...window, everyMs: 120_000 } });
    await policies.remove("gone.");
    await apply(from.store, increment("q.b"));
    const source = await reopened(from, "copyFrom");
    expect(await copyStore(source, await reopened(to, "copyTo"))).toMatchObject({ counters: 6 });
    const durable = from.store.traits.durability !== "none";
    const was = await seen(source);
    expect(was.counters.map(({ name, max, policy }) => [name, max, policy?.prefix])).toEqual([
      ...[
        ["gone.a", 7n, "gone."],
        ["other", 100n, ""],
        ["q.a", 9n, "q."],
        ["q.b", 8n, "q."],
      ],
      ...[
        ["settled.a", 4n, "settled."],
        ["settled.own", undefined, undefined],
      ],
    ]);
    expect(await seen(to.store)).toEqual(was);
    const [store, original] = [await reopened(to), durable ? await reopened(from) : source];
    if (to.now() < from.now()) await to.pass(from.now() - to.now());
    for (const each of [original, store]) {
      expect(await each.policies!.progress("q.")).toEqual({ applied: 1, remaining: 1 });
      expect(await each.policies!.progress("settled.")).toEqual({ applied: 0, remaining: 1 });
      expect(await each.policies!.progress("")).toEqual({ applied: 1, remaining: 1 });
    }
    for (const pass of [from, to]) await pass.pass(30_000); // Past the end of the window that was replaced before.
    const answers = async (each: Store) => [
      await apply(each, increment("q.a", 5n)),
      await apply(each, increment("q.a", 4n)),
      await apply(each, increment("gone.new", 101n)),
      await apply(each, increment("settled.new", 3n)),
      await apply(each, decrement("settled.a")),
    ];
    const given = await answers(original);
    expect(given).toMatchObject([
      { code: "ABOVE_MAX", max: 8n },
      { previous: 4n },
      ...[{ max: 100n }, { max: 3n }, { value: 3n }],
    ]);
    expect(await answers(store)).toEqual(given);
    await setPolicy(store, "q.", { max: 20n });
    expect((await new Policies(store.catalogue!).read()).revision).toBe(was.catalogue.version + 1);
    while (await store.maintain());
    expect(await store.policies!.progress("")).toEqual({ applied: 2, remaining: 0 });
    expect(await store.policies!.progress("q.")).toEqual({ applied: 2, remaining: 0 });
    expect(await store.get(["q.a", "gone.a", "settled.a"])).toMatchObject([
      ...[
        { max: 20n, window: undefined },
        { max: 100n, policy: { prefix: "" } },
        { max: 3n, initial: 1n },
      ],
    ]);
    await expectLogLeadsTo(store);
  },
];

/** A test with two stores of its own. @param small  the sizes that the target keeps to */
function between(source: StoreKind, target: StoreKind, small?: typeof SMALL, handClock = false) {
  return (name: string, test: (from: Opened, to: Opened) => Promise<void>): void => {
    it(name, async () => {
      const from = await source.open({ retention: SMALL, handClock });
      const to = await target.open({ retention: small ?? {}, handClock });
      try {
        await test(from, to);
      } finally {
        await from.dispose();
        await to.dispose();
      }
    });
  };
}

/** Everything that there can be, and what was asked under request ids. */
async function fill({ store, clock }: Opened): Promise<{ asked: Asked[]; answers: Answer[] }> {
  const asked: Asked[] = [];
  const answers: Answer[] = [];
  const ask = async (...calls: Asked[]) => {
    asked.push(...calls);
    answers.push(...(await commit(store, ...calls)));
    clock.advance(1_000);
  };
  for (const [n, prefix] of ["a:", "b:", "c:", "a:"].entries())
    await setPolicy(store, prefix, { max: BigInt(n) });
  await new Policies(store.catalogue!).remove("b:");
  await apply(store, create("edge", { value: INT64_MIN }));
  await apply(store, create("unlike", { value: 5n, ...UNLIKE_DEFAULTS }));
  await apply(store, set("edge", INT64_MAX));
  await ask(
    single(create("full", { value: 5n, max: 5n, min: -5n, labels: { team: "a", b: "c" } }), { id: "c1" }),
  );
  await ask(
    single(create("up", { monotonic: true, clamp: true, description: "é\u{1f600}" }), {
      id: "c2",
      caller: "me",
    }),
  );
  for (let n = 0; n < 12; n++) {
    await ask(
      single(increment(`page:${n}`, BigInt(n + 1)), { id: `i${n}` }),
      batch([increment("page:3"), increment("full"), decrement("none"), decrement("page:3", 7n)], {
        id: `b${n}`,
      }),
    );
  }
  await apply(store, increment("kept", 3n));
  await apply(store, increment("hidden", 3n));
  for (let n = 0; n < 40; n++) await apply(store, set(`page:${n % 3}`, BigInt(n), { note: "n".repeat(60) }));
  while (await store.maintain()); // Leaves openings of what was dropped, also of those deleted now.
  await ask(
    single(remove("kept", { keepHistory: true }), { id: "d1" }),
    single(remove("hidden"), { id: "d2" }),
  );
  await ask(single(update("up", { labels: { x: "y" }, max: 9n }), { id: "u1" }));
  clock.advance(4 * HOUR); // The next ids are of another generation.
  await ask(single(increment("kept"), { id: "again" }), single(reset("page:4"), { id: "r1", caller: "me" }));
  await ask(single(increment("short", 2n), { id: "s1" }));
  await ask(single(remove("short", { keepHistory: true }), { id: "s2" }));
  await commit(store, single(remove("page:5")), single(increment("page:6")));
  return { asked, answers };
}

/** All that a caller or a follower can see; positions are each store's own, and so is the order of openings. */
async function seen(store: Store) {
  const all = { prefix: "", labels: {} };
  const { counters } = await store.list(all, "", 1_000);
  const changes = await allChanges(store);
  const commits: Omit<StoredChange, "position">[][] = [];
  let at: string | undefined;
  for (const { position, ...change } of changes) {
    if (change.kind === ChangeKind.OPENING) continue;
    if (position !== at) commits.push([]);
    at = position;
    commits.at(-1)!.push(change);
  }
  return {
    counters,
    catalogue: await store.catalogue!.read(0),
    labelled: (await store.list({ prefix: "", labels: { team: "a", b: "c" } }, "", 10)).counters,
    top: await store.top(all, 5, "lowest"),
    sum: await store.sum(all),
    openings: changes
      .filter(({ kind }) => kind === ChangeKind.OPENING)
      .map(({ position, ...change }) => change)
      .sort((a, b) => (a.uid < b.uid ? -1 : 1)),
    commits,
  };
}

/** Closed and opened again, if it keeps anything. */
export async function reopened(opened: Opened, purpose?: Purpose): Promise<Store> {
  return opened.store.traits.durability === "none" ? opened.store : opened.reopen(purpose);
}

/** Refused for what it is, and as it was after that. */
export async function expectNotServed(opened: Opened): Promise<void> {
  if (opened.store.traits.durability === "none") return;
  await expect(opened.reopen("copyFrom")).rejects.toThrow("has not ended");
  await expect(opened.reopen()).rejects.toThrow(
    "was begun and has not ended: run the same `tally copy` again",
  );
  await opened.reopen("copyTo");
}

/** The store, with another way to take in parts. */
export function importing(store: Store, take: (copying: Copying, part: ImportPart) => Promise<void>): Store {
  const other = new Proxy(store.copying!, {
    get: (target, key) =>
      key === "import"
        ? (part: ImportPart) => take(target, part)
        : (target as never as Record<PropertyKey, (() => unknown) | undefined>)[key]?.bind(target),
  });
  return new Proxy(store, {
    get: (target, key) => {
      if (key === "copying") return other;
      const value = (target as never as Record<PropertyKey, unknown>)[key];
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** The store, which takes so many parts more. */
export function failingAfter(store: Store, parts: number): Store {
  let left = parts;
  return importing(store, async (copying, part) => {
    if (left-- === 0) throw new Error("stopped here");
    await copying.import(part);
  });
}

/** Changes the first of some items on their way. */
function changing<Key extends "catalogue" | "counters" | "openings" | "requestIds">(
  key: Key,
  change: (item: NonNullable<ImportPart[Key]>[number]) => NonNullable<ImportPart[Key]>[number],
): (part: ImportPart) => ImportPart {
  return (part) => {
    const [first, ...rest] = part[key] ?? [];
    return first === undefined ? part : { ...part, [key]: [change(first), ...rest] };
  };
}

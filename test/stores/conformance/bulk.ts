import { fc } from "@fast-check/vitest";
import { expect, it } from "vitest";
import { ChangeKind } from "../../../src/core/change.ts";
import type { FullCounter } from "../../../src/core/counter.ts";
import type { Refusal } from "../../../src/core/errors.ts";
import { type Op, Verb } from "../../../src/core/op.ts";
import { Bulk, type BulkCaller, type BulkReached, type BulkWork } from "../../../src/service/bulk.ts";
import type { Store } from "../../../src/service/store.ts";
import { Writer } from "../../../src/service/writer.ts";
import { ZoneCalendar } from "../../../src/stores/shared/calendar.ts";
import { apply, commit, create, increment, remove, single, update } from "../../support/calls.ts";
import { casesOn } from "../../support/full.ts";
import type { Opened } from "../../support/opened.ts";
import type { StoreKind } from "../../support/stores.ts";
import { allChanges, expectSumsEqualValues } from "./changes.ts";
import { using } from "./using.ts";

/** The same done to many counters: to each that was looked at, once, whatever others do meanwhile. */
export function bulkSuite(kind: StoreKind): void {
  const it_ = using(kind, it);

  it_("deletes what is selected and nothing else, in slices, with who and why", async (opened) => {
    const { store } = opened;
    const of = (name: string, labels = {}) => single(create(name, { value: 4n, labels }));
    await commit(store, ...["a.1", "a.2", "a.3", "a", "b.1"].map((name) => of(name)));
    await commit(store, of("a.4", { team: "web" }), of("b.2", { team: "web" }), of("b.3", { team: "api" }));
    const told = await run(opened, { prefix: "a." }, { note: "why", keepHistory: true });
    expect(told.map(({ done, lastName, complete }) => [done, lastName, complete])).toEqual([
      [2, "a.2", false],
      [4, "a.4", true],
    ]);
    expect(await namesIn(store)).toEqual(["a", "b.1", "b.2", "b.3"]);
    const deletions = (await allChanges(store)).filter(({ kind }) => kind === ChangeKind.DELETE);
    expect(deletions.map(({ name, caller, note }) => [name, caller, note]).sort()).toEqual(
      ["a.1", "a.2", "a.3", "a.4"].map((name) => [name, "me", "why"]),
    );
    expect(await run(opened, { prefix: "", labels: { team: "web" } })).toMatchObject([{ done: 1 }]);
    expect(await namesIn(store)).toEqual(["a", "b.1", "b.3"]);
    expect(await run(opened, { prefix: "none." })).toMatchObject([
      { lookedAt: 0, lastName: "", complete: true },
    ]);
    await expectSumsEqualValues(store, ["a", "b.1", "b.3"]);
  });

  it_("resets to initial; what may not go down is skipped, and told by name", async (opened) => {
    const { store } = opened;
    await commit(
      store,
      single(create("a", { initial: 3n, value: 9n })),
      single(create("c", { initial: 7n, value: 7n })),
    );
    await commit(store, single(create("b", { monotonic: true, value: 5n })));
    const tried = await run(opened, { prefix: "" }, { verb: Verb.RESET, dryRun: true });
    expect(await valuesIn(store)).toEqual({ a: 9n, b: 5n, c: 7n });
    const told = await run(opened, { prefix: "" }, { verb: Verb.RESET });
    expect(tried).toEqual(told);
    expect(told.at(-1)).toMatchObject({
      lookedAt: 3,
      done: 2,
      skipped: new Map([["MONOTONIC", 1]]),
      complete: true,
    });
    expect(told.flatMap(({ examples }) => examples)).toMatchObject([
      { name: "b", refusal: { code: "MONOTONIC" } },
    ]);
    expect(await valuesIn(store)).toEqual({ a: 3n, b: 5n, c: 7n });
  });

  it_("goes on after a name, and meets none twice", async (opened) => {
    const { store } = opened;
    await commit(store, ...["a", "a!", "a1", "b", "c"].map((name) => single(increment(name))));
    const ended = await run(opened, { prefix: "" }, {}, (reached) => reached.lastName === "a!");
    expect(ended.at(-1)).toMatchObject({ done: 2, complete: false });
    expect(await namesIn(store)).toEqual(["a1", "b", "c"]);
    const rest = await run(opened, { prefix: "" }, { after: "a!", dryRun: true });
    expect(rest.at(-1)).toMatchObject({ lookedAt: 3, done: 3, lastName: "c", complete: true });
    const from = await run(opened, { prefix: "" }, { after: "b" });
    expect(from.at(-1)).toMatchObject({ done: 1, complete: true });
    expect(await namesIn(store)).toEqual(["a1", "b"]);
  });

  it_("two at once over the same counters delete each once", async (opened) => {
    const { store } = opened;
    const names = Array.from({ length: 40 }, (_, i) => `a.${i}`);
    await commit(store, ...names.map((name) => single(increment(name))));
    const bulk = bulkOf(opened);
    const both = await Promise.all([0, 1].map(() => run(opened, { prefix: "a." }, {}, undefined, bulk)));
    const done = both.reduce((sum, told) => sum + told.at(-1)!.done, 0);
    expect(done).toBe(names.length);
    for (const told of both) {
      const { lookedAt, done, skipped } = told.at(-1)!;
      expect([...skipped.keys()].filter((code) => code !== "COUNTER_NOT_FOUND")).toEqual([]);
      expect(lookedAt).toBe(done + (skipped.get("COUNTER_NOT_FOUND") ?? 0));
    }
    expect(await namesIn(store)).toEqual([]);
  });

  /**
   * Method: after each slice was read, and before it is done, others make, change, delete and make anew. A model keeps what
   * there must be: what was read is gone unless another one has its name by then, and all else is as they left it.
   */
  it_("what others make, change and delete meanwhile is as they left it", async (opened) => {
    let histories = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(meanwhile, { minLength: 1, maxLength: 12 }),
        fc.boolean(),
        async (steps, labelled) => {
          const prefix = `h${histories++}.`;
          await play(opened, prefix, steps, labelled);
        },
      ),
      { numRuns: casesOn(kind, 60), verbose: 1 }, // On failure fast-check prints the seed.
    );
  });
}

/** What others do between a slice that was read and its end. */
const meanwhile = fc.array(
  fc.record({
    todo: fc.constantFrom("increment", "delete", "anew", "label"),
    at: fc.nat({ max: 9 }),
  }),
  { maxLength: 4 },
);
type Step = { readonly todo: "increment" | "delete" | "anew" | "label"; readonly at: number };

const WEB = { team: "web" };

async function play(opened: Opened, prefix: string, steps: readonly (readonly Step[])[], labelled: boolean) {
  const { store } = opened;
  const nameOf = (at: number) => `${prefix}${at % 2 === 0 ? "in" : "out"}.${at}`;
  const names = Array.from({ length: 10 }, (_, at) => nameOf(at)).sort();
  for (const [i, name] of names.entries())
    if (i % 3 !== 0) await apply(store, create(name, { labels: i % 2 === 0 ? WEB : {} }));
  const model = await countersIn(store, prefix);
  let read: readonly FullCounter[] = [];
  const listed: string[] = [];
  const endSlice = () => {
    for (const { name, uid } of read) if (model.get(name)?.uid === uid) model.delete(name);
  };
  let slice = 0;
  const front: Pick<Store, "list" | "now"> = {
    now: () => store.now(),
    async list(...asked) {
      endSlice();
      const page = await store.list(...asked);
      read = page.counters;
      listed.push(...read.map(({ uid }) => uid));
      for (const { todo, at } of steps[slice++] ?? []) {
        const name = nameOf(at);
        for (const op of opsFor(todo, name)) await apply(store, op);
        const [found] = await store.get([name]);
        if (found === undefined) model.delete(name);
        else model.set(name, found as FullCounter);
      }
      return page;
    },
  };
  const bulk = new Bulk(front, new Writer(store, opened.clock), opened.clock, new ZoneCalendar(() => {}), 2);
  const labels = labelled ? WEB : {};
  const told = await run(opened, { prefix: `${prefix}in.`, labels }, {}, undefined, bulk);
  endSlice();
  const there = await countersIn(store, prefix);
  expect([...there.values()].map(brief)).toEqual([...model.values()].sort(byName).map(brief));
  const { lookedAt, done, skipped, complete } = told.at(-1)!;
  expect(complete).toBe(true);
  expect(lookedAt).toBe(listed.length);
  expect(new Set(listed).size).toBe(listed.length);
  expect(done + (skipped.get("COUNTER_NOT_FOUND") ?? 0)).toBe(lookedAt);
  expect([...there.values()].filter(({ uid }) => listed.includes(uid))).toEqual([]);
}

function opsFor(todo: Step["todo"], name: string): readonly Op[] {
  if (todo === "increment") return [increment(name)];
  if (todo === "label") return [update(name, { labels: WEB })];
  return todo === "delete" ? [remove(name)] : [remove(name), create(name, { value: 100n, labels: WEB })];
}

function byName(a: FullCounter, b: FullCounter): number {
  return a.name < b.name ? -1 : 1;
}

function brief({ name, uid, value, revision, settingsRevision }: FullCounter) {
  return { name, uid, value, revision, settingsRevision };
}

async function countersIn(store: Store, prefix: string): Promise<Map<string, FullCounter>> {
  const { counters } = await store.list({ prefix, labels: {} }, "", 1_000);
  return new Map(counters.map((counter) => [counter.name, counter]));
}

async function namesIn(store: Store): Promise<string[]> {
  return [...(await countersIn(store, "")).keys()];
}

async function valuesIn(store: Store): Promise<Record<string, bigint>> {
  return Object.fromEntries(
    [...(await countersIn(store, "")).values()].map(({ name, value }) => [name, value]),
  );
}

function bulkOf({ store, clock }: Opened): Bulk {
  return new Bulk(store, new Writer(store, clock), clock, new ZoneCalendar(() => {}), 2);
}

/** Do it; what was told. @param ends  whether the caller goes, after being told this */
async function run(
  opened: Opened,
  { prefix, labels = {} }: { prefix: string; labels?: Record<string, string> },
  work: Partial<BulkWork> = {},
  ends: (reached: BulkReached) => boolean = () => false,
  bulk: Bulk = bulkOf(opened),
): Promise<BulkReached[]> {
  const by: BulkCaller = {
    caller: "me",
    callerName: undefined,
    signal: new AbortController().signal,
    charge: free,
  };
  const whole: BulkWork = {
    ...{ selection: { prefix, labels }, after: "", verb: Verb.DELETE, note: undefined },
    ...{ keepHistory: false, dryRun: false, countersMax: Number.POSITIVE_INFINITY },
    ...work,
  };
  const told: BulkReached[] = [];
  for await (const reached of bulk.run(whole, by)) {
    told.push(reached);
    if (ends(reached)) break;
  }
  return told;
}

function free(): Refusal | undefined {
  return undefined;
}

import { fc } from "@fast-check/vitest";
import { expect, it } from "vitest";
import { DEFAULTS } from "../../../src/core/settings.ts";
import type { Store } from "../../../src/service/store.ts";
import {
  type Asked,
  apply,
  batch,
  commit,
  create,
  increment,
  set,
  single,
  take,
  takes,
} from "../../support/calls.ts";
import { casesOn } from "../../support/full.ts";
import type { StoreKind } from "../../support/stores.ts";
import { using } from "./using.ts";

/** Request ids from before callers had to say who they are: a retry across that is counted once. */
export function formerCallersSuite(kind: StoreKind): void {
  const it_ = using(kind, it);
  const ada = { caller: "4fK2", callerName: "ada", formerCaller: "" };
  const bea = { caller: "6gL3", callerName: "bea", formerCaller: "" };

  it_(
    "a retry of a call from before is answered as the first time, and nothing is kept anew",
    async (opened) => {
      const calls = (who: object) => [
        single(increment("a", 5n), { id: "r", ...who }),
        single(create("b", { value: 3n }), { id: "r", ...who }),
        batch([increment("a", 2n), increment("none", 1n, { mustExist: true })], { id: "r", ...who }),
        batch([increment("a"), set("c", 1n)], { id: "g", allOrNothing: true, ...who }),
        takes([{ ...take("d", 2n), settings: { ...DEFAULTS, max: 5n } }], { id: "t", ...who }),
      ];
      const first = await commit(opened.store, ...calls({}));
      const kept = await keysOf(opened.store);
      const values = await valuesOf(opened.store);
      for (const who of [ada, ada, bea, {}]) {
        const again = await commit(opened.store, ...calls(who));
        expect(again).toMatchObject(first.map(({ time, results }) => ({ time, results, replayed: true })));
      }
      expect(await valuesOf(opened.store)).toEqual(values);
      expect(await keysOf(opened.store)).toEqual(kept);
      if (opened.store.traits.durability !== "fsync") return;
      const store = await opened.reopen();
      const again = await commit(store, ...calls(ada));
      expect(again.map(({ replayed }) => replayed)).toEqual(Array(5).fill(true));
      expect(await valuesOf(store)).toEqual(values);
    },
  );

  it_("a call and its retries that meet in one commit count once", async ({ store }) => {
    const answers = await commit(
      store,
      single(increment("a"), { id: "r" }),
      single(increment("a"), { id: "r", ...ada }),
      single(increment("a"), { id: "r" }),
      batch([increment("b"), increment("b")], { id: "r" }),
      batch([increment("b"), increment("b")], { id: "r", ...ada }),
    );
    expect(answers.map(({ replayed }) => replayed)).toEqual([false, true, true, false, true]);
    expect(answers[4]!.results).toEqual(answers[3]!.results);
    expect(await valuesOf(store)).toEqual(["a 1", "b 2"]);
    expect(await keysOf(store)).toEqual(["r  ", "r a "]);
  });

  it_("of another call under the same id it is not told: that was somebody else's", async ({ store }) => {
    await commit(
      store,
      single(increment("a", 5n), { id: "r" }),
      batch([increment("b"), increment("c")], { id: "r" }),
    );
    const own = [
      single(increment("a", 6n), { id: "r", ...ada }),
      batch([increment("b"), increment("c", 2n)], { id: "r", ...ada }),
      batch([increment("b"), increment("c")], { id: "r", allOrNothing: true, ...bea }),
      takes([{ ...take("d"), settings: { ...DEFAULTS, max: 5n } }], {
        id: "r",
        caller: "7h",
        formerCaller: "",
      }),
    ];
    for (const replayed of [false, true]) {
      const answers = await commit(store, ...own);
      expect(answers.map((answer) => [answer.refused, answer.replayed])).toEqual(
        Array(4).fill([undefined, replayed]),
      );
      expect(await valuesOf(store)).toEqual(["a 11", "b 3", "c 4", "d 1"]);
    }
    // Its own id it may not use for something else.
    const reused = await apply(store, increment("a", 5n), { id: "r", ...ada });
    expect(reused).toEqual({ code: "REQUEST_ID_REUSED", field: "amount" });
    expect(await apply(store, increment("a", 6n), { id: "r" })).toMatchObject({ code: "REQUEST_ID_REUSED" });
    // And it belongs to its counter.
    expect(await apply(store, increment("e", 5n), { id: "r", ...ada })).toMatchObject({ value: 5n });
  });

  it_("who has no former caller, and no id, is not looked for anywhere else", async ({ store }) => {
    await apply(store, increment("a"), { id: "r" });
    const { formerCaller: _, ...settled } = ada;
    expect(await apply(store, increment("a"), { id: "r", ...settled })).toMatchObject({ value: 2n });
    expect(await apply(store, increment("a"), ada)).toMatchObject({ value: 3n });
    const anonymous = await commit(store, single(increment("a"), { id: "r", formerCaller: "" }));
    expect(anonymous[0]).toMatchObject({ replayed: true, results: [{ value: 1n }] });
  });

  /**
   * Goal: each call is counted once, whoever sends it how often, across the change.
   * Method: random calls with ids of which few are told apart by the caller alone; some are first sent by nobody in particular.
   * Then each is sent again, in any order and in commits of any size, under its caller, and those from before also without;
   * in between the store is opened anew. Held against a model: a map from who and id to what was answered.
   */
  it_("each call counts once, however often and by whom it is retried", async (opened) => {
    const durable = opened.store.traits.durability === "fsync";
    let run = 0;
    await fc.assert(
      fc.asyncProperty(histories, async ({ calls, before, after, reopens }) => {
        const prefix = `h${run++}.`;
        const from = calls.filter(
          (call, i) => call.before && calls.findIndex((other) => other.before && other.id === call.id) === i,
        );
        const counted = new Map<object, object>();
        const send = async (sends: readonly { call: Call; named: boolean }[]) => {
          const asked = sends.map(({ call, named }) => askedOf(call, prefix, named ? call.owner : undefined));
          for (const [i, answer] of (await commit(opened.store, ...asked)).entries()) {
            const { call } = sends[i]!;
            const known = counted.get(call);
            expect(answer).toMatchObject({ refused: undefined, replayed: known !== undefined });
            if (known === undefined) counted.set(call, answer.results);
            else expect(answer.results).toEqual(known);
          }
        };
        const early = before.map((n) => from[n % from.length]).filter((call) => call !== undefined);
        for (const some of inParts(early, 3)) await send(some.map((call) => ({ call, named: false })));
        if (reopens && durable) await opened.reopen();
        const later = after.map(({ n, named }) => {
          const call = calls[n % calls.length]!;
          return { call, named: named || !counted.has(call) };
        });
        for (const some of inParts(later, 4)) await send(some);
        const expected = new Map<string, bigint>();
        for (const call of counted.keys() as Iterable<Call>) {
          for (const { name, amount } of call.ops) expected.set(name, (expected.get(name) ?? 0n) + amount);
        }
        const names = [...expected.keys()];
        const found = await opened.store.get(names.map((name) => prefix + name));
        expect(found.map((counter) => (counter as { value: bigint }).value)).toEqual([...expected.values()]);
      }),
      { numRuns: casesOn(kind, 60), verbose: 1 }, // On failure fast-check prints the seed and the smallest history.
    );
  });
}

interface Call {
  readonly id: string;
  readonly owner: string;
  readonly before: boolean;
  readonly whole: boolean;
  readonly ops: readonly { readonly name: string; readonly amount: bigint }[];
}

const call: fc.Arbitrary<Omit<Call, "before">> = fc.record({
  id: fc.constantFrom("r1", "r2", "r3", "r4"),
  owner: fc.constantFrom("ada", "bea"),
  whole: fc.boolean(),
  ops: fc.array(fc.record({ name: fc.constantFrom("x", "y"), amount: fc.bigInt(1n, 2n ** 40n) }), {
    minLength: 1,
    maxLength: 3,
  }),
});

const histories = fc.record({
  calls: fc.uniqueArray(
    fc.record({ call, before: fc.boolean() }).map(({ call, before }): Call => ({ ...call, before })),
    { minLength: 1, maxLength: 8, selector: ({ id, owner }) => `${id} ${owner}` },
  ),
  before: fc.array(fc.nat(7), { maxLength: 12 }),
  after: fc.array(fc.record({ n: fc.nat(7), named: fc.boolean() }), { minLength: 1, maxLength: 24 }),
  reopens: fc.nat(9).map((n) => n === 0),
});

function askedOf({ id, whole, ops }: Call, prefix: string, owner: string | undefined): Asked {
  const mine = ops.map(({ name, amount }) => increment(prefix + name, amount));
  const who = { id: prefix + id, ...(owner !== undefined && { caller: owner, formerCaller: "" }) };
  return whole || mine.length > 1 ? batch(mine, who) : single(mine[0]!, who);
}

function inParts<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));
}

/** The keys under which answers are kept, in order. */
async function keysOf({ copying }: Store): Promise<string[]> {
  const { requestIds } = await copying!.exportRequestIds("", 1_000);
  return requestIds.map(({ key }) => key).sort();
}

async function valuesOf(store: Store): Promise<string[]> {
  const { counters } = await store.list({ prefix: "", labels: {} }, "", 100);
  return counters.map(({ name, value }) => `${name} ${value}`);
}

/** What the operator's own constraints and triggers do to a batch, on any store that keeps rows. */
import { fc } from "@fast-check/vitest";
import { expect, it } from "vitest";
import type { Store } from "../../src/service/store.ts";
import {
  type Answer,
  type Asked,
  apply,
  batch,
  commit,
  create,
  decrement,
  giveBack,
  increment,
  remove,
  set,
  single,
  take,
  takes,
  update,
} from "../support/calls.ts";
import { FULL } from "../support/full.ts";
import { openFresh } from "../support/opened.ts";
import { allChanges, expectSumsEqualValues } from "./conformance/changes.ts";

export interface Guarded {
  /** Of the store; on PostgreSQL the short form tries less, for each operation is three statements of its own. */
  readonly kind: "sqlite" | "postgres";
  /** A new store whose database has something of the operator's own, in the words of that database. */
  open(...sql: string[]): Promise<Store>;
  /** By what the values are kept below 100. */
  readonly below100: readonly { readonly sql: readonly string[]; readonly constraint: string }[];
}

/** Ten and more each, on few counters. */
const operations = fc.array(
  fc.record({
    name: fc.constantFrom("a", "b", "c"),
    verb: fc.constantFrom("up", "up", "down", "set"),
    amount: fc.bigInt({ min: 1n, max: 60n }),
  }),
  { minLength: 1, maxLength: 6 },
);
const requests = fc.array(
  fc.record({ operations, kind: fc.constantFrom("single", "batch", "group"), id: fc.nat(12) }),
  { minLength: 1, maxLength: 14 },
);

export function objectionsSuite({ kind, open, below100 }: Guarded): void {
  it.each(below100)(
    "$constraint: only what it is against is refused, by its name",
    async ({ sql, constraint }) => {
      const store = await open(...sql);
      await commit(store, single(set("a", 50n)), single(set("b", 50n)));
      const refusal = { code: "CONSTRAINT_VIOLATED", constraint };
      const answers = await commit(
        store,
        single(increment("a", 60n), { id: "r" }),
        single(increment("a", 49n)),
        single(increment("a")),
        batch([increment("b", 40n), increment("b", 60n), increment("b", 9n), increment("b", 1n)], {
          id: "B",
        }),
        batch([increment("c"), increment("b"), increment("d")], { allOrNothing: true }),
        single(create("made", { value: 100n, labels: { l: "1" } })),
        single(create("made", { value: 99n, labels: { l: "1" } })),
        single(increment("e", 7n), { id: "e" }),
        single(increment("a", 60n), { id: "r" }),
      );
      expect(answers.map(({ refused }) => refused)).toEqual([
        ...[refusal, undefined, refusal, undefined, { ...refusal, index: 1 }],
        ...[refusal, undefined, undefined, refusal],
      ]);
      expect(answers[3]!.results).toMatchObject([{ value: 90n }, refusal, { value: 99n }, refusal]);
      const [a, b, c, d, made, e] = await store.get(["a", "b", "c", "d", "made", "e"]);
      expect([a, b, made, e]).toMatchObject([
        { value: 99n, revision: 2 },
        { value: 99n, revision: 3 },
        { value: 99n, revision: 1, labels: { l: "1" } },
        { value: 7n, revision: 1 },
      ]);
      expect([c, d]).toEqual([undefined, undefined]);
      const again = await commit(
        store,
        single(increment("e", 7n), { id: "e" }),
        single(decrement("b"), { id: "r2" }),
        single(increment("a", -0n + 1n)),
        single(update("made", { labels: { l: "2" } })),
        single(remove("e")),
      );
      expect(again.map(({ replayed, refused }) => [replayed, refused?.code])).toEqual([
        ...[
          [true, undefined],
          [false, undefined],
          [false, "CONSTRAINT_VIOLATED"],
        ],
        ...[
          [false, undefined],
          [false, undefined],
        ],
      ]);
      await expectSumsEqualValues(store, ["a", "b", "made"]);
    },
  );

  it.each(below100)(
    "$constraint: retries of who has come to say who they are are written once, and their own calls too",
    async ({ sql, constraint }) => {
      const store = await open(...sql);
      const ada = { caller: "ada", formerCaller: "" };
      const calls = (who: object) => [
        single(increment("b"), { id: "b", ...who }),
        batch([increment("c", 2n), increment("d", 3n)], { id: "c", ...who }),
      ];
      await commit(store, single(increment("e", 7n), { id: "e" }), single(increment("a", 99n)));
      const answers = await commit(
        store,
        single(increment("a"), { id: "a" }),
        ...calls({}),
        ...calls(ada),
        single(increment("e", 7n), { id: "e", ...ada }),
        single(increment("b", 5n), { id: "b", caller: "bea", formerCaller: "" }),
        single(increment("e", 6n), { id: "e", caller: "bea", formerCaller: "" }),
        single(increment("a"), { id: "a", ...ada }),
      );
      const refusal = { code: "CONSTRAINT_VIOLATED", constraint };
      expect(answers.map(({ refused, replayed }) => refused ?? replayed)).toEqual([
        ...[refusal, false, false, true, true, true],
        ...[false, false, refusal],
      ]);
      expect(await store.get(["a", "b", "c", "d", "e"])).toMatchObject([
        { value: 99n, revision: 1 },
        { value: 6n, revision: 2 },
        { value: 2n, revision: 1 },
        { value: 3n, revision: 1 },
        { value: 13n, revision: 2 },
      ]);
      await expectSumsEqualValues(store, ["a", "b", "c", "d", "e"]);
    },
  );

  it.each(below100)(
    "$constraint: what follows the end of its counter in the same batch is judged by itself too",
    async ({ sql, constraint }) => {
      const store = await open(...sql);
      await apply(store, create("a", { value: 50n, labels: { l: "1" } }));
      const refusal = { code: "CONSTRAINT_VIOLATED", constraint };
      const answers = await commit(
        store,
        single(increment("a", 60n)),
        single(remove("a", { keepHistory: true })),
        single(increment("a", 500n)),
        single(create("a", { value: 9n, labels: { l: "2" } })),
        batch([remove("a"), increment("a", 8n), increment("a", 100n)], { allOrNothing: true }),
        batch([remove("a", { keepHistory: true }), increment("a", 8n), increment("a", 100n)]),
        batch([remove("a", { keepHistory: true }), increment("a", 7n), remove("none")], {
          allOrNothing: true,
        }),
        batch([remove("a", { keepHistory: true }), increment("a", 6n), increment("b")], {
          allOrNothing: true,
        }),
        single(increment("a")),
      );
      expect(answers.map(({ refused, results }) => refused ?? results.at(-1))).toMatchObject([
        ...[refusal, { value: 50n, revision: 1 }, refusal, { value: 9n }, { ...refusal, index: 2 }, refusal],
        ...[{ code: "COUNTER_NOT_FOUND", index: 2 }, { value: 1n }, { value: 7n, revision: 2 }],
      ]);
      expect(await store.get(["a", "b"])).toMatchObject([
        { value: 7n, revision: 2, labels: {} },
        { value: 1n },
      ]);
      const { deleted } = await expectSumsEqualValues(store, ["a", "b"]);
      expect([...deleted.values()]).toEqual([true, true, true]);
      const made = () => batch([increment("c"), increment("c", 500n)], { allOrNothing: true });
      const again = await commit(store, made(), made(), made(), single(increment("c", 2n)));
      expect(again.map(({ refused, results }) => refused ?? results[0])).toMatchObject([
        ...[made, made, made].map(() => ({ ...refusal, index: 1 })),
        { value: 2n, revision: 1 },
      ]);
      await apply(store, remove("a"));
      expect(await apply(store, increment("a"))).toMatchObject({ value: 1n, revision: 1 });
      await expectSumsEqualValues(store, ["a", "b"]);
    },
  );

  it.each(below100)(
    "$constraint: takes that are written one by one stand or fall together, each with its verdict",
    async ({ sql, constraint }) => {
      const store = await open(...sql);
      const limits = { a: 150n, b: 2n, c: 9n };
      for (const [name, max] of Object.entries(limits)) await apply(store, create(name, { max }));
      const answers = await commit(
        store,
        single(set("z", 500n)), // Against it: so the others are written one by one.
        takes([take("c", 4n), take("b"), take("c", 2n)], { id: "stands" }),
        takes([take("c"), take("b", 2n), take("c", 2n)]), // Refused by the rule, behind what was written.
        takes([take("c", 2n), take("a", 120n), take("b")]), // By the database.
        takes([take("b", 0n), take("none", 1n, { mustExist: false }), take("c")]), // Those two leave nothing to write.
        takes([take("b", 0n), take("b"), take("b", 0n)]), // The last asks for what there is not.
        takes([take("c", 2n)], {}, "dry run"),
        takes([take("c"), take("none")]),
        takes([take("c", 4n), take("b"), take("c", 2n)], { id: "stands" }),
        single(giveBack("c", 3n)),
      );
      const refusal = { code: "CONSTRAINT_VIOLATED", constraint };
      expect(answers.map(({ refused, replayed }) => refused ?? replayed)).toEqual([
        ...[refusal, false, false, { ...refusal, index: 1 }, false, false, false],
        ...[{ code: "LIMIT_NOT_FOUND", index: 1 }, true, false],
      ]);
      const allowed = answers.map(({ verdicts }) => verdicts?.map((verdict) => verdict.allowed));
      expect(allowed).toEqual([
        ...[undefined, [true, true, true], [true, false, true], undefined, [true, true, true]],
        ...[[true, true, false], [true], undefined, undefined, [true]],
      ]);
      expect(await store.get(["a", "b", "c", "z", "none"])).toMatchObject([
        { value: 0n, revision: 1 },
        { value: 1n, revision: 2 },
        { value: 4n, revision: 5 },
        ...[undefined, undefined],
      ]);
      await expectSumsEqualValues(store, ["a", "b", "c"]);
    },
  );

  /**
   * Goal: whatever is asked together, a constraint refuses what a bound of the counter would refuse, and nothing else.
   * Method: random batches by a store whose database keeps values below 100, and by the memory store, whose counters
   * have the maximum 99. The first of each batch is against it: only then is each value put to the database, and not
   * just the last of the commit.
   */
  it.each(below100)(
    "$constraint: random batches end as with a maximum of the counters' own",
    async ({ sql, constraint }) => {
      const store = await open(...sql);
      const model = await openFresh(async () => "memory:");
      const numRuns = kind === "sqlite" || FULL ? 60 : 20;
      let run = 0;
      let refused = 0;
      try {
        await fc.assert(
          fc.asyncProperty(requests, async (asked) => {
            const prefix = `r${run++}.`;
            await commit(
              model.store,
              ...["a", "b", "c", "z"].map((n) => single(create(prefix + n, { max: 99n }))),
            );
            await commit(store, ...["a", "b", "c", "z"].map((n) => single(create(prefix + n))));
            const calls = [single(set(`${prefix}z`, 500n)), ...asked.map((each) => toAsked(each, prefix))];
            const [got, expected] = [await commit(store, ...calls), await commit(model.store, ...calls)];
            const told = expected.map((answer) => toldBy(constraint, answer));
            expect(got.map((answer) => toldBy(undefined, answer))).toEqual(told);
            refused += JSON.stringify(told, (_, v) => (typeof v === "bigint" ? `${v}` : v)).split(
              "CONSTRAINT",
            ).length;
            const [here, there] = [await valuesOf(store, prefix), await valuesOf(model.store, prefix)];
            expect(here).toEqual(there);
          }),
          { numRuns },
        );
        await expectSumsEqualValues(store);
        const changed = async (from: Store) =>
          (await allChanges(from)).map(({ name, kind, revision, value, added, removed }) => {
            return { name, kind, revision, value, added, removed };
          });
        expect(await changed(store)).toEqual(await changed(model.store));
        expect(refused).toBeGreaterThan((numRuns * 5) / 3);
      } finally {
        await model.dispose();
      }
    },
  );

  // Were all judged anew for each that is refused, 2,000 would be millions of statements: no less than too many.
  const many = kind === "sqlite" || FULL ? 8_000 : 2_000;
  it(`a batch of ${many} that is against it from the first to the last is judged to the last`, async () => {
    const [{ sql, constraint }] = below100 as [Guarded["below100"][number]];
    const store = await open(...sql);
    await apply(store, set("a", 99n));
    const [{ results }] = (await commit(
      store,
      batch(Array.from({ length: many }, (_, i) => increment(`${i % 2 ? "a" : "b"}`))),
    )) as [Answer];
    const refusals = results.filter((result) => "code" in result);
    expect(refusals).toHaveLength(many / 2 + (many / 2 - 99));
    expect(refusals[0]).toEqual({ code: "CONSTRAINT_VIOLATED", constraint });
  });
}

function toAsked(
  { operations: ops, kind, id }: { operations: Sketch[]; kind: string; id: number },
  prefix: string,
): Asked {
  const made = ops.map(({ name, verb, amount }) => {
    const of = { up: increment, down: decrement, set }[verb as "up"];
    return of(prefix + name, amount);
  });
  const options = id > 6 ? { id: `${prefix}${id}` } : {};
  if (kind === "single") return single(made[0]!, options);
  return batch(made, { ...options, allOrNothing: kind === "group" });
}

type Sketch = { name: string; verb: string; amount: bigint };

/** An answer without what is each store's own, and with the constraint's name in the place of the bound. */
function toldBy(constraint: string | undefined, { refused, replayed, results }: Answer): object {
  const told = (refusal: { code: string; index?: number }) => {
    const bound = ["ABOVE_MAX", "VALUE_OUTSIDE_BOUNDS"].includes(refusal.code);
    if (!bound) return refusal;
    const { index } = refusal;
    return { code: "CONSTRAINT_VIOLATED", constraint, ...(index !== undefined && { index }) };
  };
  const each = results.map((result) => ("code" in result ? told(result) : result));
  return { refused: refused && told(refused), replayed, results: each };
}

async function valuesOf(store: Store, prefix: string) {
  const { counters } = await store.list({ prefix, labels: {} }, "", 10);
  return counters.map(({ name, value, revision }) => ({ name, value, revision }));
}

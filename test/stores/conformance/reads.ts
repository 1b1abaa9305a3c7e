import { fc } from "@fast-check/vitest";
import { expect, it } from "vitest";
import type { FullCounter } from "../../../src/core/counter.ts";
import { INT64_MAX, INT64_MIN } from "../../../src/core/int64.ts";
import type { Op } from "../../../src/core/op.ts";
import type { Order, Selection } from "../../../src/core/selection.ts";
import type { Store } from "../../../src/service/store.ts";
import {
  apply,
  batch,
  commit,
  create,
  decrement,
  increment,
  remove,
  set,
  single,
  update,
} from "../../support/calls.ts";
import { casesOn } from "../../support/full.ts";
import type { StoreKind } from "../../support/stores.ts";
import { using } from "./using.ts";

export const ALL: Selection = { prefix: "", labels: {} };
const under = (prefix: string, labels: Selection["labels"] = {}): Selection => ({ prefix, labels });

/** Lists, rankings and sums. */
export function readsSuite(kind: StoreKind): void {
  const it_ = using(kind, it);

  it_(
    "a get of many names is as of one moment, in the order asked, a name as often as asked",
    async ({ store }) => {
      await transfersMeanwhile(store, async () => {
        const [a, none, b, again] = (await store.get(["a", "none", "b", "a"])) as FullCounter[];
        expect(none).toBeUndefined();
        expect(a).toEqual(again);
        expect(a!.value + b!.value).toBe(TOTAL);
      });
    },
  );

  it_(
    "a list is in the order of the bytes of names, whole, and gives all there is of a counter",
    async ({ store }) => {
      const names = ["~", "b", "a/", "a.", "a", "A", "a~", "a/b", "Z9", "!", "%41", "a-b", "aa"];
      await commit(store, batch(names.map((name) => set(name, 1n))));
      const full = { initial: -3n, min: -5n, max: 9n, clamp: true, monotonic: true, labels: { k: "v" } };
      await apply(store, create("m", { ...full, value: 7n, description: "text" }));
      const { counters, corruptNames, next } = await store.list(ALL, "", 1_000);
      expect(counters.map(({ name }) => name)).toEqual([...names, "m"].sort(byBytes));
      expect({ corruptNames, next }).toEqual({ corruptNames: [], next: undefined });
      expect(counters).toEqual(await store.get(counters.map(({ name }) => name)));
      expect(counters.find(({ name }) => name === "m")).toMatchObject({
        ...full,
        value: 7n,
        description: "text",
      });
    },
  );

  it_("a prefix is plain bytes: up to where it ends, whatever follows", async ({ store }) => {
    const names = ["shop", "shop.a", "shop.~~", "shop/", "shopping", "sho", "shoq", "~", "~~", "~a"];
    await commit(store, batch(names.map((name) => set(name, 1n))));
    for (const prefix of ["", "shop", "shop.", "shop.a", "~", "~~", "~~~", "s", "zz", "shop.a.b"]) {
      const expected = names.filter((name) => name.startsWith(prefix)).sort(byBytes);
      expect(await walk(store, under(prefix), 3)).toEqual(expected);
      expect(await store.sum(under(prefix))).toMatchObject({ count: expected.length });
      const { counters } = await store.top(under(prefix), 1_000, "highest");
      expect(counters.map(({ name }) => name)).toEqual(expected);
    }
  });

  it_("an empty store has nothing to give", async ({ store }) => {
    expect(await store.list(ALL, "", 1)).toEqual({ counters: [], corruptNames: [], next: undefined });
    expect(await store.top(ALL, 10, "lowest")).toEqual({ counters: [], corruptNames: [] });
    expect(await store.sum(ALL)).toEqual({
      ...{ count: 0, sum: 0n, lowest: undefined, highest: undefined, corruptNames: [] },
    });
  });

  it_("labels are all to be there, with these very values", async ({ store }) => {
    await commit(
      store,
      ...[
        create("a1", { value: 1n, labels: { team: "core", env: "prod" } }),
        create("a2", { value: 2n, labels: { team: "core", env: "test" } }),
        create("b1", { value: 4n, labels: { team: "core" } }),
        create("b2", { value: 8n, labels: { team: "Core", env: "prod" } }),
        create("b3", { value: 16n, labels: { env: "prod", x: "", odd: "\u0000'\"%ü" } }),
        create("b4", { value: 32n }),
      ].map((op) => single(op)),
    );
    const cases: [Selection["labels"], string, string[], bigint][] = [
      [{ team: "core" }, "", ["a1", "a2", "b1"], 7n],
      [{ team: "core" }, "b", ["b1"], 4n],
      [{ team: "core", env: "prod" }, "", ["a1"], 1n],
      [{ env: "prod", team: "Core" }, "b", ["b2"], 8n],
      [{ x: "" }, "", ["b3"], 16n],
      [{ odd: "\u0000'\"%ü", env: "prod", x: "" }, "b3", ["b3"], 16n],
      [{ odd: "\u0000" }, "", [], 0n],
      [{ nobody: "has" }, "", [], 0n],
      [{}, "b", ["b1", "b2", "b3", "b4"], 60n],
    ];
    for (const [labels, prefix, names, sum] of cases) {
      expect(await walk(store, under(prefix, labels), 1)).toEqual(names);
      expect(await store.sum(under(prefix, labels))).toMatchObject({ count: names.length, sum });
      const { counters } = await store.top(under(prefix, labels), 10, "lowest");
      expect(counters.map(({ name }) => name)).toEqual(names);
    }
  });

  it_("a sum is exact beyond int64, with its lowest and highest", async ({ store }) => {
    const values = [INT64_MAX, INT64_MAX, INT64_MIN, INT64_MAX, -1n, 2n ** 53n + 1n, 0n, 2n ** 32n - 1n];
    await commit(store, batch(values.map((value, i) => set(`v${i}`, value))));
    const sum = values.reduce((a, b) => a + b);
    expect(sum).toBeGreaterThan(INT64_MAX);
    expect(await store.sum(ALL)).toEqual({
      ...{ count: 8, sum, lowest: INT64_MIN, highest: INT64_MAX, corruptNames: [] },
    });
    await commit(store, batch([1, 2, 3].map((i) => set(`w${i}`, INT64_MIN))));
    expect(await store.sum(under("w"))).toMatchObject({ sum: 3n * INT64_MIN, highest: INT64_MIN });
  });

  it_("a ranking is by value, and among equals by name, at either end", async ({ store }) => {
    const values = { e: 5n, d: 5n, c: 5n, low: INT64_MIN, high: INT64_MAX, b: 5n, a: -5n };
    await commit(store, batch(Object.entries(values).map(([name, value]) => set(name, value))));
    const top = async (n: number, order: Order) =>
      (await store.top(ALL, n, order)).counters.map(({ name }) => name);
    expect(await top(3, "highest")).toEqual(["high", "b", "c"]);
    expect(await top(4, "lowest")).toEqual(["low", "a", "b", "c"]);
    expect(await top(1_000, "highest")).toEqual(["high", "b", "c", "d", "e", "a", "low"]);
    const [first] = (await store.top(ALL, 1, "highest")).counters;
    expect([first]).toEqual(await store.get(["high"]));
  });

  it_("every read sees what was answered before it began", async ({ store }) => {
    for (let value = 1n; value <= 20n; value++) {
      await apply(store, increment("seen"));
      await apply(store, create(`made${value}`, { labels: { all: "1" } }));
      const [[got], page, top, sum, labelled] = await Promise.all([
        store.get(["seen"]),
        store.list(ALL, "seen", 1),
        store.top(ALL, 1, "highest"),
        store.sum(ALL),
        store.sum(under("", { all: "1" })),
      ]);
      expect([got, page.counters[0], top.counters[0]]).toMatchObject(Array(3).fill({ value }));
      expect(sum).toMatchObject({ sum: value, count: Number(value) + 1 });
      expect(labelled.count).toBe(Number(value));
    }
  });

  it_("each answer is as of one moment: transfers between counters move no sum", async ({ store }) => {
    await commit(store, batch(Array.from({ length: 3_000 }, (_, i) => set(`m${i}`, 0n))));
    await transfersMeanwhile(store, async () => {
      expect((await store.sum(ALL)).sum).toBe(TOTAL);
      const { counters } = await store.top(ALL, 2, "highest");
      expect(counters[0]!.value + (counters[1]?.value ?? 0n)).toBe(TOTAL);
      const page = await store.list(ALL, "", 1_000);
      expect(page.counters.reduce((sum, { value }) => sum + value, 0n)).toBe(TOTAL);
    });
  });

  it_("30,000 counters: each on one page, in the sum, and ranked", async ({ store }) => {
    const names = Array.from(
      { length: 30_000 },
      (_, i) => `${i % 10 === 0 ? "z" : i % 3 === 0 ? "x" : "y"}${(i * 7919) % 30_000}`,
    );
    const value = (name: string) => BigInt(Number(name.slice(1)) % 1_000);
    for (let i = 0; i < names.length; i += 6_000) {
      const ops = names
        .slice(i, i + 6_000)
        .map((name) => create(name, { value: value(name), labels: { [name[0]!]: name.slice(-1) } }));
      await commit(store, ...ops.map((op) => single(op)));
    }
    const check = async (selection: Selection, expected: string[]) => {
      expect(await walk(store, selection, 997)).toEqual(expected.sort(byBytes));
      const sum = expected.reduce((sum, name) => sum + value(name), 0n);
      expect(await store.sum(selection)).toMatchObject({ count: expected.length, sum });
      for (const order of ["highest", "lowest"] as const) {
        const { counters } = await store.top(selection, 700, order);
        const sign = order === "highest" ? 1n : -1n;
        const ranked = expected.sort((a, b) => Number(sign * (value(b) - value(a))) || byBytes(a, b));
        expect(counters.map(({ name }) => name)).toEqual(ranked.slice(0, 700));
      }
    };
    await check(ALL, [...names]);
    await check(
      under("z"),
      names.filter((name) => name.startsWith("z")),
    );
    await check(
      under("x"),
      names.filter((name) => name.startsWith("x")),
    );
    await check(
      under("y12"),
      names.filter((name) => name.startsWith("y12")),
    );
    await check(
      under("", { y: "4" }),
      names.filter((name) => name.startsWith("y") && name.endsWith("4")),
    );
    await check(
      under("y1", { y: "4" }),
      names.filter((name) => name.startsWith("y1") && name.endsWith("4")),
    );
  });

  it_(
    "lists, rankings and sums agree with a model, while others count, create and delete",
    async ({ store }) => {
      await agreesWithModel(kind, store);
    },
  );
}

const TOTAL = 1_000n;

/** Look while two counters, a and b, of TOTAL together, hand amounts to each other all or nothing. */
async function transfersMeanwhile(store: Store, look: () => Promise<void>): Promise<void> {
  await commit(store, batch([set("a", TOTAL), set("b", 0n)]));
  let looking = true;
  let transfers = 0n;
  const transferring = (async () => {
    while (looking) {
      const amount = (transfers++ * 7919n) % TOTAL;
      const ops = [decrement("a", amount + 1n), increment("b", amount + 1n)];
      await commit(
        store,
        batch(ops, { allOrNothing: true }),
        batch([set("a", TOTAL), set("b", 0n)], { allOrNothing: true }),
        batch(ops, { allOrNothing: true }),
      );
    }
  })();
  try {
    for (let looks = 0; looks < 40; looks++) await look();
  } finally {
    looking = false;
    await transferring;
  }
  expect(transfers).toBeGreaterThan(0n);
}

/**
 * Goal: whatever the names, labels, prefixes and page sizes, reads give what a plain filter over the counters gives;
 * and while others count, create and delete, a walk gives every counter that nobody touches exactly once.
 * Method: one store for all runs, each with a prefix of its own; the model is an array.
 */
async function agreesWithModel(kind: StoreKind, store: Store): Promise<void> {
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(life, { selector: ({ name }) => name, minLength: 1, maxLength: 40 }),
      fc.array(fc.tuple(text(0, 3), labels, fc.integer({ min: 1, max: 7 })), { minLength: 1, maxLength: 5 }),
      fc.array(fc.tuple(text(1, 4), labels), { maxLength: 10 }),
      async (lives, selections, others) => {
        const run = `r${runs++}.`;
        const mine = await lived(
          store,
          lives.map((one) => ({ ...one, name: run + one.name })),
        );
        for (const [prefix, labels, size] of selections) {
          await readsAgree(store, under(run + prefix, labels), size, mine);
        }
        const names = new Set(mine.map(({ name }) => name));
        const [prefix, labels, size] = selections[0]!;
        const disturbing = disturb(
          store,
          others.map(([name, labels]) => [run + name, labels] as const).filter(([name]) => !names.has(name)),
        );
        const walked = await walk(store, under(run + prefix, labels), size);
        await disturbing;
        expect(new Set(walked).size).toBe(walked.length);
        expect(walked.filter((name) => names.has(name))).toEqual(
          selected(under(run + prefix, labels), mine).map(({ name }) => name),
        );
      },
    ),
    { numRuns: casesOn(kind, 60), verbose: 1 }, // On failure fast-check prints the seed and the smallest case.
  );
}

interface Life {
  readonly name: string;
  readonly value: bigint;
  readonly labels: Selection["labels"];
  /** Labels that it is given later. */
  readonly relabelled: Selection["labels"] | undefined;
  readonly end: "stays" | "deleted" | "made anew";
}

/** Have counters live; returns what is there in the end. */
async function lived(store: Store, lives: readonly Life[]): Promise<Life[]> {
  const ops = (of: (life: Life) => Op[]) => lives.flatMap(of).map((op) => single(op));
  const made = ({ name, value, labels }: Life) => create(name, { value, labels });
  await commit(store, ...ops((life) => [made(life)]));
  await commit(store, ...ops(({ name, relabelled: labels }) => (labels ? [update(name, { labels })] : [])));
  await commit(store, ...ops(({ name, end }) => (end === "stays" ? [] : [remove(name)])));
  await commit(store, ...ops((life) => (life.end === "made anew" ? [made(life)] : [])));
  return lives
    .filter(({ end }) => end !== "deleted")
    .map((life) => (life.end === "stays" ? { ...life, labels: life.relabelled ?? life.labels } : life));
}

async function readsAgree(store: Store, selection: Selection, size: number, all: readonly Life[]) {
  const mine = selected(selection, all);
  expect(await walk(store, selection, size)).toEqual(mine.map(({ name }) => name));
  const sum = mine.reduce((sum, { value }) => sum + value, 0n);
  expect(await store.sum(selection)).toMatchObject({ count: mine.length, sum });
  for (const order of ["highest", "lowest"] as const) {
    const { counters } = await store.top(selection, size, order);
    const sign = order === "highest" ? 1n : -1n;
    const ranked = mine.toSorted((a, b) => Number(sign * (b.value - a.value)) || byBytes(a.name, b.name));
    expect(counters.map(({ name, value }) => [name, value])).toEqual(
      ranked.slice(0, size).map(({ name, value }) => [name, value]),
    );
  }
}

function selected({ prefix, labels }: Selection, all: readonly Life[]): Life[] {
  return all
    .filter(({ name }) => name.startsWith(prefix))
    .filter((one) => Object.entries(labels).every(([key, value]) => one.labels[key] === value))
    .sort((a, b) => byBytes(a.name, b.name));
}

/** Make counters, count on them, and delete every second. */
async function disturb(store: Store, others: readonly (readonly [string, Selection["labels"]])[]) {
  for (const [i, [name, labels]] of others.entries()) {
    await apply(store, create(name, { labels }));
    await apply(store, increment(name));
    if (i % 2 === 0) await apply(store, remove(name));
  }
}

const text = (minLength: number, maxLength: number) =>
  fc.string({ unit: fc.constantFrom("a", "b", "~", "!"), minLength, maxLength });
const labels = fc.dictionary(fc.constantFrom("k", "l"), fc.constantFrom("", "1", "2"), { maxKeys: 2 });
const life: fc.Arbitrary<Life> = fc.record({
  name: text(1, 4),
  value: fc.oneof(fc.bigInt(-3n, 3n), fc.constantFrom(INT64_MAX, INT64_MIN)),
  labels,
  relabelled: fc.option(labels, { nil: undefined, freq: 2 }),
  end: fc.constantFrom("stays", "stays", "stays", "deleted", "made anew"),
});

/** The names on all pages. */
async function walk(store: Store, selection: Selection, size: number): Promise<string[]> {
  const names: string[] = [];
  let from: string | undefined = "";
  while (from !== undefined) {
    const { counters, corruptNames, next } = await store.list(selection, from, size);
    expect(corruptNames).toEqual([]);
    expect(counters.length).toBeLessThanOrEqual(size);
    names.push(...counters.map(({ name }) => name));
    from = next;
  }
  return names;
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

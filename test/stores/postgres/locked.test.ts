/** What a stranger has locked holds up nobody but those who ask for it, and they are told in time. */
import { expect, it, onTestFinished } from "vitest";
import type { Store } from "../../../src/service/store.ts";
import { apply, batch, commit, create, increment, remove, single } from "../../support/calls.ts";
import { describeWith } from "../../support/needs.ts";
import { POSTGRES } from "../../support/postgres/programs.ts";
import { allChanges } from "../conformance/changes.ts";
import { type OwnSchema, ownSchema } from "./schema.ts";

const LOCKED = { code: "STORE_UNAVAILABLE", retryAfterMs: 1_000 };

describeWith([POSTGRES], "a stranger who has locked a counter", () => {
  it.each([
    ["SELECT FROM @counters WHERE name = 'x' FOR UPDATE"],
    ["SELECT FROM @counters WHERE name = 'x' FOR KEY SHARE"],
    ["UPDATE @counters SET value = 7 WHERE name = 'x'"],
    ["DELETE FROM @counters WHERE name = 'x'"],
  ])("%s: who asks for it is refused, not applied; others are answered", async (statement) => {
    const warnings: string[] = [];
    const { schema, store } = await opened(["x", "y"], warnings);
    const stranger = await holding(schema, statement);
    const asked = [
      single(increment("x"), { id: "r" }),
      single(increment("y"), { id: "r" }),
      batch([increment("y"), increment("x"), increment("new")], { id: "b" }),
      batch([increment("y"), increment("new")], { id: "c" }),
    ];
    const [x, y, both, rest] = await commit(store, ...asked);
    expect([x!.refused, both!.refused]).toEqual([LOCKED, LOCKED]);
    expect([y, rest]).toMatchObject([
      { refused: undefined, results: [{ value: 1n, revision: 2 }] },
      { refused: undefined, results: [{ value: 2n }, { value: 1n }] },
    ]);
    expect(warnings).toEqual([expect.stringContaining("keeps counters locked")]);

    // Who it is is known by now: nobody waits for him again.
    const tries = await untilWithin(200, async (n) => {
      expect(await commit(store, single(increment("x")), single(increment("y")))).toMatchObject([
        { refused: LOCKED },
        { results: [{ value: 3n + n }] },
      ]);
    });

    await stranger.query("ROLLBACK");
    const again = await commit(store, ...asked);
    expect(again.map(({ replayed }) => replayed)).toEqual([false, true, false, true]);
    expect(again[0]!.results).toMatchObject([{ value: 1n, revision: 2 }]);
    const counted = 3n + tries;
    expect(again[2]!.results).toMatchObject([{ value: counted }, { value: 2n }, { value: 2n }]);
    expect(await store.get(["x", "y", "new"])).toMatchObject([
      { value: 2n },
      { value: counted },
      { value: 2n },
    ]);
    await expectSums(store);
  });

  it("many counters, in several batches at once: each of the others is counted once", async () => {
    const names = Array.from({ length: 40 }, (_, i) => `n${String(i).padStart(2, "0")}`);
    const { schema, store } = await opened(names);
    await holding(schema, "SELECT FROM @counters WHERE name < 'n10' FOR UPDATE");
    const lanes = [0, 1, 2, 3].map((lane) => names.filter((_, i) => i % 4 === lane));
    const answers = await Promise.all(
      lanes.map((lane) => commit(store, ...lane.map((name) => single(increment(name), { id: "r" })))),
    );
    for (const [l, lane] of lanes.entries()) {
      for (const [i, name] of lane.entries()) {
        const { refused, results } = answers[l]![i]!;
        if (name < "n10") expect(refused).toEqual(LOCKED);
        else expect(results).toMatchObject([{ value: 1n, revision: 2 }]);
      }
    }
    const values = (await store.get(names)).map((counter) => (counter as { value: bigint }).value);
    expect(values).toEqual(names.map((name) => (name < "n10" ? 0n : 1n)));
  });

  it("who commits in the meantime: what he left is counted upon", async () => {
    const { schema, store } = await opened(["x"]);
    const stranger = await holding(schema, "UPDATE @counters SET value = 40 WHERE name = 'x'");
    const asked = apply(store, increment("x"));
    await stranger.query("COMMIT");
    expect(await asked).toMatchObject({ previous: 40n, value: 41n });
  });

  it("a counter of that name is being made by him: apart from the others, too", async () => {
    const { schema, store } = await opened(["y"]);
    const stranger = await holding(
      schema,
      `INSERT INTO @counters SELECT -5, 'x', gen_random_uuid(), value, initial, min_value, max_value, clamp, monotonic,
        revision, settings_revision, create_ms, update_ms FROM @counters`,
    );
    const many = Array.from({ length: 30 }, (_, i) => single(increment(`new${i}`)));
    const answers = await commit(store, ...many, single(increment("x"), { id: "r" }), single(increment("y")));
    expect(answers.map(({ refused }) => refused)).toEqual([...many.map(() => undefined), LOCKED, undefined]);
    await untilWithin(400, async (n) => {
      expect(await commit(store, single(increment("x"), { id: "r" }), single(increment("y")))).toMatchObject([
        { refused: LOCKED },
        { results: [{ value: 2n + n }] },
      ]);
    });
    await stranger.query("ROLLBACK");
    expect(await commit(store, single(increment("x"), { id: "r" }))).toMatchObject([
      { replayed: false, results: [{ value: 1n, revision: 1 }] },
    ]);
  });

  it("a retry under another caller does not come before what it is a retry of", async () => {
    const { schema, store } = await opened(["y"]);
    const stranger = await holding(
      schema,
      `INSERT INTO @counters SELECT -5, 'x', gen_random_uuid(), value, initial, min_value, max_value, clamp, monotonic,
        revision, settings_revision, create_ms, update_ms FROM @counters`,
    );
    const first = single(increment("y"), { id: "r" });
    const retry = single(increment("y"), { id: "r", caller: "ada", formerCaller: "" });
    // Halved, the second half can be committed at once, and of the first its last call.
    const answers = await commit(store, single(increment("x")), first, retry, single(increment("z")));
    expect(answers).toMatchObject([
      { refused: LOCKED },
      { refused: undefined, results: [{ value: 1n }] },
      { refused: LOCKED },
      { refused: undefined, results: [{ value: 1n }] },
    ]);
    await stranger.query("ROLLBACK");
    expect(await commit(store, retry)).toMatchObject([{ replayed: true, results: [{ value: 1n }] }]);
    expect(await store.get(["y"])).toMatchObject([{ value: 1n }]);
  });

  it("a request id is being saved by him: the others go on, and it counts once", async () => {
    const { schema, store } = await opened(["y"]);
    const mine = batch([increment("y", 5n)], { id: "r" });
    await commit(store, batch([increment("y")], { id: "other" }));
    const [{ key }] = (await schema.sql("SELECT key FROM @request_ids")) as [{ key: string }];
    const taken = key.replace("other", "r");
    const stranger = await holding(schema, `INSERT INTO @request_ids VALUES ('${taken}', 0, '')`);
    const answers = await commit(store, mine, batch([increment("z")], { id: "s" }));
    expect(answers).toMatchObject([{ refused: LOCKED }, { results: [{ value: 1n }] }]);
    await stranger.query("ROLLBACK");
    expect(await commit(store, mine)).toMatchObject([{ replayed: false, results: [{ value: 6n }] }]);
  });

  it.each([["LOCK TABLE @counters"], ["LOCK TABLE @request_ids IN SHARE MODE"]])(
    "%s: everybody is refused, not applied, within seconds; and answered once it is let go",
    async (statement) => {
      const { schema, store } = await opened(["x"]);
      const stranger = await holding(schema, statement);
      const since = performance.now();
      const asked = () => commit(store, single(increment("x"), { id: "r" }));
      const answer = await asked().catch((error) => ({ refused: error }));
      const refused = Array.isArray(answer) ? answer[0]!.refused : answer.refused;
      expect(refused).toMatchObject({ code: "STORE_UNAVAILABLE" });
      expect(performance.now() - since).toBeLessThan(5_000);
      await stranger.query("ROLLBACK");
      expect(await asked()).toMatchObject([{ replayed: false, results: [{ value: 1n }] }]);
    },
  );

  it("another Tally that counts on the same counter is no stranger: none of its calls is refused", async () => {
    const { schema, store } = await opened(["hot", "x"]);
    const other = await schema.open();
    await holding(schema, "SELECT FROM @counters WHERE name = 'x' FOR UPDATE");
    let counted = 0;
    const lane = async (on: Store) => {
      for (let i = 0; i < 60; i++) {
        const [hot, x] = await commit(on, single(increment("hot")), single(increment("x")));
        expect(hot!.refused).toBeUndefined();
        expect(x!.refused).toEqual(LOCKED);
        counted++;
      }
    };
    await Promise.all([lane(store), lane(other)]);
    expect(await store.get(["hot", "x"])).toMatchObject([{ value: BigInt(counted) }, { value: 0n }]);
  });

  it("deletion and creation of what is locked are refused like the rest", async () => {
    const { schema, store } = await opened(["x", "y"]);
    await holding(schema, "SELECT FROM @counters WHERE name = 'x' FOR UPDATE");
    expect(
      await commit(store, single(remove("x")), single(create("z", { labels: { a: "b" } }))),
    ).toMatchObject([{ refused: LOCKED }, { refused: undefined }]);
    expect(await commit(store, single(create("x")), single(remove("y")))).toMatchObject([
      { refused: LOCKED },
      { refused: undefined },
    ]);
    expect(await store.get(["x", "y"])).toMatchObject([{ value: 0n }, undefined]);
  });
});

async function opened(names: readonly string[], warnings: string[] = []) {
  const schema = await ownSchema();
  const store = await schema.open({ warn: (message) => warnings.push(message) });
  await commit(store, ...names.map((name) => single(create(name))));
  return { schema, store };
}

/** A session of a stranger that has done something, and sits in its transaction; until the end of the test at most. */
async function holding(schema: OwnSchema, statement: string) {
  const stranger = await schema.connect();
  await stranger.query("BEGIN");
  await stranger.query(statement.replaceAll("@", `${schema.name}.`));
  onTestFinished(() => void stranger.query("ROLLBACK").catch(() => {}));
  return stranger;
}

async function expectSums(store: Store): Promise<void> {
  const sums = new Map<string, bigint>();
  for (const { name, added, removed } of await allChanges(store))
    sums.set(name, (sums.get(name) ?? 0n) + added - removed);
  const counters = await store.get([...sums.keys()]);
  expect(counters).toMatchObject([...sums.values()].map((value) => ({ value })));
}

/**
 * Do something until it once takes less than so long: a machine that is busy takes longer by chance, who waits for a
 * stranger does each time.
 *
 * @returns  how often it was done
 */
async function untilWithin(ms: number, work: (n: bigint) => Promise<void>): Promise<bigint> {
  const took: number[] = [];
  for (let n = 0n; took.length < 10; n++) {
    const since = performance.now();
    await work(n);
    took.push(performance.now() - since);
    if (took.at(-1)! < ms) return n + 1n;
  }
  throw new Error(`it always took longer than ${ms} ms: ${took.map(Math.round).join(", ")}`);
}

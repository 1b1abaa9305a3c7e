/** Several stores on one schema at once, as several processes have: one set of counters, each change counted once. */
import { fc } from "@fast-check/vitest";
import { expect, it } from "vitest";
import { nameReader } from "../../../src/core/columns.ts";
import { Verb } from "../../../src/core/op.ts";
import { toBatch } from "../../../src/service/call.ts";
import type { Store } from "../../../src/service/store.ts";
import { apply, batch, commit, create, increment, remove, set, single } from "../../support/calls.ts";
import { describeWith } from "../../support/needs.ts";
import { POSTGRES } from "../../support/postgres/programs.ts";
import { Etags, prefixed, type Sketch, sketches } from "../../support/random-requests.ts";
import { allChanges, expectSumsEqualValues } from "../conformance/changes.ts";
import { ownDatabase, ownSchema, waitingForLock } from "./schema.ts";

describeWith([POSTGRES], "several stores on one schema of PostgreSQL", () => {
  /**
   * Goal: whatever several processes do at once, every accepted operation has its revision, none is there twice, and
   * nobody is told of a conflict. Method: random requests on few names and ids by three stores, three commits of each
   * in flight; creations, deletions and settings among them.
   */
  it("random operations: revisions without gap or double, and no deadlock", async () => {
    const database = await ownDatabase();
    const schema = await ownSchema(database.url);
    const stores = await Promise.all([schema.open(), schema.open(), schema.open()]);
    const name = fc.constantFrom("a", "b", "c", "d", "e");
    const lane = fc.array(fc.array(sketches(name), { minLength: 1, maxLength: 8 }), {
      minLength: 8,
      maxLength: 12,
    });
    const counted = new Counted();
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(lane, { minLength: 9, maxLength: 9 }), async (lanes) => {
        const prefix = `run${runs++}.`;
        await Promise.all(lanes.map((each, i) => counted.run(stores[i % 3]!, each, prefix)));
        await expectSumsEqualValues(stores[runs % 3]!);
        await counted.expectRevisionsOf(stores[(runs + 1) % 3]!);
      }),
      { numRuns: 6, endOnFailure: true }, // On failure fast-check prints the seed; what ran at once does not shrink.
    );
    expect(counted.revisions.size).toBeGreaterThan(300);
    await Promise.all(stores.map((store) => store.close()));
    expect(await database.deadlocks()).toBe(0);
  });

  it("one request id at all of them at once: applied once, answered alike", async () => {
    const schema = await ownSchema();
    const stores = await Promise.all([schema.open(), schema.open(), schema.open()]);
    for (let round = 0; round < 30; round++) {
      const asked =
        round % 2 === 0
          ? single(increment(`n${round % 4}`, 5n), { id: `r${round}` })
          : batch([increment(`n${round % 4}`), increment(`new${round}`)], { id: `r${round}` });
      const answers = await Promise.all(stores.map(async (store) => (await commit(store, asked))[0]!));
      expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
      for (const { replayed, ...answer } of answers) {
        const { replayed: _, ...first } = answers[0]!;
        expect(answer).toEqual(first);
      }
    }
    expect(await stores[1]!.get(["n0", "n1", "n2", "n3", "new1"])).toMatchObject([
      ...[{ value: 40n }, { value: 8n }, { value: 35n }, { value: 7n }, { value: 1n }],
    ]);
  });

  it("creations of one name at all of them at once: one makes it, the others are refused", async () => {
    const schema = await ownSchema();
    const stores = await Promise.all([schema.open(), schema.open(), schema.open()]);
    for (let round = 0; round < 20; round++) {
      // Each asks for the same names in another order, so that they meet in the middle.
      const names = Array.from({ length: 12 }, (_, i) => `r${round}.${i}`);
      const orders = [names, names.toReversed(), [...names.slice(6), ...names.slice(0, 6)]];
      const answers = await Promise.all(
        stores.map((store, s) =>
          commit(store, ...orders[s]!.map((name) => single(create(name, { value: BigInt(s) })))),
        ),
      );
      const made = answers.map((each) => each.filter(({ refused }) => refused === undefined).length);
      expect(made.reduce((sum, count) => sum + count)).toBe(12);
      const refused = answers.flat().flatMap((answer) => answer.refused?.code ?? []);
      expect(refused).toEqual(Array(24).fill("COUNTER_EXISTS"));
    }
  });

  it("deleted and made again by all of them: each is another counter, and none counts for its forerunner", async () => {
    const schema = await ownSchema();
    const stores = await Promise.all([schema.open(), schema.open(), schema.open()]);
    const lanes = stores.map(async (store) => {
      let counted = 0;
      for (let round = 0; round < 40; round++) {
        const result = await apply(store, round % 4 === 3 ? remove("a") : increment("a"));
        if (!("code" in result) && round % 4 !== 3) counted++;
        else if ("code" in result) expect(result.code).toBe("COUNTER_NOT_FOUND");
      }
      return counted;
    });
    const counted = (await Promise.all(lanes)).reduce((sum, each) => sum + each);
    await apply(stores[0]!, remove("a"));
    const changes = await allChanges(stores[1]!);
    const adds = changes.reduce((sum, { added }) => sum + added, 0n);
    expect(adds).toBeLessThanOrEqual(BigInt(counted)); // Of deleted counters only the deletion is told.
    const ends = changes.filter(({ kind }) => kind === 6).map(({ value, revision }) => [value, revision]);
    expect(ends.reduce((sum, [value]) => sum + (value as bigint), 0n)).toBe(BigInt(counted));
    for (const [value, revision] of ends) expect(value).toBe(BigInt(revision as number));
  });

  it("a counter that another deletes and makes anew in one commit is found, and never missed", async () => {
    const schema = await ownSchema((await ownDatabase()).url);
    const [store, other] = [await schema.open(), await schema.connect()];
    for (const asked of [
      single(increment("a", 2n, { mustExist: true })),
      single(set("a", 3n, { mustExist: true }), { id: "r" }),
    ]) {
      await apply(store, set("a", 7n));
      await other.query("BEGIN");
      await other.query(`DELETE FROM ${schema.name}.counters WHERE name = 'a'`);
      await other.query(
        `INSERT INTO ${schema.name}.counters (id, name, uid, value, initial, clamp, monotonic, revision, settings_revision,
           create_ms, update_ms)
         SELECT nextval('${schema.name}.counter_ids') + 500, 'a', gen_random_uuid(), 40, 0, false, false, 1, 1, 0, 0`,
      );
      const answered = commit(store, asked, single(increment("certainly-not", 1n, { mustExist: true })));
      await waitingForLock(schema);
      await other.query("COMMIT");
      expect((await answered).map(({ refused, results }) => refused?.code ?? results[0])).toMatchObject([
        { previous: 40n, revision: 2 },
        "COUNTER_NOT_FOUND",
      ]);
    }
  });

  it("ids of batches that come in opposite orders: one of each is applied, and no deadlock", async () => {
    const database = await ownDatabase();
    const schema = await ownSchema(database.url);
    const stores = await Promise.all([schema.open(), schema.open()]);
    const other = await schema.connect(); // Has the id in the middle, so that both are under way before either ends.
    await other.query("BEGIN");
    await other.query(`INSERT INTO ${schema.name}.request_ids VALUES ('m  ', 0, '')`);
    const orders = [
      ["a", "m", "z"],
      ["z", "m", "a"],
    ];
    const committing = orders.map((ids, s) =>
      commit(stores[s]!, ...ids.map((id) => batch([increment(`${s}.${id}`)], { id }))),
    );
    while ((await schema.sql(WAITING))[0]!.count !== "2");
    await other.query("ROLLBACK");
    const codes = (await Promise.all(committing)).map((answers) =>
      answers.map(({ refused }) => refused?.code ?? "applied"),
    );
    expect(codes.sort()).toEqual([Array(3).fill("REQUEST_ID_REUSED"), Array(3).fill("applied")]);
    await Promise.all([...stores.map((store) => store.close()), other.end()]);
    await schema.end();
    expect(await database.deadlocks()).toBe(0);
  });

  it("closing settles what was asked before: applied, or refused as certainly not", async () => {
    const schema = await ownSchema();
    const store = await schema.open();
    const asked = Array.from({ length: 20 }, (_, i) => apply(store, increment(`n${i}`)));
    const closed = store.close();
    const settled = await Promise.allSettled(asked);
    await closed;
    const names = settled.map((_, i) => `n${i}`);
    const found = await (await schema.open()).get(names);
    for (const [i, result] of settled.entries()) {
      if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "STORE_UNAVAILABLE" });
      expect(found[i] === undefined).toBe(result.status === "rejected");
    }
  });
});

const WAITING = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;

/** What was answered, to be held against the change log. */
class Counted {
  /** "uid/revision" of single operations that moved a value. */
  readonly revisions = new Set<string>();
  /** By name: accepted operations that moved a value. */
  readonly #accepted = new Map<string, number>();

  async run(store: Store, lane: readonly (readonly Sketch[])[], prefix: string): Promise<void> {
    const etags = new Etags({ store });
    for (const requests of lane) {
      const asked = await etags.into(requests.map((each) => prefixed(each, prefix)));
      const { ops, calls } = toBatch(asked);
      const outcomes = await store.commit({ ops, calls });
      const nameAt = nameReader(ops);
      let first = 0;
      for (let c = 0; c < calls.count; first = calls.ends[c++]!) {
        if (outcomes.replayed[c] === 1) continue;
        for (let i = first; i < calls.ends[c]!; i++) {
          const moves = ops.verbs[i] !== Verb.UPDATE && ops.verbs[i] !== Verb.DELETE;
          if (!moves || outcomes.revisions[i] === 0) continue;
          this.#accepted.set(nameAt(i), (this.#accepted.get(nameAt(i)) ?? 0) + 1);
          if (outcomes.uids[c] === "") continue;
          const revision = `${outcomes.uids[c]}/${outcomes.revisions[i]}`;
          expect(this.revisions.has(revision), `${revision} was given twice`).toBe(false);
          this.revisions.add(revision);
        }
      }
    }
  }

  /** Every accepted operation has a revision: the last ones of all counters that had a name sum up to their count. */
  async expectRevisionsOf(store: Store): Promise<void> {
    const last = new Map<string, { name: string; revision: number }>();
    for (const { uid, name, revision } of await allChanges(store)) last.set(uid, { name, revision });
    const revisions = new Map<string, number>();
    for (const { name, revision } of last.values()) {
      revisions.set(name, (revisions.get(name) ?? 0) + revision);
    }
    expect(revisions).toEqual(this.#accepted);
  }
}

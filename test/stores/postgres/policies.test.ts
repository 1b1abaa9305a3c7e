/** Several stores on one PostgreSQL, and policies: what one of them sets, all count by. */
import { expect, it, onTestFinished } from "vitest";
import { CORRUPT, type FullCounter } from "../../../src/core/counter.ts";
import { counterDamaged } from "../../../src/core/errors.ts";
import { POLICIES_MAX } from "../../../src/core/policies.ts";
import { policyKeyOf } from "../../../src/core/policy-body.ts";
import { DEFAULTS, type Settings } from "../../../src/core/settings.ts";
import { Policies } from "../../../src/service/policies.ts";
import type { Store } from "../../../src/service/store.ts";
import { CATALOGUE_MARK } from "../../../src/stores/postgres/catalogue.ts";
import { Database } from "../../../src/stores/postgres/connection/database.ts";
import { parseUrl } from "../../../src/stores/postgres/connection/url.ts";
import { PoliciesInDatabase } from "../../../src/stores/postgres/policies.ts";
import { catalogueChecksum } from "../../../src/stores/shared/catalogue-rows.ts";
import { apply, batch, commit, create, increment, single } from "../../support/calls.ts";
import { HandClock } from "../../support/clock.ts";
import { describeWith } from "../../support/needs.ts";
import { POSTGRES } from "../../support/postgres/programs.ts";
import { PostgresServer } from "../../support/postgres/server.ts";
import { allChanges } from "../conformance/changes.ts";
import { ALL, expectLogLeadsTo, tidy } from "../conformance/time-log.ts";
import { type OwnSchema, ownDatabase, ownSchema, START, underClock } from "./schema.ts";

const MINUTE = 60_000;

/** A policy by a process of its own: the latest it knows is what it read itself. */
function setBy(store: Store, prefix: string, settings: Partial<Settings>) {
  return new Policies(store.catalogue!).set(prefix, { ...DEFAULTS, ...settings }, "enforce");
}

/** Stores whose processes' clocks are 500 ms apart, by which nothing is to be told. */
function openMany(schema: OwnSchema, count: number): Promise<Store[]> {
  const clocks = Array.from({ length: count }, (_, i) => new HandClock(Date.now() + ((i % 3) - 1) * 500));
  return Promise.all(clocks.map((clock) => schema.open({ clock })));
}

describeWith([POSTGRES], "policies, on several stores of one PostgreSQL", () => {
  it.each([2, 10])(
    "set at one of %d, it holds for every call that begins afterwards, at all",
    async (count) => {
      const stores = await openMany(await ownSchema(), count);
      const policies = stores.map((store) => new Policies(store.catalogue!));
      await commit(stores[0]!, ...stores.map((_, i) => single(increment(`own${i}`))));
      for (let round = 1; round <= 40; round++) {
        const max = BigInt(10 * round);
        const by = policies[round % count]!;
        await by.set("q", { ...DEFAULTS, max }, "enforce");
        const answers = await Promise.all(
          stores.flatMap((store, i) => [
            apply(store, increment(`q.${i}`, max + 1n)),
            apply(store, increment("q", max + 1n)),
            apply(store, increment(`q.new${round}.${i}`, max + 1n)),
          ]),
        );
        for (const answer of answers)
          expect(answer, `round ${round}`).toMatchObject({ code: "ABOVE_MAX", max });
        const taken = await Promise.all(stores.map((store, i) => apply(store, increment(`q.${i}`, 10n))));
        for (const answer of taken) expect(answer, `round ${round}`).toMatchObject({ value: max });
      }
      expect((await stores[0]!.sum({ prefix: "own", labels: {} })).sum).toBe(BigInt(count));
      await expectLogLeadsTo(stores[1]!);
    },
  );

  it("set while all count: no counter ever goes from a policy to one before it", async () => {
    const stores = await openMany(await ownSchema(), 3);
    const names = Array.from({ length: 20 }, (_, i) => `n${i}`);
    await setBy(stores[0]!, "n", { max: 10n ** 6n });
    let done = false;
    const lanes = [...stores, ...stores].map(async (store, lane) => {
      const seen = new Map<string, number>();
      for (let n = 0; !done; n++) {
        const some = names.slice(n % 15, (n % 15) + 5);
        await commit(store, batch(some.map((name) => increment(name))));
        if (lane < 3) await store.maintain();
        for (const { name, policy } of (await store.get(some)) as FullCounter[]) {
          expect(policy!.revision).toBeGreaterThanOrEqual(seen.get(name) ?? 1);
          seen.set(name, policy!.revision);
        }
      }
    });
    let last = 0;
    for (let n = 1; n <= 60; n++) {
      const set = await setBy(stores[n % 3]!, n % 4 === 0 ? "n1" : "n", { max: 10n ** 6n + BigInt(n) });
      last = (set as { revision: number }).revision;
    }
    done = true;
    await Promise.all(lanes);
    expect(last).toBe(61);
    await Promise.all(names.map((name) => apply(stores[2]!, increment(name, 0n))));
    const { counters } = await stores[1]!.list(ALL, "", 100);
    expect(counters.map(({ name, max }) => [name, max])).toEqual(
      [...names].sort().map((name) => [name, 10n ** 6n + (name.startsWith("n1") ? 60n : 59n)]),
    );
    await expectLogLeadsTo(stores[1]!);
  });

  it("as many are set at once as there is room for, and not one more; the same at two is set once", async () => {
    const schema = await ownSchema();
    const [a, b] = (await openMany(schema, 2)) as [Store, Store];
    await fillWithPolicies(schema, POLICIES_MAX - 3);
    const policies = [new Policies(a.catalogue!), new Policies(b.catalogue!)];
    const asked = Array.from({ length: 12 }, (_, i) => policies[i % 2]!.set(`x${i}`, DEFAULTS, "enforce"));
    const codes = (await Promise.all(asked)).map((answer) => ("code" in answer ? answer.code : "set"));
    expect(codes.filter((code) => code === "set")).toHaveLength(3);
    expect(codes.filter((code) => code === "TOO_MANY_POLICIES")).toHaveLength(9);
    expect((await policies[0]!.read()).size).toBe(POLICIES_MAX);
    const same = await Promise.all(
      policies.map((each) => each.set("p7", { ...DEFAULTS, max: 7n }, "enforce")),
    );
    expect(same[0]).toEqual(same[1]);
    const removed = await Promise.all(policies.map((each) => each.remove("p8")));
    expect(removed.filter((answer) => answer === undefined)).toHaveLength(1);
    expect(removed.filter((answer) => answer?.code === "POLICY_NOT_FOUND")).toHaveLength(1);
    expect(await apply(b, increment("p7.a", 8n))).toMatchObject({ code: "ABOVE_MAX", max: 7n });
  });

  it("time goes by each policy from when it was set by the database's clock, whoever settles", async () => {
    const schema = await underClock();
    const apart = [new HandClock(START - 500), new HandClock(START + 500)];
    const [a, b] = (await Promise.all(apart.map((clock) => schema.open({ clock })))) as [Store, Store];
    const bucket = (everyMs: number) => ({ min: 0n, max: 1_000n, refill: { amount: 1n, everyMs } });
    await setBy(a, "b", bucket(1_000));
    await commit(b, single(increment("b.met", 900n)), single(increment("b.swept", 900n)));
    await schema.pass(10_000);
    await setBy(b, "b", bucket(100));
    await schema.pass(10_000);
    expect(await apply(a, increment("b.met"))).toMatchObject({ previous: 790n, value: 791n });
    await tidy(b);
    expect(await a.get(["b.swept"])).toMatchObject([{ value: 790n, ...bucket(100) }]);
  });
});

describeWith([POSTGRES], "a sweep on PostgreSQL", () => {
  it("two at once settle each counter once, beside calls that meet them", async () => {
    const schema = await underClock((await ownDatabase()).url);
    const stores = await Promise.all([schema.open(), schema.open(), schema.open()]);
    await setBy(stores[0]!, "n", { max: 5n });
    const names = Array.from({ length: 900 }, (_, i) => `n${i}`);
    await commit(stores[0]!, ...names.map((name) => single(increment(name))));
    await setBy(stores[1]!, "n", { max: 8n });
    const met = names.filter((_, i) => i % 10 === 0);
    await Promise.all([
      ...stores.map((store) => tidy(store)),
      ...met.map((name, i) => apply(stores[i % 3]!, increment(name, 3n))),
    ]);
    for (let round = 0; round < 2; round++) {
      await schema.pass(MINUTE);
      for (const store of stores) await tidy(store);
    }
    for (const store of stores)
      expect(await store.policies!.progress("n")).toEqual({ applied: 900, remaining: 0 });
    const byPolicy = (await allChanges(stores[2]!)).filter(({ caller }) => caller === "policy:n");
    expect(byPolicy).toHaveLength(900);
    expect(new Set(byPolicy.map(({ name }) => name)).size).toBe(900);
    expect(await schema.sql("SELECT swept, owner FROM @policy_sweep")).toEqual([{ swept: "2", owner: null }]);
    await expectLogLeadsTo(stores[0]!);
  });

  it("is one process's: another takes it over where that goes on no more, and at once where it closes", async () => {
    const schema = await underClock();
    const [a, b] = [await schema.open(), await schema.open()];
    await setBy(a, "n", { max: 5n });
    await commit(a, ...Array.from({ length: 450 }, (_, i) => single(increment(`n${i}`))));
    await setBy(a, "n", { max: 8n });
    const remaining = async () => (await b.policies!.progress("n")).remaining;
    while ((await remaining()) === 450) await a.maintain();
    const left = await remaining();
    expect(left).toBeGreaterThan(0);
    await tidy(b);
    expect(await remaining()).toBe(left);
    await schema.pass(20_000); // As if the first had been killed: the lease ends.
    await tidy(b);
    expect(await remaining()).toBe(0);
    await setBy(b, "n", { max: 9n });
    const c = await schema.open();
    await tidy(a);
    expect(await remaining(), "the second still has it").toBe(450);
    await b.close();
    await schema.pass(5_000); // Soon it is asked for again.
    await tidy(c);
    expect(await c.policies!.progress("n")).toEqual({ applied: 450, remaining: 0 });
  });

  it("passes over a counter that somebody has locked, one that a trigger is against, and one that is damaged", async () => {
    const schema = await underClock();
    const store = await schema.open();
    await setBy(store, "n", { max: 5n });
    const names = Array.from({ length: 450 }, (_, i) => `n${100 + i}`);
    await commit(store, ...names.map((name) => single(increment(name))));
    await schema.sql(`CREATE FUNCTION @kept() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN IF new.name = 'n300' THEN RAISE EXCEPTION 'kept'; END IF; RETURN new; END $$`);
    await schema.sql("CREATE TRIGGER own BEFORE UPDATE ON @counters FOR EACH ROW EXECUTE FUNCTION @kept()");
    await schema.sql("UPDATE @counters SET policy_revision = -1 WHERE name = 'n320'");
    const stranger = await schema.connect();
    await stranger.query(`BEGIN; SELECT FROM ${schema.name}.counters WHERE name = 'n340' FOR UPDATE`);
    await setBy(store, "n", { max: 8n });
    await tidy(store);
    expect(await store.policies!.progress("n")).toEqual({ applied: 447, remaining: 3 });
    expect((await store.list(ALL, "", 1_000)).corruptNames).toEqual(["n320"]);
    await stranger.query("ROLLBACK");
    await schema.sql("DROP TRIGGER own ON @counters");
    await schema.pass(MINUTE);
    await tidy(store);
    expect(await store.policies!.progress("n")).toEqual({ applied: 449, remaining: 1 });
  });

  it("comes again to a counter that somebody keeps locked, until it has it", async () => {
    const schema = await underClock();
    const store = await schema.open();
    await setBy(store, "n", { max: 5n });
    await commit(store, single(increment("n1")), single(increment("n2")));
    const stranger = await schema.connect();
    await stranger.query(`BEGIN; SELECT FROM ${schema.name}.counters WHERE name = 'n1' FOR UPDATE`);
    await setBy(store, "n", { max: 8n });
    for (let round = 0; round < 3; round++) {
      await tidy(store);
      expect(await store.policies!.progress("n")).toEqual({ applied: 1, remaining: 1 });
      await schema.pass(MINUTE);
    }
    await stranger.query("ROLLBACK");
    for (let round = 0; round < 2; round++) {
      await tidy(store);
      await schema.pass(MINUTE);
    }
    expect(await store.policies!.progress("n")).toEqual({ applied: 2, remaining: 0 });
    expect(await schema.sql("SELECT swept FROM @policy_sweep")).toEqual([{ swept: "2" }]);
  });

  it("a counter of a commit that came late is settled too: it goes by once more", async () => {
    const schema = await underClock();
    const store = await schema.open();
    await setBy(store, "n", { max: 5n });
    await commit(store, single(increment("n1")), single(increment("n2")));
    const old = await schema.sql("SELECT policy_revision FROM @counters WHERE name = 'n2'");
    await setBy(store, "n", { max: 8n });
    await tidy(store);
    // As a commit leaves it that knew the policy before, and ended after the sweep had passed.
    await schema.sql(
      `UPDATE @counters SET max_value = 5, policy_revision = ${old[0]!.policy_revision} WHERE name = 'n2'`,
    );
    await schema.pass(31_000);
    await tidy(store);
    expect(await store.get(["n2"])).toMatchObject([{ max: 8n }]);
    expect(await schema.sql("SELECT swept FROM @policy_sweep")).toEqual([{ swept: "2" }]);
  });
});

describeWith([POSTGRES], "rows of counters that follow policies", () => {
  it("are refused by processes that know nothing of policies, which go on with all others", async () => {
    const schema = await underClock();
    const store = await schema.open();
    await setBy(store, "p", { max: 5n });
    await setBy(store, "t", { max: 5n, window: { everyMs: MINUTE, anchorMs: START } });
    await commit(store, ...["plain", "p", "t"].map((name) => single(increment(name))));
    const stored = await schema.sql(
      'SELECT name, settings_revision FROM @counters ORDER BY name COLLATE "C"',
    );
    // What all versions before take for a row of theirs: from 1, or of one in time -1, and nearer to 0 than 2^53.
    expect(stored).toEqual([
      { name: "p", settings_revision: `${2n ** 53n + 1n}` },
      { name: "plain", settings_revision: `${2n ** 53n + 1n}` },
      { name: "t", settings_revision: `${-(2n ** 53n) - 1n}` },
    ]);
  });

  it.each([
    "policy = NULL",
    "policy_revision = NULL",
    "policy_revision = -1",
    "policy = NULL, policy_revision = NULL",
    "settings_revision = 1",
  ])("that were given %s by hand are damaged, and no others", async (change) => {
    const schema = await ownSchema();
    const store = await schema.open();
    await setBy(store, "p", { max: 5n });
    await commit(store, ...["p", "other"].map((name) => single(increment(name))));
    await schema.sql(`UPDATE @counters SET ${change} WHERE name = 'p'`);
    expect(await store.get(["p"])).toEqual([CORRUPT]);
    expect(await apply(store, increment("p"))).toEqual(counterDamaged("p"));
    await tidy(store);
    expect(await apply(store, increment("other"))).toMatchObject({ value: 2n });
  });

  it("that were changed by hand, and are accepted, follow what they did", async () => {
    const schema = await ownSchema();
    const store = await schema.open();
    await setBy(store, "p", { max: 5n });
    await setBy(store, "t", { max: 5n, idleTtlMs: 86_400_000n });
    await commit(store, ...["p", "t"].map((name) => single(increment(name))));
    const before = (await store.get(["p", "t"])) as FullCounter[];
    await store.close();
    await schema.sql("UPDATE @counters SET value = 4, settings_revision = 0 WHERE name = 'p'");
    await schema.sql("UPDATE @counters SET value = 4, settings_revision = 7 WHERE name = 't'");
    const held = await schema.open({ purpose: "copyFrom" });
    await held.accepting!.accept(["p", "t"], new Map(), []);
    await held.close();
    const served = await schema.open();
    expect(await served.get(["p", "t"])).toMatchObject(
      before.map(({ policy, max, idleTtlMs }) => ({ value: 4n, policy, max, idleTtlMs })),
    );
    expect(await apply(served, increment("t"))).toMatchObject({ value: 5n });
    await setBy(served, "p", { max: 9n });
    expect(await apply(served, increment("p", 5n))).toMatchObject({ value: 9n });
  });

  it("one that follows none cannot come to follow one by itself", async () => {
    const schema = await ownSchema();
    const store = await schema.open();
    await apply(store, increment("a"));
    await schema.sql("UPDATE @counters SET policy = '', policy_revision = 0");
    expect(await store.get(["a"])).toEqual([CORRUPT]);
  });

  it.each([
    ["UPDATE @catalogue SET body = body || ' '", "UPDATE @catalogue SET body = rtrim(body)"],
    ["UPDATE @catalogue SET key = 'q*'", "UPDATE @catalogue SET key = 'p*'"],
    ["UPDATE @catalogue SET kind = 'polich'", "UPDATE @catalogue SET kind = 'policy'"],
    ["UPDATE @catalogue_state SET versions = 9", "UPDATE @catalogue_state SET versions = 1"],
    [
      "DELETE FROM @catalogue_state",
      "INSERT INTO @catalogue_state (version, entries, versions) VALUES (1, 1, 1)",
    ],
  ])("after %s nobody makes a counter that it may be for, until it is mended", async (harm, mend) => {
    const schema = await ownSchema();
    const store = await schema.open();
    await setBy(store, "p", { max: 5n });
    await commit(store, ...["p", "other"].map((name) => single(increment(name))));
    // Who has read it before goes by what he has read, as long as nothing was written.
    const whole = await apply(store, increment("new.before"));
    expect(whole).toMatchObject({ value: 1n });
    await schema.sql(harm);
    const late = harm.startsWith("DELETE") ? store : await schema.open();
    expect(await apply(late, increment("p"))).toMatchObject({ value: 2n });
    expect(await apply(late, increment("other"))).toMatchObject({ value: 2n });
    expect(await apply(late, increment("new"))).toEqual({ code: "ROW_CORRUPT", part: "policies" });
    expect(await apply(late, { ...increment("own"), settings: { ...DEFAULTS, max: 1n } })).toMatchObject({
      value: 1n,
    });
    await tidy(late);
    expect(await late.get(["p"])).toMatchObject([{ max: 5n, policy: { prefix: "p" } }]);
    await schema.sql(mend);
    expect(await apply(late, increment("new"))).toMatchObject({ value: 1n });
    expect(await apply(late, increment("p.new", 6n))).toMatchObject({ code: "ABOVE_MAX" });
  });
});

describeWith([POSTGRES], "a schema from before policies", () => {
  it("is brought to this one, and its counters follow none", async () => {
    const schema = await ownSchema();
    const first = await schema.open();
    await commit(first, single(increment("a", 3n)), single(create("t", { idleTtlMs: 86_400_000n })));
    await first.catalogue!.write({ kind: "key", key: "k", body: "{}", expectedVersion: 0 });
    const before = await first.get(["a", "t"]);
    await first.close();
    await schema.sql("ALTER TABLE @counters DROP COLUMN policy, DROP COLUMN policy_revision");
    await schema.sql("ALTER TABLE @catalogue_state DROP COLUMN round");
    await schema.sql("DROP TABLE @policy_sweep");
    await schema.sql("DROP TABLE @key_uses"); // Which came later still.
    await schema.sql("UPDATE @schema_version SET version = 6");
    const warnings: string[] = [];
    const store = await schema.open({ warn: (warning) => void warnings.push(warning) });
    expect(warnings).toEqual([expect.stringContaining("was of version 6 and now is of 8.")]);
    expect(await store.get(["a", "t"])).toEqual(before);
    await setBy(store, "", { max: 5n });
    await commit(store, single(increment("a", 9n)), single(increment("b", 5n)));
    await tidy(store);
    expect(await store.get(["a", "b"])).toMatchObject([
      { value: 12n, policy: undefined },
      { max: 5n, policy: { prefix: "", revision: 2 } },
    ]);
    await expectLogLeadsTo(store);
  });
});

describeWith([POSTGRES], "another catalogue in the place of one that was read", () => {
  it("is read anew by who knows the one before, though it is of the same version", async () => {
    const schema = await ownSchema();
    const store = await schema.open();
    const policies = new Policies(store.catalogue!);
    await policies.set("a", { ...DEFAULTS, max: 1n }, "enforce");
    expect(await apply(store, increment("a", 2n))).toMatchObject({ code: "ABOVE_MAX" });
    await schema.sql("TRUNCATE @catalogue"); // As a copy does, beside a process that has not asked for anything since.
    await schema.sql("UPDATE @catalogue_state SET version = 0, entries = 0, versions = 0, round = round + 1");
    const body = '{"settings":{"max":"7"},"enforcement":"enforce"}';
    await store.catalogue!.write({ kind: "policy", key: policyKeyOf("b"), body, expectedVersion: 0 });
    const answers = await commit(store, single(increment("a", 2n)), single(increment("b", 8n)));
    expect(answers).toMatchObject([
      { results: [{ value: 2n }] },
      { refused: { code: "ABOVE_MAX", max: 7n } },
    ]);
    expect((await policies.read()).all.map(({ prefix }) => prefix)).toEqual(["b"]);
  });
});

describeWith([POSTGRES], "a database that is put back as it was before", () => {
  it("has its own policies at once, though others are set under the versions of those that are lost", async () => {
    const server = await PostgresServer.start();
    onTestFinished(() => server.dispose());
    const schema = await ownSchema(server.url());
    const [a, b] = [await schema.open(), await schema.open()];
    await setBy(a, "k", { max: 1n });
    await server.stop();
    const putBack = server.backUp();
    await server.restart();
    await setBy(a, "lost", { max: 1n });
    for (const store of [a, b])
      expect(await apply(store, increment("lost", 2n))).toMatchObject({ code: "ABOVE_MAX" });
    await server.stop();
    putBack();
    await server.restart();
    await setBy(b, "other", { max: 1n });
    for (const [n, store] of [a, b].entries()) {
      expect(await apply(store, increment(`lost${n}`, 2n))).toMatchObject({ value: 2n });
      expect(await apply(store, increment("other", 2n))).toMatchObject({ code: "ABOVE_MAX" });
      expect(await apply(store, increment("k", 2n))).toMatchObject({ code: "ABOVE_MAX" });
      const { all } = await new Policies(store.catalogue!).read();
      expect(all.map(({ prefix }) => prefix)).toEqual(["k", "other"]);
    }
  });
});

describeWith([POSTGRES], "what a process knows of policies", () => {
  it("is not forgotten by who reads as of a moment before; what was put back under it is read anew", async () => {
    const schema = await ownSchema();
    const store = await schema.open();
    await setBy(store, "a", { max: 1n });
    const database = new Database(parseUrl(schema.url), 2, () => {});
    onTestFinished(() => database.close());
    const policies = new PoliciesInDatabase(database, undefined);
    const now = () =>
      database.transaction(async (session) => {
        const [row] = await session.send(database.statement(`SELECT ${CATALOGUE_MARK}`));
        return policies.at(session, row!.catalogue);
      });
    await database.snapshot(async (session) => {
      const [row] = await session.send(database.statement(`SELECT ${CATALOGUE_MARK}`));
      await setBy(store, "b", { max: 2n });
      const known = await now();
      expect(known.all.map(({ prefix }) => prefix)).toEqual(["a", "b"]);
      expect(await policies.at(session, row!.catalogue, true)).toBe(known);
      expect(await now()).toBe(known);
    });
    await schema.sql("DELETE FROM @catalogue WHERE key = 'b*'"); // As a backup from before has it.
    await schema.sql("UPDATE @catalogue_state SET version = 1, entries = 1, versions = 1");
    expect((await now()).all.map(({ prefix }) => prefix)).toEqual(["a"]);
  });
});

/** So many policies, as they would be there had they been set one after another. */
async function fillWithPolicies(schema: OwnSchema, count: number): Promise<void> {
  const body = '{"settings":{},"enforcement":"enforce"}';
  const keys = Array.from({ length: count }, (_, i) => policyKeyOf(`p${i}`));
  await schema.sql(
    `INSERT INTO @catalogue (version, kind, key, body, checksum)
     SELECT version, 'policy', key, $2, checksum FROM unnest($1::text[], $3::int[]) WITH ORDINALITY AS u (key, checksum, version)`,
    [keys, body, keys.map((key, i) => catalogueChecksum(BigInt(i + 1), "policy", key, body))],
  );
  const versions = (count * (count + 1)) / 2;
  await schema.sql("UPDATE @catalogue_state SET version = $1, entries = $1, versions = $2", [
    count,
    versions,
  ]);
}

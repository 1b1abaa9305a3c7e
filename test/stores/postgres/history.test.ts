/** History of several processes: one takes in, all answer; what two take in counts once. */
import { expect, it } from "vitest";
import { Level } from "../../../src/core/levels.ts";
import type { Store } from "../../../src/service/store.ts";
import { DEFAULT_HISTORY } from "../../../src/service/store-history.ts";
import { ARRIVED } from "../../../src/stores/postgres/history/history.ts";
import { apply, increment, remove } from "../../support/calls.ts";
import { describeWith } from "../../support/needs.ts";
import { POSTGRES } from "../../support/postgres/programs.ts";
import { edgesOf } from "../conformance/history-expected.ts";
import { Following } from "../conformance/history-following.ts";
import { type OwnSchema, ownSchema } from "./schema.ts";

/** The counts of a name, from all that history has by now. */
async function counted(store: Store, name = "a") {
  const asked = Date.now();
  for (;;) {
    const edges = edgesOf(Level.DAY, asked, asked);
    const answer = await store.history!.query({ of: { name }, level: Level.DAY, edges });
    if ("refused" in answer) throw new Error(answer.refused);
    if (answer.completeUntil >= asked - 1_000) return [answer.points.closes[0], answer.points.changes[0]];
  }
}

async function two(schema: OwnSchema) {
  const open = () => schema.open({ history: DEFAULT_HISTORY });
  return [await open(), await open()] as const;
}

describeWith([POSTGRES], "history of several processes on PostgreSQL", () => {
  it("is taken in by one, and given out by all", async () => {
    const schema = await ownSchema();
    const [one, other] = await two(schema);
    const following = new Following(one);
    await apply(one, increment("a", 2n));
    expect(await counted(one)).toEqual([2n, 1]);
    expect(await other.history!.intake.begin()).toBeUndefined();
    await apply(other, increment("a", 3n));
    expect(await counted(other)).toEqual([5n, 2]);
    await following.close();
    await one.close(); // Which leaves it to others at once.
    const next = new Following(other);
    await apply(other, increment("a"));
    expect(await counted(other)).toEqual([6n, 3]);
    await next.close();
  });

  it("who lost the lease saves nothing, and what both have taken in counts once", async () => {
    const schema = await ownSchema();
    const [one, other] = await two(schema);
    for (let n = 0; n < 5; n++) await apply(one, increment("a"));
    const take = async (store: Store) => {
      const { intake } = store.history!;
      const cursor = await intake.begin();
      if (cursor === undefined) throw new Error("expected the lease");
      const page = await store.changeLog.read(cursor, 100);
      const found = await store.changeLog.counters(page.commits.counterIds);
      expect(await intake.take(page, new Map(found.entries()))).toBe(true);
      return intake;
    };
    const late = await take(one);
    await schema.sql("UPDATE @history_state SET until = clock_timestamp() - interval '1 second'");
    const quick = await take(other);
    expect(await quick.save()).toBe(true);
    expect(await late.save()).toBe(false);
    expect(await counted(other)).toEqual([5n, 5]);
    // The same where both still believe to have it.
    await schema.sql("UPDATE @history_state SET owner = NULL, saves = 0, cursor = ''");
    await schema.sql("TRUNCATE @history_open");
    const early = await take(one);
    await schema.sql("UPDATE @history_state SET saves = saves + 1"); // Another has saved under its name.
    expect(await early.save()).toBe(false);
    const following = new Following(other);
    await schema.sql("UPDATE @history_state SET owner = NULL");
    expect(await counted(other)).toEqual([5n, 5]);
    await following.close();
  });

  it("one that dies leaves it to the next, which misses nothing and repeats nothing", async () => {
    const schema = await ownSchema();
    const [one, other] = await two(schema);
    await apply(one, increment("a"));
    const { intake } = one.history!;
    const page = await one.changeLog.read((await intake.begin())!, 100);
    const found = await one.changeLog.counters(page.commits.counterIds);
    await intake.take(page, new Map(found.entries()));
    await intake.save();
    await apply(one, increment("a"));
    const following = new Following(other); // It asks again and again.
    await schema.sql("UPDATE @history_state SET until = clock_timestamp()"); // Ten seconds later.
    expect(await counted(other)).toEqual([2n, 2]);
    await apply(other, remove("a"));
    expect(await counted(other)).toEqual([0n, 0]);
    await following.close();
  });

  it("the log is dropped only up to where history has come, in the same transaction", async () => {
    const schema = await ownSchema();
    const store = await schema.open({ history: DEFAULT_HISTORY, retention: { changeLogBytesMax: 60 } });
    await apply(store, increment("a"));
    await store.history!.intake.begin();
    for (let n = 0; n < 60; n++) await apply(store, increment("a"));
    while (await store.maintain());
    expect(await schema.sql("SELECT count(*)::int AS n FROM @change_log")).toEqual([{ n: 61 }]);
    await schema.sql("UPDATE @history_state SET saved_ms = saved_ms - 61000");
    await schema.sql("UPDATE @change_log SET time_ms = time_ms - 61000");
    while (await store.maintain());
    const [{ n }] = (await schema.sql("SELECT count(*)::int AS n FROM @change_log")) as [{ n: number }];
    expect(n).toBeLessThan(30);
  });

  it("PostgreSQL never compiles the look at how far it has come, whatever updates have left of the rows", async () => {
    const schema = await ownSchema();
    await schema.open({ history: DEFAULT_HISTORY });
    await schema.sql(`DO $$ BEGIN
      FOR n IN 1..5000 LOOP
        UPDATE @service_state SET run_ms = run_ms; UPDATE @history_state SET saves = saves;
      END LOOP;
    END $$`); // In one transaction, so that none of the room can be used again.
    const [explained] = await schema.sql(`EXPLAIN (FORMAT JSON) ${ARRIVED}`);
    const [{ Plan: plan }] = explained!["QUERY PLAN"] as [{ Plan: { "Total Cost": number } }];
    const [setting] = await schema.sql("SELECT current_setting('jit_above_cost')::float8 AS cost");
    expect(plan["Total Cost"]).toBeLessThan((setting!.cost as number) / 1_000);
  });
});

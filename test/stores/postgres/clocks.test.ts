/** Time, where several processes and a database server have clocks of their own. */
import { expect, it } from "vitest";
import { apply, commit, increment, set, single, update } from "../../support/calls.ts";
import { HandClock } from "../../support/clock.ts";
import { describeWith } from "../../support/needs.ts";
import { POSTGRES } from "../../support/postgres/programs.ts";
import { allChanges } from "../conformance/changes.ts";
import { ownSchema } from "./schema.ts";

const HOUR = 3_600_000;

describeWith([POSTGRES], "clocks around PostgreSQL", () => {
  it("two processes: running time goes as the quicker clock does, and not as both together", async () => {
    const schema = await ownSchema();
    const retention = { requestIdsKeepMs: 24 * HOUR };
    const clocks = [new HandClock(), new HandClock()];
    clocks[1]!.runMs = 9e9; // Where a clock begins means nothing.
    const stores = await Promise.all(clocks.map((clock) => schema.open({ clock, retention })));
    const runMs = async () => Number((await schema.sql("SELECT run_ms FROM @service_state"))[0]!.run_ms);
    const upkeep = async () => {
      for (const store of stores) while (await store.maintain());
    };
    await apply(stores[0]!, increment("a"), { id: "r" });
    await upkeep();
    for (let hour = 1; hour <= 23; hour++) {
      clocks[0]!.advance(HOUR);
      clocks[1]!.advance(HOUR / 2); // A machine that was asleep half of the time.
      await upkeep();
      if (hour % 2 === 0) await upkeep();
      expect(await runMs()).toBe(hour * HOUR);
    }
    for (const store of stores) {
      expect((await commit(store, single(increment("a"), { id: "r" })))[0]).toMatchObject({ replayed: true });
    }
    // Its generation closed after three hours, an eighth of a day, and a day has to pass since.
    for (let hour = 24; hour <= 26; hour++) {
      clocks[0]!.advance(HOUR);
      clocks[1]!.advance(HOUR);
      await upkeep();
      expect(await runMs()).toBe(hour * HOUR);
    }
    expect((await commit(stores[1]!, single(increment("a"), { id: "r" })))[0]).toMatchObject({
      replayed: true,
    });
    clocks[1]!.advance(2 * HOUR);
    await upkeep();
    expect((await commit(stores[0]!, single(increment("a"), { id: "r" })))[0]).toMatchObject({
      replayed: false,
    });
  });

  it("a process that stops takes none of the time with it, and one that starts brings none", async () => {
    const schema = await ownSchema();
    const first = new HandClock();
    const store = await schema.open({ clock: first });
    first.advance(5 * HOUR);
    await store.close();
    const second = new HandClock();
    second.runMs = 1e9;
    const next = await schema.open({ clock: second });
    second.advance(HOUR);
    await next.close();
    expect(await schema.sql("SELECT run_ms FROM @service_state")).toEqual([{ run_ms: `${6 * HOUR}` }]);
  });

  it("a counter from a server whose clock was ahead: its time stands still until the clock is there", async () => {
    const schema = await ownSchema();
    const store = await schema.open();
    await apply(store, set("a", 1n));
    const ahead = Date.now() + 48 * HOUR;
    await schema.sql("UPDATE @counters SET update_ms = $1", [ahead]);
    const [counted] = await commit(store, single(increment("a")), single(increment("b")));
    expect(counted!.time).toBe(ahead);
    await apply(store, update("a", { max: 9n }));
    expect(await store.get(["a"])).toMatchObject([{ value: 2n, updateTime: ahead }]);
    const changes = await allChanges(store);
    const times = changes.filter(({ name }) => name === "a").map(({ time }) => time);
    expect(times.slice(1)).toEqual([ahead, ahead]);
    expect(changes.find(({ name }) => name === "b")!.time).toBeLessThan(ahead);
  });
});

/** Maintenance of a PostgreSQL store beside its traffic. */
import { expect, it } from "vitest";
import { type Answer, apply, batch, commit, increment } from "../../support/calls.ts";
import { describeWith } from "../../support/needs.ts";
import { POSTGRES } from "../../support/postgres/programs.ts";
import { ownDatabase, ownSchema, waitingForLock } from "./schema.ts";

describeWith([POSTGRES], "the upkeep of a store on PostgreSQL", () => {
  it("rests between rounds, though calls with request ids keep coming", async () => {
    const schema = await ownSchema();
    const store = await schema.open();
    let counting = true;
    const lanes = [0, 1, 2].map(async (lane) => {
      let n = 0;
      while (counting) await apply(store, increment(`n${lane}`), { id: `${lane}-${n++}` });
      return n;
    });
    const more: boolean[] = [];
    for (let round = 0; round < 20; round++) more.push(await store.maintain());
    counting = false;
    const counted = await Promise.all(lanes);
    expect(more).toEqual(Array(20).fill(false));
    expect(Math.min(...counted)).toBeGreaterThan(20);
    const bytes = "SELECT bytes > 0 AS counted FROM @request_id_generations";
    expect(await schema.sql(bytes)).toEqual([{ counted: true }]);
  });

  it("a slice that has to wait holds up no commit, however many followers ask for one", async () => {
    const schema = await ownSchema((await ownDatabase()).url);
    const store = await schema.open();
    await apply(store, increment("a"));
    const other = await schema.connect(); // A process that hangs in the middle of its own.
    await other.query(`BEGIN; SELECT * FROM ${schema.name}.service_state FOR UPDATE`);
    const following = Array.from({ length: 30 }, () => store.changesSince("", 10));
    await waitingForLock(schema);
    for (let round = 0; round < 40; round++) {
      // New counters, more than there are ids for in a block.
      const names = Array.from({ length: 50 }, (_, i) => increment(`n${round}.${i}`));
      const [{ results }] = (await commit(store, batch(names))) as [Answer];
      expect(results.every((result) => "value" in result)).toBe(true);
      expect(await store.get(["a", `n${round}.7`])).toMatchObject([{ value: 1n }, { value: 1n }]);
    }
    const [{ waiting }] = (await schema.sql(WAITING)) as [{ waiting: string }];
    expect(waiting).toBe("1"); // One session for all of them.
    await other.query("COMMIT");
    for (const { changes } of await Promise.all(following)) expect(changes[0]).toMatchObject({ name: "a" });
  });

  it("a page with a mark is read though nobody can place commits, and says which of those it has", async () => {
    const schema = await ownSchema((await ownDatabase()).url);
    const store = await schema.open();
    for (let n = 0; n < 3; n++) await apply(store, increment("a"));
    const other = await schema.connect();
    await other.query(`BEGIN; SELECT * FROM ${schema.name}.service_state FOR UPDATE`);
    const page = await store.list({ prefix: "", labels: {} }, "", 10, true);
    expect(page.counters).toMatchObject([{ name: "a", revision: 3 }]);
    await apply(store, increment("a"));
    await other.query("COMMIT");
    const { changes } = await store.changesSince("", 10);
    expect(changes.map(({ position }) => store.covers(page.mark!, position))).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });
});

const WAITING = `SELECT count(*) AS waiting FROM pg_stat_activity
  WHERE datname = current_database() AND wait_event_type = 'Lock'`;

/** When keys were last used, noted by several processes of one database. */
import { randomBytes } from "node:crypto";
import { expect, it } from "vitest";
import { openGuard } from "../../../src/guard/guard.ts";
import { bearer, grantsOf, headOf, ok } from "../../guard/guarded.ts";
import { HandClock } from "../../support/clock.ts";
import { describeWith } from "../../support/needs.ts";
import { POSTGRES } from "../../support/postgres/programs.ts";
import { type OwnSchema, ownDatabase, ownSchema } from "./schema.ts";

const HOUR = 3_600_000;
const MIDNIGHT = Date.UTC(2026, 0, 1);

/** A guard with a store and a clock of its own. */
async function guardOn(schema: OwnSchema) {
  const { catalogue, keyUses } = await schema.open();
  const clock = new HandClock();
  const deps = { clock, log: () => {}, randomBytes, lookEveryMs: 3_600_000 };
  return { clock, guard: await openGuard({ mode: "required", catalogue: catalogue!, keyUses, ...deps }) };
}

describeWith([POSTGRES], "when keys were last used, on one database", () => {
  it("is told by each instance as any has written it down, and the later use stays", async () => {
    const schema = await ownSchema();
    const [one, two] = [await guardOn(schema), await guardOn(schema)];
    const { administration } = one.guard;
    const fields = { description: "", grants: grantsOf("read@shop."), rate: undefined };
    ok(await administration.createPrincipal("shop", fields));
    const { key, text } = ok(await administration.createKey("shop", { description: "", ttlMs: undefined }));
    await two.guard.current.refresh();
    two.clock.wallMs += 5 * HOUR;
    for (const { guard } of [one, two]) ok(await guard.authorise(headOf(bearer(text))));
    const lastUse = async () => (await administration.lastUsesOf([key.id])).get(key.id);
    expect(await lastUse()).toBe(MIDNIGHT);
    await two.guard.close();
    expect(await lastUse()).toBe(MIDNIGHT + 5 * HOUR);
    await one.guard.close();
    expect(await lastUse()).toBe(MIDNIGHT + 5 * HOUR);
    ok((await administration.deletePrincipal("shop")) ?? {});
    expect(await schema.sql("SELECT * FROM @key_uses")).toEqual([]);
  });

  it("of two that note the same keys in opposite orders neither waits for ever", async () => {
    const database = await ownDatabase();
    const schema = await ownSchema(database.url);
    const stores = [await schema.open(), await schema.open()];
    const other = await schema.connect(); // Has the key in the middle, so that both are under way before either ends.
    await other.query("BEGIN");
    await other.query(`INSERT INTO ${schema.name}.key_uses VALUES ('m', 9)`);
    const orders = [
      ["a", "m", "z"],
      ["z", "m", "a"],
    ];
    const noting = orders.map((ids, s) =>
      stores[s]!.keyUses!.note(new Map(ids.map((id) => [id, (s + 1) * HOUR]))),
    );
    while ((await schema.sql(WAITING))[0]!.count !== "2");
    await other.query("ROLLBACK");
    await Promise.all(noting);
    expect(Object.fromEntries(await stores[0]!.keyUses!.read(["a", "m", "z"]))).toEqual({
      ...{ a: 2 * HOUR, m: 2 * HOUR, z: 2 * HOUR },
    });
    await Promise.all([...stores.map((store) => store.close()), other.end()]);
    await schema.end();
    expect(await database.deadlocks()).toBe(0);
  });

  it("is not noted while a copy has the store", async () => {
    const schema = await ownSchema();
    const served = await schema.open();
    await served.keyUses!.note(new Map([["a", HOUR]]));
    const copied = await schema.open({ purpose: "copyFrom" });
    await expect(served.keyUses!.note(new Map([["a", 2 * HOUR]]))).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
    });
    await copied.close();
    await served.keyUses!.note(new Map([["b", 2 * HOUR]]));
    expect(Object.fromEntries(await served.keyUses!.read(["a", "b"]))).toEqual({ a: HOUR, b: 2 * HOUR });
  });
});

/** How many wait for a lock, in the database that is asked. */
const WAITING =
  "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";

/** What policies leave in a file: nothing of those that follow none, and nothing that rots unseen. */
import Database from "better-sqlite3";
import { expect, it, onTestFinished } from "vitest";
import { CORRUPT } from "../../src/core/counter.ts";
import { counterDamaged } from "../../src/core/errors.ts";
import { DEFAULTS } from "../../src/core/settings.ts";
import { Policies } from "../../src/service/policies.ts";
import { apply, increment } from "../support/calls.ts";
import type { Opened } from "../support/opened.ts";
import { STORES } from "../support/stores.ts";

async function open(): Promise<Opened & { readonly path: string }> {
  const opened = await STORES.find(({ name }) => name === "sqlite")!.open();
  onTestFinished(() => opened.dispose());
  const path = /, (.*)$/.exec(opened.store.traits.title)![1]!;
  return Object.assign(opened, { path });
}

/** Change something by hand while nobody has the file; and have it open again. */
async function byHand(opened: Opened & { readonly path: string }, sql: string) {
  await opened.store.close();
  const db = new Database(opened.path);
  expect(db.prepare(sql).run().changes).toBe(1);
  db.close();
  return opened.reopen();
}

async function filled() {
  const opened = await open();
  await new Policies(opened.store.catalogue!).set("p", { ...DEFAULTS, max: 5n }, "enforce");
  for (const name of ["p", "other"]) await apply(opened.store, increment(name));
  return opened;
}

it.each([
  "policy = 'q'",
  "policy = NULL",
  "policy_revision = 2",
  "policy_revision = NULL",
  "policy = NULL, policy_revision = NULL",
])("a counter whose row was given %s is damaged, and no other", async (change) => {
  const store = await byHand(await filled(), `UPDATE counters SET ${change} WHERE name = 'p'`);
  expect(await store.get(["p"])).toEqual([CORRUPT]);
  expect(await apply(store, increment("p"))).toEqual(counterDamaged("p"));
  while (await store.maintain());
  expect(await apply(store, increment("other"))).toMatchObject({ value: 2n });
});

it("one that follows none cannot come to follow one by itself", async () => {
  const store = await byHand(
    await filled(),
    "UPDATE counters SET policy = '', policy_revision = 0 WHERE name = 'other'",
  );
  expect(await store.get(["other"])).toEqual([CORRUPT]);
});

it.each([
  "UPDATE catalogue SET body = replace(body, '5', '6')",
  "UPDATE catalogue SET key = 'q*'",
  "UPDATE catalogue SET kind = 'polich'",
  "UPDATE catalogue_state SET version = 9",
])("after %s nobody makes a counter that it may be for; those that are there count on", async (sql) => {
  const store = await byHand(await filled(), sql);
  expect(await apply(store, increment("p"))).toMatchObject({ value: 2n });
  expect(await apply(store, increment("other"))).toMatchObject({ value: 2n });
  expect(await apply(store, increment("new"))).toEqual({ code: "ROW_CORRUPT", part: "policies" });
  expect(await apply(store, { ...increment("own"), settings: { ...DEFAULTS, max: 1n } })).toMatchObject({
    value: 1n,
  });
  while (await store.maintain());
  expect(await store.get(["p"])).toMatchObject([{ max: 5n, policy: { prefix: "p" } }]);
});

it("rows of counters that follow none have nothing of it, and how far a sweep came is kept once it is through", async () => {
  const opened = await filled();
  while (await opened.store.maintain());
  await opened.store.close();
  const db = new Database(opened.path, { readonly: true });
  const rows = db.prepare("SELECT name, policy, policy_revision FROM counters ORDER BY name").raw().all();
  expect(rows).toEqual([
    ["other", null, null],
    ["p", "p", 1],
  ]);
  expect(db.prepare("SELECT swept FROM policy_sweep").pluck().all()).toEqual([1]);
  db.close();
});

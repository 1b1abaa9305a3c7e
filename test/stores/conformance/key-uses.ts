import { expect, it } from "vitest";
import type { Store } from "../../../src/service/store.ts";
import { apply, increment } from "../../support/calls.ts";
import type { StoreKind } from "../../support/stores.ts";
import { allChanges } from "./changes.ts";
import { damaged } from "./damaged.ts";
import { using } from "./using.ts";

const HOUR = 3_600_000;
/** Some hour of 2026. */
const NOON = 494_000 * HOUR;

/** When API keys were last used: see KeyUses in src/service/store-key-uses.ts. */
export function keyUsesSuite(kind: StoreKind): void {
  const it_ = using(kind, it);

  it_("what was noted is read, of the keys that are asked for; of others nothing", async ({ store }) => {
    const { keyUses } = store;
    expect(await keyUses!.read(["a"])).toEqual(new Map());
    await note(store, { a: NOON, b: NOON + HOUR, c: NOON });
    expect(await read(store, "b", "a", "none", "a")).toEqual({ a: NOON, b: NOON + HOUR });
  });

  it_("the latest hour stays, in whichever order they are noted", async ({ store }) => {
    await note(store, { a: NOON, b: NOON });
    await note(store, { a: NOON + HOUR, b: NOON - HOUR });
    expect(await read(store, "a", "b")).toEqual({ a: NOON + HOUR, b: NOON });
    await Promise.all([3, 1, 4, 1, 5, 9, 2, 6].map((n) => note(store, { a: NOON + n * HOUR, [`c${n}`]: n })));
    expect(await read(store, "a", "c1", "c9")).toEqual({ a: NOON + 9 * HOUR, c1: 1, c9: 9 });
  });

  it_("a thousand are noted at once, by several that have them in other orders", async ({ store }) => {
    const ids = Array.from({ length: 1_000 }, (_, n) => `key${n}`);
    const hours = (by: number) => ids.map((id, n) => [id, NOON + ((n * by) % 7) * HOUR] as const);
    await Promise.all([
      store.keyUses!.note(new Map(hours(1))),
      store.keyUses!.note(new Map(hours(3).toReversed())),
      store.keyUses!.note(new Map(hours(5))),
    ]);
    const found = await store.keyUses!.read(ids);
    const latest = ids.map((id, n) => [id, NOON + Math.max(...[1, 3, 5].map((by) => (n * by) % 7)) * HOUR]);
    expect([...found].toSorted()).toEqual(latest.toSorted());
  });

  it_(
    "it is beside counting and the catalogue: no version and no change log knows of it",
    async ({ store }) => {
      await apply(store, increment("a"));
      await makeKey(store, "a");
      const was = [await store.catalogue!.read(0), await store.get(["a"]), await allChanges(store)];
      await note(store, { a: NOON });
      expect([await store.catalogue!.read(0), await store.get(["a"]), await allChanges(store)]).toEqual(was);
      expect(await apply(store, increment("a"))).toMatchObject({ value: 2n, revision: 2 });
      await store.catalogue!.write({ kind: "key", key: "a", body: "[]", expectedVersion: 1 });
      expect(await read(store, "a"), "a key that was changed, revoked say").toEqual({ a: NOON });
    },
  );

  it_("it goes with its key, and with nothing else", async ({ store }) => {
    await makeKey(store, "a");
    await makeKey(store, "b");
    await store.catalogue!.write({ kind: "principal", key: "b", body: "{}", expectedVersion: 0 });
    await note(store, { a: NOON, b: NOON });
    await store.catalogue!.write({ kind: "principal", key: "b", body: undefined, expectedVersion: 3 });
    expect(await store.catalogue!.write({ kind: "key", key: "a", body: undefined, expectedVersion: 9 })).toBe(
      undefined,
    );
    expect(await read(store, "a", "b")).toEqual({ a: NOON, b: NOON });
    await store.catalogue!.write({ kind: "key", key: "a", body: undefined, expectedVersion: 1 });
    expect(await read(store, "a", "b")).toEqual({ b: NOON });
  });

  it_("what was noted survives a restart", async (opened) => {
    if (opened.store.traits.durability === "none") return;
    await note(opened.store, { a: NOON, b: NOON });
    const store = await opened.reopen();
    await note(store, { b: NOON - HOUR });
    expect(await read(store, "a", "b")).toEqual({ a: NOON, b: NOON });
  });

  it_("a store that is closed reads and notes nothing", async (opened) => {
    const { store } = opened;
    await opened.reopen();
    await expect(read(store, "a")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await expect(note(store, { a: NOON })).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  });

  if (!kind.name.startsWith("sqlite")) return;

  it("a damaged row is not known, the others are; and it is noted anew", async () => {
    for (const damage of [
      "UPDATE @key_uses SET hour_ms = 9000000000000000000 WHERE key_id = 'a'",
      "UPDATE @key_uses SET checksum = 0 WHERE key_id = 'a'",
      "UPDATE @key_uses SET key_id = 'a' WHERE key_id = 'c'",
    ]) {
      const fill = (store: Store) =>
        note(store, damage.includes("'c'") ? { b: NOON, c: NOON } : { a: NOON, b: NOON });
      await damaged(kind, damage, {
        fill,
        async test(store) {
          expect(await read(store, "a", "b", "c"), damage).toEqual({ b: NOON });
          await note(store, { a: NOON + HOUR });
          expect(await read(store, "a", "b"), damage).toEqual({ a: NOON + HOUR, b: NOON });
        },
      });
    }
  });
}

function note(store: Store, hours: Readonly<Record<string, number>>): Promise<void> {
  return store.keyUses!.note(new Map(Object.entries(hours)));
}

async function read(store: Store, ...keyIds: string[]): Promise<Record<string, number>> {
  return Object.fromEntries(await store.keyUses!.read(keyIds));
}

async function makeKey(store: Store, key: string): Promise<void> {
  await store.catalogue!.write({ kind: "key", key, body: "{}", expectedVersion: 0 });
}

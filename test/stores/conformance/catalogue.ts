import { expect, it } from "vitest";
import type { CatalogueKind } from "../../../src/core/catalogue.ts";
import type { Store } from "../../../src/service/store.ts";
import type { Catalogue } from "../../../src/service/store-catalogue.ts";
import { apply, increment } from "../../support/calls.ts";
import type { StoreKind } from "../../support/stores.ts";
import { allChanges } from "./changes.ts";
import { damaged } from "./damaged.ts";
import { using } from "./using.ts";

/** What a store keeps beside counters: see Catalogue in src/service/store.ts. */
export function catalogueSuite(kind: StoreKind): void {
  const it_ = using(kind, it);

  it_("an empty one is of version 0", async ({ store }) => {
    expect(await store.catalogue!.read(0)).toEqual({ version: 0, entries: [], corrupt: [] });
  });

  it_(
    "each write takes the next version, and what came after one is told, each entry once",
    async (opened) => {
      const catalogue = opened.store.catalogue!;
      expect(await put(catalogue, "principal", "a", "1")).toBe(1);
      expect(await put(catalogue, "policy", "a", "2")).toBe(2);
      expect(await put(catalogue, "key", "b", "3")).toBe(3);
      expect(await put(catalogue, "principal", "a", "4", 1)).toBe(4);
      expect(await catalogue.read(0)).toEqual({
        version: 4,
        entries: [
          { kind: "policy", key: "a", version: 2, body: "2" },
          { kind: "key", key: "b", version: 3, body: "3" },
          { kind: "principal", key: "a", version: 4, body: "4" },
        ],
        corrupt: [],
      });
      expect((await catalogue.read(2)).entries.map(({ version }) => version)).toEqual([3, 4]);
      expect(await catalogue.read(3)).toMatchObject({ version: 4, entries: [{ version: 4 }] });
      expect(await catalogue.read(4)).toEqual({ version: 4, entries: [], corrupt: [] });
      expect(await catalogue.read(9), "another catalogue's version").toMatchObject({
        version: 4,
        entries: [],
      });
    },
  );

  it_("one that is gone is told, and may come again", async ({ store }) => {
    const catalogue = store.catalogue!;
    await put(catalogue, "key", "a", "1");
    await put(catalogue, "key", "b", "2");
    expect(await put(catalogue, "key", "a", undefined, 1)).toBe(3);
    expect((await catalogue.read(2)).entries).toEqual([
      { kind: "key", key: "a", version: 3, body: undefined },
    ]);
    expect(await put(catalogue, "key", "a", "4", 0)).toBe(4);
    expect((await catalogue.read(0)).entries).toMatchObject([
      { key: "b", version: 2 },
      { key: "a", version: 4, body: "4" },
    ]);
  });

  it_("what is not as the writer knows it stays as it is", async ({ store }) => {
    const catalogue = store.catalogue!;
    await put(catalogue, "key", "a", "1");
    await put(catalogue, "key", "a", "2", 1);
    await put(catalogue, "key", "gone", "3");
    await put(catalogue, "key", "gone", undefined, 3);
    const was = await catalogue.read(0);
    const others: [string, number][] = [
      ...([0, 1, 3].map((version) => ["a", version]) as [string, number][]),
      ...([1, 3, 4].map((version) => ["gone", version]) as [string, number][]),
      ["none", 2],
    ];
    for (const [key, version] of others) {
      expect(await put(catalogue, "key", key, "other", version), `${key} ${version}`).toBeUndefined();
      if (version > 0) expect(await put(catalogue, "key", key, undefined, version)).toBeUndefined();
    }
    expect(await catalogue.read(0)).toEqual(was);
    expect(await put(catalogue, "key", "a", "5", 2)).toBe(5);
  });

  it_("what is to be written only while nothing else is, is not after another write", async ({ store }) => {
    const catalogue = store.catalogue!;
    await put(catalogue, "key", "a", "1");
    await put(catalogue, "key", "b", "2");
    const c = { kind: "key", key: "c", body: "3", expectedVersion: 0 } as const;
    for (const latestVersion of [0, 1, 3]) {
      expect(await catalogue.write({ ...c, latestVersion }), `${latestVersion}`).toBeUndefined();
    }
    expect((await catalogue.read(0)).entries).toHaveLength(2);
    expect(await catalogue.write({ ...c, latestVersion: 2 })).toBe(3);
  });

  it_("texts come back as they were", async ({ store }) => {
    const catalogue = store.catalogue!;
    const texts = ["", "{}", "é\u{1f600}\u0001", '"\\%', "x".repeat(65_536)];
    for (const [i, body] of texts.entries())
      await put(catalogue, "setting", `key ${i}'${"k".repeat(i)}`, body);
    expect((await catalogue.read(0)).entries.map(({ body }) => body)).toEqual(texts);
    expect(await put(catalogue, "setting", "k".repeat(1_000), "x")).toBe(texts.length + 1);
  });

  it_("what no store could keep is refused as a defect", async ({ store }) => {
    const catalogue = store.catalogue!;
    const bad = [
      ["other" as CatalogueKind, "a", "{}", 0],
      ["key", "", "{}", 0],
      ["key", "k".repeat(1_001), "{}", 0],
      ["key", "a\0", "{}", 0],
      ["key", "a", "\0", 0],
      ["key", "a", "\ud800", 0],
      ["key", "a", "x".repeat(65_537), 0],
      ["key", "a", "{}", -1],
      ["key", "a", "{}", 1.5],
      ["key", "a", undefined, 0],
    ] as const;
    for (const [entryKind, key, body, version] of bad)
      await expect(put(catalogue, entryKind, key, body, version)).rejects.toThrow(TypeError);
    expect((await catalogue.read(0)).version).toBe(0);
  });

  it_(
    "of writers at once that know the same, one comes through; and none of others is lost",
    async (opened) => {
      const catalogue = opened.store.catalogue!;
      for (let round = 0; round < 5; round++) {
        const { version } = await catalogue.read(0);
        const expected = (await catalogue.read(0)).entries.find(({ key }) => key === "one")?.version ?? 0;
        const seen = reading(catalogue, version);
        const versions = await Promise.all([
          ...[1, 2, 3, 4, 5].map((n) => put(catalogue, "policy", "one", `${round}.${n}`, expected)),
          ...[1, 2, 3, 4, 5].map((n) => put(catalogue, "policy", `${round}.${n}`, "{}")),
        ]);
        const through = versions.filter((each) => each !== undefined).sort((a, b) => a - b);
        expect(through).toEqual([1, 2, 3, 4, 5, 6].map((n) => version + n));
        expect(versions.slice(0, 5).filter((each) => each !== undefined)).toHaveLength(1);
        expect(await seen(version + 6), "by who read meanwhile").toEqual(through);
      }
    },
  );

  it_("it is beside counting: neither counters nor the change log know of it", async ({ store }) => {
    await apply(store, increment("a"));
    const was = [await store.get(["a"]), await allChanges(store)];
    await put(store.catalogue!, "policy", "a", "{}");
    await apply(store, increment("a"));
    await put(store.catalogue!, "policy", "a", "[]", 1);
    expect((await store.get(["a"]))[0]).toMatchObject({ value: 2n, revision: 2 });
    expect(await allChanges(store)).toHaveLength(was[1]!.length + 1);
    expect((await store.catalogue!.read(0)).entries).toMatchObject([{ version: 2, body: "[]" }]);
  });

  it_("what was written survives a restart, and the version goes on", async (opened) => {
    if (opened.store.traits.durability === "none") return;
    await put(opened.store.catalogue!, "key", "a", "1");
    await put(opened.store.catalogue!, "key", "b", "2");
    await put(opened.store.catalogue!, "key", "a", undefined, 1);
    const was = await opened.store.catalogue!.read(0);
    const { catalogue } = await opened.reopen();
    expect(await catalogue!.read(0)).toEqual(was);
    expect(await put(catalogue!, "key", "a", "4", 1)).toBeUndefined();
    expect(await put(catalogue!, "key", "a", "4")).toBe(4);
  });

  it_("a store that is closed reads and writes nothing", async (opened) => {
    const { store } = opened;
    await opened.reopen();
    await expect(store.catalogue!.read(0)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await expect(put(store.catalogue!, "key", "a", "1")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  });

  if (kind.name === "memory") return;

  it("a damaged row is told, and not written over; the others are as they were", async () => {
    const others = ["key a", "policy c"];
    for (const damage of [
      "UPDATE @catalogue SET body = 'x' WHERE key = 'b'",
      "UPDATE @catalogue SET body = NULL WHERE key = 'b'",
      "UPDATE @catalogue SET kind = 'policy' WHERE key = 'b'",
      "UPDATE @catalogue SET checksum = 0 WHERE key = 'b'",
    ]) {
      await afterDamage(kind, damage, async ({ catalogue }) => {
        const { entries, corrupt, version } = await catalogue!.read(0);
        expect(
          entries.map((entry) => `${entry.kind} ${entry.key}`),
          damage,
        ).toEqual(others);
        expect(corrupt, damage).toMatchObject([{ key: "b" }]);
        expect(version).toBe(3);
        expect((await catalogue!.read(2)).corrupt).toEqual([]);
        const { kind } = corrupt[0] as { kind: CatalogueKind };
        await expect(put(catalogue!, kind, "b", "9", 0), damage).rejects.toMatchObject({
          code: "ROW_CORRUPT",
        });
        expect(await put(catalogue!, "key", "a", "9", 1)).toBe(4);
      });
    }
  });

  it("a row that is missing is told, whichever it was", async () => {
    for (const damage of [
      "DELETE FROM @catalogue WHERE key = 'a'",
      "DELETE FROM @catalogue WHERE key = 'c'",
      "DELETE FROM @catalogue",
      "UPDATE @catalogue SET version = 7 WHERE key = 'b'",
      "UPDATE @catalogue SET version = 9000000000000000000 + version",
    ]) {
      await afterDamage(kind, damage, async ({ catalogue }) => {
        for (const since of [0, 2])
          await expect(catalogue!.read(since), damage).rejects.toMatchObject({ code: "ROW_CORRUPT" });
      });
    }
  });
}

function put(
  catalogue: Catalogue,
  kind: CatalogueKind,
  key: string,
  body: string | undefined,
  expectedVersion = 0,
): Promise<number | undefined> {
  return catalogue.write({ kind, key, body, expectedVersion });
}

/** Reads what comes, from a version on; up to one, the versions that were read. */
function reading(catalogue: Catalogue, from: number): (to: number) => Promise<number[]> {
  const versions: number[] = [];
  let [at, end] = [from, Number.POSITIVE_INFINITY];
  const read = (async () => {
    while (at < end) {
      const { version, entries } = await catalogue.read(at);
      versions.push(...entries.map((entry) => entry.version));
      at = version;
    }
  })();
  return async (to) => {
    end = to;
    await read;
    return versions;
  };
}

/** Three entries, of which something was changed by SQL while nobody had the store. */
function afterDamage(kind: StoreKind, sql: string, test: (store: Store) => Promise<void>): Promise<void> {
  return damaged(kind, sql, { test, fill });
}

async function fill({ catalogue }: Store): Promise<void> {
  await put(catalogue!, "key", "a", "1");
  await put(catalogue!, "key", "b", "2");
  await put(catalogue!, "policy", "c", "3");
}

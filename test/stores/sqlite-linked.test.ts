/** How SQLite's store tells what is not there from what cannot be found: links between entries, and guards of counts. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { v7 } from "uuid";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CORRUPT } from "../../src/core/batch.ts";
import { ChangeKind } from "../../src/core/change.ts";
import { counterDamaged } from "../../src/core/errors.ts";
import { INT64_MAX, INT64_MIN } from "../../src/core/int64.ts";
import type { Selection } from "../../src/core/selection.ts";
import { copyStore } from "../../src/service/copy.ts";
import { DEFAULT_RETENTION, type Store } from "../../src/service/store.ts";
import { openStore } from "../../src/stores/open.ts";
import { Checksum, fits } from "../../src/stores/shared/checksum.ts";
import { unlessCorrupt } from "../../src/stores/sqlite/rows/damage.ts";
import { idLink } from "../../src/stores/sqlite/rows/generation-rows.ts";
import { guarded } from "../../src/stores/sqlite/rows/guard.ts";
import { EntryWriter, MissingNames } from "../../src/stores/sqlite/rows/linked-entries.ts";
import { generationsIn, LiveGeneration } from "../../src/stores/sqlite/rows/live-generation.ts";
import { SCHEMA_VERSION } from "../../src/stores/sqlite/schema/schema.ts";
import { apply, batch, commit, create, increment, remove, single } from "../support/calls.ts";
import { HandClock } from "../support/clock.ts";
import { folderInMemory } from "../support/folder.ts";

const ALL: Selection = { prefix: "", labels: {} };
const LABELLED: Selection = { prefix: "", labels: { k: "v" } };

let dir: string;
let path: string;
let clock: HandClock;
let warnings: string[];
let store: Store | undefined;

beforeEach(() => {
  dir = mkdtempSync(join(folderInMemory(), "tally-linked-"));
  path = join(dir, "tally.db");
  clock = new HandClock();
  warnings = [];
});
afterEach(async () => {
  await store?.close();
  store = undefined;
  rmSync(dir, { recursive: true, force: true });
});

async function opened(): Promise<Store> {
  store = await openStore(`sqlite:${path}`, {
    clock,
    newUid: () => v7(),
    retention: DEFAULT_RETENTION,
    cachedCountersMax: 100,
    warn: (message) => warnings.push(message),
  });
  return store;
}

/** Close, do something to the file, and open it again. */
async function reopenedAfter(sql: string): Promise<Store> {
  await store?.close();
  store = undefined;
  const db = new Database(path);
  db.exec(sql);
  db.close();
  return opened();
}

const names = Array.from({ length: 9 }, (_, i) => `name-${i}`);

async function filled(): Promise<Store> {
  const store = await opened();
  await commit(
    store,
    ...names.map((name, i) => single(create(name, { value: BigInt(i), labels: { k: "v", l: `${i % 2}` } }))),
  );
  await commit(store, ...names.map((name) => single(increment(name), { id: `id of ${name}` })));
  return store;
}

/** All pages of a list. */
async function walked(
  store: Store,
  selection: Selection,
  size: number,
): Promise<{ given: string[]; corrupt: string[] }> {
  const [given, corrupt]: [string[], string[]] = [[], []];
  for (let from: string | undefined = ""; from !== undefined; ) {
    const page = await store.list(selection, from, size);
    given.push(...page.counters.map(({ name }) => name));
    corrupt.push(...page.corruptNames);
    from = page.next;
  }
  return { given, corrupt };
}

/** Have a key in a page of a stopped file rot to another, and stand where it stood. */
function rotKey(table: string, key: string, as: string): void {
  const db = new Database(path);
  const page = db
    .prepare<[string], number>("SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf'")
    .pluck()
    .get(table)!;
  db.close();
  const bytes = readFileSync(path);
  bytes.write(as, bytes.indexOf(key, (page - 1) * 4096));
  writeFileSync(path, bytes);
}

/** Do something to the request ids of a stopped file, in one transaction. */
function inGeneration(act: (generation: LiveGeneration) => void): void {
  const db = new Database(path).defaultSafeIntegers(true);
  db.transaction(() => act(new LiveGeneration(db, generationsIn(db)[0]!)))();
  db.close();
}

describe("what was lost from a table without a trace", () => {
  it("of a request id, the retry is refused and so is a new id beside it; others are replayed, and new ones taken", async () => {
    await filled();
    const store = await reopenedAfter("DELETE FROM request_ids_0 WHERE key LIKE 'id of name-4%'");
    const answers = await commit(
      store,
      ...["name-3", "name-4", "name-5"].map((name) => single(increment(name), { id: `id of ${name}` })),
      single(increment("name-0"), { id: "id of name-44" }),
      single(increment("name-0"), { id: "id of name-8, and one more" }),
    );
    expect(answers.map(({ refused, replayed }) => refused?.code ?? replayed)).toEqual([
      ...[true, "ROW_CORRUPT", true, "ROW_CORRUPT", false],
    ]);
    await expect(store.copying!.exportRequestIds("", 100)).rejects.toMatchObject({ code: "ROW_CORRUPT" });
  });

  it("of the last request ids, those that come after are refused too, for nobody can tell them from new ones", async () => {
    await filled();
    const store = await reopenedAfter("DELETE FROM request_ids_0 WHERE key > 'id of name-7'");
    const answers = await commit(
      store,
      single(increment("name-7"), { id: "id of name-7" }),
      single(increment("name-8"), { id: "id of name-8" }),
      single(increment("name-1"), { id: "zzz" }),
      single(increment("name-1"), { id: "a new one" }),
    );
    expect(answers.map(({ refused, replayed }) => refused?.code ?? replayed)).toEqual([
      ...["ROW_CORRUPT", "ROW_CORRUPT", "ROW_CORRUPT", false],
    ]);
  });

  it("of what leads to a name, the counter is not ended and made anew in one commit, for it might be made anew again", async () => {
    await filled();
    const store = await reopenedAfter("UPDATE counter_names SET next = next + 1 WHERE name = 'name-3'");
    const anew = (name: string) => batch([remove(name), create(name)], { allOrNothing: true });
    const answers = await commit(store, anew("name-4"), anew("name-7"), single(increment("name-4")));
    expect(answers.map(({ refused }) => refused?.code)).toEqual(["ROW_CORRUPT", undefined, undefined]);
    expect(await store.get(["name-4", "name-7"])).toMatchObject([{ value: 6n }, { value: 0n }]);
  });

  it("of a name, the counter is not made anew, and lists, sums and rankings are refused", async () => {
    await filled();
    const store = await reopenedAfter("DELETE FROM counter_names WHERE name = 'name-4'");
    expect(await store.get(["name-3", "name-4", "name-44", "other"])).toMatchObject([
      { value: 4n },
      CORRUPT,
      CORRUPT,
      undefined,
    ]);
    expect(await apply(store, increment("name-4"))).toEqual(counterDamaged("name-4"));
    const damaged = { code: "ROW_CORRUPT" };
    await expect(store.list(ALL, "", 100)).rejects.toMatchObject(damaged);
    await expect(store.sum(ALL)).rejects.toMatchObject(damaged);
    await expect(store.top(ALL, 1, "lowest")).rejects.toMatchObject(damaged);
    expect((await store.list(ALL, "name-6", 100)).counters).toHaveLength(3);
    expect(await store.sum(LABELLED)).toMatchObject({ count: 9 });
  });

  it("of a label, what goes by it is refused, be it the only one or one of several; what does not, works", async () => {
    await filled();
    const store = await reopenedAfter("DELETE FROM counter_labels WHERE key = 'k' AND name = 'name-4'");
    const damaged = { code: "ROW_CORRUPT" };
    await expect(store.list(LABELLED, "", 100)).rejects.toMatchObject(damaged);
    await expect(store.sum(LABELLED)).rejects.toMatchObject(damaged);
    await expect(store.top(LABELLED, 1, "highest")).rejects.toMatchObject(damaged);
    // Of several the rarest leads, and the others are looked up.
    const both = { prefix: "", labels: { k: "v", l: "0" } };
    const listed = await store.list(both, "", 100);
    expect(listed.corruptNames).toEqual(["name-4"]);
    expect(listed.counters.map(({ name }) => name)).toEqual(["name-0", "name-2", "name-6", "name-8"]);
    expect(await store.sum(both)).toMatchObject({ count: 0, corruptNames: ["name-4"] });
    expect(await store.top(both, 1, "highest")).toEqual({ counters: [], corruptNames: ["name-4"] });
    expect((await store.list({ prefix: "", labels: { l: "0" } }, "", 100)).counters).toHaveLength(5);
    expect(await apply(store, remove("name-4"))).toEqual(counterDamaged("name-4"));
    expect(await apply(store, remove("name-3"))).toMatchObject({ value: 4n });
  });

  it("of a name or a label, what is deleted and made beside it leaves no trace less", async () => {
    const damaged = { code: "ROW_CORRUPT" };
    await filled();
    let store = await reopenedAfter("DELETE FROM counter_names WHERE name = 'name-4'");
    // What was there a moment before is not made anew either, in the same commit or in a later one: its gap is not proven.
    const asked = [remove("name-5"), create("name-5", { value: 5n }), remove("name-3")];
    const answers = await commit(store, ...asked.map((op) => single(op)));
    expect(answers.map(({ refused }) => refused?.code)).toEqual([undefined, "ROW_CORRUPT", undefined]);
    expect(await apply(store, increment("name-4"))).toEqual(counterDamaged("name-4"));
    await expect(store.list(ALL, "", 100)).rejects.toMatchObject(damaged);
    expect(await apply(store, create("name-5", { value: 5n }))).toEqual(counterDamaged("name-5"));
    expect(await apply(store, increment("name-6"))).toMatchObject({ value: 8n });

    store = await reopenedAfter("DELETE FROM counter_labels WHERE key = 'k' AND name = 'name-7'");
    await apply(store, remove("name-8"));
    await apply(store, create("name-65", { labels: { k: "v" } }));
    await apply(store, create("name-75", { labels: { k: "v" } }));
    await expect(store.list(LABELLED, "", 100)).rejects.toMatchObject(damaged);
    await expect(store.sum(LABELLED)).rejects.toMatchObject(damaged);
  });

  // One bit; with its cells out of order, a page is searched another way for an update than it was for reading.
  it("of a name, in its own entry: no other leads past it once the one beside it is deleted", async () => {
    await filled();
    await store!.close();
    rotKey("counter_names", "name-3", "name-#");
    const rotten = await opened();
    await apply(rotten, remove("name-4"));
    expect(await apply(rotten, increment("name-3"))).toEqual(counterDamaged("name-3"));
    expect(await apply(rotten, increment("name-5"))).toMatchObject({ value: 7n });
  });

  it("of a label, in its own entry: a list by it names the counter, and leaves out none of those behind it", async () => {
    await filled();
    await store!.close();
    // One bit of "k": it is another label's now, and stands where it stood.
    rotKey("counter_labels", "kvname-4", "ovname-4");
    let rotten = await opened();
    const others = names.filter((name) => name !== "name-4");
    const listed = await rotten.list(LABELLED, "", 100);
    expect(listed.corruptNames).toEqual(["name-4"]);
    expect(listed.counters.map(({ name }) => name)).toEqual(others);
    expect(await rotten.sum(LABELLED)).toMatchObject({ corruptNames: [expect.anything()] });
    expect((await rotten.list({ prefix: "", labels: { l: "0" } }, "", 100)).counters).toHaveLength(5);

    await rotten.close();
    rotKey("counter_labels", "ovname-4", "ivname-4"); // The bounds of the search leave it out, and it is looked for without.
    rotten = await opened();
    const again = await rotten.list(LABELLED, "", 100);
    expect(again.corruptNames).toEqual(["name-4"]);
    expect(again.counters.map(({ name }) => name)).toEqual(others);

    await rotten.close();
    rotKey("counter_names", "name-5", "name- ");
    rotten = await opened();
    const all = await rotten.list(ALL, "", 100);
    expect(all.corruptNames, "as its row says").toEqual(["name-5"]);
    expect(all.counters.map(({ name }) => name)).toEqual(names.filter((name) => name !== "name-5"));
  });

  // The search for the beginning meets that entry, and ends behind it: those of the label that stand before it are before the search.
  it.each(["c", "j", "K", "+", "\x01"])(
    "of a label, in its own entry, to %j: a list by it begins where it begins, and does not end before its end",
    async (to) => {
      await filled();
      await store!.close();
      rotKey("counter_labels", "kvname-3", `${to}vname-3`);
      const rotten = await opened();
      const others = names.filter((name) => name !== "name-3");
      for (const size of [1, 2, 3, 100]) {
        const { given, corrupt } = await walked(rotten, LABELLED, size);
        expect(given, `in pages of ${size}`).toEqual(others);
        expect(new Set(corrupt), `in pages of ${size}`).toEqual(new Set(["name-3"]));
      }
      const some = await rotten.list({ ...LABELLED, prefix: "name-2" }, "", 9);
      expect([some.counters.map(({ name }) => name), some.corruptNames]).toEqual([["name-2"], []]);
    },
  );

  it("of a name, in its own entry: a list that begins where the search ends behind it leaves out none before it", async () => {
    await filled();
    await store!.close();
    rotKey("counter_names", "name-3", "fame-3");
    const rotten = await opened();
    const { given, corrupt } = await walked(rotten, { prefix: "name-", labels: {} }, 100);
    expect(given).toEqual(names.filter((name) => name !== "name-3"));
    expect(corrupt).toEqual(["name-3"]);
  });

  it("of a label or a name, in its own entry: no sum and no ranking counts it, or those behind it, among what it is now", async () => {
    const store = await opened();
    const many = Array.from({ length: 60 }, (_, n) => `name-${10 + n}`);
    // So few have a label that they are looked for by it.
    const zone = (n: number) => (n < 6 ? { zone: `z${n % 2}` } : {});
    await commit(
      store,
      ...many.map((name, n) => single(create(name, { value: BigInt(n), labels: zone(n) }))),
    );
    await store.close();
    for (const [table, key, as, selection] of [
      ["counter_labels", "zonez1name-11", "zonez0name-11", { prefix: "", labels: { zone: "z0" } }],
      ["counter_labels", "zonez0name-14", "zonez1name-14", { prefix: "", labels: { zone: "z1" } }],
      ["counter_names", "name-65", "xame-65", { prefix: "x", labels: {} }],
    ] as const) {
      rotKey(table, key, as);
      const rotten = await opened();
      const wanted = many.filter((_, n) => selection.prefix === "" && zone(n).zone === selection.labels.zone);
      const isDamaged = ({ code }: { code?: string }) => code === "ROW_CORRUPT";
      const sum = await rotten.sum(selection).catch((error) => error);
      if (!isDamaged(sum) && sum.corruptNames.length === 0) expect(sum.count, key).toBe(wanted.length);
      const top = await rotten.top(selection, 9, "highest").catch((error) => error);
      if (!isDamaged(top) && top.corruptNames.length === 0)
        expect(top.counters.map(({ name }: { name: string }) => name).sort(), key).toEqual(wanted);
      const { given, corrupt } = await walked(rotten, selection, 100);
      expect(given, key).toEqual(wanted.filter((name) => !corrupt.includes(name)));
      await rotten.close();
      rotKey(table, as, key);
    }
  });

  it("of whose an entry is, or of its checksum: its counter is named, and no other, in no list but its own", async () => {
    for (const table of ["counter_labels", "counter_names"] as const) {
      for (const rot of ["counter_id = counter_id + 1", "checksum = checksum + 4"]) {
        await filled();
        const which = table === "counter_labels" ? "key = 'k' AND name = 'name-8'" : "name = 'name-8'";
        const rotten = await reopenedAfter(`UPDATE ${table} SET ${rot} WHERE ${which}`);
        const own = table === "counter_labels" ? LABELLED : ALL;
        const { given, corrupt } = await walked(rotten, own, 100);
        expect(given, `${table}: ${rot}`).toEqual(names.slice(0, 8));
        expect(corrupt, `${table}: ${rot}`).toEqual(["name-8"]);
        // It is the last of its label, and stands before the first of the other.
        const other =
          table === "counter_labels" ? { prefix: "", labels: { l: "0" } } : { prefix: "name-7", labels: {} };
        expect((await rotten.list(other, "", 100)).corruptNames, `${table}: ${rot}`).toEqual([]);
        await rotten.close();
        for (const suffix of ["", "-wal", "-shm", "-lock"]) rmSync(path + suffix, { force: true });
      }
    }
  });

  it("of a request id, in its own row: one that is saved behind it is not said to be new", async () => {
    await opened();
    await store!.close();
    const keys = Array.from({ length: 8 }, (_, i) => `key-${10 + i}`);
    const record = new Uint8Array([1, 2, 3]);
    inGeneration((generation) => generation.save(keys.map((key) => [key, record] as const)));
    rotKey("request_ids_0", "key-13", "key-33");
    inGeneration((generation) => {
      const saved = unlessCorrupt(() => generation.save([["key-17a", record]]));
      if (saved !== CORRUPT) expect(generation.find("key-17a")).toBeDefined();
    });
  });

  // Its key is another's now: to write that one over SQLite looks it up once more, and may come to this one.
  it("of a name, in its own entry, to another name: one that is put in beside that is not said to be missing", async () => {
    await opened();
    await store!.close();
    const keyOf = (name: string) => ({ key: "", value: "", name });
    const inNames = (act: (entries: EntryWriter, missing: MissingNames) => void) => {
      const db = new Database(path).defaultSafeIntegers(true);
      db.transaction(() => act(new EntryWriter(db, "counter_names"), new MissingNames(db)))();
      db.close();
    };
    inNames((entries) => {
      for (let n = 0; n < 14; n++) entries.insert(keyOf(`name-${10 + n}`), BigInt(n + 1));
    });
    rotKey("counter_names", "name-15", "name-11");
    const put: string[] = [];
    for (const [n, name] of ["name-11a", "name-16c"].entries()) {
      const done = unlessCorrupt(() =>
        inNames((entries, missing) => {
          if (missing.lacks(name)) entries.insert(keyOf(name), BigInt(100 + n));
        }),
      );
      if (done !== CORRUPT) put.push(name);
    }
    inNames((_, missing) => {
      for (const name of [...put, "name-15"]) expect(missing.lacks(name), name).toBe(false);
    });
  });

  it("of a request id, in its own row, to another id: what is saved beside that is not said to be new", async () => {
    await opened();
    await store!.close();
    const record = new Uint8Array([1, 2, 3]);
    const keys = Array.from({ length: 23 }, (_, i) => `key-${10 + i}`);
    inGeneration((generation) => generation.save(keys.map((key) => [key, record] as const)));
    rotKey("request_ids_0", "key-13", "key-11");
    const saved: string[] = [];
    for (const ids of ["11c 10b", "281", "25f 28c 16e5", "11a 18e5 14a", "25d 24a"]) {
      const asked = ids.split(" ").map((id) => `key-${id}`);
      let fresh: string[] = [];
      const isSaved = unlessCorrupt(() =>
        inGeneration((generation) => {
          fresh = asked.filter((key) => generation.find(key) === undefined);
          generation.save(fresh.map((key) => [key, record] as const));
        }),
      );
      if (isSaved !== CORRUPT) saved.push(...fresh);
      inGeneration((generation) => {
        for (const key of saved) expect(generation.find(key), `${key} after ${ids}`).toBeDefined();
      });
    }
  });

  it("of a request id, in its own row, to the last one: that leads to what is saved behind it, or nothing is saved", async () => {
    await opened();
    await store!.close();
    const record = new Uint8Array([1, 2, 3]);
    const keys = Array.from({ length: 8 }, (_, i) => `key-${10 + i}`);
    inGeneration((generation) => generation.save(keys.map((key) => [key, record] as const)));
    rotKey("request_ids_0", "key-13", "key-17");
    expect(unlessCorrupt(() => inGeneration((generation) => generation.save([["key-18", record]])))).toBe(
      CORRUPT,
    );
  });

  it("of a count, sums and rankings name the counter, also where it would not be among the best", async () => {
    for (const lost of [
      "DELETE FROM counts WHERE id = (SELECT counter_id FROM counter_names WHERE name = 'name-4')",
      "UPDATE counts SET value = 1000 WHERE id = (SELECT counter_id FROM counter_names WHERE name = 'name-4')",
      "INSERT INTO recent_counts SELECT * FROM counts WHERE value = 5; UPDATE recent_counts SET value = 6",
    ]) {
      await filled();
      const store = await reopenedAfter(lost);
      for (const selection of [ALL, LABELLED, { prefix: "name-4", labels: {} }]) {
        expect(await store.sum(selection), lost).toMatchObject({ count: 0, corruptNames: ["name-4"] });
        const top = await store.top(selection, 2, "highest");
        expect(top, lost).toEqual({ counters: [], corruptNames: ["name-4"] });
      }
      expect(await store.sum({ prefix: "name-5", labels: {} })).toMatchObject({ count: 1, sum: 6n });
      await store.close();
      for (const suffix of ["", "-wal", "-shm", "-lock"]) rmSync(path + suffix, { force: true });
    }
  });

  it("of a row, no ranking of counters that share a value leaves its counter out", async () => {
    const store = await opened();
    await commit(store, ...names.map((name) => single(create(name, { labels: { k: "v" } }))));
    const again = await reopenedAfter(
      "PRAGMA foreign_keys = OFF; DELETE FROM counters WHERE name = 'name-1'",
    );
    for (const selection of [ALL, LABELLED, { prefix: "name-", labels: {} }]) {
      for (const order of ["highest", "lowest"] as const) {
        const told = await again.top(selection, 3, order).then(
          ({ corruptNames }) => corruptNames.length > 0,
          ({ code }) => code === "ROW_CORRUPT",
        );
        expect(told, `${order} of ${JSON.stringify(selection)}`).toBe(true);
      }
    }
  });

  it("what rotted to another type is damage, and no defect", async () => {
    for (const [table, column] of [
      ["counter_names", "checksum"],
      ["counter_names", "next"],
      ["counter_names", "counter_id"],
      ["counter_labels", "next"],
      ["counts", "value"],
      ["counts", "checksum"],
    ] as const) {
      await filled();
      await store!.close();
      // As a page of a table that is not STRICT could be: the same bytes, read by a schema that allows them.
      const db = new Database(path);
      const { sql } = db.prepare("SELECT sql FROM sqlite_schema WHERE name = ?").get(table) as {
        sql: string;
      };
      const write = (to: string) => {
        db.unsafeMode(true);
        db.pragma("writable_schema = ON");
        db.prepare("UPDATE sqlite_schema SET sql = ? WHERE name = ?").run(to, table);
        db.pragma("writable_schema = RESET");
      };
      write(sql.replace(/STRICT\s*$/, "").replace(/,\s*$/, ""));
      db.exec(`UPDATE ${table} SET ${column} = x'' WHERE ${column} = (SELECT max(${column}) FROM ${table})`);
      write(sql);
      db.close();
      const rotten = await opened();
      for (const selection of [ALL, LABELLED, { prefix: "name-", labels: {} }]) {
        for (const read of [
          () => rotten.sum(selection),
          () => rotten.top(selection, 1, "highest"),
          () => rotten.list(selection, "", 9),
        ]) {
          const told = await read().catch((error: unknown) => error);
          if (told instanceof Error) expect(told).toMatchObject({ code: "ROW_CORRUPT" });
        }
      }
      for (const name of names) {
        const told = await apply(rotten, remove(name)).catch((error: unknown) => error);
        expect(told, `${table}.${column}`).not.toMatchObject({ code: "CONSTRAINT_VIOLATED" });
      }
      await rotten.close();
      for (const suffix of ["", "-wal", "-shm", "-lock"]) rmSync(path + suffix, { force: true });
    }
  });

  it("of a name among many that share a value, in its row: the ranking does not put others before it", async () => {
    const store = await opened();
    await commit(store, ...names.map((name) => single(create(name, { value: 7n }))));
    expect((await store.top(ALL, 3, "highest")).counters.map(({ name }) => name)).toEqual(names.slice(0, 3));
    const rotten = await reopenedAfter("UPDATE counters SET name = 'name-9' WHERE name = 'name-1'");
    await expect(rotten.top(ALL, 3, "highest")).rejects.toMatchObject({ code: "ROW_CORRUPT" });
  });

  it("of the change log, who follows it is told, be it from its beginning, its middle or its end", async () => {
    for (const lost of ["position = 1", "position = 2", "position = 3"]) {
      await filled();
      await apply(store!, increment("name-0"));
      await store!.close();
      const db = new Database(path);
      db.exec(`DELETE FROM change_log WHERE ${lost}`);
      db.close();
      if (lost === "position = 2") {
        await expect((await opened()).changesSince("", 100)).rejects.toMatchObject({ code: "ROW_CORRUPT" });
        await store!.close();
      } else await expect(opened()).rejects.toThrow(/The change log is damaged at position/);
      store = undefined;
      for (const suffix of ["", "-wal", "-shm", "-lock"]) rmSync(path + suffix, { force: true });
    }
  });
});

describe("what is loaded at the start", () => {
  it.each([
    ["a running time", "UPDATE service_time SET run_ms = run_ms + 1"],
    ["no running time", "DELETE FROM service_time"],
    ["a generation of request ids that is forgotten", "UPDATE request_id_generations SET forgotten = 1"],
    ["no generation of request ids", "DELETE FROM request_id_generations"],
    ["a copy", "UPDATE copying SET ended = 1"],
    ["the id of the last counter", "UPDATE sqlite_sequence SET seq = 8 WHERE name = 'counters'"],
  ])("is refused when it is not what was written: %s", async (_, sql) => {
    await filled();
    await expect(reopenedAfter(sql)).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: expect.stringContaining("restore"),
    });
  });

  it("a schema that differs is refused, unless it was changed by SQL, which SQLite counts", async () => {
    await filled();
    await reopenedAfter("CREATE INDEX of_an_operator ON counters (create_ms)");
    await reopenedAfter("DROP INDEX of_an_operator");
    await store!.close();
    store = undefined;
    const db = new Database(path);
    const version = Number(db.pragma("schema_version", { simple: true }));
    db.unsafeMode(true);
    db.pragma("writable_schema = ON");
    db.exec("UPDATE sqlite_schema SET sql = replace(sql, 'value >= min_value', 'value >= max_value')");
    db.pragma(`schema_version = ${version}`);
    db.close();
    await expect(opened()).rejects.toThrow("its schema is not what was written");
  });
});

describe("a file from before entries were linked", () => {
  it("is brought up with all that is in it: counters, labels, request ids that live, changes", async () => {
    copyFileSync(new URL("./golden/schema-5.sqlite", import.meta.url), path);
    const store = await opened();
    expect(warnings).toEqual([
      `The file was of schema 5 and now is of ${SCHEMA_VERSION}: the Tally before can no longer open it.`,
    ]);
    const made = Array.from({ length: 40 }, (_, i) => `shop-${i % 3}/visits-${i}`);
    const there = made.filter((_, i) => i !== 3 && i !== 4);
    const { counters, next } = await store.list(ALL, "", 1_000);
    expect([counters.map(({ name }) => name), next]).toEqual([[...there].sort(), undefined]);
    const sum = counters.reduce((total, { value }) => total + value, 0n);
    expect(await store.sum(ALL)).toMatchObject({ count: 38, sum, corruptNames: [] });
    expect((await store.top(ALL, 1, "highest")).counters).toMatchObject([{ name: made[38] }]);
    const labelled = await store.list({ prefix: "", labels: { team: "t1", "zone\u0001": '"5' } }, "", 10);
    expect(labelled.counters.map(({ name }) => name)).toEqual([made[5]]);
    for (const g of [0, 1]) {
      const retried = made.map((name, i) => single(increment(name, 3n), { id: `${g}-${(i * 7919) % 1009}` }));
      const answers = await commit(
        store,
        ...retried,
        batch([increment(made[0]!), increment(made[1]!)], { id: `${g}-batch` }),
      );
      expect(answers.every(({ replayed }) => replayed)).toBe(true);
    }
    expect(await store.get(["shop-0/visits-3", "none"])).toEqual([undefined, undefined]);
    const { changes } = await store.changesSince("", 1_000);
    const added = changes.reduce((total, { added, removed }) => total + added - removed, 0n);
    const [kept, ...others] = changes.filter(({ kind }) => kind === ChangeKind.DELETE);
    expect([kept!.name, ...others.map(({ name }) => name)]).toEqual([made[3], made[4]]);
    expect(added - kept!.value).toBe(sum); // Of the other one only its deletion is told.
    await store.close();
    const db = new Database(path);
    expect(db.pragma("integrity_check", { simple: true })).toBe("ok");
    db.close();
  });

  it("is not blessed where it is damaged", async () => {
    copyFileSync(new URL("./golden/schema-5.sqlite", import.meta.url), path);
    const store = await reopenedAfter("UPDATE recent_counts SET value = value + 1 WHERE id = 9");
    const name = "shop-2/visits-8";
    expect(await store.get([name])).toEqual([CORRUPT]);
    expect(await store.sum(ALL)).toMatchObject({ corruptNames: [name] });
  });
});

it("a copy from a file whose catalogue lost its state is told as damaged, and not as a store that failed", async () => {
  await opened();
  const source = await reopenedAfter("UPDATE catalogue_state SET checksum = checksum + 1");
  const target = await openStore("memory:", {
    ...{ clock, newUid: () => v7(), retention: DEFAULT_RETENTION, cachedCountersMax: 100, warn: () => {} },
    purpose: "copyTo",
  });
  await expect(copyStore(source, target)).rejects.toMatchObject({ name: "CopyError", reason: "DAMAGED" });
});

describe("a file whose links of request ids did not name their generation", () => {
  const replayed = (id: string, name: string) => single(increment(name), { id });

  it("goes on: ids that are there replay, and others are taken", async () => {
    copyFileSync(new URL("./golden/schema-7.sqlite", import.meta.url), path);
    const store = await opened();
    const kept = await commit(store, ...[1, 2, 3, 4, 5].map((i) => replayed(`k${i}`, `e${i}`)));
    expect(kept.map((answer) => answer.replayed)).toEqual([true, true, true, true, true]);
    const fresh = await commit(store, ...["a", "k3.", "z"].map((id) => replayed(id, "e1")));
    expect(fresh.map(({ replayed, results }) => [replayed, results])).toMatchObject([
      [false, [{ value: 2n }]],
      [false, [{ value: 3n }]],
      [false, [{ value: 4n }]],
    ]);
    expect((await store.list({ prefix: "", labels: { a: "b" } }, "", 9)).counters).toMatchObject([
      { name: "lab", value: 7n },
    ]);
  });

  it("is not blessed where an id is missing: what may have been it is refused", async () => {
    copyFileSync(new URL("./golden/schema-7.sqlite", import.meta.url), path);
    const db = new Database(path);
    const keys = db.prepare<[], string>("SELECT key FROM request_ids_0 ORDER BY key").pluck().all();
    const gone = keys.find((key) => key.includes("k3"))!;
    db.prepare("DELETE FROM request_ids_0 WHERE key = ?").run(gone);
    db.close();
    const [third, fourth] = await commit(await opened(), replayed("k3", "e3"), replayed("k4", "e4"));
    expect(third!.refused).toMatchObject({ code: "ROW_CORRUPT" });
    expect(fourth!.replayed).toBe(true);
  });
});

it.each([
  ["an empty text for a number", () => new Checksum().int64("" as never)],
  ["no bytes for a number", () => new Checksum().int64(new Uint8Array() as never)],
  ["a number for a text", () => new Checksum().text(0n as never)],
  ["a text for bytes", () => new Checksum().bytes("" as never)],
])("a checksum does not take %s, which it would be the same for", (_, sum) => {
  expect(sum).toThrow(TypeError);
  expect(fits(() => sum().value, BigInt(new Checksum().value))).toBe(false);
});

it("what a request id says of the next one is said of its generation alone: a pointer may lead into another's", () => {
  expect(idLink(1, "key", "")).not.toBe(idLink(2, "key", ""));
  expect(idLink(1n, "key", "")).toBe(idLink(1, "key", ""));
});

it("the guard of a count is what SQL makes of it, and differs for each bit of the value and of the id", () => {
  const db = new Database(":memory:").defaultSafeIntegers(true);
  const inSql = db.prepare<[bigint, bigint], bigint>("SELECT ? % 16381 + ? % 16381").pluck();
  const guardOf = (id: bigint, value: bigint) => BigInt(guarded(-1, id, value)) >> 32n;
  for (const value of [
    0n,
    1n,
    -1n,
    INT64_MAX,
    INT64_MIN,
    16_381n,
    -16_381n,
    2n ** 32n,
    -(2n ** 32n),
    7n ** 20n,
  ]) {
    for (const id of [1n, 16_380n, 16_381n, 2n ** 40n + 5n]) {
      expect(guardOf(id, value)).toBe(inSql.get(value, id));
      expect(guarded(-1, id, value)).toBeLessThan(2 ** 47);
      expect(guarded(-1, id, value)).toBeGreaterThanOrEqual(-(2 ** 47));
      for (let bit = 0n; bit < 63n; bit++)
        expect(guardOf(id, value ^ (1n << bit))).not.toBe(guardOf(id, value));
    }
  }
  db.close();
});

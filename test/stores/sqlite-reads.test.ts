/** What only SQLite's store promises of its reads: that they follow indexes, notice damage, and hold up nobody. */
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type Database from "better-sqlite3";
import { v7 } from "uuid";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Selection } from "../../src/core/selection.ts";
import { DEFAULT_RETENTION, type Store } from "../../src/service/store.ts";
import { openStore } from "../../src/stores/open.ts";
import { ZoneCalendar } from "../../src/stores/shared/calendar.ts";
import { PageReader } from "../../src/stores/sqlite/read/pages.ts";
import { asOfOneMoment, openReadOnly } from "../../src/stores/sqlite/read/reading.ts";
import { Scanner } from "../../src/stores/sqlite/read/scans.ts";
import { RowReader } from "../../src/stores/sqlite/rows/row-reader.ts";
import { batch, commit, create, increment, set, single } from "../support/calls.ts";
import { HandClock } from "../support/clock.ts";
import { folderInMemory } from "../support/folder.ts";

const CALENDAR = new ZoneCalendar(() => {});
const ALL: Selection = { prefix: "", labels: {} };

let dir: string;
let path: string;
let store: Store | undefined;

beforeEach(() => {
  dir = mkdtempSync(join(folderInMemory(), "tally-reads-"));
  path = join(dir, "tally.db");
});
afterEach(async () => {
  await store?.close();
  rmSync(dir, { recursive: true, force: true });
});

async function opened(): Promise<Store> {
  store = await openStore(`sqlite:${path}`, {
    clock: new HandClock(),
    newUid: () => v7(),
    retention: DEFAULT_RETENTION,
    cachedCountersMax: 1_000,
    warn: () => {},
  });
  return store;
}

async function filled(
  count: number,
  labels: (i: number) => Selection["labels"] = () => ({}),
): Promise<Store> {
  const store = await opened();
  for (let first = 0; first < count; first += 5_000) {
    const ops = Array.from({ length: Math.min(5_000, count - first) }, (_, i) => first + i).map((i) =>
      single(create(nameOf(i), { value: BigInt(i), labels: labels(i) })),
    );
    await commit(store, ...ops);
  }
  return store;
}

const nameOf = (i: number) => `counter-${String(i).padStart(6, "0")}`;

/** Time does nothing to these. */
const AS_OF = { now: 0 };

describe("plans", () => {
  /** How SQLite goes about each statement that a read prepares, apart from looking up single rows. */
  function plansOf(read: (db: Database.Database) => unknown): string[] {
    const db = openReadOnly(path, 1_024);
    const prepared = new Set<string>();
    const prepare = db.prepare.bind(db);
    db.prepare = ((sql: string) => {
      prepared.add(sql);
      return prepare(sql);
    }) as typeof db.prepare;
    read(db);
    const parameters = {
      begin: "",
      end: "~",
      from: "",
      to: "~",
      n: 1,
      worst: 0,
      enough: 1,
      after: "",
      key: "k",
      value: "v",
      name: "n",
      ...{ key0: "k", value0: "v", pair0: '"k":"v"' },
      ...{ key1: "l", value1: "w", pair1: '"l":"w"' },
    };
    const plans = [...prepared]
      .filter((sql) => sql.includes("$"))
      .flatMap((sql) => prepare(`EXPLAIN QUERY PLAN ${sql}`).all(parameters) as { detail: string }[])
      .map(({ detail }) => detail);
    db.close();
    return plans;
  }
  const LABELLED: Selection = { prefix: "c", labels: { k: "v", l: "w" } };

  it("a page is read off an index, with or without labels, and nothing is sorted", async () => {
    await (await filled(10)).close();
    for (const selection of [ALL, { ...LABELLED, labels: { k: "v" } }, LABELLED]) {
      const plans = plansOf((db) =>
        new PageReader(db, new RowReader(db), CALENDAR).read(selection, "", 5, AS_OF),
      );
      expect(plans.length).toBeGreaterThan(0);
      for (const plan of plans) expect(plan).not.toMatch(/^SCAN (entry|other|count)|TEMP B-TREE|AUTOMATIC/);
      // One is what looks for the entry behind another.
      const byLabel = plans.filter(
        (plan) => plan === "SEARCH entry USING PRIMARY KEY ((key,value,name)>(?,?,?))",
      );
      expect(byLabel).toHaveLength(selection === ALL ? 1 : 2);
    }
  });

  it("a scan goes through the rows or an index in ranges, and finds counts by their ids", async () => {
    await (await filled(100)).close();
    const byRows = "SEARCH count USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)";
    const byName = "SEARCH entry USING PRIMARY KEY (name>? AND name<?)";
    const byLabel = "SEARCH entry USING PRIMARY KEY (key=? AND value=? AND name>? AND name<?)";
    for (const [selection, expected] of [
      [ALL, byRows],
      [{ prefix: nameOf(7), labels: {} }, byName],
      [LABELLED, byLabel],
    ] as const) {
      const plans = plansOf((db) => {
        const scanner = new Scanner(db, new RowReader(db), CALENDAR);
        scanner.sum(selection, AS_OF, () => {});
        scanner.top(selection, 3, "highest", AS_OF, () => {});
      });
      expect(plans.filter((plan) => plan === expected).length).toBeGreaterThanOrEqual(2);
      for (const plan of plans) expect(plan).not.toMatch(/^SCAN (entry|other|count|recent)|AUTOMATIC/);
      if (expected === byRows) continue; // It goes through the counts themselves.
      expect(plans).toContain("SEARCH counts USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN");
      expect(plans).toContain("SEARCH recent USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN");
    }
  });
});

describe("labels that are common each and rare together", () => {
  it("give short pages, even empty ones, each after a bounded number of looks, and the walk misses none", async () => {
    const store = await filled(12_000, (i) => {
      if (i === 11_500) return { a: "1", b: "1" };
      return i % 2 === 0 ? { a: "1" } : { b: "1" };
    });
    const selection = { prefix: "", labels: { a: "1", b: "1" } };
    const pages: string[][] = [];
    let from: string | undefined = "";
    while (from !== undefined) {
      const page = await store.list(selection, from, 10);
      pages.push(page.counters.map(({ name }) => name));
      from = page.next;
    }
    expect(pages).toEqual([[], [nameOf(11_500)]]);
  });

  it("are looked for by the rarest", async () => {
    const store = await filled(9_000, (i) => (i % 3_000 === 2_999 ? { a: "1", b: "1" } : { a: "1" }));
    const { counters, next } = await store.list({ prefix: "", labels: { a: "1", b: "1" } }, "", 10);
    expect(counters.map(({ name }) => name)).toEqual([2_999, 5_999, 8_999].map(nameOf));
    expect(next).toBeUndefined();
  });
});

describe("damage on disk", () => {
  /** Change one byte of the closed file, in the n-th place that holds a text. */
  function rot(text: string, occurrence: number, at: number, to: number): void {
    const file = readFileSync(path);
    let found = file.indexOf(text);
    for (let n = 0; n < occurrence; n++) found = file.indexOf(text, found + 1);
    expect(found).toBeGreaterThan(0);
    file[found + at] = to;
    writeFileSync(path, file);
  }

  const names = Array.from({ length: 9 }, (_, i) => `name-${i}`);

  async function withRot(...rotten: Parameters<typeof rot>): Promise<Store> {
    const store = await opened();
    await commit(
      store,
      ...names.map((name, i) => single(create(name, { value: BigInt(i), labels: { k: "v" } }))),
    );
    await store.close();
    rot(...rotten);
    return opened();
  }

  it.each([
    // The file has the rows first, then the entries of labels, then those of names.
    ["in a row", 0, "x"],
    ["in an entry of the index, lower than it was", 2, "!"],
    ["in an entry of the index, higher than it was", 2, "~"],
    ["in an entry of the index, to what no name has", 2, "\xff"],
  ])(
    "a name that rotted %s: lists give the others, whatever the page size, and say that one is damaged",
    async (_, occurrence, to) => {
      const store = await withRot("name-4", occurrence, 0, to.charCodeAt(0));
      for (const size of [1, 2, 3, 4, 5, 1_000]) {
        const [given, corrupt] = [new Set<string>(), new Set<string>()];
        let from: string | undefined = "";
        for (let pages = 0; from !== undefined; pages++) {
          expect(pages).toBeLessThan(20);
          const page = await store.list({ prefix: "name-", labels: {} }, from, size);
          for (const { name } of page.counters) given.add(name);
          for (const name of page.corruptNames) corrupt.add(name);
          from = page.next;
        }
        const missed = names.filter((name) => name !== "name-4" && !given.has(name));
        expect(corrupt.size, `pages of ${size}`).toBe(1);
        // A search that goes by the lower one ends behind it: then the page says that there is damage.
        if (to !== "!") expect(missed, `pages of ${size}`).toEqual([]);
        expect(given.has("name-4")).toBe(false);
      }
    },
  );

  it("a label that rotted in the index of labels is noticed where it leads", async () => {
    const store = await withRot("kvname-4", 0, 2, "x".charCodeAt(0));
    const { counters, corruptNames } = await store.list({ prefix: "", labels: { k: "v" } }, "", 100);
    expect(counters.map(({ name }) => name)).toEqual(names.filter((name) => name !== "name-4"));
    expect(corruptNames, "as its row says").toEqual(["name-4"]);
  });

  it("a ranking names one that its index entry calls otherwise as its row does", async () => {
    const store = await withRot("name-7", 2, 0, "x".charCodeAt(0));
    const { corruptNames } = await store.top(ALL, 3, "highest");
    expect(corruptNames).toContain("name-7");
    // The search for that one meets the entry that rotted.
    for (const name of corruptNames) expect(["name-7", "name-8"]).toContain(name);
    // Where it seems to stand nobody knows what does.
    const other = store.top({ prefix: "x", labels: {} }, 3, "highest");
    await expect(other).rejects.toMatchObject({ code: "ROW_CORRUPT" });
  });

  it("a list by a prefix does not name a damaged one behind its end", async () => {
    const store = await withRot("name-7", 0, 0, "x".charCodeAt(0));
    const { counters, corruptNames } = await store.list({ prefix: "name-6", labels: {} }, "", 100);
    expect([counters.map(({ name }) => name), corruptNames]).toEqual([["name-6"], []]);
  });

  it("a ranking names the damaged one among those it would give, and does not mind others", async () => {
    const store = await withRot("name-7", 0, 0, "x".charCodeAt(0));
    const { corruptNames } = await store.top(ALL, 3, "highest");
    expect(corruptNames, "as what leads to it says").toEqual(["name-7"]);
    const { counters } = await store.top(ALL, 3, "lowest");
    expect(counters.map(({ name }) => name)).toEqual(["name-0", "name-1", "name-2"]);
  });
});

describe("scans hold up nobody", () => {
  let made: string;
  beforeAll(async () => {
    made = mkdtempSync(join(folderInMemory(), "tally-reads-made-"));
    path = join(made, "tally.db");
    await (await filled(60_000)).close();
  });
  afterAll(() => rmSync(made, { recursive: true }));

  /** With 60,000 counters, which it takes seconds to make. */
  async function large(): Promise<Store> {
    for (const name of readdirSync(made)) copyFileSync(join(made, name), join(dir, name));
    return opened();
  }

  it("commits and reads go on while a sum is under way, which sees none of them", async () => {
    const store = await large();
    await store.sum(ALL); // The thread has started.
    const order: string[] = [];
    const sum = store.sum(ALL).finally(() => order.push("sum"));
    const others = (async () => {
      for (let n = 0; n < 3; n++) {
        await commit(store, batch([set(nameOf(n), 10n ** 15n)]));
        await store.get([nameOf(n)]);
        await store.list(ALL, "", 10);
      }
      order.push("others");
    })();
    const { count } = await sum;
    await others;
    expect(count).toBe(60_000);
    expect(order).toContain("others");
  });

  it("closing stops a scan, which is told so, and leaves a file that is whole", async () => {
    const store = await large();
    await store.sum(ALL);
    const scans = Promise.allSettled([store.sum(ALL), store.top(ALL, 1_000, "lowest"), store.sum(ALL)]);
    await store.close();
    for (const settled of await scans) {
      if (settled.status === "rejected") expect(settled.reason).toMatchObject({ code: "STORE_UNAVAILABLE" });
    }
    await expect(store.sum(ALL)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(await (await opened()).sum(ALL)).toMatchObject({ count: 60_000 });
  });

  it("a scan that nobody waits for stops, and no other does", async () => {
    const store = await large();
    await store.sum(ALL);
    const before = Array.from({ length: 8 }, () => store.sum(ALL));
    const controller = new AbortController();
    const stopped = store.top(ALL, 3, "highest", controller.signal);
    const after = store.sum(ALL, new AbortController().signal);
    await commit(store, single(increment("other"))); // By then the thread has been asked for all of them.
    controller.abort();
    await expect(stopped).rejects.toMatchObject({ code: "CALL_CANCELLED" });
    for (const sum of [...before, after]) expect((await sum).count).toBeGreaterThanOrEqual(60_000);
    await expect(store.sum(ALL, AbortSignal.abort())).rejects.toMatchObject({ code: "CALL_CANCELLED" });
    expect(await store.sum(ALL)).toMatchObject({ count: 60_001 });
  });

  it("looks before each slice whether to go on", async () => {
    await (await filled(25_000)).close();
    const db = openReadOnly(path, 1_024);
    const scanner = new Scanner(db, new RowReader(db), CALENDAR);
    for (const scan of [
      (goOn: () => void) => scanner.sum(ALL, AS_OF, goOn),
      (goOn: () => void) => scanner.top(ALL, 3, "lowest", AS_OF, goOn),
      (goOn: () => void) => scanner.sum({ prefix: nameOf(1), labels: {} }, AS_OF, goOn),
    ]) {
      let looks = 0;
      scan(() => looks++);
      expect(looks).toBeGreaterThan(0);
      const all = looks;
      looks = 0;
      const stopped = new Error("stopped, for a test");
      const stop = () => {
        if (++looks === all) throw stopped;
      };
      expect(() => scan(stop)).toThrow(stopped);
    }
    db.close();
  });

  it("scans one after another do not let the WAL grow without end", async () => {
    const store = await filled(20_000);
    let scanning = true;
    const scans = (async () => {
      while (scanning) await store.sum(ALL);
    })();
    let largest = 0;
    for (let round = 0; round < 60; round++) {
      const ops = Array.from({ length: 1_000 }, (_, i) => increment(nameOf((i * 20 + round) % 20_000)));
      await commit(store, batch(ops));
      if (round === 20) largest = statSync(`${path}-wal`).size;
    }
    scanning = false;
    await scans;
    expect(statSync(`${path}-wal`).size).toBeLessThan(3 * Math.max(largest, WAL_BYTES_DUE));
  });

  it("a read transaction ends also when the read throws", async () => {
    await (await filled(1)).close();
    const db = openReadOnly(path, 1_024);
    const failing = asOfOneMoment(db, () => {
      db.prepare("SELECT * FROM counters").get();
      throw new TypeError("a defect");
    });
    expect(failing).toThrow("a defect");
    expect(db.inTransaction).toBe(false);
    const damaged = asOfOneMoment(db, () => {
      throw Object.assign(new Error("malformed"), { code: "SQLITE_CORRUPT_INDEX" });
    });
    expect(damaged).toThrow(expect.objectContaining({ code: "ROW_CORRUPT" }));
    db.close();
  });
});

/** What a checkpoint waits for: 4,000 pages of 4 KiB. */
const WAL_BYTES_DUE = 4_000 * 4_096;

/** What only SQLite's store promises: files, locks, constraints, damage. The contract itself is in test/stores/conformance/. */
import {
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { v7 } from "uuid";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CORRUPT, decideBatch } from "../../src/core/batch.ts";
import { counterDamaged, TallyError } from "../../src/core/errors.ts";
import type { Op } from "../../src/core/op.ts";
import { toBatch } from "../../src/service/call.ts";
import { DEFAULT_RETENTION, type Retention, type Store } from "../../src/service/store.ts";
import { openStore } from "../../src/stores/open.ts";
import { assertSqliteFloor, SCHEMA_VERSION } from "../../src/stores/sqlite/schema/schema.ts";
import { WriteConnection } from "../../src/stores/sqlite/write/connection.ts";
import {
  type Asked,
  answersOf,
  apply,
  batch,
  commit,
  create,
  increment,
  remove,
  set,
  single,
  update,
} from "../support/calls.ts";
import { HandClock } from "../support/clock.ts";
import { folderInMemory } from "../support/folder.ts";
import { FULL } from "../support/full.ts";

let dir: string;
let path: string;
let clock: HandClock;
const open: { close(): unknown }[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(folderInMemory(), "tally-sqlite-"));
  path = join(dir, "tally.db");
  clock = new HandClock();
});
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
  rmSync(dir, { recursive: true, force: true });
});

async function openFile(at = path, retention: Partial<Retention> = {}): Promise<Store> {
  const store = await openStore(`sqlite:${at}`, {
    clock,
    newUid: () => v7(),
    retention: { ...DEFAULT_RETENTION, ...retention },
    cachedCountersMax: 100,
    warn: () => {},
  });
  open.push(store);
  return store;
}

const moment = () => ({ now: clock.now(), monotonic: clock.monotonic() });

/** The writing side without threads, on which a test can put another rule in place. */
function connect(decide: typeof decideBatch = decideBatch, retention: Partial<Retention> = {}) {
  const connection = new WriteConnection(
    path,
    { retention: { ...DEFAULT_RETENTION, ...retention }, cachedCountersMax: 100, startId: v7() },
    moment(),
    decide,
  );
  open.push({ close: () => connection.close(moment()) });
  return {
    connection,
    commit: (...asked: Asked[]) => answersOf(asked, connection.commit(toBatch(asked), moment(), v7())),
  };
}

/** Look into the file, when nobody has it open. */
function inspect<T>(look: (db: Database.Database) => T): T {
  const db = new Database(path);
  try {
    return look(db);
  } finally {
    db.close();
  }
}

describe("the constraints behind the rule", () => {
  /** A rule with a defect: it forgets that counters have bounds. */
  const boundless: typeof decideBatch = (batch, loaded, context) => {
    const counters = loaded.counters.map((counter) =>
      counter === undefined || counter === CORRUPT ? counter : { ...counter, min: undefined, max: undefined },
    );
    return decideBatch(batch, { ...loaded, counters }, context);
  };

  it("the database refuses what the rule let through, names the bound, and applies the rest of the batch", () => {
    connect().commit(
      single(create("full", { value: 9n, max: 10n })),
      single(create("low", { value: 1n, min: 0n })),
    );
    open.pop()!.close();
    const { commit } = connect(boundless);
    const minus = (name: string, by: bigint): Op => ({ ...increment(name, by), verb: 1 });
    const answers = commit(
      single(increment("a")),
      single(increment("full", 1n)),
      single(increment("full", 5n), { id: "r" }),
      batch([increment("a"), minus("low", 3n), minus("low", 1n), increment("a")], { id: "B" }),
      batch([increment("a"), increment("full", 1n)], { allOrNothing: true }),
    );
    expect(answers.map(({ refused }) => refused?.code)).toEqual([
      undefined,
      undefined,
      "ABOVE_MAX",
      undefined,
      "ABOVE_MAX",
    ]);
    expect(answers[3]!.results).toMatchObject([
      { value: 2n },
      { code: "BELOW_MIN" },
      { value: 0n },
      { value: 3n },
    ]);
    expect(answers[4]!.refused).toMatchObject({ index: 1 });
    const again = commit(single(increment("full", 5n), { id: "r" }), single(increment("a")));
    expect(again[0]!.refused).toMatchObject({ code: "ABOVE_MAX" });
    expect(again[1]!.results).toMatchObject([{ value: 4n, revision: 4 }]);
  });

  /** Another: it lets an update set any bounds. */
  const careless: typeof decideBatch = (batch, loaded, context) => {
    const extras = new Map(
      [...batch.ops.extras].map(([i, { settings, ...rest }]) => {
        return [i, { ...rest, settings: settings && { ...settings, min: undefined, max: undefined } }];
      }),
    );
    const decided = decideBatch({ ...batch, ops: { ...batch.ops, extras } }, loaded, context);
    for (const [i, counter] of decided.outcomes.counters) {
      const { mask, settings } = batch.ops.extras.get(i)!;
      for (const key of ["min", "max"] as const) {
        if (!mask!.includes(key)) continue;
        Object.assign(counter, { [key]: settings![key] });
        Object.assign(decided.save.fixed.get(loaded.counterOf[i]!)!, { [key]: settings![key] });
      }
    }
    return decided;
  };

  it("an update of bounds that leaves the value outside is refused, and the rest of the batch applies", () => {
    connect().commit(single(create("a", { value: 9n, labels: { l: "1" } })));
    open.pop()!.close();
    const { commit } = connect(careless);
    const answers = commit(
      single(create("made", { value: 5n, labels: { l: "2" } })),
      single(update("made", { max: 7n, labels: {} })),
      single(update("a", { max: 8n, labels: {} }), { id: "r" }),
      single(update("a", { min: 9n, labels: { m: "1" } })),
      single(increment("a")),
    );
    expect(answers.map(({ refused }) => refused)).toEqual([
      undefined,
      undefined,
      { code: "VALUE_OUTSIDE_BOUNDS", field: "value", requested: 9n, max: 8n },
      undefined,
      undefined,
    ]);
    open.pop()!.close();
    const [a, made, again] = connect().commit(
      single(increment("a")),
      single(increment("made", 3n)),
      single(update("a", { max: 8n, labels: {} }), { id: "r" }),
    );
    expect(a!.results).toMatchObject([{ value: 11n, revision: 3 }]);
    expect(made!.refused).toMatchObject({ code: "ABOVE_MAX", max: 7n });
    expect(again!.refused).toMatchObject({ code: "VALUE_OUTSIDE_BOUNDS", requested: 11n, min: 9n, max: 8n });
  });

  it("the refusal carries the counter's own numbers", () => {
    connect().commit(single(create("full", { value: 9n, max: 10n })));
    open.pop()!.close();
    const [answer] = connect(boundless).commit(single(increment("full", 5n)));
    expect(answer!.refused).toEqual({ code: "ABOVE_MAX", value: 9n, max: 10n, requested: 5n });
  });
});

describe("opening", () => {
  it("makes a durable, strict file of its own", async () => {
    const store = await openFile();
    await apply(store, increment("a"));
    await store.close();
    inspect((db) => {
      expect(db.pragma("journal_mode", { simple: true })).toBe("wal");
      expect(db.pragma("integrity_check", { simple: true })).toBe("ok");
      expect(() => db.exec("UPDATE counts SET value = 1.5")).toThrow(/cannot store REAL/);
      expect(() => db.exec("UPDATE counts SET max_value = 0")).toThrow(/value_at_most_max/);
      expect(() => db.exec("UPDATE counts SET min_value = 2")).toThrow(/value_at_least_min/);
    });
  });

  it("writes at each start, so that what is asserted of durability was in force", async () => {
    for (const starts of [1, 2, 3]) {
      const store = await openFile();
      expect(statSync(`${path}-wal`).size).toBeGreaterThan(4096);
      await store.close();
      expect(inspect((db) => db.prepare("SELECT starts FROM service_time").pluck().get())).toBe(starts);
    }
  });

  it("refuses a file of a newer schema, of another program, and one that is no database", async () => {
    await (await openFile()).close();
    inspect((db) => db.pragma("user_version = 99"));
    await expect(openFile()).rejects.toThrow(
      `${path} was written by a newer Tally (schema 99; this one knows up to ${SCHEMA_VERSION})`,
    );
    const other = join(dir, "other.db");
    const db = new Database(other);
    db.exec("CREATE TABLE t (x)");
    db.close();
    const before = readFileSync(other);
    await expect(openFile(other)).rejects.toThrow("is an SQLite database of another program");
    expect(readFileSync(other).equals(before)).toBe(true); // Refused, and not touched.
    const text = join(dir, "text.db");
    writeFileSync(text, "hello, this is no database at all\n".repeat(100));
    await expect(openFile(text)).rejects.toThrow("is not an SQLite database");
    await expect(openFile(join(dir, "no", "such.db"))).rejects.toThrow(/The folder .* does not exist/);
    expect(readFileSync(text, "utf8")).toBe("hello, this is no database at all\n".repeat(100));
  });

  it("a second opening of the same file is refused, by whatever name, and the first goes on", async () => {
    const store = await openFile();
    const link = join(dir, "link.db");
    symlinkSync(path, link);
    for (const name of [path, link])
      await expect(openFile(name)).rejects.toThrow("is in use by another Tally process");
    expect(await apply(store, increment("a"))).toMatchObject({ value: 1n });
    await store.close();
    expect(await apply(await openFile(link), increment("a"))).toMatchObject({ value: 2n });
  });

  it("knows which SQLite is too old", () => {
    for (const version of ["3.40.1", "3.51.2", "2.99.99"])
      expect(() => assertSqliteFloor(version)).toThrow("npm ci");
    for (const version of ["3.51.3", "3.54.0", "4.0.0"]) assertSqliteFloor(version);
  });
});

describe("damage on disk", () => {
  /** Change one byte of the closed file: the byte at `offset` within the only place that holds `bytes`. */
  function flip(bytes: Buffer, offset: number, occurrence = 0): void {
    const file = readFileSync(path);
    let at = file.indexOf(bytes);
    for (let n = 0; n < occurrence; n++) at = file.indexOf(bytes, at + 1);
    expect(at).toBeGreaterThan(0);
    file[at + offset]! ^= 0x01;
    writeFileSync(path, file);
  }

  function occurrences(file: Buffer, bytes: Buffer): number[] {
    const found: number[] = [];
    for (let at = file.indexOf(bytes); at !== -1; at = file.indexOf(bytes, at + 1)) found.push(at);
    return found;
  }

  async function prepared(): Promise<void> {
    const store = await openFile();
    const names = ["alpha", "victim-counter", "zulu"];
    await commit(store, batch(names.map((name) => set(name, 0x1122_3344_5566_7788n))));
    await store.close();
  }

  it("a byte of a stored value: that counter is neither read nor written, others work", async () => {
    await prepared();
    // Rows are stored from the end of a page, so the second of three in the file is the second made.
    flip(Buffer.from("1122334455667788", "hex"), 3, 1);
    const store = await openFile();
    const [alpha, victim, zulu] = await store.get(["alpha", "victim-counter", "zulu"]);
    expect(victim).toBe(CORRUPT);
    expect([alpha, zulu]).toMatchObject([
      { value: 0x1122_3344_5566_7788n },
      { value: 0x1122_3344_5566_7788n },
    ]);
    const answers = await commit(
      store,
      single(increment("victim-counter")),
      single(increment("alpha")),
      batch([set("victim-counter", 1n), increment("zulu")]),
      single(increment("new")),
    );
    expect(answers[0]!.refused).toEqual(counterDamaged("victim-counter"));
    expect(answers[1]!.refused).toBeUndefined();
    expect(answers[2]!.results).toMatchObject([{ code: "ROW_CORRUPT" }, { revision: 2 }]);
    expect(answers[3]!.results).toMatchObject([{ value: 1n }]);
  });

  it("a byte of a name, in the row or in the index: the counter is not made anew from zero", async () => {
    for (const occurrence of [0, 1]) {
      await prepared();
      flip(Buffer.from("victim-counter"), 4, occurrence);
      const store = await openFile();
      expect(await store.get(["victim-counter"])).toEqual([CORRUPT]);
      expect(await apply(store, increment("victim-counter"))).toEqual(counterDamaged("victim-counter"));
      expect(await apply(store, increment("alpha"))).toMatchObject({ revision: 2 });
      expect(await apply(store, increment("zulu"))).toMatchObject({ revision: 2 });
      await store.close();
      for (const suffix of ["", "-wal", "-shm", "-lock"]) rmSync(path + suffix, { force: true });
    }
  });

  it("a byte of a name that a search for others passes by: a list by prefix gives none that has another", async () => {
    const names = Array.from({ length: 20 }, (_, i) => `a-victim-${i + 10}`);
    const store = await openFile();
    await commit(store, batch([...names, ...names.map((name) => `b${name}`)].map((name) => increment(name))));
    await store.close();
    const sound = readFileSync(path);
    const wrong: string[] = [];
    for (const [i, name] of [...names.entries()].slice(-3)) {
      for (const occurrence of [0, 1]) {
        // In the counter's row, and in the index.
        // Behind a "b" it is the name of another. To "q", which comes behind all of them.
        const at = occurrences(sound, Buffer.from(name)).filter((each) => sound[each - 1] !== 0x62)[
          occurrence
        ];
        if (at === undefined) continue;
        const file = Buffer.from(sound);
        file[at]! ^= 0x10;
        writeFileSync(path, file);
        const damaged = await openFile().catch(() => undefined);
        const page = await damaged
          ?.list({ prefix: "ba-victim-2", labels: {} }, "", 100)
          .catch(() => undefined);
        await damaged?.close().catch(() => {});
        for (const suffix of ["-wal", "-shm"]) rmSync(path + suffix, { force: true });
        if (page === undefined) continue;
        const others = page.counters.filter((each) => !each.name.startsWith("ba-victim-2"));
        if (others.length > 0) wrong.push(`${i}: ${others.map((each) => each.name)}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it.for(["counts", "recent_counts"])(
    "one flipped bit anywhere in a page of rows (%s) is never a wrong value",
    async (table) => {
      await prepared();
      if (table === "recent_counts") {
        inspect((db) => db.exec("INSERT INTO recent_counts SELECT * FROM counts; DELETE FROM counts"));
      }
      const sound = `${path}.sound`;
      copyFileSync(path, sound);
      const roots = inspect((db) =>
        db
          .prepare<[string], number>(
            "SELECT rootpage FROM sqlite_schema WHERE name IN ('counters', ?, 'counter_names')",
          )
          .pluck()
          .all(table),
      );
      const pageBytes = inspect((db) => Number(db.pragma("page_size", { simple: true })));
      let noticed = 0;
      for (const root of roots) {
        for (let bit = 0; bit < pageBytes * 8; bit += FULL ? 17 : 33) {
          if (bit > 40 * 8 && bit < (pageBytes - 400) * 8) continue; // Between the page's head and its rows nothing is stored.
          const file = readFileSync(sound);
          file[(root - 1) * pageBytes + (bit >> 3)]! ^= 1 << (bit & 7);
          writeFileSync(path, file);
          let answers: string;
          try {
            const { commit } = connect();
            answers = JSON.stringify(
              commit(
                single(increment("alpha")),
                single(increment("victim-counter")),
                single(increment("zulu")),
              ).map(
                ({ refused, results }) => refused?.code ?? String((results[0] as { value: bigint }).value),
              ),
            );
            open.pop()!.close();
          } catch (error) {
            answers = (error as { code?: string }).code ?? String(error);
            expect(answers).toMatch(/SQLITE_|STORE_UNAVAILABLE/);
            for (const each of open.splice(0)) {
              try {
                each.close();
              } catch {
                // A damaged file may not close cleanly either.
              }
            }
          }
          const wrong = JSON.parse(answers.startsWith("[") ? answers : "[]").filter(
            (answer: string) => answer !== "1234605616436508553" && answer !== "ROW_CORRUPT",
          );
          expect(wrong, `bit ${bit} of page ${root}`).toEqual([]);
          if (answers.includes("CORRUPT")) noticed++;
          for (const suffix of ["-wal", "-shm"]) rmSync(path + suffix, { force: true });
        }
      }
      expect(noticed).toBeGreaterThan(50);
    },
  );
});

describe("keeping within sizes", () => {
  const HOUR = 3_600_000;

  it("a forgotten generation is emptied slice by slice and its table goes", async () => {
    const store = await openFile();
    for (let n = 0; n < 3; n++) {
      await commit(store, ...Array.from({ length: 1_000 }, () => single(increment("a"), { id: v7() })));
    }
    clock.advance(4 * HOUR);
    await apply(store, increment("a"), { id: v7() });
    clock.advance(25 * HOUR);
    let slices = 1;
    while (await store.maintain()) slices++;
    expect(slices).toBeGreaterThanOrEqual(4);
    await store.close();
    const tables = inspect((db) =>
      db.prepare("SELECT name FROM sqlite_schema WHERE name LIKE 'request_ids%'").pluck().all(),
    );
    expect(tables).toEqual(["request_ids_1"]);
  });

  it("running time goes on where it was, whatever the clock of the machine says", async () => {
    const store = await openFile();
    await apply(store, increment("a"), { id: "r" });
    clock.advance(5_000);
    await store.close();
    clock.runMs = 77;
    clock.wallMs = 0;
    await (await openFile()).close();
    expect(inspect((db) => db.prepare("SELECT run_ms FROM service_time").pluck().get())).toBe(5_000);
  });

  it("nothing is left of deleted counters when the log has dropped their deletions", async () => {
    const store = await openFile(path, { changeLogBytesMax: 400 });
    const fill = async () => {
      for (let n = 0; n < 40; n++) await apply(store, set("a", 1n, { note: "n".repeat(60) }));
      while (await store.maintain());
    };
    const left = (table: string, id: string) =>
      inspect((db) => db.prepare(`SELECT ${id} FROM ${table}`).pluck().all());
    for (const name of ["kept", "hidden", "living"]) await apply(store, create(name, { labels: { l: "1" } }));
    await fill();
    await apply(store, remove("kept", { keepHistory: true }));
    await apply(store, remove("hidden"));
    while (await store.maintain());
    expect(left("deleted_counters", "name")).toEqual(["kept", "hidden"]);
    await fill();
    expect(left("deleted_counters", "name")).toEqual([]);
    const living = left("counters", "id");
    expect(living).toHaveLength(2);
    expect(left("change_openings", "counter_id").sort()).toEqual(living.sort());
    expect(left("current_counts", "id").sort()).toEqual(living.sort());
    const first = ""; // Of the entry that is nobody's.
    expect(left("counter_labels", "name")).toEqual([first, "living"]);
    expect(left("counter_names", "name")).toEqual([first, "a", "living"]);
  });

  it("the change log's positions go on after everything before was dropped and the file was opened again", async () => {
    const store = await openFile(path, { changeLogBytesMax: 1 });
    for (let n = 0; n < 5; n++) await apply(store, increment("a"));
    while (await store.maintain());
    await store.close();
    const again = await openFile(path, { changeLogBytesMax: 1 });
    await apply(again, increment("a"));
    const { changes } = await again.changesSince("5", 10);
    expect(changes).toMatchObject([{ position: "6", revision: 6 }]);
  });
});

it("a defect in the store's thread comes back as a defect, to be logged as one, and nothing was saved", async () => {
  const store = await openFile();
  const broken = toBatch([single(increment("a"))]);
  (broken.calls as { flags: Uint8Array | undefined }).flags = undefined; // What no caller can send.
  const error = await store.commit(broken).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Error);
  expect(error).not.toBeInstanceOf(TallyError);
  expect(String((error as Error).cause)).toContain("at callAt ("); // Of core/columns.ts.
  expect(await apply(store, increment("a"))).toMatchObject({ value: 1n, revision: 1 });
});

describe("the cache", () => {
  it("after a failed commit nothing of it is served", () => {
    let fail = false;
    const failing: typeof decideBatch = (batch, loaded, context) => {
      const decided = decideBatch(batch, loaded, context);
      if (!fail) return decided;
      // What the rule is handed is what the cache has: one with a defect writes into it.
      for (const counter of loaded.counters)
        if (counter instanceof Object) Object.assign(counter, { value: 99n });
      // An answer that cannot be written: the transaction fails after the counters were.
      return { ...decided, save: { ...decided.save, answers: new Map([["k", null as never]]) } };
    };
    const { commit } = connect(failing);
    commit(single(increment("a")));
    fail = true;
    expect(() => commit(single(increment("a", 10n)), single(increment("new")))).toThrow();
    fail = false;
    expect(commit(single(increment("a")), single(increment("new")))).toMatchObject([
      { results: [{ value: 2n, revision: 2 }] },
      { results: [{ value: 1n }] },
    ]);
  });

  it("a counter that fell out of the cache is read again", async () => {
    const store = await openFile();
    const names = Array.from({ length: 350 }, (_, i) => `n${i}`);
    for (let round = 1n; round <= 3n; round++) {
      const [answer] = await commit(store, batch(names.map((name) => increment(name))));
      expect(answer!.results.every((result) => "value" in result && result.value === round)).toBe(true);
    }
  });
});

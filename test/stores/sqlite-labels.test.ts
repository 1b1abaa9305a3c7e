/** The table by which SQLite's store finds counters by label: it says what the counters' own rows say. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { v7 } from "uuid";
import { afterEach, beforeEach, expect, it } from "vitest";
import { DEFAULT_RETENTION } from "../../src/service/store.ts";
import { openStore } from "../../src/stores/open.ts";
import { LabelWriter } from "../../src/stores/sqlite/rows/labels.ts";
import { migrate } from "../../src/stores/sqlite/schema/schema.ts";
import { apply, batch, commit, create, increment } from "../support/calls.ts";
import { HandClock } from "../support/clock.ts";

let dir: string;
let path: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "tally-labels-"));
  path = join(dir, "tally.db");
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const openFile = (warn: (message: string) => void = () => {}) =>
  openStore(`sqlite:${path}`, {
    clock: new HandClock(),
    newUid: () => v7(),
    retention: DEFAULT_RETENTION,
    cachedCountersMax: 100,
    warn,
  });

function withFile<T>(use: (db: Database.Database) => T): T {
  const db = new Database(path);
  try {
    return use(db);
  } finally {
    db.close();
  }
}

/** But for the first entry, which is nobody's. */
const SELECT = "SELECT key, value, name, counter_id FROM counter_labels WHERE name <> '' ORDER BY name, key";
const labelsOf = (db: Database.Database) => db.prepare(SELECT).raw().all();

it("a counter's labels are there from its creation, and nothing is for one that is refused", async () => {
  const store = await openFile();
  await apply(store, increment("plain"));
  await apply(store, create("a", { labels: { team: "core", "x.y": "" } }));
  await apply(store, create("a", { labels: { team: "other" } }));
  await commit(store, batch([create("b", { labels: { team: "web" } }), increment("a")], { id: "B" }));
  await commit(store, batch([create("c", { labels: { k: "v" } }), create("a")], { allOrNothing: true }));
  await store.close();
  expect(withFile(labelsOf)).toEqual([
    ["team", "core", "a", 2],
    ["x.y", "", "a", 2],
    ["team", "web", "b", 3],
  ]);
});

it("a file of the first schema gets the labels of the counters that are in it, whatever they hold", async () => {
  const odd = { a: '"\\', b: "zwölf €", c: "a\u0000b", d: "", e: "null" };
  withFile((db) => {
    migrate(db, 1);
    const insert = db.prepare("INSERT INTO counters VALUES (?, ?, x'00', 0, 0, 0, 1, 0, ?, NULL)");
    insert.run(1, "odd", JSON.stringify(odd));
    insert.run(2, "without", null);
    insert.run(3, "rotten", '{"a":"b');
    insert.run(4, "also-rotten", '{"a":null,"b":"kept"}');
    insert.run(7, "last", '{"a":"b"}');
  });
  const warnings: string[] = [];
  await (await openFile((warning) => warnings.push(warning))).close();
  expect(warnings).toEqual([expect.stringMatching(/^The file was of schema 1 and now is of \d+: /)]);
  await (await openFile((warning) => warnings.push(warning))).close();
  expect(warnings).toHaveLength(1);
  expect(withFile(labelsOf)).toEqual([
    ["b", "kept", "also-rotten", 4],
    ["a", "b", "last", 7],
    ...Object.entries(odd).map(([key, value]) => [key, value, "odd", 1]),
  ]);
});

it("labels are replaced as a whole, and removed; those of others stay", async () => {
  await (await openFile()).close();
  withFile((db) => {
    const labels = new LabelWriter(db);
    labels.insert(1n, "a", { team: "core", tier: "1" });
    labels.insert(2n, "b", { team: "core" });
    labels.replace(1n, "a", { team: "core", tier: "1" }, { tier: "2", zone: "x" });
    const b = ["team", "core", "b", 2];
    expect(labelsOf(db)).toEqual([["tier", "2", "a", 1], ["zone", "x", "a", 1], b]);
    labels.remove("a", { tier: "2", zone: "x" });
    expect(labelsOf(db)).toEqual([b]);
  });
});

/** Triggers and keys that the operator has put into the SQLite file. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { v7 } from "uuid";
import { describe, expect, it, onTestFinished } from "vitest";
import { DEFAULT_RETENTION, type Store } from "../../src/service/store.ts";
import { openStore } from "../../src/stores/open.ts";
import { apply, commit, create, increment, remove, set, single, update } from "../support/calls.ts";
import { HandClock } from "../support/clock.ts";
import { folderInMemory } from "../support/folder.ts";
import { expectSumsEqualValues } from "./conformance/changes.ts";
import { objectionsSuite } from "./objections.ts";

const clock = new HandClock();
const OPTIONS = { clock, newUid: () => v7(), cachedCountersMax: 100, warn: () => {} };

async function open(...sql: string[]): Promise<Store> {
  const folder = mkdtempSync(join(folderInMemory(), "tally-objections-"));
  const path = join(folder, "tally.db");
  const openIt = () => openStore(`sqlite:${path}`, { ...OPTIONS, retention: DEFAULT_RETENTION });
  await (await openIt()).close();
  const db = new Database(path);
  for (const each of sql) db.exec(each);
  db.close();
  const store = await openIt();
  onTestFinished(async () => {
    await store.close();
    rmSync(folder, { recursive: true });
  });
  return store;
}

/** On all that a count may be written by. */
function trigger(raise: string): string[] {
  return ["counts", "recent_counts"].flatMap((table) =>
    ["INSERT", "UPDATE"].map(
      (verb) =>
        `CREATE TRIGGER own_${table}_${verb} BEFORE ${verb} ON ${table} WHEN new.value >= 100
         BEGIN SELECT RAISE(${raise}); END`,
    ),
  );
}

describe("what the operator has put into an SQLite file", () => {
  objectionsSuite({
    kind: "sqlite",
    open,
    below100: [
      { sql: trigger("ABORT, 'below 100'"), constraint: "below 100" },
      {
        sql: trigger("FAIL, 'below 100, and what came before stays'"),
        constraint: "below 100, and what came before stays",
      },
      { sql: trigger("ROLLBACK, 'all or none'"), constraint: "all or none" },
      { sql: trigger("IGNORE"), constraint: "a trigger that skips the row" },
    ],
  });

  it("a unique index, and foreign keys, also those looked at only at the end", async () => {
    const store = await open(
      "CREATE UNIQUE INDEX own_descriptions ON counters (description)",
      "CREATE TABLE now_used (id INTEGER PRIMARY KEY, counter INTEGER REFERENCES counters (id))",
      `CREATE TABLE later_used (counter INTEGER REFERENCES counters (id) DEFERRABLE INITIALLY DEFERRED)`,
      `CREATE TRIGGER own_use AFTER INSERT ON counters BEGIN
         INSERT INTO now_used (counter) SELECT new.id WHERE new.name = 'now';
         INSERT INTO later_used (counter) SELECT new.id WHERE new.name = 'later';
       END`,
    );
    await commit(store, ...["now", "later", "free"].map((name) => single(set(name, 1n))));
    await apply(store, update("free", { description: "one of a kind" }));
    const answers = await commit(
      store,
      single(increment("a")),
      single(create("double", { description: "one of a kind" })),
      single(remove("now")),
      single(remove("later")),
      single(remove("free")),
      single(increment("a")),
    );
    expect(answers.map(({ refused }) => refused?.constraint)).toEqual([
      ...[undefined, "UNIQUE constraint failed: counters.description", "a foreign key", "a foreign key"],
      ...[undefined, undefined],
    ]);
    expect(await store.get(["a", "now", "later", "free"])).toMatchObject([
      ...[{ value: 2n }, { value: 1n }, { value: 1n }, undefined],
    ]);
    await expectSumsEqualValues(store, ["a", "now", "later"]);
  });

  it("what is against the log refuses everything, and says so", async () => {
    const store = await open(
      "CREATE TRIGGER own_log BEFORE INSERT ON change_log BEGIN SELECT RAISE(ABORT, 'no log'); END",
    );
    await expect(apply(store, increment("a"))).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: expect.stringContaining("nothing was saved"),
    });
    expect(await store.get(["a"])).toEqual([undefined]);
  });
});

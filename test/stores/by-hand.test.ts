/** After somebody has changed a store's tables by SQL: every message is a sentence, and there is a way on. */

import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fc } from "@fast-check/vitest";
import Database from "better-sqlite3";
import pg from "pg";
import { v7 } from "uuid";
import { afterAll, describe, expect, it } from "vitest";
import { CORRUPT } from "../../src/core/batch.ts";
import { TallyError } from "../../src/core/errors.ts";
import { lookForChangesByHand } from "../../src/service/by-hand.ts";
import { copyStore } from "../../src/service/copy.ts";
import { CopyError } from "../../src/service/copy-errors.ts";
import { DEFAULT_RETENTION, type Purpose, type Store } from "../../src/service/store.ts";
import { acceptIn } from "../../src/store-tools.ts";
import { openStore } from "../../src/stores/open.ts";
import { verifySqlite } from "../../src/stores/sqlite/verify/opening.ts";
import { apply, batch, commit, create, increment, remove, set, single, update } from "../support/calls.ts";
import { HandClock } from "../support/clock.ts";
import { folderInMemory } from "../support/folder.ts";
import { describeWith } from "../support/needs.ts";
import { openFresh } from "../support/opened.ts";
import { POSTGRES } from "../support/postgres/programs.ts";
import { newSchema, sharedPostgres } from "../support/postgres/shared.ts";
import { expectSumsEqualValues } from "./conformance/changes.ts";

interface Hand {
  newUrl(): Promise<string>;
  /** Change a store that nobody has open, or everybody. */
  sql(url: string, ...statements: string[]): Promise<void>;
  /** Whether a row that is gone is told from one that never was: then it may be damage, until it is accepted. */
  readonly missesRows: boolean;
  /** What may be done by hand to the counter NAME, and what shows of it. */
  readonly changes: Readonly<Record<string, readonly string[]>>;
  /** What nothing but a backup or an INSERT mends: no message of it is a defect either. */
  readonly wreckage: readonly string[];
}

const folders: string[] = [];
afterAll(() => {
  for (const each of folders) rmSync(each, { recursive: true });
});

const ID = "(SELECT id FROM counters WHERE name = 'NAME')";
const SQLITE: Hand = {
  async newUrl() {
    folders.push(mkdtempSync(join(folderInMemory(), "tally-hand-")));
    return `sqlite:${join(folders.at(-1)!, "tally.db")}`;
  },
  async sql(url, ...statements) {
    const db = new Database(url.slice("sqlite:".length));
    for (const each of statements) db.exec(each);
    db.close();
  },
  missesRows: true,
  changes: {
    value: [
      `UPDATE counts SET value = 70 WHERE id = ${ID}`,
      `UPDATE recent_counts SET value = 70 WHERE id = ${ID}`,
    ],
    revision: [
      `UPDATE counts SET revision = 1 WHERE id = ${ID}`,
      `UPDATE recent_counts SET revision = 1 WHERE id = ${ID}`,
    ],
    bounds: ["UPDATE counts SET max_value = 1000", "UPDATE recent_counts SET max_value = 1000"],
    labels: [`UPDATE counters SET labels = '{"by":"hand"}' WHERE name = 'NAME'`],
    uid: ["UPDATE counters SET uid = randomblob(16) WHERE name = 'NAME'"],
    inserted: [
      `INSERT INTO counters (id, name, uid, initial, clamp, monotonic, settings_revision, create_ms)
       VALUES (900, 'made', randomblob(16), 0, 0, 0, 1, 5)`,
      "INSERT INTO counts (id, value, revision, update_ms, checksum) VALUES (900, 9, 1, 5, 0)",
    ],
    renamed: ["UPDATE counters SET name = 'called' WHERE name = 'NAME'"],
    unlisted: ["DELETE FROM counter_names WHERE name = 'NAME'", "DELETE FROM counter_labels"],
    gone: [
      `DELETE FROM counts WHERE id = ${ID}`,
      `DELETE FROM recent_counts WHERE id = ${ID}`,
      "DELETE FROM counters WHERE name = 'NAME'",
    ],
  },
  wreckage: [
    "UPDATE counters SET labels = '[1' WHERE name = 'NAME'",
    "UPDATE counters SET uid = x'00' WHERE name = 'NAME'",
    `DELETE FROM counts WHERE id = ${ID}`,
    "DELETE FROM change_log WHERE position = 2",
    "DELETE FROM change_log",
    "UPDATE change_log SET changes = x'ff' WHERE position = 3",
    "DELETE FROM counter_labels",
    "DELETE FROM service_time",
    "DELETE FROM copying",
    "DELETE FROM catalogue_state",
    "DELETE FROM request_id_generations",
    "DELETE FROM request_ids_0",
    "UPDATE request_ids_0 SET record = x'01'",
  ],
};

const POSTGRESQL: Hand = {
  newUrl: async () => (await sharedPostgres()).url({ schema: newSchema() }),
  async sql(url, ...statements) {
    const [base, schema] = url.split("?schema=");
    const client = new pg.Client({ connectionString: base });
    await client.connect();
    try {
      await client.query(`SET search_path = ${schema}`);
      for (const each of statements) await client.query(each);
    } finally {
      await client.end();
    }
  },
  missesRows: false,
  changes: {
    value: ["UPDATE counters SET value = 70 WHERE name = 'NAME'"],
    revision: ["UPDATE counters SET revision = 1 WHERE name = 'NAME'"],
    zero: ["UPDATE counters SET revision = 0, settings_revision = -1 WHERE name = 'NAME'"],
    inserted: [
      `INSERT INTO counters (id, name, uid, value, initial, clamp, monotonic, revision, settings_revision, create_ms,
         update_ms) VALUES (-900, 'made', gen_random_uuid(), 9, 0, false, false, 1, 1, 5, 5)`,
    ],
    gone: ["DELETE FROM counters WHERE name = 'NAME'"],
    logged: ["DELETE FROM change_log WHERE position = 2"],
  },
  wreckage: [
    "UPDATE counters SET labels = '[1' WHERE name = 'NAME'",
    "UPDATE counters SET labels = '[1]' WHERE name = 'NAME'",
    "UPDATE counters SET description = 'no JSON' WHERE name = 'NAME'",
    "UPDATE counters SET update_ms = -5 WHERE name = 'NAME'",
    "UPDATE counters SET revision = 9223372036854775807 WHERE name = 'NAME'",
    "UPDATE counters SET name = 'not legal' WHERE name = 'NAME'",
    "UPDATE counters SET uid = gen_random_uuid() WHERE name = 'NAME'",
    "DELETE FROM change_log",
    "UPDATE change_log SET changes = '\\xff' WHERE position = 3",
    "DELETE FROM counter_labels",
    "INSERT INTO counter_labels SELECT '[\"x\",\"y\"]', 'none'",
    "DELETE FROM request_ids",
    "UPDATE request_ids SET record = '\\x01'",
    "UPDATE request_ids SET record = '\\x'",
    "DELETE FROM request_id_generations",
    "DELETE FROM service_state",
    "DELETE FROM copying",
    "DELETE FROM catalogue_state",
    "DELETE FROM change_openings",
  ],
};

describe("an SQLite file that was changed by hand", () => changedByHand(SQLITE));
describeWith([POSTGRES], "a schema of PostgreSQL that was changed by hand", () => changedByHand(POSTGRESQL));

function changedByHand(hand: Hand): void {
  it.each(Object.keys(hand.changes))(
    "%s: the copy says which, it is accepted as it stands, and the copy is made",
    async (what) => {
      const url = await filled(hand);
      await hand.sql(url, ...hand.changes[what]!.map((sql) => sql.replaceAll("NAME", "seats")));
      const source = await open(url, "copyFrom");
      const found = await lookForChangesByHand(source);
      const names = [...found.counters.map(({ name }) => name), ...found.corruptNames];
      const target = await openFresh(async () => hand.newUrl());
      await target.reopen("copyTo");
      const refused = await copyStore(source, target.store).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(CopyError);
      expect(refused).toMatchObject({
        reason: "DAMAGED",
        message: expect.stringContaining("tally accept --store"),
      });
      if (what === "gone") expect([names, found.lost.length]).toEqual([[], 1]);
      else expect((refused as Error).message).toContain(names[0]!);

      const taken = await source.accepting!.accept(names, found.revisions, found.lost);
      for (const each of taken) expect(each).toMatchObject({ name: expect.any(String) });
      expect(await lookForChangesByHand(source)).toMatchObject({ counters: [], corruptNames: [], lost: [] });
      await copyStore(source, target.store);
      await source.close();
      await target.dispose();

      const store = await open(url);
      await expectSumsEqualValues(store);
      for (const each of taken as { name: string; value: bigint; revision: number }[]) {
        const next = { value: each.value + 1n, previous: each.value, revision: each.revision + 1 };
        expect(each.revision).toBeGreaterThan(1);
        expect(await apply(store, increment(each.name))).toMatchObject(next);
      }
      for (let n = 0; n < 30; n++) await apply(store, set(`n${n}`, 1n, { note: "n".repeat(90) }));
      while (await store.maintain()); // Drops what was before, and what was accepted.
      await expectSumsEqualValues(store, [
        "n29",
        ...(what === "gone" ? [] : [what === "renamed" ? "called" : "seats"]),
      ]);
      await store.close();
    },
  );

  /** Goal: no message is a defect's. Method: random changes by hand, and then everything that can be asked. */
  it("random changes: whatever is asked, and copied, ends in an answer or in a sentence", async () => {
    const all = [...Object.values(hand.changes).flat(), ...hand.wreckage];
    const name = fc.constantFrom("seats", "other");
    const some = fc.array(fc.tuple(fc.constantFrom(...all), name), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(some, async (changes) => {
        const url = await filled(hand);
        for (const [sql, of] of changes) {
          await hand.sql(url, sql.replaceAll("NAME", of)).catch(() => {}); // Twice is once too often.
        }
        const store = await told(() => open(url));
        if (store !== undefined) await askEverything(store);
        await told(async () => store?.close());
        const source = await told(() => open(url, "copyFrom"));
        if (source === undefined) return;
        const target = await openFresh(async () => "memory:");
        await told(() => copyStore(source, target.store));
        const found = await told(() => lookForChangesByHand(source));
        if (found !== undefined) {
          const names = [...found.counters.map((each) => each.name), ...found.corruptNames];
          await told(() => source.accepting!.accept(names, found.revisions, found.lost));
          await told(() => copyStore(source, target.store));
        }
        await told(() => source.close());
      }),
      { numRuns: 15 },
    );
  });

  it("a renamed row: what can be told is told by both names, and the new one is that which is accepted", async () => {
    const url = await filled(hand);
    await hand.sql(url, "UPDATE counters SET name = 'called' WHERE name = 'seats'");
    if (hand === POSTGRESQL) {
      // Nothing but the row has its name.
      expect((await acceptIn(url, [], false)).found).toEqual([]);
      const store = await open(url);
      expect(await apply(store, increment("called"))).toMatchObject({ value: 52n });
      expect(await store.get(["seats"])).toEqual([undefined]);
      await store.close();
      return;
    }
    const { findings } = await verifySqlite(url.slice("sqlite:".length), {
      onProgress: () => {},
      signal: new AbortController().signal,
    });
    expect(findings).toContainEqual(
      expect.objectContaining({
        ...{ code: "NAME_WRONG", name: "seats" },
        about: expect.stringContaining("tally accept is to be given called"),
      }),
    );
    const { found, refused } = await acceptIn(url, ["seats"], false);
    expect(found).toEqual([expect.stringContaining("the row of called")]);
    expect(refused).toEqual([{ name: "seats", why: expect.stringContaining("no row has this name") }]);
    expect((await acceptIn(url, ["called"], false)).accepted).toMatchObject([{ name: "called" }]);
    expect((await acceptIn(url, ["seats"], false)).refused).toMatchObject([
      { why: "nothing shows that it was changed" },
    ]);
    expect(
      (
        await verifySqlite(url.slice("sqlite:".length), {
          onProgress: () => {},
          signal: new AbortController().signal,
        })
      ).findings,
    ).toEqual([]);
  });

  it("a deleted row's name is free, where need be once that is accepted, with the labels that it had", async () => {
    const url = await filled(hand);
    await hand.sql(url, ...hand.changes.gone!.map((sql) => sql.replaceAll("NAME", "seats")));
    if (hand.missesRows) {
      const refusing = await open(url);
      expect(await refusing.get(["seats"])).toEqual([CORRUPT]);
      expect(await apply(refusing, create("seats"))).toMatchObject({ code: "ROW_CORRUPT" });
      await refusing.close();
      const source = await open(url, "copyFrom");
      const { revisions, lost } = await lookForChangesByHand(source);
      await source.accepting!.accept([], revisions, lost);
      await source.close();
    }
    const store = await open(url);
    expect(await store.get(["seats"])).toEqual([undefined]);
    expect(await apply(store, create("seats", { labels: { team: "a" } }))).toMatchObject({ revision: 1 });
    const page = await store.list({ prefix: "", labels: { team: "a" } }, "", 10);
    expect(page.counters.map((each) => each.name)).toEqual(["seats"]);
    await store.close();
  });
}

async function filled(hand: Hand): Promise<string> {
  const url = await hand.newUrl();
  const store = await open(url);
  await apply(store, create("seats", { labels: { team: "a" }, max: 500n }));
  await commit(store, single(increment("seats", 50n), { id: "r1" }), single(set("other", 5n), { id: "r2" }));
  await commit(store, batch([increment("seats"), increment("other")], { id: "B" }));
  await apply(store, increment("third"));
  await store.close();
  return url;
}

function open(url: string, purpose: Purpose = "serve"): Promise<Store> {
  const retention = { ...DEFAULT_RETENTION, changeLogBytesMax: 2_000 };
  const options = { clock: new HandClock(), newUid: () => v7(), cachedCountersMax: 100, warn: () => {} };
  return openStore(url, { ...options, retention, purpose });
}

async function askEverything(store: Store): Promise<void> {
  const all = { prefix: "", labels: {} };
  for (const name of ["seats", "other", "third"]) {
    await told(() => store.get([name]));
    await told(() => apply(store, increment(name), { id: name === "seats" ? "r1" : "r2" }));
    await told(() => apply(store, increment(name, 50n), { id: "r1" }));
    await told(() => commit(store, batch([increment("seats"), increment("other")], { id: "B" })));
    await told(() => apply(store, increment(name)));
    await told(() => apply(store, update(name, { labels: { team: "b" } })));
    await told(() => apply(store, set(name, 7n)));
  }
  await told(() => store.list(all, "", 10));
  await told(() => store.list({ prefix: "", labels: { team: "a" } }, "", 10));
  await told(() => store.top(all, 5, "highest"));
  await told(() => store.sum(all));
  await told(() => store.maintain());
  await told(async () => {
    for (let cursor = "", end = false; !end; ) {
      const page = await store.changesSince(cursor, 3);
      end = page.cursor === cursor;
      cursor = page.cursor;
    }
  });
  for (const name of ["seats", "other"]) await told(() => apply(store, remove(name)));
}

/** @returns what came of it; undefined when it failed with a sentence */
async function told<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof TallyError || error instanceof CopyError)) throw error;
    expect(error.message).not.toMatch(/undefined|Cannot read|\bNaN\b|TypeError/);
    return undefined;
  }
}

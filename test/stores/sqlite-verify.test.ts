/**
 * Verifying the files of a store: of a sound one nothing is found, of any other that something is.
 *
 * Files that have something in each b-tree are changed: by SQL, and by bits that flip. Where nothing is found after a flip, all
 * rows must be those that were there, which a dump of every table shows.
 */
import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TallyError } from "../../src/core/errors.ts";
import type { Finding, Verification } from "../../src/service/store-findings.ts";
import { DEFAULT_HISTORY } from "../../src/service/store-history.ts";
import { sumOf } from "../../src/stores/sqlite/history/statements.ts";
import { verifySqlite } from "../../src/stores/sqlite/verify/opening.ts";
import { freshSeed, type Random, seededRandom } from "../proofs/crash/random.ts";
import { makeFile } from "../proofs/faults/rot/file.ts";
import { DAMAGES, type Damage } from "../proofs/faults/rot/table.ts";
import { apply, create, increment, remove, set, update } from "../support/calls.ts";
import { folderInMemory } from "../support/folder.ts";
import { FULL } from "../support/full.ts";
import { openFresh } from "../support/opened.ts";
import { Following } from "./conformance/history-following.ts";

const seed = Number(process.env.TALLY_TEST_SEED ?? freshSeed());
const dir = mkdtempSync(join(folderInMemory(), "tally-verify-"));
const path = join(dir, "tally.db");
afterAll(() => rmSync(dir, { recursive: true }));

/** Bits in each b-tree, each in a fresh copy; some 60 ms each. */
const FLIPS = FULL ? 60 : 1;

function verify(file = path): Promise<Verification> {
  return verifySqlite(file, { onProgress: () => {}, signal: new AbortController().signal });
}

/** The findings as a test tells them. */
async function found(file = path): Promise<string[]> {
  return (await verify(file)).findings.map(({ code, name }) => `${code} ${name}`);
}

function writeFresh(bytes: Buffer, file = path): void {
  for (const suffix of ["-wal", "-shm", "-lock"]) rmSync(file + suffix, { force: true });
  writeFileSync(file, bytes);
}

function change(sql: string, file = path): void {
  const db = new Database(file);
  db.exec(sql);
  db.close();
}

describe(`a data file (seed ${seed})`, () => {
  const random = seededRandom(seed);
  let made: ReturnType<typeof makeFile>;
  beforeAll(() => {
    made = makeFile(path, random.fork());
  });

  it("of which everything is as it was written: nothing is found, nothing is changed, nothing is left", async () => {
    writeFresh(made.bytes);
    const { findings, counters, requestIds, sum, served, historyRows } = await verify();
    expect(findings).toEqual([]);
    const db = new Database(path, { readonly: true });
    const count = (sql: string) => db.prepare(sql).pluck().safeIntegers().get();
    expect({ counters: BigInt(counters), sum }).toEqual({
      counters: count("SELECT count(*) FROM counters"),
      sum: count("SELECT sum(value) FROM current_counts"),
    });
    db.close();
    expect({ requestIds, served, historyRows }).toEqual({
      requestIds: made.answered.length,
      served: false,
      historyRows: undefined,
    });
    for (const suffix of ["-wal", "-shm"]) rmSync(path + suffix, { force: true }); // Of this test's own connection.
    await verify();
    expect(readdirSync(dir)).toEqual(["tally.db"]);
    expect(readFileSync(path).equals(made.bytes)).toBe(true);
  });

  /** A counter of the file with labels; which of them have some is by chance. */
  function aLabelled(): string {
    const db = new Database(path, { readonly: true });
    const names = "SELECT name FROM counter_labels WHERE key = 'team' AND name LIKE 'shop-%' ORDER BY name";
    const name = db.prepare<[], string>(names).pluck().get();
    db.close();
    return name!;
  }

  const A = "(SELECT id FROM counters WHERE name = $A)";
  const both = (set: string) =>
    `UPDATE counts SET ${set} WHERE id = ${A}; UPDATE recent_counts SET ${set} WHERE id = ${A};`;
  it.each<[what: string, sql: string, findings: (name: string) => (string | RegExp)[]]>([
    ["a value", both("value = value + 1"), (a) => [`ROW_DAMAGED ${a}`, `VALUE_UNACCOUNTED ${a}`]],
    ["a revision", both("revision = revision + 1"), (a) => [`ROW_DAMAGED ${a}`, `VALUE_UNACCOUNTED ${a}`]],
    ["a description", "UPDATE counters SET description = 'x' WHERE name = $A", (a) => [`ROW_DAMAGED ${a}`]],
    [
      "a name",
      "UPDATE counters SET name = 'other' WHERE name = $A",
      (a) => ["ROW_DAMAGED other", `NAME_WRONG ${a}`],
    ],
    [
      "labels",
      `UPDATE counters SET labels = '{"team":"none"}' WHERE name = $A`,
      (a) => [`ROW_DAMAGED ${a}`, `LABEL_WRONG ${a}`],
    ],
    [
      "an entry of names that is gone",
      "DELETE FROM counter_names WHERE name = $A",
      (a) => [/^NAME_WRONG /, `NAME_LOST ${a}`],
    ],
    [
      "an entry of labels that is gone",
      "DELETE FROM counter_labels WHERE key = 'team' AND name = $A",
      (a) => [/^LABEL_WRONG /, `LABEL_LOST ${a}`],
    ],
    [
      "an entry of names that leads elsewhere",
      "UPDATE counter_names SET counter_id = counter_id + 1 WHERE name = $A",
      (a) => [`NAME_WRONG ${a}`],
    ],
    [
      "a row that is gone",
      "DELETE FROM counters WHERE name = $A",
      (a) => [/^ROW_GONE row id \d+$/, `ROW_GONE ${a}`],
    ],
    [
      "a count that is gone",
      `DELETE FROM counts WHERE id = ${A}; DELETE FROM recent_counts WHERE id = ${A}`,
      (a) => [`ROW_DAMAGED ${a}`],
    ],
    [
      "a count that is there twice",
      `INSERT OR IGNORE INTO counts SELECT * FROM recent_counts WHERE id = ${A}; INSERT OR IGNORE INTO recent_counts SELECT * FROM counts WHERE id = ${A}`,
      (a) => [`ROW_DAMAGED ${a}`],
    ],
    ["what leads to a counter that is due", "DELETE FROM due_counters", () => [/^DUE_LOST shop-/]],
    [
      "a commit that is gone",
      "DELETE FROM change_log WHERE position = (SELECT max(position) - 3 FROM change_log)",
      () => [/^LOG_DAMAGED positions? \d+/],
    ],
    [
      "the end of the log",
      "DELETE FROM change_log WHERE position = (SELECT max(position) FROM change_log)",
      () => [/^LOG_DAMAGED positions? \d+/],
    ],
    [
      "the changes of a commit",
      "UPDATE change_log SET changes = x'00' WHERE position = (SELECT max(position) FROM change_log)",
      () => [/^LOG_DAMAGED position \d+/],
    ],
    [
      "an opening",
      "UPDATE change_openings SET value = value + 1 WHERE counter_id = (SELECT max(counter_id) FROM change_openings)",
      () => [/^LOG_DAMAGED opening of row id \d+$/],
    ],
    [
      "an opening that is gone",
      "DELETE FROM change_openings WHERE counter_id = (SELECT max(counter_id) FROM change_openings)",
      () => ["LOG_DAMAGED openings"],
    ],
    [
      "the end of a counter",
      "UPDATE deleted_counters SET name = 'x' WHERE id = (SELECT max(id) FROM deleted_counters)",
      () => [/^LOG_DAMAGED end of row id \d+$/],
    ],
    ["how far it has come", "UPDATE service_time SET log_end = log_end + 1", () => ["HEAD_DAMAGED the file"]],
    ["what it says of copies", "UPDATE copying SET opens = opens + 1", () => ["HEAD_DAMAGED the file"]],
    [
      "an entry of the catalogue",
      "UPDATE catalogue SET body = '{}' WHERE version = (SELECT max(version) FROM catalogue)",
      () => [/^CATALOGUE_DAMAGED \S+ entry \d+$/],
    ],
    [
      "when a key was last used",
      "UPDATE key_uses SET hour_ms = hour_ms + 3600000 WHERE key_id = (SELECT max(key_id) FROM key_uses)",
      () => [/^KEY_USE_DAMAGED key key /],
    ],
    [
      "an entry of the catalogue that is gone",
      "DELETE FROM catalogue WHERE version = (SELECT max(version) FROM catalogue)",
      () => ["CATALOGUE_DAMAGED the file"],
    ],
  ])("%s, changed by hand, is found", async (_, sql, expected) => {
    writeFresh(made.bytes);
    const name = aLabelled();
    change(sql.replaceAll("$A", `'${name}'`));
    const list = await found();
    for (const each of expected(name)) {
      if (typeof each === "string") expect(list).toContain(each);
      else
        expect(
          list.filter((line) => each.test(line)),
          list.join("\n"),
        ).not.toEqual([]);
    }
  });

  it("an answer kept under a request id, changed or gone, is found", async () => {
    for (const sql of ["UPDATE $T SET record = x'00' WHERE key = $K", "DELETE FROM $T WHERE key = $K"]) {
      writeFresh(made.bytes);
      const db = new Database(path);
      const table = db
        .prepare("SELECT name FROM sqlite_schema WHERE name GLOB 'request_ids_*'")
        .pluck()
        .get() as string;
      const key = db
        .prepare(`SELECT key FROM ${table} ORDER BY key LIMIT 1 OFFSET 40`)
        .pluck()
        .get() as string;
      db.exec(sql.replace("$T", table).replace("$K", `'${key}'`));
      db.close();
      const list = await found();
      expect([list.length, list[0]]).toEqual([
        1,
        expect.stringMatching(/^REQUEST_ID_DAMAGED id .* of generation \d+$/),
      ]);
    }
  });

  it.each(["bit", "zeros", "misplaced"] as const)(
    "after other damage to any of its pages (%s) something is found, or every row is as it was",
    async (damage) => {
      const sound = dumpOf(made.bytes);
      const counted = { found: 0, refused: 0, right: 0 };
      for (const pages of made.pages.values())
        for (let n = 0; n < FLIPS; n++) counted[await judged(made, pages, damage, random.fork(), sound)]++;
      expect(counted.found).toBeGreaterThan(FLIPS * 5); // Not all of it is something that is stored.
    },
  );
});

/** What comes of some damage. @throws when rows are others, and nothing is found */
async function judged(
  made: ReturnType<typeof makeFile>,
  pages: readonly number[],
  damage: Damage,
  random: Random,
  sound: string,
): Promise<"found" | "refused" | "right"> {
  const bytes = Buffer.from(made.bytes);
  const where = DAMAGES[damage](pages, made.pageBytes, bytes, random);
  writeFresh(bytes);
  let findings: readonly Finding[];
  try {
    ({ findings } = await verify());
  } catch (error) {
    if (error instanceof TallyError && error.code === "STORE_UNAVAILABLE") return "refused";
    throw new Error(`seed ${seed}: ${where}`, { cause: error });
  }
  if (findings.length > 0) return "found";
  expect(dumpOf(bytes), `seed ${seed}: nothing was found after ${where}`).toBe(sound);
  return "right";
}

/** What no count, answer or change depends on: a start or maintenance makes it anew, or it may be anything. */
const NOT_KEPT = new Set([
  "wal_binding",
  "policy_sweep",
  "sqlite_sequence",
  "due_counters",
  "history_binding",
]);

/** A digest over every row of every table. */
function dumpOf(bytes: Buffer): string {
  const file = join(dir, "dumped.db");
  writeFresh(bytes, file);
  const db = new Database(file);
  try {
    const digest = createHash("sha256");
    const tables = db
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
      .pluck()
      .all() as string[];
    for (const table of tables) {
      if (NOT_KEPT.has(table)) continue;
      const rows = db.prepare(`SELECT * FROM ${table}`).raw().safeIntegers();
      for (const row of rows.iterate() as Iterable<unknown[]>)
        digest.update(
          JSON.stringify([table, ...row.map((each) => (typeof each === "bigint" ? `${each}` : each))]),
        );
    }
    return digest.digest("hex");
  } finally {
    db.close();
    for (const suffix of ["", "-wal", "-shm"]) rmSync(file + suffix, { force: true });
  }
}

describe("a history", () => {
  const MINUTE = 60_000;

  /** A store whose history has minutes that are packed and some that are not, closed; and with one change more in its log. */
  const made = { "no more": join(dir, "history"), more: join(dir, "more") };
  beforeAll(async () => {
    let file = "";
    const opened = await openFresh(
      async (folder) => {
        file = join(folder, "tally.db");
        return `sqlite:${file}`;
      },
      { history: DEFAULT_HISTORY, retention: { changeLogBytesMax: 6_000 } },
    );
    const { store } = opened;
    let following = new Following(store);
    await apply(store, create("lim", { window: { everyMs: 7 * MINUTE, anchorMs: 0 }, max: 1_000n }));
    for (let i = 0; i < 120; i++) {
      await apply(store, increment("a", BigInt(i)));
      await apply(store, i % 5 === 0 ? set("b", BigInt(i)) : increment("b"));
      await apply(store, increment("lim", 2n));
      if (i === 70) await apply(store, remove("b"));
      if (i === 80) await apply(store, update("a", { description: "later" }));
      await opened.pass(2 * MINUTE);
      if (i % 30 !== 29) continue;
      await taken(store, following);
      following = new Following(store);
      for (let k = 0; k < 200 && (await store.maintain()); k++);
    }
    await taken(store, following);
    await store.close();
    cpSync(join(file, ".."), made["no more"], { recursive: true });
    const again = await opened.reopen();
    await apply(again, increment("a"));
    await again.close();
    cpSync(join(file, ".."), made.more, { recursive: true });
    rmSync(join(file, ".."), { recursive: true });
  });

  async function withHistory(
    test: (file: string) => Promise<void>,
    which: "more" | "no more" = "no more",
  ): Promise<void> {
    const copy = mkdtempSync(join(dir, "copy-"));
    cpSync(made[which], copy, { recursive: true });
    await test(join(copy, "tally.db"));
    rmSync(copy, { recursive: true });
  }

  async function taken(
    store: Awaited<ReturnType<typeof openFresh>>["store"],
    following: Following,
  ): Promise<void> {
    await store.history!.asOf("a", 1);
    await following.close();
  }

  it("that has what the log has, or less of its end: nothing is found", () =>
    withHistory(async (file) => {
      const { findings, historyRows } = await verify(file);
      expect(findings).toEqual([]);
      expect(historyRows).toBeGreaterThan(20);
    }, "more"));

  it("in which a minute has another sum than the log has of it is found, by the counter's name", () =>
    withHistory(async (file) => {
      const db = new Database(`${file}-history`);
      db.defaultSafeIntegers(true);
      type Row = { start_ms: bigint; number: bigint; bucket: Buffer };
      const number = db.prepare<[], bigint>("SELECT number FROM counters WHERE name = 'lim'").pluck().get()!;
      const rows = db.prepare<[bigint], Row>(
        "SELECT start_ms, number, bucket FROM minutes WHERE number = ? ORDER BY start_ms DESC LIMIT 2",
      );
      const [last, before] = rows.all(number) as [Row, Row];
      // One minute twice, and another not at all: sound rows.
      const sum = sumOf([Number(before.start_ms), Number(number)], last.bucket);
      expect(last.bucket.equals(before.bucket)).toBe(false);
      db.prepare("UPDATE minutes SET bucket = ?, checksum = ? WHERE start_ms = ? AND number = ?").run(
        last.bucket,
        sum,
        before.start_ms,
        number,
      );
      db.close();
      expect(await found(file)).toEqual(["HISTORY_DIFFERS lim"]);
    }));

  it.each<[what: string, sql: string, finding: RegExp]>([
    [
      "a minute",
      "UPDATE minutes SET bucket = x'00' WHERE start_ms = (SELECT max(start_ms) FROM minutes)",
      /^HISTORY_DAMAGED from \S+Z$/,
    ],
    [
      "a minute that is gone",
      "DELETE FROM minutes WHERE start_ms = (SELECT max(start_ms) FROM minutes)",
      /^HISTORY_FOREIGN history$/,
    ],
    ["a row of hours", "UPDATE packed SET buckets = x'00' WHERE level = 0", /^HISTORY_DAMAGED from \S+Z$/],
    [
      "a row of hours that is gone",
      "DELETE FROM packed WHERE level = 0 AND number = 1",
      /^HISTORY_DAMAGED from \S+Z$/,
    ],
    ["rows of days that are gone", "DELETE FROM packed WHERE level = 2", /^HISTORY_DAMAGED from \S+Z$/],
    ["a counter", "UPDATE counters SET name = 'x' WHERE number = 1", /^HISTORY_DAMAGED from \S+Z$/],
    ["a named change", "UPDATE changes SET time_ms = 1", /^HISTORY_DAMAGED from \S+Z$/],
    ["its head", "UPDATE head SET position = position - 1", /^HISTORY_FOREIGN history$/],
    ["the log that it is of", "UPDATE head SET log_id = 'x'", /^HISTORY_FOREIGN history$/],
  ])("of which %s was changed by hand: that is found", (_, sql, finding) =>
    withHistory(async (file) => {
      change(sql, `${file}-history`);
      const list = await found(file);
      expect(
        list.filter((line) => finding.test(line)),
        list.join("\n"),
      ).not.toEqual([]);
    }),
  );
});

/** What SQLite's writing side keeps in memory of commits, as far as nobody but it can tell. */
import { statSync } from "node:fs";
import Database from "better-sqlite3";
import { v7 } from "uuid";
import { expect, it, onTestFinished, vi } from "vitest";
import { DEFAULTS } from "../../src/core/settings.ts";
import { openReadOnly } from "../../src/stores/sqlite/read/reading.ts";
import { batch, commit, create, increment, single } from "../support/calls.ts";
import { faultsBelow } from "../support/faults.ts";
import { openHere, type SqliteHere } from "../support/here.ts";

async function open(cachedCountersMax = 100) {
  const here = await openHere("sqlite", { cachedCountersMax });
  onTestFinished(() => here.dispose());
  const store = here.store as SqliteHere;
  const number = (sql: string): number => {
    const db = openReadOnly(store.path, 64);
    try {
      return Number(db.prepare(sql).pluck().get());
    } finally {
      db.close();
    }
  };
  return { clock: here.clock, store, number };
}

it("after maintenance that failed, busy counts are still taken back once they are quiet", async () => {
  const { store, clock, number } = await open(10_000);
  const names = Array.from({ length: 5_000 }, (_, i) => `n${i}`);
  for (let n = 0; n < 3; n++) await commit(store, batch(names.map((name) => increment(name))));
  const recent = () => number("SELECT count(*) FROM recent_counts");
  expect(recent()).toBe(5_000);
  clock.advance(20_000);
  const faults = faultsBelow("sqlite", clock);
  onTestFinished(() => faults.end());
  let failures = 0;
  for (let n = 1; (await faults.during(n, () => store.maintain())) !== "whole"; n++) failures++;
  expect(failures).toBeGreaterThan(4);
  for (let n = 0; n < 10; n++) await store.maintain();
  expect(recent()).toBeLessThan(4_097);
});

it("running time is in the file ten seconds after a commit, and without one it is not written", async () => {
  const { store, clock, number } = await open();
  const written = () => number("SELECT run_ms FROM service_time");
  clock.advance(11_000);
  await store.maintain();
  expect(written()).toBe(0);
  await commit(store, single(increment("a")));
  await store.maintain();
  expect(written()).toBe(11_000);
});

const COMMITS = 16;
/** With long names and descriptions, so that the pages of few of them are more than those at which a checkpoint is due. */
const counters = (commit: number, many: number) =>
  Array.from({ length: many }, (_, i) => `${`${commit}.${i}`.padStart(12, "0")}.${"x".repeat(180)}`);
const DESCRIPTION = { description: "x".repeat(1_000) };
const TAKEN_IN = 4_096 * 3_000;

it("the WAL is taken into the file while commits go on", async () => {
  const { store } = await open();
  for (let n = 0; n < COMMITS; n++) {
    await commit(store, batch(counters(n, 700).map((name) => create(name, DESCRIPTION))));
    store.connection.checkpoints.ifDue();
  }
  expect(statSync(store.path).size).toBeGreaterThan(TAKEN_IN);
});

it("and while a copy goes on", async () => {
  const { store } = await open();
  const { connection, moment } = store;
  const generations = [{ id: 0, openedMs: 0, closedMs: undefined }];
  connection.copying.beginImport({ storeId: "other", state: "1", runMs: 0, generations }, moment);
  for (let n = 0; n <= COMMITS; n++) {
    const made = counters(n, 700).map((name) => ({
      ...{ ...DEFAULTS, name, uid: v7(), value: 1n, revision: 1, updateTime: 0, settingsRevision: 1 },
      ...{ createTime: 0, labels: {}, ...DESCRIPTION, timing: undefined },
    }));
    connection.copying.import({ counters: made, progress: `${n}` }, moment);
    connection.checkpoints.ifDue();
  }
  expect(statSync(store.path).size).toBeGreaterThan(TAKEN_IN);
});

it("while somebody reads the WAL for long, checkpoints that could do nothing are not tried; after that it shrinks", async () => {
  const { store } = await open();
  const wal = `${store.path}-wal`;
  const size = () => statSync(wal).size;
  let made = 0;
  const more = async () => {
    await commit(store, batch(counters(made++, 2_000).map((name) => create(name, DESCRIPTION)))); // Some megabytes.
    for (let n = 0; n < COMMITS; n++) await commit(store, single(increment("a"))); // Until it looks.
    store.connection.checkpoints.ifDue();
  };
  await more();
  const reader = openReadOnly(store.path, 64);
  reader.exec("BEGIN; SELECT count(*) FROM counts");
  const pragma = vi.spyOn(Database.prototype, "pragma");
  onTestFinished(() => pragma.mockRestore());
  const tried = () => pragma.mock.calls.filter(([text]) => text === "wal_checkpoint(PASSIVE)").length;
  let commits = 0;
  for (; size() < 96 * 2 ** 20; commits++) await more();
  expect(tried()).toBeGreaterThan(0);
  expect(tried()).toBeLessThanOrEqual(Math.ceil((96 * 2 ** 20) / TAKEN_IN) + 1);
  expect(tried()).toBeLessThan(commits / 2);
  reader.close();
  for (let n = 0; n < 30 && size() > 64 * 2 ** 20; n++) await more();
  expect(size()).toBeLessThanOrEqual(64 * 2 ** 20 + 4_096);
  expect(size()).toBeGreaterThan(0);
});

/** Whatever writes, it is the end: a failure must not be told as one that saved nothing. */
it.each(["commit", "tryWrite", "writeCatalogue"] as const)(
  "somebody else wrote the file: %s says that the outcome is unknown, though the change log is not whole either",
  async (what) => {
    const { store } = await open();
    await commit(store, single(increment("a")));
    const stranger = new Database(store.path);
    stranger.exec("DELETE FROM change_log");
    stranger.close();
    const { connection, moment } = store;
    const entry = { kind: "setting", key: "k", body: "{}", expectedVersion: 0 } as const;
    const writes = {
      commit: async () => void (await commit(store, single(increment("a")))),
      tryWrite: async () => connection.tryWrite(moment),
      writeCatalogue: async () => void connection.writeCatalogue(entry, moment),
    };
    await expect(writes[what]()).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
  },
);

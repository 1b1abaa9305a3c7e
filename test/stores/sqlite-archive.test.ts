/**
 * The archive of a store of SQLite's: what is restored through it is what the store was after a commit, whatever was done to
 * either; and of an archive that lacks something nothing is restored that goes beyond that.
 */
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { v7 } from "uuid";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { DEFAULT_RETENTION, type Store } from "../../src/service/store.ts";
import type { RestoreUntil } from "../../src/service/store-backup.ts";
import { backupSqlite } from "../../src/stores/sqlite/backup/backup.ts";
import { restoreSqlite } from "../../src/stores/sqlite/backup/restore.ts";
import { openSqlite } from "../../src/stores/sqlite/store.ts";
import { freshSeed, seededRandom } from "../proofs/crash/random.ts";
import { apply, batch, commit, increment } from "../support/calls.ts";
import { HandClock } from "../support/clock.ts";
import { folderInMemory } from "../support/folder.ts";

const seed = Number(process.env.TALLY_TEST_SEED ?? freshSeed());
const root = mkdtempSync(join(folderInMemory(), "tally-archive-"));
afterAll(() => rmSync(root, { recursive: true }));
const signal = new AbortController().signal;

let dir = "";
let path = "";
let archive = "";
let clock: HandClock;
beforeEach(() => {
  dir = mkdtempSync(join(root, "store-"));
  path = join(dir, "tally.db");
  archive = join(dir, "archive");
  mkdirSync(archive);
  clock = new HandClock();
});

function open(options: { waitingBytesMax?: number; plain?: boolean } = {}): Promise<Store> {
  const { plain = false, ...rest } = options;
  return openSqlite(path, {
    ...{ clock, newUid: () => v7(), retention: DEFAULT_RETENTION, cachedCountersMax: 100, warn: () => {} },
    ...(!plain && { archive: { dir: archive, ...rest } }),
  });
}

/** Let a second pass, and have what was committed archived. */
async function second(store: Store): Promise<void> {
  clock.advance(1_000);
  await store.maintain();
  await expect.poll(() => store.archive!.status.upToMs).toBe(clock.now());
}

function backup(to = join(dir, "b.tar")): Promise<unknown> {
  return backupSqlite(path, {
    ...{ to, scratch: undefined, bytesPerSecond: Number.POSITIVE_INFINITY, clock, signal },
    ...{ onProgress: () => {}, warn: () => {} },
  });
}

let restores = 0;
async function restore(until: RestoreUntil | undefined, from = join(dir, "b.tar"), of = archive) {
  const to = join(dir, `restored-${++restores}`, "tally.db");
  mkdirSync(join(to, ".."));
  const told: string[] = [];
  const { reached } = await restoreSqlite(from, to, {
    ...{ newLogId: v7(), rewrite: () => [], onProgress: () => {}, signal },
    archive: { dir: of, until, warn: (sentence) => void told.push(sentence) },
  });
  expect(told).toEqual([]);
  expect(readdirSync(join(to, "..")).filter((name) => !name.endsWith("-lock"))).toEqual(["tally.db"]);
  return { reached: reached!, values: valuesIn(to), to };
}

/** By SQL: to open it as a store takes a second. That its rows are sound the restore has looked itself. */
function valuesIn(at: string): Record<string, number> {
  const db = new Database(at, { readonly: true });
  try {
    const counts = "SELECT id, value FROM counts UNION ALL SELECT id, value FROM recent_counts";
    const rows = db.prepare(`SELECT name, value FROM counters JOIN (${counts}) USING (id)`).raw().all();
    return Object.fromEntries(rows as [string, number][]);
  } finally {
    db.close();
  }
}

function pieces(): string[] {
  return readdirSync(join(archive, "first")).filter((name) => name.endsWith(".zst")).sort();
}

/** The files of a store as a kill at this moment would leave them, in the place of those that are there. */
async function killed(store: Store): Promise<void> {
  const left = mkdtempSync(join(dir, "killed-"));
  for (const name of readdirSync(dir)) if (/^tally\.db/.test(name)) copyFileSync(join(dir, name), join(left, name));
  const archived = join(left, "archive");
  cpSync(archive, archived, { recursive: true });
  await store.close();
  for (const name of readdirSync(dir)) if (/^tally\.db/.test(name)) rmSync(join(dir, name));
  rmSync(archive, { recursive: true });
  for (const name of readdirSync(left)) renameSync(join(left, name), join(dir, name));
}

describe("an archive", () => {
  it("has every commit: any of them is restored as it was, by its position or its time", async () => {
    const store = await open();
    await apply(store, increment("a"));
    await second(store);
    await backup();
    const were = new Map<number, Record<string, number>>();
    const random = seededRandom(seed);
    for (let i = 1; i <= 40; i++) {
      clock.advance(random.between(1, 300));
      await commit(store, batch([increment("a", BigInt(i)), increment(`n${random.between(1, 30)}`)]));
      const page = await store.list({ prefix: "", labels: {} }, "", 100);
      were.set(clock.now(), Object.fromEntries(page.counters.map(({ name, value }) => [name, Number(value)])));
      if (i % 7 === 0) await second(store);
    }
    await second(store);
    await store.close();
    const times = [...were.keys()];
    for (let n = 0; n < 12; n++) {
      const i = random.between(0, times.length - 1);
      const byTime = await restore({ time: times[i]! + random.between(0, (times[i + 1] ?? times[i]! + 1) - times[i]! - 1) });
      expect(byTime.values, `seed ${seed}`).toEqual(were.get(times[i]!));
      expect(byTime.reached).toMatchObject({ position: i + 2, time: times[i] });
      const byPosition = await restore({ position: i + 2 });
      expect(byPosition.values, `seed ${seed}`).toEqual(were.get(times[i]!));
    }
    expect((await restore(undefined)).values).toEqual(were.get(times.at(-1)!));
    expect(statSync(join(archive, "first", pieces()[0]!)).mode & 0o777).toBe(0o600);
  }, 120_000);
});

describe("a store that is archived", () => {
  /** Count one at a time, so that each value is a position. */
  async function count(store: Store, times: number): Promise<void> {
    for (let i = 0; i < times; i++) await apply(store, increment("a"));
  }

  async function begun(): Promise<Store> {
    const store = await open();
    await count(store, 3);
    await second(store);
    await backup();
    return store;
  }

  it("goes on with its archive when it was stopped in order, and archives what the stop writes", async () => {
    let store = await begun();
    for (let i = 0; i < 3; i++) {
      await count(store, 5);
      await store.close();
      store = await open();
      expect(store.archive!.status).toMatchObject({ state: "archiving", breaks: 0 });
    }
    await count(store, 2);
    await second(store);
    expect(store.archive!.status.why).toBeUndefined();
    await store.close();
    for (const position of [3, 7, 8, 12, 18, 20])
      expect((await restore({ position })).values).toEqual({ a: position });
  });

  it("goes on after a kill: what stands in the WAL is archived before it is taken into the file", async () => {
    let store = await begun();
    await count(store, 4); // Archived at the start alone.
    await killed(store);
    store = await open();
    expect(store.archive!.status).toMatchObject({ state: "archiving", breaks: 0 });
    await count(store, 4);
    await second(store);
    await store.close();
    for (const position of [3, 5, 7, 8, 11])
      expect((await restore({ position })).values).toEqual({ a: position });
  });

  it("goes on after a kill just after the WAL was begun anew, of which nothing is archived", async () => {
    let store = await begun();
    await count(store, 2);
    const names = (i: number) => Array.from({ length: 900 }, (_, k) => `${"n".repeat(200)}${i}.${k}`);
    const wal = () => readFileSync(`${path}-wal`).subarray(16, 24).toString("hex");
    const before = wal();
    let rounds = 0;
    for (; wal() === before; rounds++) {
      expect(rounds).toBeLessThan(400);
      await commit(store, batch(names(rounds).map((name) => increment(name))));
    }
    const isArchived = pieces().some((name) => name.startsWith("0000000003"));
    await killed(store);
    expect(isArchived).toBe(false);
    store = await open();
    expect(store.archive!.status).toMatchObject({ state: "archiving", breaks: 0 });
    await count(store, 1);
    await second(store);
    await store.close();
    expect((await restore(undefined)).values).toMatchObject({ a: 6 });
    expect((await restore({ position: 5 + rounds })).values).toMatchObject({ a: 5 });
  }, 120_000);

  it("begins it anew after somebody has written to the store without it, and nothing is restored across that", async () => {
    let store = await begun();
    await count(store, 2);
    await store.close();
    const without = await open({ plain: true });
    await count(without, 1);
    await without.close();
    clock.advance(60_000);
    store = await open();
    expect(store.archive!.status).toMatchObject({ state: "archiving", beganMs: clock.now() });
    await count(store, 1);
    await second(store);
    expect(store.archive!.status.why).toBe("the store was written to, or put there, since it was archived");
    await backup(join(dir, "c.tar"));
    await count(store, 1);
    await second(store);
    await store.close();
    expect((await restore({ position: 5 })).values).toEqual({ a: 5 });
    await expect(restore({ position: 7 })).rejects.toThrow(
      /The archive was begun anew at .* It leads up to position 5 of the change log, of .*: --until 5 restores that\./,
    );
    expect((await restore({ position: 8 }, join(dir, "c.tar"))).values).toEqual({ a: 8 });
    await expect(restore({ position: 6 }, join(dir, "c.tar"))).rejects.toThrow(/was before that/);
  });

  it("begins it anew after a closed file was changed by hand, which no id shows", async () => {
    let store = await begun();
    await store.close();
    const db = new Database(path);
    db.exec("UPDATE counts SET value = 1000; UPDATE recent_counts SET value = 1000");
    db.close();
    store = await open();
    expect(store.archive!.status.state).toBe("archiving");
    await expect.poll(() => store.archive!.status.why).toMatch(/written to, or put there/);
    await store.close();
  });
});

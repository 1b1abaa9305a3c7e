/**
 * The archive of a store of SQLite's: what is restored through it is what the store was after a commit, whatever was done to
 * either; and of an archive that lacks something nothing is restored that goes beyond that.
 */

import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { v7 } from "uuid";
import { afterAll, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import type { CatalogueWrite } from "../../src/core/catalogue.ts";
import { newEpoch } from "../../src/core/epoch.ts";
import { DEFAULT_RETENTION, type Store } from "../../src/service/store.ts";
import type { RestoreUntil } from "../../src/service/store-backup.ts";
import type { CatalogueChanges } from "../../src/service/store-catalogue.ts";
import { pieceName } from "../../src/stores/sqlite/archive/folder.ts";
import { factsOf } from "../../src/stores/sqlite/archive/piece.ts";
import { backupSqlite } from "../../src/stores/sqlite/backup/backup.ts";
import { restoreSqlite } from "../../src/stores/sqlite/backup/restore.ts";
import { holdLock } from "../../src/stores/sqlite/file/lock.ts";
import { openSqlite } from "../../src/stores/sqlite/opening.ts";
import { Thread } from "../../src/stores/sqlite/thread.ts";
import { freshSeed, seededRandom } from "../proofs/crash/random.ts";
import { apply, batch, commit, create, increment } from "../support/calls.ts";
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

function open(options: { waitingBytesMax?: number; plain?: boolean; at?: string } = {}): Promise<Store> {
  const { plain = false, at = path, ...rest } = options;
  return openSqlite(at, {
    ...{ clock, newUid: () => v7(), retention: DEFAULT_RETENTION, cachedCountersMax: 100, warn: () => {} },
    ...(!plain && { archive: { dir: archive, ...rest } }),
  });
}

/** Let a second pass, and have what was committed archived: while the archive is busy, it is told again. */
async function second(store: Store): Promise<void> {
  clock.advance(1_000);
  await expect
    .poll(async () => {
      await store.maintain();
      return store.archive!.status.upToMs;
    })
    .toBe(clock.now());
}

function backup(to = join(dir, "b.tar"), of = path): Promise<unknown> {
  return backupSqlite(of, {
    ...{ to, scratch: undefined, bytesPerSecond: Number.POSITIVE_INFINITY, clock, signal },
    ...{ onProgress: () => {}, warn: () => {} },
  });
}

let restores = 0;
async function restore(
  until: RestoreUntil | undefined,
  from = join(dir, "b.tar"),
  of = archive,
  rewrite: (catalogue: CatalogueChanges) => readonly CatalogueWrite[] = () => [],
) {
  const to = join(dir, `restored-${++restores}`, "tally.db");
  mkdirSync(join(to, ".."));
  const told: string[] = [];
  const { reached } = await restoreSqlite(from, to, {
    ...{ newLogId: v7(), rewrite, onProgress: () => {}, signal },
    archive: { dir: of, until, warn: (sentence) => void told.push(sentence) },
  });
  expect(readdirSync(join(to, "..")).filter((name) => !name.endsWith("-lock"))).toEqual(["tally.db"]);
  return { reached: reached!, values: valuesIn(to), to, warned: told };
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
  return readdirSync(join(archive, "first"))
    .filter((name) => name.endsWith(".zst"))
    .sort();
}

/** The files of a store as a kill at this moment would leave them, in the place of those that are there. */
async function killed(store: Store): Promise<void> {
  const left = mkdtempSync(join(dir, "killed-"));
  for (const name of readdirSync(dir))
    if (/^tally\.db/.test(name)) copyFileSync(join(dir, name), join(left, name));
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
      were.set(
        clock.now(),
        Object.fromEntries(page.counters.map(({ name, value }) => [name, Number(value)])),
      );
      if (i % 7 === 0) await second(store);
    }
    await second(store);
    await store.close();
    const times = [...were.keys()];
    for (let n = 0; n < 8; n++) {
      const i = random.between(0, times.length - 1);
      const byTime = await restore({
        time: times[i]! + random.between(0, (times[i + 1] ?? times[i]! + 1) - times[i]! - 1),
      });
      expect(byTime.values, `seed ${seed}`).toEqual(were.get(times[i]!));
      expect(byTime.reached).toMatchObject({ position: i + 2, time: times[i] });
      const byPosition = await restore({ position: i + 2 });
      expect(byPosition.values, `seed ${seed}`).toEqual(were.get(times[i]!));
    }
    expect((await restore(undefined)).values).toEqual(were.get(times.at(-1)!));
    expect(statSync(join(archive, "first", pieces()[0]!)).mode & 0o777).toBe(0o600);
  });
});

/** Count one at a time, so that each value is a position. */
async function count(store: Store, times: number): Promise<void> {
  for (let i = 0; i < times; i++) await apply(store, increment("a"));
}

/** Some megabytes in one commit, by large rows: many take the processor. */
async function large(store: Store, nth: number): Promise<void> {
  const description = "n".repeat(1_000);
  const names = Array.from({ length: 2_000 }, (_, k) => `${"n".repeat(180)}${nth}.${k}`);
  await commit(store, batch(names.map((name) => create(name, { description }))));
}

/** What the WAL's head has of its own each time that it is begun anew. */
function salts(): string {
  const head = Buffer.alloc(24);
  const wal = openSync(`${path}-wal`, "r");
  readSync(wal, head, 0, head.length, 0); // It is long, and asked for after each commit.
  closeSync(wal);
  return head.toString("hex", 16);
}

/** A store of which a backup was made at position 3. */
async function begun(): Promise<Store> {
  const store = await open();
  await count(store, 3);
  await second(store);
  await backup();
  return store;
}

describe("a store that is archived", () => {
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

  /** So many have pages enough for a checkpoint. */
  const LARGE = 4;

  /** Write pages enough for a checkpoint, and have one made, until the WAL is begun anew. @returns  the commits that took */
  async function untilBegunAnew(store: Store): Promise<number> {
    const before = salts();
    let commits = 0;
    for (; commits < LARGE; commits++) await large(store, commits);
    for (; salts() === before; commits++) {
      expect(commits).toBeLessThan(2_000);
      await store.top({ prefix: "z", labels: {} }, 1, "highest"); // Between two of these the WAL is looked at.
      await apply(store, increment("b"));
    }
    return commits;
  }

  it("goes on after a kill just after the WAL was begun anew, of which nothing is archived", async () => {
    let store = await begun();
    await count(store, 2);
    const before = pieces().at(-1)!.slice(0, 10);
    const commits = await untilBegunAnew(store);
    expect(pieces().at(-1)!.slice(0, 10)).toBe(before);
    await killed(store);
    store = await open();
    expect(store.archive!.status).toMatchObject({ state: "archiving", breaks: 0 });
    await count(store, 1);
    await second(store);
    await store.close();
    expect((await restore(undefined)).values).toMatchObject({ a: 6 });
    expect((await restore({ position: 5 + commits })).values).toMatchObject({ a: 5, b: commits - LARGE });
  });

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

describe("what is not whole", () => {
  /** Ten pieces of two commits each, from position 3 on. */
  async function closed(): Promise<void> {
    const store = await begun();
    for (let i = 0; i < 10; i++) {
      await count(store, 2);
      await second(store);
    }
    await store.close();
  }

  it(`a piece that is missing, damaged, cut short or there twice: up to there it is restored, and not beyond (seed ${seed})`, async () => {
    await closed();
    const random = seededRandom(seed);
    const { length } = pieces();
    const harms: Readonly<Record<string, (piece: string, i: number) => void>> = {
      missing: (piece) => rmSync(piece),
      "cut short": (piece) => writeFileSync(piece, readFileSync(piece).subarray(0, -1)),
      empty: (piece) => writeFileSync(piece, ""),
      "another bit": (piece) => {
        const bytes = readFileSync(piece);
        bytes[random.between(0, bytes.length - 1)]! ^= 1 << random.between(0, 7);
        writeFileSync(piece, bytes);
      },
      "a pipe": (piece) => replaced(piece, () => execFileSync("mkfifo", [piece])),
      "a folder": (piece) => replaced(piece, () => mkdirSync(piece)),
      "a device": (piece) => replaced(piece, () => symlinkSync("/dev/zero", piece)),
      "the next one's place": (piece, i) => copyFileSync(join(archive, "first", pieces()[i + 1]!), piece),
      "the one before's place": (piece, i) => copyFileSync(join(archive, "first", pieces()[i - 1]!), piece),
    };
    for (const [harm, done] of Object.entries(harms)) {
      const i = random.between(length - 9, length - 4);
      const of = join(dir, `harmed ${harm}`);
      cpSync(archive, of, { recursive: true });
      const piece = join(of, "first", pieces()[i]!);
      done(piece, i);
      const error = (await restore(undefined, undefined, of).then(
        () => undefined,
        (reason: unknown) => reason,
      )) as Error;
      expect(error?.message, `${harm} (seed ${seed})`).toContain(join(of, "first"));
      if (/^(cut|empty|another|a )/.test(harm)) {
        expect(error.message, `seed ${seed}`).toContain(
          `${piece} is ${harm.startsWith("a ") ? harm : "damaged"}`,
        );
        expect(error.message, `seed ${seed}`).not.toMatch(/missing|newer/);
      }
      const [, upTo] = /--until (\d+) restores that/.exec(error.message) ?? [];
      expect(Number(upTo), error.message).toBeGreaterThan(3);
      expect((await restore({ position: Number(upTo) }, undefined, of)).values).toEqual({ a: Number(upTo) });
      await expect(restore({ position: Number(upTo) + 1 }, undefined, of), harm).rejects.toThrow(
        `position ${upTo}`,
      );
    }
  });

  function replaced(piece: string, by: () => void): void {
    rmSync(piece);
    by();
  }

  it("a bit of the piece that a WAL's first is: that one is damaged, and none is missing, wherever it is", async () => {
    await closed();
    const store = await open();
    await count(store, 2);
    await second(store);
    await store.close();
    const name = pieces().findLast((each) => each.endsWith("-0000000001.zst"))!;
    const piece = join(archive, "first", name);
    const bytes = readFileSync(piece);
    const of = bytes.toString("latin1");
    const places = [0, 4, 10, 60, of.indexOf("walId") + 10, of.indexOf("previous") + 20, bytes.length >> 1];
    for (const at of [...places, of.indexOf('"to"') + 5, bytes.length - 37, bytes.length - 1]) {
      const flipped = Buffer.from(bytes);
      flipped[at]! ^= 4;
      writeFileSync(piece, flipped);
      const said = `${piece} is damaged: it was cut short, or a bit of it is another than was written. It leads up to`;
      await expect(restore(undefined), `byte ${at}`).rejects.toThrow(said);
    }
    writeFileSync(piece, bytes);
    expect((await restore(undefined)).values).toEqual({ a: 25 });
  });

  it("a bit, wherever it is in whichever piece, is never restored as something else", async () => {
    await closed();
    const random = seededRandom(seed);
    const of = join(dir, "flipped");
    for (let n = 0; n < 40; n++) {
      rmSync(of, { recursive: true, force: true });
      cpSync(archive, of, { recursive: true });
      const piece = join(of, "first", random.pick(pieces()));
      const bytes = readFileSync(piece);
      const at = random.between(0, bytes.length - 1);
      bytes[at]! ^= 1 << random.between(0, 7);
      writeFileSync(piece, bytes);
      const about = `byte ${at} of ${piece} (seed ${seed})`;
      const to = await restore(undefined, undefined, of).catch((error: Error & { code?: string }) => {
        expect(error.code, `${about}: ${error.stack}`).toBe("STORE_UNAVAILABLE");
        return undefined;
      });
      if (to !== undefined) expect(to.values, about).toEqual({ a: 23 }); // It was before the backup.
    }
  });

  it("another store's archive, or none, leads nowhere; a later one does not lead to a backup before it", async () => {
    await closed();
    const other = join(dir, "other");
    mkdirSync(join(other, "first"), { recursive: true });
    await expect(restore(undefined, undefined, other)).rejects.toThrow(/does not go on from this backup/);
    await expect(restore(undefined, undefined, join(dir, "none"))).rejects.toThrow(
      /cannot be read \(ENOENT\)/,
    );
    for (const name of pieces().slice(4))
      copyFileSync(join(archive, "first", name), join(other, "first", name));
    await expect(restore(undefined, undefined, other)).rejects.toThrow(/does not go on|What comes before/);
  });

  it("what is not called as a piece is passed over, never believed, and named where it may be one that was renamed", async () => {
    await closed();
    const first = join(archive, "first");
    const last = pieces().at(-1)!;
    const strays = [
      ...[
        "README",
        ".DS_Store",
        `${last}~`,
        `.${last}.x7Gh2a`,
        `${last}.tmp`,
        `${last}.part`,
        "closed.json~",
      ],
      ...["of mine.zst", `copy of ${last}`, "00000000001-0000000001.zst"],
    ];
    for (const name of strays) copyFileSync(join(first, last), join(first, name));
    for (const name of ["lost+found", "first.old", ".rsync", "first/lost+found"]) {
      mkdirSync(join(archive, name));
      copyFileSync(join(first, last), join(archive, name, pieces()[0]!)); // Believed, it would break off here.
      mkdirSync(join(archive, name, pieces()[1]!));
    }
    writeFileSync(join(archive, "0123abcd"), "");
    const told = strays.filter((name) => name.endsWith(".zst")).map((name) => join(first, name));
    const { values, warned } = await restore(undefined);
    expect(values).toEqual({ a: 23 });
    expect(warned.toSorted()).toEqual(
      told.map((each) => `${each} is no piece of the archive, by its name, and was passed over.`).toSorted(),
    );
    const store = await open();
    expect(store.archive!.status).toMatchObject({ state: "archiving", why: undefined });
    await store.close();
    for (const name of strays) expect(existsSync(join(first, name)), name).toBe(name !== `${last}.part`);
  });

  it("until before the first backup, in the future, or between: refused, or the newest that is early enough", async () => {
    const store = await begun();
    const at: number[] = [];
    for (let i = 0; i < 3; i++) {
      clock.advance(60_000);
      await count(store, 2);
      await second(store);
      at.push(clock.now());
      await backup(join(dir, `${i}.tar`));
    }
    clock.advance(60_000);
    await count(store, 1);
    await second(store);
    await store.close();
    await expect(restore({ position: 2 }, dir)).rejects.toThrow(
      /There is no backup in .* of before that: the oldest is of 2026-01-01T00:00:01\.000Z, position 3/,
    );
    await expect(restore({ time: at[0]! - 1 }, join(dir, "0.tar"))).rejects.toThrow(/was before that/);
    expect((await restore({ position: 4 }, dir)).values).toEqual({ a: 4 });
    expect((await restore({ time: at[1]! + 30_000 }, dir)).values).toEqual({ a: 7 });
    await expect(restore({ position: 11 }, dir)).rejects.toThrow(
      /has no position 11 yet.*--until 10 restores that/,
    );
    await expect(restore({ time: clock.now() + 3_600_000 }, dir)).rejects.toThrow(
      /^The archive ends before 2026-01-01T\S+Z: .*--until 10 restores that/,
    );
    const all = await restore(undefined, dir);
    expect([all.values, all.reached.position]).toEqual([{ a: 10 }, 10]);
    expect((await restore({ time: all.reached.time }, dir)).values).toEqual({ a: 10 });
  });

  it("a change of a policy is restored up to the second, from a backup that has the same counts", async () => {
    const store = await begun();
    clock.advance(60_000);
    const policy = (body: string, expectedVersion: number) =>
      store.catalogue!.write({ kind: "policy", key: "shop.", body, expectedVersion });
    await policy("{}", 0);
    const written = clock.now();
    await second(store);
    const between = clock.now() + 1_000;
    clock.advance(60_000);
    await backup(join(dir, "c.tar"));
    const { entries } = await store.catalogue!.read(0);
    await policy('{"a":1}', entries.find(({ key }) => key === "shop.")!.version!);
    await second(store);
    await store.close();
    const bodyAt = async (until: RestoreUntil | undefined, from: string) => {
      const { to } = await restore(until, from);
      const db = new Database(to, { readonly: true });
      const body = db.prepare("SELECT body FROM catalogue WHERE key = 'shop.'").pluck().get();
      db.close();
      return body;
    };
    expect(await bodyAt({ time: written - 1 }, dir)).toBeUndefined();
    expect(await bodyAt({ time: between }, dir)).toBe("{}");
    expect(await bodyAt(undefined, dir)).toBe('{"a":1}');
    expect(await bodyAt({ position: 3 }, dir)).toBe('{"a":1}');
    await expect(restore({ time: between }, join(dir, "c.tar"))).rejects.toThrow(/was before that/);
  });
});

describe("a backup that is later than its time says, for the clock was set back", () => {
  it("is found out by its pages, and an earlier one is taken where there is one", async () => {
    const store = await begun();
    clock.advance(60_000);
    const body = "{}";
    await store.catalogue!.write({ kind: "policy", key: "shop.", body, expectedVersion: 0 });
    await second(store);
    const before = clock.now() - 30_000;
    clock.wallMs -= 40_000;
    await backup(join(dir, "c.tar"));
    await count(store, 1);
    await second(store);
    await store.close();
    await expect(restore({ time: before }, join(dir, "c.tar"))).rejects.toThrow(/was before that/);
    const { to } = await restore({ time: before }, dir);
    const db = new Database(to, { readonly: true });
    expect(db.prepare("SELECT count(*) FROM catalogue WHERE key = 'shop.'").pluck().get()).toBe(0);
    db.close();
    expect((await restore({ position: 4 }, join(dir, "c.tar"))).values).toEqual({ a: 4 });
  });
});

describe("an archive that cannot be written", () => {
  const MIB = 2 ** 20;

  it("is gone on with once it can be again: what waited is in it, and counting did not wait", async () => {
    const store = await begun();
    renameSync(archive, `${archive}-away`);
    clock.advance(1_000);
    await count(store, 5);
    await store.maintain();
    await expect
      .poll(() => store.archive!.status.failure)
      .toMatch(/is not there, or is no folder|was taken away/);
    await count(store, 5);
    renameSync(`${archive}-away`, archive);
    await second(store);
    await expect
      .poll(() => store.archive!.status)
      .toMatchObject({ state: "archiving", failure: undefined, breaks: 0 });
    await store.close();
    for (const position of [4, 8, 13]) expect((await restore({ position })).values).toEqual({ a: position });
  });

  it.each([
    ["removed and made again", () => rmSync(archive, { recursive: true }), () => mkdirSync(archive)],
    [
      "emptied",
      () => {
        for (const name of readdirSync(archive)) rmSync(join(archive, name), { recursive: true });
      },
      () => {},
    ],
    ["without its last piece", () => rmSync(join(archive, "first", pieces().at(-1)!)), () => {}],
  ])("that is %s is begun anew within seconds, and nobody else gets it", async (_, harm, mend) => {
    const store = await begun();
    const { beganMs } = store.archive!.status;
    const before = pieces();
    harm();
    mend();
    await expect
      .poll(async () => {
        clock.advance(1_000);
        await store.maintain();
        return store.archive!.status.beganMs;
      })
      .toBeGreaterThan(beganMs);
    expect(store.archive!.status).toMatchObject({ state: "archiving", breaks: 1 });
    await second(store);
    await expect.poll(() => store.archive!.status.why).toMatch(/first\/\d+-\d+\.zst was taken away$/);
    expect(() => holdLock(join(archive, "archive"))).toThrow(/in use/);
    // Whoever copies them elsewhere has none written over.
    for (const name of pieces()) expect(before.includes(name) || name > before.at(-1)!, name).toBe(true);
    expect(pieces().at(-1)!.slice(0, 10) > before.at(-1)!.slice(0, 10)).toBe(true);
    await backup(join(dir, "c.tar"));
    await count(store, 2);
    await second(store);
    await store.close();
    expect((await restore({ position: 4 }, join(dir, "c.tar"))).values).toEqual({ a: 4 });
  });

  it("of which another disk is in the place is waited for, and gone on with", async () => {
    const store = await begun();
    renameSync(archive, `${archive}-away`);
    symlinkSync("/proc/self", archive); // A folder of another disk, into which nobody can write.
    clock.advance(1_000);
    await count(store, 2);
    await expect
      .poll(async () => {
        await store.maintain();
        return store.archive!.status;
      })
      .toMatchObject({
        ...{ state: "archiving", isAway: true, breaks: 0 },
        failure: expect.stringMatching(
          /is another disk's than what was archived.*mount that one again.*or restart/,
        ),
      });
    rmSync(archive);
    renameSync(`${archive}-away`, archive);
    await second(store);
    await expect
      .poll(() => store.archive!.status)
      .toMatchObject({ isAway: false, failure: undefined, breaks: 0 });
    await store.close();
    expect((await restore({ position: 5 })).values).toEqual({ a: 5 });
  });

  it("breaks off when too much waits for it, and begins anew, with what can be restored before and after", async () => {
    const store = await open({ waitingBytesMax: 20 * MIB });
    await count(store, 3);
    await second(store);
    await backup();
    renameSync(archive, `${archive}-away`);
    for (let i = 0; store.archive!.status.breaks === 0; i++) {
      expect(i).toBeLessThan(100);
      await large(store, i);
      await store.top({ prefix: "z", labels: {} }, 1, "highest");
      await store.maintain();
    }
    expect(store.archive!.status.state).toBe("broken");
    expect(statSync(`${path}-wal`).size).toBeLessThan(64 * MIB);
    const before = (await store.get(["a"]))[0];
    expect(before).toMatchObject({ value: 3n });
    renameSync(`${archive}-away`, archive);
    clock.advance(1_000);
    await expect
      .poll(async () => {
        await store.maintain();
        return store.archive!.status.state;
      })
      .toBe("archiving");
    await expect.poll(() => store.archive!.status.beganMs).toBe(clock.now());
    await count(store, 1);
    await second(store);
    await backup(join(dir, "c.tar"));
    await count(store, 2);
    await second(store);
    await store.close();
    await expect(restore(undefined)).rejects.toThrow(
      /was begun anew at .*--until 3 restores that|leads up to position 3/,
    );
    expect((await restore({ position: 3 })).values).toEqual({ a: 3 });
    expect((await restore(undefined, join(dir, "c.tar"))).values).toMatchObject({ a: 6 });
  });

  it("at a stop leaves what it lacks in the WAL, and the next start archives that", async () => {
    let store = await begun();
    await count(store, 4);
    renameSync(archive, `${archive}-away`);
    await store.close();
    expect(statSync(`${path}-wal`).size).toBeGreaterThan(0);
    renameSync(`${archive}-away`, archive);
    store = await open();
    expect(store.archive!.status).toMatchObject({ state: "archiving", breaks: 0 });
    await store.close();
    expect(existsSync(`${path}-wal`)).toBe(false);
    for (const position of [5, 7]) expect((await restore({ position })).values).toEqual({ a: position });
  });

  it.each(["kill", "stop"] as const)(
    "that is full at a start after a %s is gone on with once it has room, over starts; and begun anew when too much waits",
    async (how) => {
      const end = (of: Store) => (how === "kill" ? killed(of) : of.close());
      let store = await begun();
      // No piece can be written in the place of these, nor what only shows whether one can.
      const { head } = factsOf(join(archive, "first", pieces().at(-1)!));
      const blocks = ["probe", pieceName({ ...head, from: head.to + 1 })].map((name) =>
        join(archive, "first", `${name}.part`),
      );
      for (const block of blocks) mkdirSync(block);
      await count(store, 4);
      for (let i = 0; i < 3; i++) {
        await end(store);
        store = await open();
        expect(store.archive!.status).toMatchObject({ state: "archiving", breaks: 0 });
        await count(store, 2);
        await store.maintain();
        await expect.poll(() => store.archive!.status.failure).toMatch(/part is a folder/);
      }
      await end(store);
      const kept = mkdtempSync(join(dir, "kept-"));
      for (const name of readdirSync(dir))
        if (/^tally\.db|^archive$/.test(name)) cpSync(join(dir, name), join(kept, name), { recursive: true });
      store = await open({ waitingBytesMax: 1 });
      expect(store.archive!.status).toMatchObject({ state: "broken", breaks: 1 });
      await store.close();
      for (const name of readdirSync(dir))
        if (/^tally\.db|^archive$/.test(name)) rmSync(join(dir, name), { recursive: true });
      for (const name of readdirSync(kept)) renameSync(join(kept, name), join(dir, name));
      store = await open();
      expect(store.archive!.status).toMatchObject({ state: "archiving", breaks: 0 });
      for (const block of blocks)
        rmSync(join(archive, "first", block.split("/").at(-1)!), { recursive: true });
      await count(store, 1);
      await second(store);
      await expect
        .poll(() => store.archive!.status)
        .toMatchObject({ breaks: 0, failure: undefined, why: undefined });
      await store.close();
      for (const position of [5, 9, 13, 14])
        expect((await restore({ position })).values).toEqual({ a: position });
    },
  );

  it("at a start does not keep it from counting, and begins anew when it can", async () => {
    let store = await begun();
    await count(store, 4);
    await killed(store);
    renameSync(archive, `${archive}-away`);
    store = await open();
    expect(store.archive!.status.state).toBe("broken");
    await count(store, 1);
    renameSync(`${archive}-away`, archive);
    clock.advance(1_000);
    await expect
      .poll(async () => {
        await store.maintain();
        return store.archive!.status.state;
      })
      .toBe("archiving");
    await second(store);
    await store.close();
    await expect(restore({ position: 8 })).rejects.toThrow(/leads up to position 3/);
  });

  it("whose folder hangs keeps nobody from counting, nor, for long, from stopping; the next start archives what it lacks", async () => {
    const start = Thread.start.bind(Thread);
    const hanging = vi
      .spyOn(Thread, "start")
      .mockImplementation((name, ...rest) =>
        start(
          name === "archive/archive-worker" ? "../../../test/support/hanging-archive-worker" : name,
          ...rest,
        ),
      );
    onTestFinished(() => hanging.mockRestore());
    let store = await begun();
    const { head } = factsOf(join(archive, "first", pieces().at(-1)!));
    const hangs = join(archive, "first", `${pieceName({ ...head, from: head.to + 1 })}.part.hangs`);
    execFileSync("mkfifo", [hangs]);
    await count(store, 1);
    await store.maintain();
    const before = salts();
    for (let i = 0; i < 4; i++) await large(store, i);
    const began = performance.now();
    for (let i = 0; i < 20; i++) {
      await store.top({ prefix: "z", labels: {} }, 1, "highest"); // A checkpoint is due.
      await count(store, 1);
    }
    expect(performance.now() - began).toBeLessThan(20_000);
    expect(salts()).toBe(before);
    expect(store.archive!.status.upToMs).toBe(clock.now());
    await store.close();
    // As the end of the process would, let go of the folder.
    closeSync(openSync(hangs, constants.O_WRONLY | constants.O_NONBLOCK));
    const isFree = () => {
      try {
        holdLock(join(archive, "archive")).release();
        return true;
      } catch {
        return false;
      }
    };
    await expect.poll(isFree).toBe(true);
    rmSync(hangs);
    store = await open();
    expect(store.archive!.status).toMatchObject({ state: "archiving", breaks: 0 });
    await store.close();
    expect((await restore(undefined)).values).toMatchObject({ a: 24 });
  });

  it("is of one store: another one, started on it later, counts and is told; a restored one goes on beside, and each is restored", async () => {
    const store = await begun();
    await count(store, 1);
    await second(store);
    await store.close();
    const there = readdirSync(join(archive, "first"));
    const other = await open({ at: join(dir, "other.db") });
    await apply(other, increment("a"));
    await other.maintain();
    expect(other.archive!.status.state).toBe("broken");
    await expect
      .poll(() => other.archive!.status.failure)
      .toMatch(/has the archive of another store .* a folder of its own/);
    await other.close();
    expect(readdirSync(join(archive, "first"))).toEqual(there);

    let epochs = 0;
    const { to } = await restore({ position: 3 }, undefined, undefined, (catalogue) => [
      newEpoch(catalogue, Buffer.of(0, 0, 0, ++epochs)).write,
    ]);
    const restored = await open({ at: to });
    await expect
      .poll(() => restored.archive!.status)
      .toMatchObject({ state: "archiving", why: "there is none yet" });
    await second(restored);
    await backup(join(dir, "c.tar"), to);
    await count(restored, 4);
    await second(restored);
    await restored.close();
    const again = await open();
    expect(again.archive!.status).toMatchObject({ state: "archiving", breaks: 0 });
    await again.close();
    expect((await restore({ position: 4 })).values).toEqual({ a: 4 });
    expect((await restore({ position: 7 }, join(dir, "c.tar"))).values).toEqual({ a: 7 });
  });

  it("is of one server at a time: another one is told so, and counts, until it can begin", async () => {
    const held = holdLock(join(archive, "archive"));
    const store = await open();
    expect(store.archive!.status.state).toBe("broken");
    await expect.poll(() => store.archive!.status.failure).toMatch(/archive is in use/);
    await count(store, 3);
    held.release();
    clock.advance(1_000);
    await expect
      .poll(async () => {
        await store.maintain();
        return store.archive!.status.state;
      })
      .toBe("archiving");
    await backup(); // Of before the next change: it is gone on from all the same.
    await count(store, 1);
    await second(store);
    await store.close();
    expect((await restore({ position: 4 })).values).toEqual({ a: 4 });
  });
});

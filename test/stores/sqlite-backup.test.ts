/**
 * Backups of files of SQLite's and what is restored of them: all rows as they were, as another store; and nothing at all of a
 * backup in which anything is not as it was written.
 */
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fc } from "@fast-check/vitest";
import Database from "better-sqlite3";
import { v7 } from "uuid";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { BackupSource } from "../../src/service/store-backup.ts";
import { DEFAULT_HISTORY } from "../../src/service/store-history.ts";
import { type BackupOptions, backupSqlite } from "../../src/stores/sqlite/backup/backup.ts";
import { restoreSqlite } from "../../src/stores/sqlite/backup/restore.ts";
import { tarOf } from "../../src/stores/sqlite/backup/tar.ts";
import { TarReader } from "../../src/stores/sqlite/backup/tar-reader.ts";
import { readTarHeader, tarHeader } from "../../src/stores/sqlite/backup/ustar.ts";
import { verifyArchive } from "../../src/stores/sqlite/backup/verify.ts";
import { isWholeBackup } from "../../src/stores/sqlite/backup/whole.ts";
import { verifySqlite } from "../../src/stores/sqlite/verify/opening.ts";
import { freshSeed, seededRandom } from "../proofs/crash/random.ts";
import { makeFile } from "../proofs/faults/rot/file.ts";
import { apply, increment } from "../support/calls.ts";
import { HandClock } from "../support/clock.ts";
import { folderInMemory } from "../support/folder.ts";
import { FULL } from "../support/full.ts";
import { openFresh } from "../support/opened.ts";
import { Following } from "./conformance/history-following.ts";

const seed = Number(process.env.TALLY_TEST_SEED ?? freshSeed());
const FLIPS = FULL ? 5_000 : 200;

const root = mkdtempSync(join(folderInMemory(), "tally-backup-"));
afterAll(() => rmSync(root, { recursive: true }));
const store = join(root, "store");
const path = join(store, "tally.db");
const file = join(root, "made.tar");
/** Of a counter that its history has something of, and what it stood at. */
let name = "";
let value = 0n;
let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(root, "target-"));
});

const clock = new HandClock();
const signal = new AbortController().signal;
const warnings: string[] = [];

function backup(from: string, options: Partial<BackupOptions> & Pick<BackupOptions, "to">) {
  warnings.length = 0;
  return backupSqlite(from, {
    ...{ scratch: undefined, bytesPerSecond: Number.POSITIVE_INFINITY, clock, signal, onProgress: () => {} },
    warn: (sentence) => void warnings.push(sentence),
    ...options,
  });
}

function restore(from: BackupSource, to = join(dir, "tally.db"), newLogId: string = v7()) {
  return restoreSqlite(from, to, { newLogId, rewrite: () => [], onProgress: () => {}, signal });
}

/** Of all sizes that matter: less than a block, no whole number of them, more than a piece. */
async function* inPieces(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0, size = 1; at < bytes.length; at += size, size = (size * 7 + 5) % 300_007)
    yield bytes.subarray(at, at + size);
}

const verify = (at: string) => verifySqlite(at, { onProgress: () => {}, signal });

/** Every row of a file, but for what tells one file from another. */
function rowsOf(at: string): Map<string, unknown[]> {
  const db = new Database(at);
  const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").pluck().all() as string[];
  const others = new Set(["wal_binding", "history_binding", "copying", "head"]);
  const rows = tables
    .filter((table) => !others.has(table))
    .map((table) => [table, db.prepare(`SELECT * FROM ${table}`).raw().safeIntegers().all()] as const);
  db.close();
  return new Map(rows);
}

/** A store with something in each b-tree and a history, whose log goes on behind that, closed. */
beforeAll(async () => {
  mkdirSync(store);
  name = makeFile(path, seededRandom(seed)).names[300]!;
  const opened = await openFresh(async () => `sqlite:${path}`, { history: DEFAULT_HISTORY });
  const following = new Following(opened.store);
  for (let i = 0; i < 40; i++) {
    await apply(opened.store, increment(name, BigInt(i)));
    await opened.pass(60_000);
  }
  await opened.store.history!.asOf(name, 1);
  await following.close();
  ({ value } = (await apply(opened.store, increment(name))) as { value: bigint });
  await opened.dispose();
  await backup(path, { to: file });
});

describe("a backup", () => {
  it("has all rows of both files, says of what it is, and leaves nothing beside it", async () => {
    const to = join(dir, "b.tar");
    const before = readdirSync(store);
    const { manifest, bytes, served } = await backup(path, { to });
    expect(readdirSync(dir)).toEqual(["b.tar"]);
    expect(readdirSync(store)).toEqual(before);
    const { size, mode } = statSync(to);
    expect({ bytes, mode: mode & 0o777, served, warnings }).toEqual({
      bytes: size,
      mode: 0o600,
      served: false,
      warnings: [],
    });
    const db = new Database(path, { readonly: true });
    const one = (sql: string) => db.prepare(sql).pluck().get();
    expect(manifest).toMatchObject({
      format: "tally-backup/1",
      schema: one("PRAGMA user_version"),
      position: `${one("SELECT max(position) FROM change_log")}`,
      counters: one("SELECT count(*) FROM counters"),
      logId: one("SELECT log_id FROM history_binding"),
      time: new Date(clock.now()).toISOString(),
      findings: 0,
    });
    db.close();
    for (const suffix of ["-wal", "-shm"]) rmSync(path + suffix, { force: true }); // Of this test's connection.
  });

  it("is a tar file: others unpack it, and its digests are those that sha256sum reads", async () => {
    execFileSync("tar", ["-xf", file, "-C", dir]);
    expect(readdirSync(dir).sort()).toEqual([
      "manifest.json",
      "manifest.json.sha256",
      "tally.db",
      "tally.db-history",
    ]);
    const checked = execFileSync("sha256sum", ["--check", "manifest.json.sha256"], {
      cwd: dir,
      encoding: "utf8",
    });
    expect(checked).toBe("manifest.json: OK\n");
    const manifest = JSON.parse(readFileSync(join(dir, "manifest.json"), "utf8"));
    const sums = manifest.files
      .map((each: { sha256: string; name: string }) => `${each.sha256}  ${each.name}\n`)
      .join("");
    execFileSync("sha256sum", ["--check", "--strict"], { cwd: dir, input: sums });
    expect(rowsOf(join(dir, "tally.db"))).toEqual(rowsOf(path));
  });

  it("in pieces is the same as in a file", async () => {
    const pieces: Buffer[] = [];
    const { bytes } = await backup(path, {
      to: async (piece) => void pieces.push(Buffer.from(piece)),
      scratch: dir,
    });
    expect(Buffer.concat(pieces).length).toBe(bytes);
    expect(Buffer.concat(pieces).equals(readFileSync(file))).toBe(true); // No time has passed.
    expect(readdirSync(dir)).toEqual([]);
  });

  it("is as fast as it may be, and no faster", async () => {
    let now = 0;
    const waits: number[] = [];
    const ticking = { now: () => clock.now(), monotonic: () => now };
    const real = Atomics.wait;
    Atomics.wait = ((...[, , , ms]: Parameters<typeof real>) => {
      waits.push(ms!);
      now += ms!;
      return "timed-out";
    }) as typeof real;
    try {
      const { bytes, manifest } = await backup(path, {
        to: join(dir, "b.tar"),
        bytesPerSecond: 2 ** 20,
        clock: ticking,
      });
      const read = manifest.files.reduce((sum, each) => sum + each.bytes, 0);
      expect(now).toBeCloseTo(((read + bytes) / 2 ** 20) * 1_000, 0);
    } finally {
      Atomics.wait = real;
    }
  });

  it("of a file that is damaged is not made: it says what is, and nothing is left", async () => {
    const damaged = join(dir, "damaged.db");
    copyFileSync(path, damaged);
    const db = new Database(damaged);
    db.prepare("UPDATE counters SET description = 'x' WHERE name = ?").run(name);
    db.close();
    await expect(backup(damaged, { to: join(dir, "b.tar") })).rejects.toThrow(
      `damaged, and was not backed up: ${name}, its row fails its checksum`,
    );
    expect(readdirSync(dir)).toEqual(["damaged.db"]);
  });

  it("has a history of which something is damaged as it is, and says so; and none that is another file's", async () => {
    for (const suffix of ["", "-history"]) copyFileSync(path + suffix, join(dir, `tally.db${suffix}`));
    const history = new Database(join(dir, "tally.db-history"));
    history.exec(
      "UPDATE packed SET buckets = x'00' WHERE level = 0; UPDATE changes SET time_ms = 1; UPDATE minutes SET bucket = x'00'",
    );
    history.close();
    const { manifest } = await backup(join(dir, "tally.db"), { to: join(dir, "damaged.tar") });
    expect(manifest.findings).toBeGreaterThan(0);
    expect(warnings).toEqual([expect.stringContaining("Some of the history is damaged")]);
    const other = new Database(join(dir, "tally.db"));
    other.exec("UPDATE history_binding SET log_id = 'another'");
    other.close();
    expect((await backup(join(dir, "tally.db"), { to: join(dir, "alone.tar") })).manifest).toMatchObject({
      historySchema: null,
    });
    expect(warnings).toEqual(["The history is not in the backup: it is the history of another data file."]);
  });

  it("is not written over a file, nor over another backup that is being made", async () => {
    writeFileSync(join(dir, "b.tar"), "mine");
    await expect(backup(path, { to: join(dir, "b.tar") })).rejects.toThrow("is there already");
    symlinkSync(join(dir, "nowhere"), join(dir, "link.tar"));
    await expect(backup(path, { to: join(dir, "link.tar") })).rejects.toThrow("is there already");
    expect(readFileSync(join(dir, "b.tar"), "utf8")).toBe("mine");
  });

  it("that was cut off is made anew by the same command", async () => {
    const part = join(dir, "b.tar.part");
    mkdirSync(part);
    for (const name of ["copy.db", "copy.db-journal", "copy.db-history", "backup.tar", "copy.db-lock"])
      writeFileSync(join(part, name), name.endsWith("-lock") ? "" : "half of it");
    await backup(path, { to: join(dir, "b.tar") });
    expect(readdirSync(dir)).toEqual(["b.tar"]);
    expect(readFileSync(join(dir, "b.tar")).equals(readFileSync(file))).toBe(true);
  });

  it("touches nothing of what somebody else has by the name that it works under", async () => {
    const part = join(dir, "b.tar.part");
    const elsewhere = join(dir, "elsewhere");
    mkdirSync(elsewhere);
    for (const make of [
      () => {
        mkdirSync(part);
        writeFileSync(join(part, "mine"), "x");
      },
      () => writeFileSync(part, "x"),
      () => symlinkSync(elsewhere, part),
      () => symlinkSync(join(dir, "nowhere"), part),
    ]) {
      make();
      const before = readdirSync(dir, { recursive: true });
      await expect(backup(path, { to: join(dir, "b.tar") })).rejects.toThrow(
        `${part} is there, and is not what a backup has left`,
      );
      expect(readdirSync(dir, { recursive: true })).toEqual(before);
      rmSync(part, { recursive: true });
    }
  });

  it("is not read from a named pipe, for whose writer it would wait, nor from a folder", async () => {
    const pipe = join(dir, "pipe");
    execFileSync("mkfifo", [pipe]);
    await expect(verifyArchive(pipe, dir, { onProgress: () => {}, signal })).rejects.toThrow(
      `${pipe} cannot be read: it is a named pipe (FIFO)`,
    );
    await expect(verifyArchive(dir, undefined, { onProgress: () => {}, signal })).rejects.toThrow(
      `${dir} cannot be read (EISDIR)`,
    );
  });

  it("is restored from bytes as they come, in pieces of any size, and only if they are what was written", async () => {
    const bytes = readFileSync(file);
    const from = (upTo: number) => ({ name: "standard input", chunks: inPieces(bytes.subarray(0, upTo)) });
    const to = join(dir, "tally.db");
    for (const upTo of [0, 100, 700, 5_000, bytes.length - 1]) {
      await expect(restore(from(upTo), to)).rejects.toThrow(/^standard input is /);
      expect(readdirSync(dir)).toEqual([]);
    }
    await restore(from(bytes.length), to);
    expect(rowsOf(to)).toEqual(rowsOf(path));
  });

  it("is whole by its head, its length and its end, and no file that is cut is", () => {
    expect(isWholeBackup(file)).toBe(true);
    const bytes = readFileSync(file);
    const other = join(dir, "other.tar");
    const isWhole = (content: Buffer) => {
      writeFileSync(other, content);
      return isWholeBackup(other);
    };
    for (const upTo of [0, 1, 511, 512, 700, 2_000, bytes.length / 2, bytes.length - 512, bytes.length - 1])
      expect(isWhole(bytes.subarray(0, upTo)), `${upTo} bytes`).toBe(false);
    expect(isWhole(Buffer.concat([bytes, Buffer.alloc(512)]))).toBe(false);
    expect(isWhole(Buffer.concat([bytes.subarray(0, -1), Buffer.from("x")]))).toBe(false);
    expect(isWhole(Buffer.concat([bytes.subarray(0, 600), Buffer.from("x"), bytes.subarray(601)]))).toBe(
      false,
    );
    expect(isWholeBackup(dir)).toBe(false);
    expect(isWholeBackup(join(dir, "none"))).toBe(false);
  });

  it("is verified as a store is", async () => {
    expect(await verifyArchive(file, undefined, { onProgress: () => {}, signal })).toMatchObject({
      findings: [],
      served: false,
    });
    expect(readdirSync(root).filter((name) => name.startsWith("tally-scratch"))).toEqual([]);
  });

  it("ends when it is stopped, wherever it is, and leaves nothing", async () => {
    for (const at of ["copied", "checked", "written"]) {
      const stop = new AbortController();
      const onProgress = ({ doing }: { doing: string }) => void (doing === at && stop.abort());
      const made = backup(path, { to: join(dir, "b.tar"), onProgress, signal: stop.signal });
      await expect(made).rejects.toMatchObject({ code: "CALL_CANCELLED" });
      expect(readdirSync(dir)).toEqual([]);
    }
  });
});

describe("what is restored of it", () => {
  it("has all rows, is another change log in both files, and leaves nothing beside them", async () => {
    const to = join(dir, "other.db");
    const { manifest } = await restore(file, to, "new-log");
    expect(readdirSync(dir)).toEqual(["other.db", "other.db-history"]);
    for (const suffix of ["", "-history"]) {
      expect(statSync(to + suffix).mode & 0o777).toBe(0o600);
      expect(rowsOf(to + suffix)).toEqual(rowsOf(path + suffix));
    }
    for (const suffix of ["-wal", "-shm"]) rmSync(path + suffix, { force: true });
    const db = new Database(to);
    expect(db.prepare("SELECT log_id FROM history_binding").pluck().get()).toBe("new-log");
    expect(db.prepare("SELECT store_id FROM copying").pluck().get()).toBe(null);
    db.close();
    expect(await verify(to)).toMatchObject({ findings: [], counters: manifest.counters });
  });

  it("is served, and its history goes on", async () => {
    const to = join(dir, "tally.db");
    await restore(file, to);
    clock.advance(1);
    const opened = await openFresh(async () => `sqlite:${to}`, { history: DEFAULT_HISTORY });
    const following = new Following(opened.store);
    expect(await apply(opened.store, increment(name))).toMatchObject({ value: value + 1n });
    await opened.store.history!.asOf(name, 1);
    await following.close();
    await opened.dispose();
    expect(opened.warnings).toEqual([]);
    expect(await verify(to)).toMatchObject({ findings: [] });
  });

  it("is nothing where anything stands", async () => {
    for (const suffix of ["", "-wal", "-shm", "-journal", "-history", "-history-wal", "-history-shm"]) {
      const there = join(dir, `tally.db${suffix}`);
      writeFileSync(there, "");
      await expect(restore(file)).rejects.toThrow(`${there} is there already`);
      expect(readdirSync(dir)).toEqual([`tally.db${suffix}`]);
      rmSync(there);
    }
    symlinkSync(join(dir, "nowhere"), join(dir, "tally.db-history"));
    await expect(restore(file)).rejects.toThrow("is there already");
    rmSync(join(dir, "tally.db-history"));
    writeFileSync(join(dir, "tally.db-lock"), "");
    await restore(file);
    expect(existsSync(join(dir, "tally.db"))).toBe(true);
  });

  it("is all of it when the one before was cut off", async () => {
    for (const name of ["tally.db-restoring", "tally.db-restoring-journal", "tally.db-history-restoring"])
      writeFileSync(join(dir, name), "half of it");
    writeFileSync(join(dir, "tally.db-history"), "all of it");
    await expect(restore(file)).rejects.toThrow("was left by a restore that was cut off");
    rmSync(join(dir, "tally.db-history"));
    await restore(file);
    expect(readdirSync(dir)).toEqual(["tally.db", "tally.db-history"]);
  });

  it(`is nothing of a backup in which one bit is another (seed ${seed})`, async () => {
    const random = seededRandom(seed);
    const sound = readFileSync(file);
    const damaged = join(root, "damaged.tar");
    // Each bit of what stands before the files' bytes is as likely as one of those.
    const head = 6 * 512;
    for (let n = 0; n < FLIPS; n++) {
      const at = n % 2 === 0 ? random.between(0, head - 1) : random.between(0, sound.length - 1);
      const bit = 1 << random.between(0, 7);
      sound[at]! ^= bit;
      writeFileSync(damaged, sound);
      sound[at]! ^= bit;
      await expect(restore(damaged), `seed ${seed}: byte ${at}`).rejects.toMatchObject({
        code: "STORE_UNAVAILABLE",
      });
      expect(readdirSync(dir), `seed ${seed}: byte ${at}`).toEqual([]);
    }
    await restore(file);
  });

  it("is nothing of one that was cut, or that something follows", async () => {
    const damaged = join(root, "cut.tar");
    const { size } = statSync(file);
    for (const bytes of [
      0,
      1,
      511,
      512,
      1_000,
      4_000,
      size - 100_000,
      size - 1_025,
      size - 1_024,
      size - 512,
      size - 1,
    ]) {
      copyFileSync(file, damaged);
      truncateSync(damaged, bytes);
      await expect(restore(damaged), `${bytes}`).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
      expect(readdirSync(dir)).toEqual([]);
    }
    copyFileSync(file, damaged);
    appendFileSync(damaged, Buffer.alloc(512));
    await expect(restore(damaged)).rejects.toThrow("something follows its end");
    expect(readdirSync(dir)).toEqual([]);
  });

  it("is nothing of one of a newer Tally, of a data file, and of what is none", async () => {
    const tar = await TarReader.open(file);
    const { manifest } = tar;
    await tar.close();
    execFileSync("tar", ["-xf", file, "-C", dir]);
    const crafted = async (changed: object): Promise<string> => {
      const pieces: Buffer[] = [];
      for await (const piece of tarOf({ ...manifest, ...changed }, (name) => join(dir, name)))
        pieces.push(piece);
      const to = join(root, "crafted.tar");
      writeFileSync(to, Buffer.concat(pieces));
      return to;
    };
    const to = join(dir, "target.db");
    await expect(restore(await crafted({ schema: manifest.schema + 1 }), to)).rejects.toThrow(
      "made by a newer Tally",
    );
    await expect(restore(await crafted({ historySchema: 3 }), to)).rejects.toThrow("made by a newer Tally");
    await expect(restore(await crafted({ format: "tally-backup/2" }), to)).rejects.toThrow("use a newer one");
    await expect(restore(await crafted({ position: "x" }), to)).rejects.toThrow(
      "its manifest lacks something",
    );
    await expect(restore(path, to)).rejects.toThrow("is a data file and no backup");
    await expect(restore(join(import.meta.dirname, "sqlite-backup.test.ts"), to)).rejects.toThrow(
      "no backup of Tally's",
    );
    await expect(restore(join(dir, "none.tar"), to)).rejects.toThrow("cannot be read (ENOENT)");
    expect(existsSync(to)).toBe(false);
    await restore(await crafted({}), to);
  });

  it("ends when it is stopped, and leaves nothing", async () => {
    const stop = new AbortController();
    const options = {
      newLogId: v7(),
      rewrite: () => [],
      onProgress: () => stop.abort(),
      signal: stop.signal,
    };
    await expect(restoreSqlite(file, join(dir, "tally.db"), options)).rejects.toMatchObject({
      code: "CALL_CANCELLED",
    });
    expect(readdirSync(dir)).toEqual([]);
  });

  it("without a history is a data file alone", async () => {
    const alone = join(dir, "alone.db");
    cpSync(path, alone);
    await backup(alone, { to: join(dir, "b.tar") });
    await restore(join(dir, "b.tar"), join(dir, "tally.db"));
    expect(readdirSync(dir)).toEqual(["alone.db", "b.tar", "tally.db"]);
  });
});

describe("a header of a tar file", () => {
  const entries = fc.record({
    name: fc.stringMatching(/^[a-z.-]{1,100}$/),
    bytes: fc.nat({ max: 2 ** 47 }),
    time: fc.nat({ max: 2 ** 35 }),
  });

  it("says what it was made of, and with any other bit nothing", () => {
    void fc.assert(
      fc.property(entries, fc.nat({ max: 4_095 }), (entry, bit) => {
        const block = tarHeader(entry);
        expect(readTarHeader(block)).toEqual(entry);
        block[bit >> 3]! ^= 1 << (bit & 7);
        expect(readTarHeader(block)).toBe(undefined);
      }),
      { seed },
    );
  });

  it.each([0, 1, 8 ** 11 - 1, 8 ** 11, 12_345_678_901_234])(
    "of %i bytes is read by Python as we do",
    (bytes) => {
      const script =
        "import sys, tarfile\nt = tarfile.TarInfo.frombuf(sys.stdin.buffer.read(), 'ascii', 'strict')\nprint(t.name, t.size, t.mtime, oct(t.mode), t.isfile())";
      const input = tarHeader({ name: "tally.db", bytes, time: 1_800_000_000 });
      const said = execFileSync("python3", ["-c", script], { input, encoding: "utf8" });
      expect(said).toBe(`tally.db ${bytes} 1800000000 0o600 True\n`);
    },
  );
});

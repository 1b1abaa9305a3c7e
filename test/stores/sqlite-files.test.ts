/**
 * What stands beside a data file belongs to it, or the store is refused: all that was answered is served, or nothing.
 *
 * A kill is what the files are at a moment while a store has them, copied to another folder.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import Database from "better-sqlite3";
import { v7 } from "uuid";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { toBatch } from "../../src/service/call.ts";
import { DEFAULT_RETENTION, type Store, type StoreOptions } from "../../src/service/store.ts";
import { migrateStore, openStore, schemaStatus } from "../../src/stores/open.ts";
import { readAlone } from "../../src/stores/sqlite/file/alone.ts";
import { assertBelongs } from "../../src/stores/sqlite/file/belonging.ts";
import { WalIndex } from "../../src/stores/sqlite/file/wal-index.ts";
import { BOUND_SINCE, migrate } from "../../src/stores/sqlite/schema/schema.ts";
import { verifySqlite } from "../../src/stores/sqlite/verify/opening.ts";
import { WriteConnection } from "../../src/stores/sqlite/write/connection.ts";
import { freshSeed, seededRandom } from "../proofs/crash/random.ts";
import { apply, batch, create, increment, single } from "../support/calls.ts";
import { HandClock } from "../support/clock.ts";
import { folderInMemory } from "../support/folder.ts";
import { FULL } from "../support/full.ts";

let dir: string;
let path: string;
let clock: HandClock;
const open: { close(): unknown }[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(folderInMemory(), "tally-files-"));
  path = join(dir, "tally.db");
  clock = new HandClock();
});
afterEach(async () => {
  for (const each of open.splice(0)) await Promise.resolve(each.close()).catch(() => {}); // Its files may have gone.
  rmSync(dir, { recursive: true, force: true });
});

async function openFile(at = path, options: Partial<StoreOptions> = {}): Promise<Store> {
  const store = await openStore(`sqlite:${at}`, {
    clock,
    newUid: () => v7(),
    retention: DEFAULT_RETENTION,
    cachedCountersMax: 100,
    warn: () => {},
    ...options,
  });
  open.push(store);
  return store;
}

const moment = () => ({ now: clock.now(), monotonic: clock.monotonic() });

/** The writing side, of which a test says when it takes the WAL into the file. */
function connect() {
  const options = { retention: DEFAULT_RETENTION, cachedCountersMax: 100, startId: v7() };
  const connection = new WriteConnection(path, options, moment());
  open.push({ close: () => connection.close(moment()) });
  const count = (times: number, name = "c") => {
    for (let i = 0; i < times; i++) connection.commit(toBatch([single(increment(name))]), moment(), v7());
  };
  return { connection, count };
}

/** Make so many counters that a checkpoint is due, and have it. */
function fill(connection: WriteConnection, prefix: string, before = () => {}): void {
  const bytes = () => statSync(path).size;
  const atFirst = bytes();
  for (let i = 0; bytes() === atFirst; i++) {
    const settings = { description: "x".repeat(1_000) }; // Pages, of few counters.
    const ops = Array.from({ length: 500 }, (_, n) => create(`${prefix}/${i}/${n}`, settings));
    connection.commit(toBatch([batch(ops)]), moment(), v7());
    before();
    connection.checkpoints.ifGrown();
  }
}

/** The files as a kill at this moment leaves them. */
function killed(name: string, from = path): string {
  const to = join(dir, name);
  mkdirSync(to);
  for (const suffix of ["", "-wal", "-shm"]) {
    if (existsSync(from + suffix)) copyFileSync(from + suffix, join(to, `tally.db${suffix}`));
  }
  return join(to, "tally.db");
}

/** Put one of the files at another place. */
function put(from: string, to: string, ...suffixes: string[]): void {
  for (const suffix of suffixes) copyFileSync(from + suffix, to + suffix);
}

async function valueAt(at: string): Promise<bigint | undefined> {
  const store = await openFile(at);
  const [counter] = await store.get(["c"]);
  await store.close();
  return typeof counter === "object" ? counter.value : undefined;
}

const filesOf = (at: string) => readdirSync(join(at, "..")).sort();

describe("the WAL belongs to its file", () => {
  it("a kill loses nothing, whatever was in the file by then", async () => {
    const { connection, count } = connect();
    count(3);
    const fresh = killed("fresh");
    fill(connection, "filler");
    const taken = killed("taken");
    count(4);
    const begun = killed("begun");
    expect(await valueAt(fresh)).toBe(3n);
    expect(await valueAt(taken)).toBe(3n);
    expect(await valueAt(begun)).toBe(7n);
  });

  it("starts and kills while somebody reads, so that no WAL is taken in whole, lose nothing", async () => {
    const { connection, count } = connect();
    count(1);
    fill(connection, "filler");
    count(2);
    let at = killed("begun");
    for (let start = 1; start <= 2; start++) {
      const reader = new Database(at, { readonly: true });
      open.push(reader);
      reader.exec("BEGIN; SELECT count(*) FROM wal_binding");
      reader.prepare("SELECT count(*) FROM wal_binding").get();
      const store = await openFile(at);
      await apply(store, increment("c"));
      at = killed(`start-${start}`, at);
    }
    expect(await valueAt(at)).toBe(5n);
  });

  it("a backup of the stop, put back beside a WAL, is refused, with and without a checkpoint in between", async () => {
    const first = connect();
    first.count(5);
    open.pop()!.close();
    const backup = join(dir, "backup");
    copyFileSync(path, backup);

    const { connection, count } = connect();
    const none = killed("none"); // Nothing was counted: it is the same store.
    count(2);
    const without = killed("without");
    fill(connection, "filler");
    const whole = killed("whole"); // The WAL has everything that the file has.
    count(1);
    const begun = killed("begun");
    copyFileSync(backup, none);
    expect(await valueAt(none)).toBe(5n);
    for (const at of [without, whole, begun]) {
      copyFileSync(backup, at);
      const before = ["", "-wal"].map((suffix) => readFileSync(at + suffix));
      await expect(openFile(at), at).rejects.toThrow(
        `${at} and tally.db-wal do not belong together: the -wal follows another state of the file.`,
      );
      await expect(migrateStore(`sqlite:${at}`, v7)).rejects.toThrow("do not belong together");
      await expect(openFile(at, { purpose: "copyFrom" })).rejects.toThrow("do not belong together");
      expect(["", "-wal"].every((suffix, i) => readFileSync(at + suffix).equals(before[i]!))).toBe(true);
      // What the sentence says to do.
      for (const suffix of ["-wal", "-shm"]) rmSync(at + suffix);
      expect(await valueAt(at)).toBe(5n);
    }
  });

  it("a backup of a running server's file alone is all there is, or refused", async () => {
    const { connection, count } = connect();
    count(1);
    const hot = join(dir, "hot");
    copyFileSync(path, hot);
    fill(connection, "filler");
    count(2);
    const later = killed("later");
    copyFileSync(hot, later);
    await expect(openFile(later)).rejects.toThrow("do not belong together");
    for (const suffix of ["-wal", "-shm"]) rmSync(later + suffix);
    await expect(openFile(later)).rejects.toThrow("was not closed by its server, and its tally.db-wal");
  });

  it("files copied one after another while a server has them are refused, the -wal first or the file", async () => {
    const { connection, count } = connect();
    count(1);
    fill(connection, "filler");
    count(100);
    const begun = killed("begun"); // Its -wal is the beginning of the one that is then moved into the file.
    count(2_000);
    const whole = killed("whole");
    connection.checkpoints.ifGrown();
    const after = killed("after");
    put(after, begun, "");
    for (const shm of [true, false]) {
      if (!shm) rmSync(`${begun}-shm`);
      await expect(openFile(begun)).rejects.toThrow("do not belong together");
    }
    put(after, whole, ""); // All that the file has is in this one: as a kill in the middle of a checkpoint leaves it.
    expect(await valueAt(whole)).toBe(2_101n);
    expect(await valueAt(after)).toBe(2_101n);
  });

  it("a WAL of another store, or of a former time, is refused", async () => {
    const { connection, count } = connect();
    count(1);
    const former = killed("former");
    fill(connection, "filler");
    count(1);
    const later = killed("later");
    const other = join(dir, "other.db");
    const store = await openFile(other);
    await apply(store, increment("c"));
    for (const wal of [former, other]) {
      put(wal, later, "-wal", "-shm");
      await expect(openFile(later), wal).rejects.toThrow("do not belong together");
      rmSync(`${later}-shm`);
      await expect(openFile(later), wal).rejects.toThrow("do not belong together");
    }
    put(former, later, "", "-wal"); // Both: a backup that is whole.
    expect(await valueAt(later)).toBe(1n);
  });

  it.for([
    ["removed", (at: string) => rmSync(`${at}-wal`), "missing or empty"],
    ["emptied", (at: string) => truncateSync(`${at}-wal`), "missing or empty"],
    [
      "cut at its end",
      (at: string) => truncateSync(`${at}-wal`, statSync(`${at}-wal`).size - 100),
      "lacks its end",
    ],
    ["of a moment before", (at: string) => put(join(dir, "before", "tally.db"), at, "-wal"), "lacks its end"],
    [
      "damaged in the middle",
      (at: string) => spoil(`${at}-wal`, statSync(`${at}-wal`).size - 5_000),
      "lacks its end",
    ],
    ["damaged at its beginning", (at: string) => spoil(`${at}-wal`, 17), "is damaged"],
  ] as const)("a WAL that was %s is missed", async ([, harm, sentence]) => {
    const { connection, count } = connect();
    count(3);
    killed("before");
    count(3);
    connection.checkpoints.committed(0);
    const at = killed("killed");
    harm(at);
    for (let start = 0; start < 3; start++) await expect(openFile(at)).rejects.toThrow(sentence);
  });

  it.for([32, 35, 40, 50, 106, 156, 40_000])(
    "a WAL of which byte %i rotted is refused, again and again, without its index or with an older one",
    async (byte) => {
      const { count } = connect();
      count(3);
      const older = killed("older");
      count(20);
      const at = killed("killed");
      spoil(`${at}-wal`, byte);
      rmSync(`${at}-shm`);
      for (const index of ["none", "none, after the start before", "older"] as const) {
        if (index === "older") put(older, at, "-shm");
        const sentence = index === "older" ? /(is damaged: |lacks its end)/ : "of its frames can be read";
        await expect(openFile(at), index).rejects.toThrow(sentence);
      }
      rmSync(`${at}-shm`);
      await expect(verified(at)).rejects.toThrow("behind them stand more changes that were answered");
    },
  );

  it("looking leaves no index where there was none, so that another WAL is judged by itself", async () => {
    const { count } = connect();
    count(3);
    const earlier = killed("earlier");
    count(3);
    const at = killed("killed");
    rmSync(`${at}-shm`);
    const before = filesOf(at);
    const refuse = () => {
      throw new Error("for another reason");
    };
    expect(() => assertBelongs(at, refuse)).toThrow("for another reason");
    expect(filesOf(at)).toEqual(before);
    await verified(at);
    expect(filesOf(at)).toEqual(before);
    spoil(`${at}-wal`, 40);
    await expect(openFile(at)).rejects.toThrow("of its frames can be read");
    await expect(verified(at)).rejects.toThrow("of its frames can be read");
    expect(filesOf(at)).toEqual(before);
    put(earlier, at, "-wal"); // Of which no start can tell that there was more.
    expect(await valueAt(at)).toBe(3n);
  });

  it("a start that is killed before it has put the index back leaves what it was to the next one", async () => {
    const { count } = connect();
    count(3);
    const earlier = killed("earlier");
    count(20);
    const cut = killed("cut");
    const other = join(dir, "other.db");
    await apply(await openFile(other), increment("x"));
    await open.pop()!.close();
    /** A start that is refused, and killed where it would have cleaned up. */
    const killedAt = (at: string, sentence: string) => {
      const cleaning = (["putBack", "takeAwayIfNew", "forget"] as const).map((step) =>
        vi.spyOn(WalIndex.prototype, step).mockImplementation(() => {}),
      );
      expect(() => assertBelongs(at, () => {})).toThrow(sentence);
      for (const each of cleaning) each.mockRestore();
    };

    // Made anew, the index says of a WAL that was cut that it is whole.
    const whole = readFileSync(`${cut}-wal`);
    writeFileSync(`${cut}-wal`, readFileSync(`${earlier}-wal`));
    for (let start = 0; start < 3; start++) killedAt(cut, "lacks its end");
    await expect(openFile(cut)).rejects.toThrow("lacks its end");
    writeFileSync(`${cut}-wal`, whole);
    expect(await valueAt(cut)).toBe(23n);

    // Made where there was none, it would say of a shorter one that is put there that it was cut.
    const at = join(dir, "killed.db");
    put(other, at, "");
    writeFileSync(`${at}-wal`, whole);
    const before = filesOf(at);
    killedAt(at, "do not belong together");
    expect(filesOf(at)).toContain("killed.db-shm");
    await expect(openFile(at)).rejects.toThrow("do not belong together");
    expect(filesOf(at)).toEqual(before);
    killedAt(at, "do not belong together");
    put(earlier, at, "", "-wal");
    expect(await valueAt(at)).toBe(3n);
    expect(filesOf(at)).not.toContain("killed.db-shm-noted");
  });

  it("what was noted of an index is forgotten with the WAL that it was of", async () => {
    const { count } = connect();
    count(3);
    const at = killed("killed");
    new WalIndex(at).note();
    for (const suffix of ["", "-wal", "-shm"]) rmSync(at + suffix);
    await apply(await openFile(at), increment("c"));
    expect(filesOf(at)).not.toContain("tally.db-shm-noted");
  });

  it("to ask which schema a file has leaves what is beside it as it was, and makes nothing", async () => {
    const { count } = connect();
    count(3);
    const at = killed("killed");
    const seen = () => filesOf(at).map((name) => [name, readFileSync(join(at, "..", name)).subarray(0, 96)]);
    for (const without of ["nothing", "-shm", "-wal"]) {
      if (without !== "nothing") rmSync(at + without);
      const before = seen();
      expect(await schemaStatus(`sqlite:${at}`)).toMatchObject({ pending: [] });
      expect(seen(), `without ${without}`).toEqual(before);
    }
    const served = filesOf(path);
    expect(await schemaStatus(`sqlite:${path}`)).toMatchObject({ pending: [] });
    expect(filesOf(path)).toEqual(served);
    await open.shift()!.close();
    const stopped = filesOf(path);
    expect(await schemaStatus(`sqlite:${path}`)).toMatchObject({ pending: [] });
    expect(filesOf(path)).toEqual(stopped);
  });

  it("a refused start leaves an index as it was, also one that is too short, and takes none away that others have", async () => {
    const { count } = connect();
    count(20);
    const at = killed("killed");
    spoil(`${at}-wal`, 40);
    for (const bytes of [0, 1, 95]) {
      writeFileSync(`${at}-shm`, Buffer.alloc(bytes, 7));
      await expect(openFile(at), `${bytes}`).rejects.toThrow("of its frames can be read");
      expect(readFileSync(`${at}-shm`).equals(Buffer.alloc(bytes, 7))).toBe(true);
    }
    rmSync(`${at}-shm`);
    const index = new WalIndex(at);
    const other = readingElsewhere(at);
    await other.reads;
    index.putBack();
    expect(existsSync(`${at}-shm`)).toBe(true);
    await other.end();
    index.putBack();
    expect(existsSync(`${at}-shm`)).toBe(false);
  });

  it("a file of whose fixed head a bit has rotted is refused, and nothing is changed: its WAL is taken once that is sound", async () => {
    const { count } = connect();
    count(3);
    const at = killed("killed");
    const sound = readFileSync(at);
    const wal = readFileSync(`${at}-wal`);
    for (let bit = 16 * 8; bit < 24 * 8; bit += FULL ? 1 : 5) {
      const rotten = Buffer.from(sound);
      rotten[bit >> 3]! ^= 1 << (bit & 7);
      writeFileSync(at, rotten);
      await expect(openFile(at), `${bit}`).rejects.toThrow(`The head of ${at} is damaged`);
      expect(readFileSync(at).equals(rotten) && readFileSync(`${at}-wal`).equals(wal)).toBe(true);
    }
    writeFileSync(at, sound);
    expect(await valueAt(at)).toBe(3n);
  });

  it("a WAL that was cut to its head, or to less than a change, is missed, also without its index", async () => {
    const { count } = connect();
    count(3);
    const at = killed("killed");
    const [wal, first] = [readFileSync(`${at}-wal`), 32 + 24 + 4_096];
    for (const bytes of [1, 31, 32, 33, 32 + 24, first - 1, first, first + 4_119]) {
      rmSync(`${at}-shm`, { force: true });
      writeFileSync(`${at}-wal`, wal.subarray(0, bytes));
      const sentence = bytes < 32 ? "is damaged" : `was cut: of ${bytes} bytes, it has none`;
      for (let start = 0; start < 2; start++)
        await expect(openFile(at), `${bytes}`).rejects.toThrow(sentence);
    }
    writeFileSync(`${at}-wal`, wal);
    expect(await valueAt(at)).toBe(3n);
  });

  it("a WAL of which a kill left a new head over old frames, or over a part of the first one, is taken", async () => {
    const { connection, count } = connect();
    fill(connection, "filler");
    count(3);
    connection.checkpoints.first(); // All is in the file: the next commit begins the WAL anew.
    const at = killed("killed");
    const old = readFileSync(`${at}-wal`);
    count(1);
    const begun = readFileSync(`${path}-wal`);
    for (const bytes of [32, 32 + 24, 32 + 24 + 100]) {
      rmSync(`${at}-shm`, { force: true });
      writeFileSync(`${at}-wal`, Buffer.concat([begun.subarray(0, bytes), old.subarray(bytes)]));
      const copy = join(dir, `torn-${bytes}`);
      put(at, copy, "", "-wal");
      expect(await valueAt(copy), `${bytes}`).toBe(3n);
    }
  });

  it("a leftover index, or one of another store, does no harm", async () => {
    const { count } = connect();
    count(3);
    const at = killed("killed");
    const other = join(dir, "other.db");
    await apply(await openFile(other), increment("x"));
    put(other, at, "-shm");
    expect(await valueAt(at)).toBe(3n);
    writeFileSync(`${at}-shm`, Buffer.alloc(40_000, 7));
    expect(await valueAt(at)).toBe(3n);
  });

  it("a file that is missing or empty while its WAL is there is not made anew", async () => {
    const { count } = connect();
    count(3);
    const at = killed("killed");
    truncateSync(at);
    await expect(openFile(at)).rejects.toThrow("is missing or empty, and tally.db-wal has changes to it");
    rmSync(at);
    await expect(openFile(at)).rejects.toThrow("is missing or empty, and tally.db-wal has changes to it");
    expect(existsSync(at)).toBe(false);
  });

  it("a rollback journal beside it is refused, and not rolled back", async () => {
    const { count } = connect();
    count(3);
    open.pop()!.close();
    const old = new Database(join(dir, "old.db"));
    old.exec(
      "CREATE TABLE t (x); INSERT INTO t VALUES (1); BEGIN; UPDATE t SET x = 2; PRAGMA cache_spill = 1",
    );
    const before = readFileSync(path);
    writeFileSync(`${path}-journal`, Buffer.alloc(8_192, 0xd9));
    await expect(openFile()).rejects.toThrow("tally.db-journal stands beside");
    expect(readFileSync(path).equals(before)).toBe(true);
    old.close();
    rmSync(`${path}-journal`);
    expect(await valueAt(path)).toBe(3n);
  });

  it("a restore into a name whose lock is still there, and whose WAL is not, works", async () => {
    const { count } = connect();
    count(3);
    open.pop()!.close();
    const at = join(dir, "restored.db");
    writeFileSync(`${at}-lock`, "");
    copyFileSync(path, at);
    expect(await valueAt(at)).toBe(3n);
  });

  /**
   * Goal: a kill in the middle of a checkpoint is never refused, and its WAL makes it right.
   *
   * Method: every page of the file is either as it was before a checkpoint or as after it, in random mixtures, the file
   * cut or not; of a checkpoint that has a new generation of request ids in it, and so pages of the schema.
   */
  it("a mixture that a checkpoint leaves is taken", async () => {
    const seed = freshSeed();
    const random = seededRandom(seed);
    const { connection, count } = connect();
    count(2);
    fill(connection, "filler");
    count(2);
    clock.advance(DEFAULT_RETENTION.requestIdsKeepMs);
    connection.maintain(moment(), () => {});
    const before = join(dir, "before", "tally.db");
    fill(connection, "more", () => {
      rmSync(join(dir, "before"), { recursive: true, force: true });
      killed("before");
    });
    const [old, taken] = [readFileSync(before), readFileSync(path)];
    expect(old.equals(taken)).toBe(false);
    const pages = taken.length / 4_096;
    for (let round = 0; round < 12; round++) {
      const mixed = Buffer.from(taken);
      const share = random.fraction();
      for (let page = 0; page < pages; page++) {
        if (page * 4_096 < old.length && random.fraction() < share)
          old.copy(mixed, page * 4_096, page * 4_096, (page + 1) * 4_096);
      }
      const at = join(dir, `mixed-${round}`, "tally.db");
      cpSync(join(before, ".."), join(at, ".."), { recursive: true });
      writeFileSync(at, random.fraction() < 0.3 ? mixed.subarray(0, Math.max(4_096, old.length)) : mixed);
      expect(await valueAt(at), `seed ${seed}, round ${round}`).toBe(4n);
      const db = new Database(at, { readonly: true });
      expect(db.pragma("integrity_check", { simple: true }), `seed ${seed}, round ${round}`).toBe("ok");
      db.close();
      rmSync(join(at, ".."), { recursive: true });
    }
  });

  it("files of every older schema open, also with a WAL from before the migration", async () => {
    for (let version = 1; version < BOUND_SINCE; version++) {
      const at = join(dir, `of-${version}.db`);
      const db = new Database(at);
      db.pragma("journal_mode = WAL");
      migrate(db, version);
      db.exec("UPDATE service_time SET run_ms = 123");
      for (const suffix of ["", "-wal", "-shm"]) copyFileSync(at + suffix, `${at}.killed${suffix}`);
      db.close();
      for (const each of [at, `${at}.killed`]) {
        const store = await openFile(each);
        expect(await apply(store, increment("c"))).toMatchObject({ value: 1n });
        await store.close();
      }
    }
  });

  it("what is read of the file as bytes is what SQLite reads", () => {
    const seed = freshSeed();
    const random = seededRandom(seed);
    for (const pageSize of [512, 1_024, 4_096, 65_536]) {
      const db = new Database(path);
      db.pragma(`page_size = ${pageSize}`);
      const tables = random.between(0, 60);
      for (let i = 0; i < tables; i++) {
        db.exec(`CREATE TABLE t${i} (x, /* ${"long ".repeat(random.between(0, 400))} */ y)`);
      }
      migrate(db);
      db.prepare("UPDATE wal_binding SET id = ?, based_on = ?, open = 1").run("a-start.7", "ü".repeat(40));
      db.close();
      expect(readAlone(path)?.binding, `seed ${seed}, ${tables} tables, pages of ${pageSize}`).toEqual({
        id: "a-start.7",
        basedOn: "ü".repeat(40),
        open: true,
      });
      rmSync(path);
    }
  });
});

/** Turn a byte around. */
function verified(at: string) {
  return verifySqlite(at, { signal: new AbortController().signal, onProgress: () => {} });
}

/** Have another process read the file, once `reads` is settled, until `end`. */
function readingElsewhere(at: string) {
  const script = `const db = new (require("better-sqlite3"))(process.argv[1], { readonly: true });
    db.pragma("user_version"); console.log("reads"); process.stdin.resume().on("end", () => process.exit());`;
  const child = spawn(process.execPath, ["-e", script, at], { stdio: ["pipe", "pipe", "inherit"] });
  open.push({ close: () => child.kill() });
  const exited = once(child, "exit");
  return {
    reads: once(child.stdout, "data"),
    end: async () => {
      child.stdin.end();
      await exited;
    },
  };
}

function spoil(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at]! ^= 0xff;
  writeFileSync(file, bytes);
}

describe("what is no regular file", () => {
  const makers = {
    "a pipe (FIFO)": (at: string) => execFileSync("mkfifo", [at]),
    "a folder": (at: string) => mkdirSync(at),
    "a device": (at: string) => symlinkSync("/dev/null", at),
  };
  const cases = Object.keys(makers) as (keyof typeof makers)[];

  it.each(cases)("%s is refused as a data file, and in the place of what belongs to one", async (kind) => {
    for (const suffix of ["", "-wal", "-shm", "-lock", "-journal"]) {
      const at = join(dir, `of${suffix}.db`);
      const found = at + suffix;
      makers[kind](found);
      await expect(openFile(at), suffix).rejects.toThrow(`is ${kind}; expected a regular file`);
      expect(existsSync(found), suffix).toBe(true);
    }
  });

  it.each(cases)("%s in the place of a history, or beside it, keeps nobody from counting", async (kind) => {
    for (const suffix of ["-history", "-history-wal"]) {
      const at = join(dir, `of${suffix}.db`);
      makers[kind](at + suffix);
      const said: string[] = [];
      const keepMs = [3_600_000, 7_200_000, 10_800_000] as const;
      const store = await openFile(at, {
        history: { bytesMax: 2 ** 20, keepMs },
        warn: (text) => said.push(text),
      });
      expect(said, suffix).toEqual([
        expect.stringMatching(`No history is kept .* is ${kind.replace(/[()]/g, ".")};`),
      ]);
      expect(await apply(store, increment("c"))).toMatchObject({ value: 1n });
      await store.close();
      expect(existsSync(at + suffix), suffix).toBe(true);
    }
  });

  it("a link that leads nowhere is refused by its own name", async () => {
    for (const target of ["nowhere", join("no", "where")])
      for (const suffix of ["", "-wal", "-shm", "-lock", "-journal"]) {
        const at = join(dir, `of${suffix}-${target.length}.db`);
        symlinkSync(target, at + suffix);
        const said = `${at + suffix} is a symbolic link to ${target}, which is not there; expected a regular file`;
        await expect(openFile(at), suffix).rejects.toThrow(said);
        expect(readlinkSync(at + suffix), suffix).toBe(target);
        rmSync(at + suffix);
        expect(await valueAt(at), suffix).toBeUndefined();
      }
  });

  it("a link in the place of a history to a folder that is not there, or to itself, keeps nobody from counting", async () => {
    for (const [i, [suffix, target]] of [
      ["", join("no", "where")],
      ["", "of-1.db-history"],
      ["-wal", "nowhere"],
    ].entries()) {
      const at = join(dir, `of-${i}.db`);
      symlinkSync(target!, `${at}-history${suffix}`);
      const said: string[] = [];
      const store = await openFile(at, {
        history: { bytesMax: 2 ** 20, keepMs: [3_600_000, 7_200_000, 10_800_000] },
        warn: (text) => said.push(text),
      });
      expect(said).toEqual([
        expect.stringMatching(
          `^No history is kept until this is mended: ${at}-history${suffix} is a symbolic link to .*${target}, w[a-z ]* is not there;`,
        ),
      ]);
      expect(await apply(store, increment("c"))).toMatchObject({ value: 1n });
      await store.close();
    }
  });

  it("a socket is refused", async () => {
    const server = createServer().listen(path);
    await once(server, "listening");
    await expect(openFile()).rejects.toThrow(`${path} is a socket; expected a regular file`);
    server.close();
  });

  it.each(cases)("%s is not looked at", async (kind) => {
    makers[kind](path);
    await expect(verified(path)).rejects.toThrow("expected a regular file");
    await expect(schemaStatus(`sqlite:${path}`)).rejects.toThrow("expected a regular file");
    await expect(openFile(path, { purpose: "copyFrom" })).rejects.toThrow("expected a regular file");
  });
});

describe("one name", () => {
  beforeEach(async () => {
    await apply(await openFile(), increment("c"));
    await open.pop()!.close();
  });

  it("a file of two names is refused, by either, and taken when one has gone", async () => {
    mkdirSync(join(dir, "b"));
    const other = join(dir, "b", "tally.db");
    linkSync(path, other);
    for (const name of [path, other]) {
      await expect(openFile(name)).rejects.toThrow(`${name} has 2 names (hard links)`);
      await expect(openFile(name, { purpose: "copyTo" })).rejects.toThrow("hard links");
      await expect(migrateStore(`sqlite:${name}`, v7)).rejects.toThrow("hard links");
    }
    expect(filesOf(other)).toEqual(["tally.db"]);
    rmSync(path);
    expect(await valueAt(other)).toBe(1n);
  });

  it.for(["-wal", "-shm", "-lock"])("so is one whose %s has two", async (suffix) => {
    writeFileSync(path + suffix, "", { flag: "a" });
    linkSync(path + suffix, join(dir, "other"));
    await expect(openFile()).rejects.toThrow(`tally.db${suffix} has 2 names (hard links)`);
  });

  it("symbolic links to the file and to its folder are one name", async () => {
    const store = await openFile();
    symlinkSync(path, join(dir, "link.db"));
    symlinkSync(dir, join(dir, "folder"));
    for (const name of [join(dir, "link.db"), join(dir, "folder", "tally.db")]) {
      await expect(openFile(name)).rejects.toThrow("is in use by another Tally process");
    }
    await store.close();
    expect(await valueAt(join(dir, "folder", "tally.db"))).toBe(1n);
  });
});

describe("what files are made like", () => {
  const modes = (at = path) =>
    Object.fromEntries(
      ["", "-wal", "-shm", "-lock"].map((suffix) => [
        suffix,
        (statSync(at + suffix).mode & 0o777).toString(8),
      ]),
    );

  it.for([0o000, 0o022, 0o077, 0o777])(
    "only their owner may read and write them (umask %i)",
    async (umask) => {
      const before = process.umask(umask);
      try {
        const store = await openFile();
        await apply(store, increment("c"));
        expect(modes()).toEqual({ "": "600", "-wal": "600", "-shm": "600", "-lock": "600" });
      } finally {
        process.umask(before);
      }
    },
  );

  it("one that is there keeps its mode, and its WAL gets the same", async () => {
    await (await openFile()).close();
    chmodSync(path, 0o640);
    chmodSync(`${path}-lock`, 0o644);
    const store = await openFile();
    await apply(store, increment("c"));
    expect(modes()).toEqual({ "": "640", "-wal": "640", "-shm": "640", "-lock": "644" });
  });

  it("a start that is refused leaves nothing that was not there", async () => {
    writeFileSync(path, "hello, this is no database at all\n".repeat(100));
    await expect(openFile()).rejects.toThrow("is not an SQLite database");
    expect(filesOf(path)).toEqual(["tally.db"]);
    const db = new Database(join(dir, "songs.db"));
    db.pragma("journal_mode = WAL");
    db.exec("CREATE TABLE songs (title)");
    db.close();
    await expect(openFile(join(dir, "songs.db"))).rejects.toThrow("of another program");
    await expect(openFile(join(dir, "none.db"), { migrates: false })).rejects.toThrow("has no schema yet");
    expect(filesOf(path)).toEqual(["songs.db", "tally.db"]);
    writeFileSync(join(dir, "kept.db-lock"), "");
    await expect(openFile(join(dir, "kept.db"), { migrates: false })).rejects.toThrow("has no schema yet");
    expect(filesOf(path)).toEqual(["kept.db-lock", "songs.db", "tally.db"]);
  });
});

describe("the files while they are open", () => {
  const HARM: Readonly<Record<string, () => void>> = {
    "the data file removed": () => rmSync(path),
    "the data file renamed": () => renameSync(path, join(dir, "renamed.db")),
    "another file in its place": () => {
      copyFileSync(path, join(dir, "copy"));
      renameSync(join(dir, "copy"), path);
    },
    "another file's bytes in it": () => {
      const bytes = readFileSync(path);
      writeFileSync(path, bytes);
      utimesSync(path, new Date(), new Date(Date.now() + 5_000)); // For clocks that tick slowly.
    },
    "the data file cut": () => truncateSync(path, 4_096),
    "the data file emptied": () => truncateSync(path),
    "the WAL removed": () => rmSync(`${path}-wal`),
    "another WAL in its place": () => {
      copyFileSync(`${path}-wal`, join(dir, "copy"));
      renameSync(join(dir, "copy"), `${path}-wal`);
    },
    "the WAL emptied": () => truncateSync(`${path}-wal`),
    "another lock in its place": () => {
      rmSync(`${path}-lock`);
      writeFileSync(`${path}-lock`, "");
    },
    "the whole folder renamed": () => renameSync(dir, `${dir}-renamed`),
    "all of them removed": () => {
      for (const suffix of ["", "-wal", "-shm", "-lock"]) rmSync(path + suffix);
    },
  };
  afterEach(() => rmSync(`${dir}-renamed`, { recursive: true, force: true }));

  for (const [what, harm] of Object.entries(HARM)) {
    it(`${what}: the next change is not acknowledged, and the store has failed`, async () => {
      const store = await openFile();
      expect(await apply(store, increment("c"))).toMatchObject({ value: 1n });
      harm();
      await expect(apply(store, increment("c"))).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
      await expect(store.failed).resolves.toMatchObject({ message: expect.stringContaining(path) });
      await expect(apply(store, increment("c"))).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    });

    it(`${what}: maintenance notices when nobody counts, and so do replays and the end`, async () => {
      const replaying = await openFile();
      await apply(replaying, increment("c"), { id: "r" });
      harm();
      await expect(replaying.maintain()).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
      await expect(replaying.failed).resolves.toBeInstanceOf(Error);
    });
  }

  it("nothing is written over a commit of which nobody knows whether it is on disk: the next start has it", async () => {
    const options = { retention: DEFAULT_RETENTION, cachedCountersMax: 100, startId: v7() };
    const connection = new WriteConnection(path, options, moment());
    const count = () => connection.commit(toBatch([single(increment("c"))]), moment(), v7());
    for (let i = 0; i < 3; i++) count();
    utimesSync(path, 0, 0); // As if somebody else had written it; that shows once the next commit is there.
    const lost = { code: "OUTCOME_UNKNOWN" };
    expect(count).toThrow(expect.objectContaining(lost));
    // What is in memory is as before that commit, and would put the end of the change log back.
    expect(() => connection.tryWrite(moment())).toThrow(expect.objectContaining(lost));
    expect(count).toThrow(expect.objectContaining(lost));
    expect(() => connection.checkpoints.ifGrown()).not.toThrow(); // There is little to take in.
    expect(() => connection.close(moment())).toThrow(expect.objectContaining(lost));
    const store = await openFile();
    expect((await store.get(["c"]))[0]).toMatchObject({ value: 4n });
  });

  it("a replay is not answered from a file that has gone", async () => {
    const store = await openFile();
    await apply(store, increment("c"), { id: "r" });
    rmSync(path);
    await expect(apply(store, increment("c"), { id: "r" })).rejects.toMatchObject({
      code: "OUTCOME_UNKNOWN",
    });
  });

  it("what was put there meanwhile is as it was when the store is closed", async () => {
    for (const harm of [
      "another file in its place",
      "another file's bytes in it",
      "another WAL in its place",
    ]) {
      const store = await openFile();
      await apply(store, increment("c"));
      HARM[harm]!();
      const before = filesOf(path).map((name) => [name, readFileSync(join(dir, name)).toString("latin1")]);
      await expect(store.close(), harm).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
      open.pop();
      const after = filesOf(path).map((name) => [name, readFileSync(join(dir, name)).toString("latin1")]);
      const index = ([name]: string[]) => name !== "tally.db-shm";
      expect(after.filter(index), harm).toEqual(before.filter(index));
      for (const suffix of ["", "-wal", "-shm", "-lock"]) rmSync(path + suffix, { force: true });
    }
  });

  it("a lock that was only removed does no harm", async () => {
    const store = await openFile();
    rmSync(`${path}-lock`);
    expect(await apply(store, increment("c"))).toMatchObject({ value: 1n });
    await store.maintain();
    await store.close();
  });
});

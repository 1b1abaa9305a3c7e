/**
 * Goal: a WAL that a power loss has torn is never taken for a damaged one, and one that was damaged before its last commits always is.
 *
 * Method: WALs of a real SQLite, also begun anew, with transactions that spill and ones that are rolled back. Of the last commit
 * each sector is on disk, or is not, or is as it was in the midst of it, or zero, after which SQLite goes on behind what it finds,
 * and is torn again. Of whole ones a bit, a sector or a page is another in any but the last.
 */
import {
  closeSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  frameAt,
  frameBytesOf,
  readWalHead,
  soundFrames,
  WAL_HEAD_BYTES,
} from "../../src/stores/sqlite/file/wal.ts";
import { isRotten } from "../../src/stores/sqlite/file/wal-rot.ts";
import { freshSeed, type Random, seededRandom } from "../proofs/crash/random.ts";
import { folderInMemory } from "../support/folder.ts";

const seed = Number(process.env.TALLY_TEST_SEED ?? freshSeed());
let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(folderInMemory(), "tally-wal-rot-"));
  path = join(dir, "some.db");
});
afterEach(() => rmSync(dir, { recursive: true }));

const SECTOR_BYTES = 512;
const FRAME_BYTES = 4_120;
const walOf = () => readFileSync(`${path}-wal`);

/** A connection that leaves the WAL alone but for its commits, and when it is closed. */
function connect(): { db: Database.Database; close: () => void } {
  const db = new Database(path);
  db.pragma("journal_mode = WAL");
  db.pragma("wal_autocheckpoint = 0");
  db.pragma("cache_size = 10"); // Pages: so that larger transactions spill.
  const last = new Database(path, { readonly: true });
  last.pragma("user_version");
  return {
    db,
    close: () => {
      db.close(); // Not the last one, which would take the WAL in.
      last.close();
    },
  };
}

function make(): void {
  const { db, close } = connect();
  db.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, text)");
  const insert = db.prepare("INSERT INTO t VALUES (?, ?)");
  db.transaction(() => {
    for (let id = 0; id < 60; id++) insert.run(id, "x".repeat(3_000));
  })();
  db.pragma("wal_checkpoint(PASSIVE)");
  close();
}

/** As SQLite counts them. */
function committed(db: Database.Database): number {
  const [{ log }] = db.pragma("wal_checkpoint(NOOP)") as [{ log: number }];
  return log;
}

/** How many texts were written: no two are the same, for SQLite writes no page that would stay as it is. */
let texts = 0;

/** Change some pages, two or more. */
function write(db: Database.Database, random: Random, most: number): void {
  const update = db.prepare("UPDATE t SET text = ? WHERE id = ?");
  const first = random.between(0, 50);
  const pages = random.between(2, most);
  for (let i = 0; i < pages; i++)
    update.run(
      `${texts++}`.padEnd(3_000, String.fromCharCode(random.between(65, 90))),
      i < 2 ? first + i : random.between(0, 59),
    );
}

/** What is on disk of a commit before it was synced: each sector is of one of some moments, or empty. */
function torn(moments: readonly Buffer[], random: Random): Buffer {
  const [before, after] = [moments[0]!, moments.at(-1)!];
  const wal = Buffer.alloc(random.between(before.length, Math.max(before.length, after.length)));
  const begins = after.findIndex((byte, at) => byte !== before[at]);
  if (begins < 0) throw new Error("nothing was written");
  // Of a WAL that is begun anew, the head is on disk before any of its frames.
  const isAnew = !before.subarray(0, WAL_HEAD_BYTES).equals(after.subarray(0, WAL_HEAD_BYTES));
  const share = random.pick([0.02, 0.1, 0.5, 0.9, 0.98]);
  const sizes = random.pick([[SECTOR_BYTES], [4_096], [SECTOR_BYTES, 4_096, 16_384]]);
  for (let at = 0; at < wal.length; ) {
    const bytes = Math.min(random.pick(sizes), wal.length - at);
    const from = random.fraction() < share ? after : random.pick(moments);
    const isOfThis = at >= begins; // What was synced before stays, in whatever sector it is.
    if (at < from.length && !(isOfThis && random.fraction() < 0.05)) from.copy(wal, at, at, at + bytes);
    at += bytes;
  }
  if (isAnew) after.copy(wal, 0, 0, WAL_HEAD_BYTES);
  return wal;
}

describe("a torn WAL", () => {
  it(`is not taken for a damaged one, torn once or again and again (seed ${seed})`, () => {
    const random = seededRandom(seed);
    let gaps = 0;
    for (let round = 0; round < 25; round++) {
      make();
      for (let loss = 0; loss < 4; loss++) {
        const { db, close } = connect();
        if (random.fraction() < 0.3) db.pragma("wal_checkpoint(PASSIVE)"); // The next commit begins it anew.
        for (let n = random.between(0, 3); n > 0; n--) {
          db.exec("BEGIN");
          write(db, random, random.pick([3, 30]));
          db.exec(random.fraction() < 0.3 ? "ROLLBACK" : "COMMIT");
        }
        const moments = [walOf()];
        db.exec("BEGIN");
        write(db, random, random.pick([3, 30]));
        moments.push(walOf());
        db.exec("COMMIT");
        moments.push(walOf());
        const whole = committed(db);
        close();
        rmSync(`${path}-shm`);
        const wal = torn(moments, random);
        writeFileSync(`${path}-wal`, wal);
        const looking = new Database(path, { readonly: true });
        looking.pragma("user_version");
        const frames = committed(looking);
        looking.close();
        if (frames < whole && wal.length > WAL_HEAD_BYTES + (frames + 1) * FRAME_BYTES) gaps++;
        expect(isRotten(`${path}-wal`, frames), `round ${round}, loss ${loss}`).toBe(false);
      }
      for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
    }
    expect(gaps).toBeGreaterThan(20); // Most were torn indeed.
  });
});

/** Where each commit of a WAL begins and ends, in frames. */
function commitsIn(wal: Buffer): { begin: number; end: number }[] {
  const head = readWalHead(wal);
  const commits: { begin: number; end: number }[] = [];
  if (head === undefined) return commits;
  const frames = wal.subarray(WAL_HEAD_BYTES);
  const count = soundFrames(frames, head, head.sums);
  for (let i = 0, begin = 0; i < count; i++) {
    if (frameAt(frames, head, i).filePages === 0) continue;
    commits.push({ begin, end: i + 1 });
    begin = i + 1;
  }
  return commits;
}

/** How many frames a reader of a WAL finds. */
function foundIn(wal: Buffer): number {
  return commitsIn(wal).at(-1)?.end ?? 0;
}

describe("a damaged WAL", () => {
  /** With an older WAL behind it, or nothing. */
  function some(random: Random): Buffer {
    make();
    const { db, close } = connect();
    for (let n = 0; n < 20; n++) db.transaction(() => write(db, random, 6))();
    if (random.fraction() < 0.7) {
      db.pragma("wal_checkpoint(PASSIVE)");
      for (let n = random.between(3, 12); n > 0; n--) db.transaction(() => write(db, random, 6))();
    }
    const wal = walOf();
    close();
    for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix);
    return wal;
  }
  const rotten = (wal: Buffer): boolean => {
    writeFileSync(`${path}-wal`, wal);
    return isRotten(`${path}-wal`, foundIn(wal));
  };

  it(`is found, whatever bit of it is another in a commit before the last (seed ${seed})`, () => {
    const random = seededRandom(seed);
    for (let round = 0; round < 10; round++) {
      const wal = some(random);
      const commits = commitsIn(wal);
      expect(rotten(wal)).toBe(false);
      for (let n = 0; n < 40; n++) {
        // Of the last but one, all but the page that ends it.
        const { begin, end } = commits[random.between(0, commits.length - 2)]!;
        const isLastButOne = end === commits.at(-1)!.begin;
        const at =
          WAL_HEAD_BYTES +
          random.between(begin * FRAME_BYTES, (end - (isLastButOne ? 1 : 0)) * FRAME_BYTES - 1);
        const harmed = Buffer.from(wal);
        harmed[at]! ^= 1 << random.between(0, 7);
        expect(foundIn(harmed)).toBe(begin);
        expect(rotten(harmed), `round ${round}, byte ${at} of ${wal.length}`).toBe(true);
      }
    }
  });

  it(`is found when a sector or a page of it is zero, or older, before the last but one (seed ${seed})`, () => {
    const random = seededRandom(seed);
    for (let round = 0; round < 10; round++) {
      const wal = some(random);
      const commits = commitsIn(wal);
      for (let n = 0; n < 40; n++) {
        const { begin, end } = commits[random.between(0, commits.length - 3)]!;
        const bytes = random.pick([SECTOR_BYTES, 4_096]);
        const at = Math.ceil((WAL_HEAD_BYTES + begin * FRAME_BYTES) / SECTOR_BYTES) * SECTOR_BYTES;
        const sectors = Math.floor((WAL_HEAD_BYTES + end * FRAME_BYTES - bytes - at) / SECTOR_BYTES);
        const from = at + random.between(0, sectors) * SECTOR_BYTES;
        const harmed = Buffer.from(wal).fill(random.pick([0, 0xff]), from, from + bytes);
        if (foundIn(harmed) > begin) continue; // It was so before.
        expect(rotten(harmed), `round ${round}, byte ${from} of ${wal.length}`).toBe(true);
      }
    }
  });

  it("is found when it is the page that ends the last commit but one, or its checksum, or its salts", () => {
    const wal = some(seededRandom(7));
    const last = commitsIn(wal).at(-1)!.begin;
    const head = WAL_HEAD_BYTES + (last - 1) * FRAME_BYTES;
    expect(Math.floor(head / SECTOR_BYTES)).toBe(Math.floor((head + 23) / SECTOR_BYTES));
    for (const at of [8, 15, 16, 23, 24, 4_119]) {
      const harmed = Buffer.from(wal);
      harmed[head + at]! ^= 1;
      expect(foundIn(harmed)).toBeLessThan(last);
      expect(rotten(harmed), `${at}`).toBe(true);
    }
  });

  it("is not told from a torn one when nothing of the last but one is left, or each commit is damaged", () => {
    const wal = some(seededRandom(seed));
    const commits = commitsIn(wal);
    const { begin } = commits.at(-1)!;
    for (const hole of [1, 2, commits.length - 1]) {
      const from = WAL_HEAD_BYTES + commits.at(-1 - hole)!.begin * FRAME_BYTES;
      const harmed = Buffer.from(wal).fill(0, from, WAL_HEAD_BYTES + begin * FRAME_BYTES);
      expect(rotten(harmed), `${hole}`).toBe(false);
    }
    const harmed = Buffer.from(wal);
    for (const each of commits) harmed[WAL_HEAD_BYTES + each.begin * FRAME_BYTES + 100]! ^= 1;
    expect(rotten(harmed)).toBe(false);
    harmed[WAL_HEAD_BYTES + begin * FRAME_BYTES + 100]! ^= 1;
    expect(rotten(harmed)).toBe(true); // As soon as one is whole.
  });

  it("is not told from a torn one when it is the last commit, or when it was cut", () => {
    const wal = some(seededRandom(seed));
    const { begin } = commitsIn(wal).at(-1)!;
    const harmed = Buffer.from(wal);
    harmed[WAL_HEAD_BYTES + begin * FRAME_BYTES + 100]! ^= 1;
    expect(rotten(harmed)).toBe(false);
    for (const bytes of [0, 31, 32, 33, WAL_HEAD_BYTES + FRAME_BYTES, WAL_HEAD_BYTES + begin * FRAME_BYTES])
      expect(rotten(wal.subarray(0, bytes)), `${bytes}`).toBe(false);
  });

  it("is found however far behind the damage the further commits stand", () => {
    const random = seededRandom(seed);
    make();
    const { db, close } = connect();
    db.transaction(() => write(db, random, 4))();
    const { length } = walOf();
    db.transaction(() => {
      const insert = db.prepare("INSERT INTO t (text) VALUES (?)");
      for (let n = 0; n < 900; n++) insert.run("y".repeat(3_000)); // Several pieces.
    })();
    for (let n = 0; n < 2; n++) db.transaction(() => write(db, random, 4))();
    copyFileSync(`${path}-wal`, join(dir, "kept"));
    close();
    const fd = openSync(join(dir, "kept"), "r+");
    writeSync(fd, "rotten", length + 50_000);
    closeSync(fd);
    const wal = readFileSync(join(dir, "kept"));
    expect(wal.length).toBeGreaterThan(3 * 2 ** 20);
    expect(frameBytesOf(readWalHead(wal)!)).toBe(FRAME_BYTES);
    expect(isRotten(join(dir, "kept"), foundIn(wal))).toBe(true);
  });
});

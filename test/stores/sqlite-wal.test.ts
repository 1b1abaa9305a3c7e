/** The bytes of a WAL as SQLite writes them: what is sound of them is what SQLite has committed, and nothing else is. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  frameAt,
  frameBytesOf,
  pageIn,
  readWalHead,
  soundFrames,
  WAL_HEAD_BYTES,
  type WalHead,
} from "../../src/stores/sqlite/file/wal.ts";
import { freshSeed, seededRandom } from "../proofs/crash/random.ts";
import { folderInMemory } from "../support/folder.ts";

const seed = Number(process.env.TALLY_TEST_SEED ?? freshSeed());
const dir = mkdtempSync(join(folderInMemory(), "tally-wal-"));
const path = join(dir, "some.db");
let db: Database.Database;
let wal: Buffer;
let head: WalHead;
let frames: Buffer;

beforeAll(() => {
  db = new Database(path);
  db.pragma("journal_mode = WAL");
  db.pragma("wal_autocheckpoint = 0");
  db.exec("CREATE TABLE t (a TEXT)");
  for (let i = 0; i < 30; i++) db.prepare("INSERT INTO t VALUES (?)").run("x".repeat(300 * (i % 5)));
  wal = readFileSync(`${path}-wal`);
  head = readWalHead(wal)!;
  frames = Buffer.from(wal.subarray(WAL_HEAD_BYTES));
});
afterAll(() => {
  db.close();
  rmSync(dir, { recursive: true });
});

/** As SQLite counts them. */
function committed(): number {
  const [{ log }] = db.pragma("wal_checkpoint(NOOP)") as [{ log: number }];
  return log;
}

describe("a WAL", () => {
  it("has as many sound frames as SQLite has committed, also from the middle on", () => {
    expect(soundFrames(frames, head, head.sums)).toBe(committed());
    const half = Math.floor(committed() / 2);
    const { sums } = frameAt(frames, head, half - 1);
    expect(soundFrames(frames.subarray(half * frameBytesOf(head)), head, sums)).toBe(committed() - half);
  });

  it("makes the data file, page by page, when its frames are written into it up to a commit", () => {
    const count = soundFrames(frames, head, head.sums);
    const pages = new Map<number, Buffer>();
    for (let i = 0; i < count; i++) pages.set(frameAt(frames, head, i).page, pageIn(frames, head, i));
    const { filePages } = frameAt(frames, head, count - 1);
    expect([...pages.keys()].sort((a, b) => a - b)).toEqual(
      Array.from({ length: filePages }, (_, i) => i + 1),
    );
    db.pragma("wal_checkpoint(PASSIVE)");
    const made = Buffer.concat(Array.from({ length: filePages }, (_, i) => pages.get(i + 1)!));
    expect(made.equals(readFileSync(path).subarray(0, made.length))).toBe(true);
  });

  it(`has none that is sound from a flipped bit, a frame that is missing, or one that is there twice on (seed ${seed})`, () => {
    const random = seededRandom(seed);
    const [count, bytes] = [committed(), frameBytesOf(head)];
    for (let n = 0; n < 200; n++) {
      const at = random.between(0, count * bytes - 1);
      const flipped = Buffer.from(frames);
      flipped[at]! ^= 1 << random.between(0, 7);
      const frame = Math.floor(at / bytes);
      // How many pages the file has is covered as well; of the salts each bit is compared.
      expect(soundFrames(flipped, head, head.sums)).toBe(frame);
      const [before, after] = [frames.subarray(0, frame * bytes), frames.subarray((frame + 1) * bytes)];
      const missing = Buffer.concat([before, after]);
      expect(soundFrames(missing, head, head.sums)).toBe(frame);
      const twice = Buffer.concat([
        before,
        frames.subarray(frame * bytes, (frame + 1) * bytes),
        frames.subarray(frame * bytes),
      ]);
      expect(soundFrames(twice, head, head.sums)).toBe(frame + 1);
    }
  });

  it("that was begun anew has no frame of the one before, whatever stands behind its own", () => {
    db.pragma("wal_checkpoint(RESTART)");
    db.exec("INSERT INTO t VALUES ('anew')");
    const anew = readFileSync(`${path}-wal`);
    expect(anew.length).toBe(wal.length); // What was there before still is.
    const next = readWalHead(anew)!;
    expect(next.salts).not.toBe(head.salts);
    expect(soundFrames(anew.subarray(WAL_HEAD_BYTES), next, next.sums)).toBe(committed());
    expect(committed()).toBeLessThan(10);
  });

  it("whose head is damaged has none", () => {
    for (let at = 0; at < WAL_HEAD_BYTES; at++) {
      const flipped = Buffer.from(wal);
      flipped[at]! ^= 1;
      expect(readWalHead(flipped)).toBeUndefined();
    }
    expect(readWalHead(wal.subarray(0, WAL_HEAD_BYTES - 1))).toBeUndefined();
  });
});

/** What is written of a WAL, piece by piece, of any database: large commits, many at once, and a folder that is in the way. */
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { Archiver } from "../../src/stores/sqlite/archive/archiver.ts";
import { factsOf, readPiece } from "../../src/stores/sqlite/archive/piece.ts";
import type { WalPoint } from "../../src/stores/sqlite/archive/shared.ts";
import { frameAt, pageIn, readWalHead } from "../../src/stores/sqlite/file/wal.ts";
import { folderInMemory } from "../support/folder.ts";

const root = mkdtempSync(join(folderInMemory(), "tally-archiver-"));
afterAll(() => rmSync(root, { recursive: true }));
let dir = "";
let path = "";
let db: Database.Database;
let archiver: Archiver;
let position = 0;
beforeEach(() => {
  dir = mkdtempSync(join(root, "one-"));
  path = join(dir, "some.db");
  mkdirSync(join(dir, "archive"));
  db = new Database(path);
  db.pragma("journal_mode = WAL");
  db.pragma("wal_autocheckpoint = 0");
  db.exec("CREATE TABLE t (a)");
  archiver = new Archiver(join(dir, "archive"), path);
  onTestFinished(() => {
    archiver.close();
    db.close();
  });
  const file = { bytes: "0", mtimeNs: "0" };
  const found = {
    salts: undefined,
    frames: 0,
    walId: "x.1",
    basedOn: null,
    file,
    epoch: "first",
    storeId: null,
  };
  expect(archiver.open(found)).toBeUndefined();
  expect(archiver.why).toBe("there is none yet");
  position = 0;
});

function point(walId = "x.2"): WalPoint {
  const [{ log: frames }] = db.pragma("wal_checkpoint(NOOP)") as [{ log: number }];
  const salts = readWalHead(readFileSync(`${path}-wal`))!.salts;
  return {
    ...{ salts, frames, walId, storeId: "s.1" },
    position: ++position,
    changes: [[position, 1_000 * position]],
    now: 1_000 * position,
  };
}

function insert(bytes: number): void {
  db.prepare("INSERT INTO t VALUES (randomblob(?))").run(bytes);
}

function pieces() {
  const folder = join(dir, "archive/first");
  return readdirSync(folder)
    .filter((name) => name.endsWith(".zst"))
    .sort()
    .map((name) => readPiece(readFileSync(join(folder, name)), join(folder, name)));
}

/** The file that the pieces make. */
function made(): Buffer {
  const pages = new Map<number, Buffer>();
  let filePages = 0;
  for (const { frames, wal, head } of pieces())
    for (let i = 0; i <= head.to - head.from; i++) {
      const frame = frameAt(frames, wal, i);
      pages.set(frame.page, pageIn(frames, wal, i));
      filePages = frame.filePages || filePages;
    }
  return Buffer.concat(Array.from({ length: filePages }, (_, i) => pages.get(i + 1)!));
}

describe("an archiver", () => {
  it("writes pieces that end with a commit each and follow each other, however large a commit is", () => {
    archiver.begin({ salts: undefined, frames: 0, position: 0, now: 1 });
    for (const mib of [1, 9, 9, 18]) insert(mib * 2 ** 20);
    expect(archiver.take(point())).toBe(true);
    insert(10);
    expect(archiver.take(point())).toBe(true);
    expect(archiver.take(point())).toBe(false);
    const heads = pieces().map(({ head }) => head);
    expect(heads.length).toBeGreaterThan(3);
    let [previous, to] = [null as string | null, 0];
    for (const piece of pieces()) {
      expect(piece.head).toMatchObject({ generation: 1, from: to + 1, previous });
      [previous, to] = [piece.digest, piece.head.to];
      expect(frameAt(piece.frames, piece.wal, piece.head.to - piece.head.from).filePages).toBeGreaterThan(0);
    }
    db.pragma("wal_checkpoint(PASSIVE)");
    expect(made().equals(readFileSync(path))).toBe(true);
  });

  it("goes on with the next WAL, and begins in the middle of one where it is told to", () => {
    insert(5_000);
    const { salts, frames } = point();
    archiver.begin({ salts, frames, position: 1, now: 1 });
    insert(10);
    archiver.take(point());
    expect(pieces().map(({ head }) => [head.generation, head.from])).toEqual([[1, frames + 1]]);
    db.pragma("wal_checkpoint(RESTART)");
    insert(10);
    archiver.take(point("x.3"));
    expect(pieces().map(({ head }) => [head.generation, head.from, head.walId])).toEqual([
      [1, frames + 1, "x.2"],
      [2, 1, "x.3"],
    ]);
  });

  it("takes nothing of a WAL that is not the one it is told of, nor before it has begun", () => {
    insert(10);
    expect(() => archiver.take(point())).toThrow("was not begun");
    archiver.begin({ salts: undefined, frames: 0, position: 0, now: 1 });
    expect(() => archiver.take({ ...point(), salts: "0".repeat(16) })).toThrow("is another one");
    expect(() => archiver.take({ ...point(), frames: 9_999 })).toThrow("what is committed cannot be read");
    expect(pieces()).toEqual([]);
    archiver.giveUp();
    expect(() => archiver.take(point())).toThrow("was not begun");
  });

  it("writes the same piece once more, larger, when it was not told that it is whole; and leaves no part", () => {
    archiver.begin({ salts: undefined, frames: 0, position: 0, now: 1 });
    insert(10);
    const part = join(dir, "archive/first/0000000001-0000000001.zst.part");
    mkdirSync(part);
    expect(() => archiver.take(point())).toThrow(`${part} is a folder; expected a regular file`);
    rmSync(part, { recursive: true });
    insert(10);
    archiver.take(point());
    expect(pieces().map(({ changes }) => changes)).toEqual([
      [
        [1, 1_000],
        [2, 2_000],
      ],
    ]);
    expect(readdirSync(join(dir, "archive/first"))).toEqual(["0000000001-0000000001.zst", "store.json"]);
  });

  it("goes on only from a piece that is whole, in a folder that nobody else has", () => {
    archiver.begin({ salts: undefined, frames: 0, position: 0, now: 1 });
    insert(10);
    const at = point();
    archiver.take(at);
    const other = new Archiver(join(dir, "archive"), path);
    const file = { bytes: "0", mtimeNs: "0" };
    const found = { ...at, basedOn: "x.1", file, epoch: "first", storeId: "s.1" };
    expect(() => other.open(found)).toThrow("in use");
    archiver.close();
    const left = join(dir, "archive/first/0000000001-0000000009.zst.part");
    writeFileSync(left, "");
    const strays = ["notes.part", "part~.part"].map((name) => join(dir, "archive/first", name));
    writeFileSync(strays[0]!, "");
    mkdirSync(strays[1]!); // As rsync keeps what it has in part.
    expect(other.open(found)).toBe(1);
    expect([left, ...strays].map((each) => existsSync(each))).toEqual([false, true, true]);
    other.close();
    const anew = (changed: object) => {
      const third = new Archiver(join(dir, "archive"), path);
      const where = third.open({ ...found, ...changed });
      third.close();
      return [where, third.why];
    };
    const without = [undefined, "the store was written to while nothing was archived"];
    expect(anew({ salts: "0".repeat(16), walId: "x.3", basedOn: "x.2" })).toEqual(without); // By no archive's server.
    expect(anew({ salts: "0".repeat(16), walId: "x.3.archived", basedOn: "x.1" })).toEqual(without);
    expect(anew({ salts: "0".repeat(16), walId: "x.3.archived", basedOn: "x.2" })).toEqual([1, undefined]);
    expect(anew({ frames: at.frames - 1 })).toEqual([
      undefined,
      "the -wal lacks something of what was archived of it",
    ]);
    expect(anew({ frames: 0, walId: "x.2" })[0]).toBeUndefined(); // Nobody noted that it was closed.
    const name = join(dir, "archive/first/0000000001-0000000001.zst");
    writeFileSync(name, readFileSync(name).subarray(0, -3));
    expect(anew({})).toEqual([undefined, expect.stringContaining("damaged: it was cut short")]);
  });

  it.each([
    ["a pipe (FIFO)", (at: string) => execFileSync("mkfifo", [at])],
    ["a folder", (at: string) => mkdirSync(at)],
    ["a device", (at: string) => symlinkSync("/dev/zero", at)],
  ] as const)("is not held up by %s in the place of any of its files, and names it", (kind, make) => {
    archiver.begin({ salts: undefined, frames: 0, position: 0, now: 1 });
    insert(10);
    const at = point();
    const folder = join(dir, "archive/first");
    const said = (path: string) => `${path} is ${kind}; expected a regular file`;
    if (kind !== "a device") {
      const part = join(folder, "0000000001-0000000001.zst.part");
      make(part);
      expect(() => archiver.take(at)).toThrow(said(part));
      expect(existsSync(part)).toBe(true);
      rmSync(part, { recursive: true });
    }
    archiver.take(at);
    archiver.close();
    const file = { bytes: "0", mtimeNs: "0" };
    const found = { ...at, basedOn: "x.1", file, epoch: "first", storeId: "s.1" };
    const kept = `${folder}-kept`;
    for (const name of ["store.json", "closed.json", "0000000001-0000000001.zst"]) {
      cpSync(folder, kept, { recursive: true });
      rmSync(join(folder, name), { force: true });
      make(join(folder, name));
      const other = new Archiver(join(dir, "archive"), path);
      if (name.endsWith(".zst")) {
        expect(other.open(found)).toBeUndefined();
        expect(other.why).toContain(`cannot be gone on from: ${said(join(folder, name))}`);
      } else expect(() => other.open(found), name).toThrow(said(join(folder, name)));
      other.close();
      rmSync(folder, { recursive: true });
      renameSync(kept, folder);
    }
  });

  it("is of one store: another one is told what to do, and leaves it as it is, whatever is noted of whose it is", () => {
    archiver.begin({ salts: undefined, frames: 0, position: 0, now: 1 });
    insert(10);
    archiver.take(point());
    archiver.close();
    const first = join(dir, "archive/first");
    const there = readdirSync(first);
    const file = { bytes: "0", mtimeNs: "0" };
    const openAs = (storeId: string | null) => {
      const other = new Archiver(join(dir, "archive"), path);
      onTestFinished(() => other.close());
      return () =>
        other.open({
          salts: undefined,
          frames: 0,
          walId: "y.1",
          basedOn: null,
          file,
          epoch: "first",
          storeId,
        });
    };
    for (const [storeId, name] of [
      ["s.2", "s.2"],
      [null, "new"],
    ] as const)
      expect(openAs(storeId)).toThrow(
        `has the archive of another store (s.1; this one is ${name}), and nothing of this one is archived: give it a folder of its own (archive-dir), and restart it; or, where that archive is of no use any more, move ${first} away`,
      );
    expect(readdirSync(first)).toEqual(there);
    for (const text of ["", "null", "7", '{"format":"tally-archive-store/2"}', '{"storeId":"s.1"}']) {
      writeFileSync(join(first, "store.json"), text);
      expect(openAs("s.1"), text).toThrow("store.json does not say whose archive first is");
    }
    rmSync(join(first, "store.json"));
    expect(openAs("s.1")()).toBeUndefined(); // As of an older Tally.
  });

  it("writes nothing where another disk is in its place, also once it has broken off; a start does, and says so", () => {
    archiver.begin({ salts: undefined, frames: 0, position: 0, now: 1 });
    insert(10);
    archiver.take(point());
    const archive = join(dir, "archive");
    renameSync(archive, `${archive}-away`);
    expect(() => archiver.take(point())).toThrow(`${archive} is not there, or is no folder.`);
    symlinkSync("/proc/self", archive); // A folder of another disk, into which nobody can write.
    const another = /is another disk's than what was archived, which is not in it: mount that one again/;
    expect(() => archiver.take(point())).toThrow(another);
    archiver.giveUp();
    expect(() => archiver.probe()).toThrow(another);
    rmSync(archive);
    symlinkSync(`${archive}-away`, archive);
    archiver.probe();
    archiver.close();
    rmSync(archive);
    mkdirSync(archive);
    const file = { bytes: "0", mtimeNs: "0" };
    const found = {
      salts: undefined,
      frames: 0,
      walId: "x.2.archived",
      basedOn: "x.1",
      file,
      storeId: "s.1",
    };
    const started = new Archiver(archive, path);
    onTestFinished(() => started.close());
    expect(started.open({ ...found, epoch: "first" })).toBeUndefined();
    expect(started.why).toMatch(
      /^its folder is empty: if the store was archived before, .* look whether its disk is mounted$/,
    );
    expect(started.open({ ...found, epoch: "0a0b0c0d" })).toBeUndefined(); // Of one that was restored.
    expect(started.why).toBe("there is none yet");
  });

  it("makes what zstd unpacks", () => {
    archiver.begin({ salts: undefined, frames: 0, position: 0, now: 1 });
    insert(10);
    archiver.take(point());
    const name = join(dir, "archive/first/0000000001-0000000001.zst");
    const [piece] = pieces();
    expect(factsOf(name)).toEqual({ head: piece!.head, digest: piece!.digest });
    const unpacked = execFileSync("python3", ["-c", UNPACK, name]);
    expect(unpacked.subarray(0, piece!.frames.length).equals(piece!.frames)).toBe(true);
  });
});

/** By the library, which the command is made of and more machines have. */
const UNPACK = `
import ctypes, ctypes.util, sys
zstd = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
zstd.ZSTD_decompress.restype = ctypes.c_size_t
data = open(sys.argv[1], "rb").read()
out = ctypes.create_string_buffer(1 << 24)
size = zstd.ZSTD_decompress(out, ctypes.c_size_t(len(out)), data, ctypes.c_size_t(len(data)))
assert not zstd.ZSTD_isError(ctypes.c_size_t(size)), size
sys.stdout.buffer.write(out.raw[:size])
`;

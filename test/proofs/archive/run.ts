/**
 * npm run test:archive [-- --lives N --moments N --seed N]
 *
 * Goal: whatever happens to a server that archives, any commit since its backup is restored exactly; and of what the archive
 * lacks nothing is.
 *
 * Method: a real server with clients that count as fast as they are answered, its archive on a disk of its own. It is killed
 * (SIGKILL) at random moments, of archiving, of checkpoints and of starts among them; the disk gets full for a while, and has room
 * again; at the end it is stopped. Then random commits, by position and by time, are restored through the archive, and
 * compared with what the store's own change log says of them; and the end with the store itself. 20 lives and 200 moments unless
 * told otherwise. It may mount (root).
 *
 * In CI: `npm run test:archive -- --lives 3 --moments 25`.
 */
import { strict as assert } from "node:assert";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import Database from "better-sqlite3";
import { v7 } from "uuid";
import { CounterService } from "../../../gen/tally/v1/counter_service_pb.ts";
import type { RestoreUntil } from "../../../src/service/store-backup.ts";
import { restoreSqlite } from "../../../src/stores/sqlite/backup/restore.ts";
import { freePort } from "../../support/free-port.ts";
import { type Values, valuesAt, valuesOf } from "../backups/store.ts";
import { freshSeed, type Random, seededRandom } from "../crash/random.ts";
import { pause, ServerProcess } from "../crash/server-process.ts";
import { Caller } from "../faults/calls.ts";

const { values: given } = parseArgs({
  options: {
    lives: { type: "string", default: "20" },
    moments: { type: "string", default: "200" },
    seed: { type: "string" },
  },
});
const [lives, moments] = [given.lives, given.moments].map(Number) as [number, number];
const seed = given.seed === undefined ? freshSeed() : Number(given.seed);
if (![lives, moments, seed].every((each) => Number.isSafeInteger(each) && each > 0)) {
  console.error("expected whole numbers for --lives, --moments and --seed");
  process.exit(2);
}

console.log(`seed ${seed}`);
const random = seededRandom(seed);
const root = mkdtempSync(join(tmpdir(), "tally-archive-"));
const [store, backups, disk] = [join(root, "store/tally.db"), join(root, "backups"), join(root, "disk")];
const archive = join(disk, "archive");
for (const folder of [join(root, "store"), backups, disk]) mkdirSync(folder);
execFileSync("mount", ["-t", "tmpfs", "-o", `size=${256 + 32 * lives}m`, "tmpfs", disk]);
mkdirSync(archive);

try {
  const port = await freePort();
  for (let life = 1; life <= lives; life++) {
    const server = served(port);
    await server.ready();
    if (life === 1) await logged(server, "archive.whole");
    const counting = count(port, random.fork());
    if (life === 2) await fillDisk();
    await pause(random.between(500, 3_000));
    await (life === lives ? undefined : server.kill());
    const ended = life === lives ? counting.stop() : counting.ended;
    await ended;
    assert.doesNotMatch(
      server.output,
      /"archive\.(broken|begun)".*"archive\.(broken|begun)"/s,
      server.output,
    );
    if (life > 1) assert.doesNotMatch(server.output, /"archive\.(broken|begun)"/, server.output);
    if (life < lives) continue;
    const exit = await server.stop();
    assert.equal(exit.code, 0, server.output);
  }
  const wals = new Set(pieces().map((name) => name.slice(0, name.indexOf("-")))).size;
  console.log(
    `${lives} lives, ${wals} WALs, ${pieces().length} pieces, ${(archivedBytes() / 2 ** 20).toFixed(1)} MiB`,
  );
  await compare();
  await breakOff();
  console.log("PASS");
} catch (error) {
  console.error(`FAIL with seed ${seed}:`, error);
  process.exitCode = 1;
} finally {
  spawnSync("umount", ["-l", disk]);
  rmSync(root, { recursive: true, force: true });
}

function served(port: number): ServerProcess {
  const flags = ["--backup-dir", backups, "--backup-every", "1d", "--archive-dir", archive];
  return new ServerProcess({ port, store: `sqlite:${store}`, flags });
}

async function logged(server: ServerProcess, event: string): Promise<void> {
  for (const deadline = Date.now() + 60_000; !server.output.includes(`"${event}"`); await pause(50))
    assert.ok(Date.now() < deadline && server.running, `no ${event}: ${server.output}`);
}

/** Batches as fast as they are answered, of counters that come and go, until the server has gone. */
function count(port: number, random: Random): { ended: Promise<void>; stop(): Promise<void> } {
  let stopped = false;
  const loop = async () => {
    const caller = await Caller.on(port);
    while (!stopped) {
      const operations = Array.from({ length: random.between(1, 1_000) }, () => ({
        name: `many/${random.between(0, 20_000)}`, // So that most are pages of their own, and the WAL is long soon.
        action: { case: "increment" as const, value: BigInt(random.between(1, 1_000)) },
      }));
      await caller.call(CounterService.method.batchApply, { operations });
      if (random.between(0, 9) > 0) continue;
      const name = `other/${random.between(0, 100)}`;
      await caller.call(CounterService.method.createCounter, { name });
      // With its history: otherwise the log shows nothing of it any more, to compare with.
      if (random.between(0, 1) === 0)
        await caller.call(CounterService.method.deleteCounter, { name, keepHistory: true });
    }
    caller.close();
  };
  // That the server goes is what is tried here.
  const ended = Promise.all([loop(), loop(), loop()].map((each) => each.catch(() => {}))).then(() => {});
  return {
    ended,
    stop() {
      stopped = true;
      return ended;
    },
  };
}

/** Until nothing more can be archived; and then some of it is free again. */
async function fillDisk(): Promise<void> {
  const filler = join(disk, "filler");
  try {
    for (let size = 2 ** 20; size >= 2 ** 12; size /= 2)
      for (let done = false; !done; )
        try {
          writeFileSync(filler, Buffer.alloc(size), { flag: "a" });
        } catch {
          done = true;
        }
    const before = pieces().length;
    await pause(2_500);
    assert.ok(pieces().length <= before + 1, "something is archived on a full disk");
  } finally {
    rmSync(filler);
  }
}

/** Each moment is what the change log says of it. */
async function compare(): Promise<void> {
  const [backup] = readdirSync(backups).map((name) => join(backups, name));
  assert.ok(backup);
  const end = lastPosition();
  const first = (await restored(backup, { position: end })).from;
  const positions = Array.from({ length: moments }, () => random.between(first, end)).sort((a, b) => a - b);
  const expected = await valuesAt(store, positions.map(BigInt));
  let ms = 0;
  for (const [i, position] of positions.entries()) {
    const time = timeOf(position);
    // Of two commits in one millisecond a time names the last.
    const until =
      time !== undefined && time !== timeOf(position + 1) && i % 2 === 0 ? { time } : { position };
    const began = performance.now();
    const { reached, values } = await restored(backup, until);
    ms += performance.now() - began;
    assert.equal(reached, position, JSON.stringify(until));
    assert.deepEqual(values, expected[i], JSON.stringify(until));
  }
  const { values } = await valuesOf(store);
  assert.deepEqual((await restored(backup, undefined)).values, values, "the end");
  console.log(
    `${moments} moments of ${first} to ${end} are as the change log has them, ${(ms / moments).toFixed(0)} ms each`,
  );
}

/** A piece that is taken away: what is before it is restored, and nothing after. */
async function breakOff(): Promise<void> {
  const [backup] = readdirSync(backups).map((name) => join(backups, name));
  const all = pieces();
  rmSync(join(archive, "first", all[Math.floor(all.length / 2)]!));
  const error = (await restored(backup!, undefined).catch((reason: unknown) => reason)) as Error;
  const [, upTo] = /--until (\d+) restores that/.exec(error.message) ?? [];
  assert.ok(upTo, error.message);
  const [expected] = await valuesAt(store, [BigInt(upTo)]);
  assert.deepEqual((await restored(backup!, { position: Number(upTo) })).values, expected);
  await assert.rejects(restored(backup!, { position: Number(upTo) + 1 }), { code: "STORE_UNAVAILABLE" });
  console.log(`without a piece it is restored up to position ${upTo}, and not beyond`);
}

async function restored(
  backup: string,
  until: RestoreUntil | undefined,
): Promise<{ from: number; reached: number; values: Values }> {
  const target = mkdtempSync(join(root, "restored-"));
  const path = join(target, "tally.db");
  const warn = (sentence: string) => assert.fail(sentence);
  const { manifest, reached } = await restoreSqlite(backup, path, {
    ...{ newLogId: v7(), rewrite: () => [], onProgress: () => {}, signal: new AbortController().signal },
    archive: { dir: archive, until, warn },
  });
  const values = valuesIn(path);
  rmSync(target, { recursive: true });
  return { from: Number(manifest.position), reached: reached!.position, values };
}

/** By SQL, for speed; that its rows are sound the restore has looked. */
function valuesIn(path: string): Values {
  const db = new Database(path, { readonly: true });
  const counts = "SELECT id, value FROM counts UNION ALL SELECT id, value FROM recent_counts";
  const rows = db
    .prepare(`SELECT lower(hex(uid)), value FROM counters JOIN (${counts}) USING (id)`)
    .raw()
    .safeIntegers()
    .all() as [string, bigint][];
  db.close();
  return new Map(
    rows.map(([uid, value]) => [uid.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"), value]),
  );
}

function lastPosition(): number {
  return query("SELECT max(position) FROM change_log") as number;
}

function timeOf(position: number): number | undefined {
  return query(`SELECT time_ms FROM change_log WHERE position = ${position}`) as number | undefined;
}

function query(sql: string): unknown {
  const db = new Database(store, { readonly: true });
  try {
    return db.prepare(sql).pluck().get();
  } finally {
    db.close();
  }
}

function pieces(): string[] {
  return readdirSync(join(archive, "first"))
    .filter((name) => name.endsWith(".zst"))
    .sort();
}

function archivedBytes(): number {
  return pieces().reduce((sum, name) => sum + statSync(join(archive, "first", name)).size, 0);
}

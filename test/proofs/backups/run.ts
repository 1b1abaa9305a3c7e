/**
 * npm run test:backups [-- --backups N --kills N --flips N --rest-ms N --seed N]
 *
 * Goal: what `tally backup` makes beside a server that counts is all that the store held at one moment, and what `tally
 * restore` makes of it is that or nothing. Whatever kills either, nothing is left that looks whole and is not. A backup in
 * which one bit is another is refused.
 *
 * Method: a real server with clients that count as fast as they are answered. Backups of it by the command, each restored and
 * verified, and the store beside its server as well. What is restored is between what was acknowledged before the backup and
 * what was sent by its end, and, once the server has stopped, exactly what the store's own change log says of that position.
 * SIGKILL at random moments of backups and of restores, each then done again. Flipped bits by the library, for speed. 100
 * backups, 100 kills and 200 flips unless told otherwise.
 *
 * In CI: `npm run test:backups -- --backups 3 --kills 6 --flips 50 --rest-ms 25`: clients that rest between their calls write
 * while a backup is made as well, and leave the machine to others.
 */
import { strict as assert } from "node:assert";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { restoreSqlite } from "../../../src/stores/sqlite/backup/restore.ts";
import { freePort } from "../../support/free-port.ts";
import { freshSeed, type Random, seededRandom } from "../crash/random.ts";
import { pause, ServerProcess } from "../crash/server-process.ts";
import { tally } from "./command.ts";
import { Load, p99 } from "./load.ts";
import { type Values, valuesAt, valuesOf } from "./store.ts";

const { values: given } = parseArgs({
  options: {
    backups: { type: "string", default: "100" },
    kills: { type: "string", default: "100" },
    flips: { type: "string", default: "200" },
    "rest-ms": { type: "string", default: "0" },
    seed: { type: "string" },
  },
});
const [backups, kills, flips, restMs] = [given.backups, given.kills, given.flips, given["rest-ms"]].map(
  Number,
) as [number, number, number, number];
const seed = given.seed === undefined ? freshSeed() : Number(given.seed);
const numbers = [backups, kills, flips, restMs, seed];
if (!numbers.every((each) => Number.isSafeInteger(each) && each >= 0) || backups < 1) {
  console.error("expected whole numbers for --backups, --kills, --flips, --rest-ms and --seed");
  process.exit(2);
}

console.log(`seed ${seed}`);
const random = seededRandom(seed);
const root = mkdtempSync(join(tmpdir(), "tally-backups-"));
const store = join(root, "store", "tally.db");
const clients = 6;

/** A backup, and what was restored of it. */
interface Made {
  readonly file: string;
  readonly position: bigint;
  readonly values: Values;
}

try {
  mkdirSync(join(root, "store"));
  const port = await freePort();
  const server = new ServerProcess({ port, store: `sqlite:${store}` });
  await server.ready();
  const made: Made[] = [];
  try {
    const load = new Load(port, clients, restMs, random.fork());
    await load.grown();
    load.tookMs = [];
    await pause(3_000);
    const without = p99(load.tookMs);
    load.tookMs = [];
    for (let n = 1; n <= backups; n++) {
      made.push(await backedUp(load, n, random));
      if (n > 1) rmSync(made[n - 2]!.file); // The last one is what follows is done to.
      if (n % 10 === 0) console.log(`${n} backups`);
    }
    console.log(
      `increments, p99: ${without.toFixed(1)} ms, and ${p99(load.tookMs).toFixed(1)} ms while one is made`,
    );
    await killBackups(Math.ceil(kills / 2), random);
    await load.stop();
    const counted = load.counters.reduce((sum, { acknowledged }) => sum + acknowledged, 0n);
    console.log(`${counted} increments acknowledged`);
  } finally {
    const exit = await server.stop();
    assert.equal(exit.code, 0, server.output);
  }
  await compare(made);
  await killRestores(made.at(-1)!.file, Math.floor(kills / 2), random);
  await flipBits(made.at(-1)!.file, flips, random);
  console.log("PASS");
} catch (error) {
  console.error(`FAIL with seed ${seed}:`, error);
  process.exitCode = 1;
} finally {
  rmSync(root, { recursive: true, force: true });
}

/** Make a backup under load, restore it, and look at what is there. */
async function backedUp(load: Load, n: number, random: Random): Promise<Made> {
  const file = join(root, `${n}.tar`);
  const before = load.counters.map(({ acknowledged }) => acknowledged);
  const rate = random.pick(["none", "64MiB", "16MiB"]);
  const ran = await tally([
    "backup",
    "--store",
    `sqlite:${store}`,
    "--to",
    file,
    "--rate",
    rate,
    "-o",
    "json",
  ]);
  const after = load.counters.map(({ sent }) => sent);
  assert.equal(ran.code, 0, ran.stderr);
  const { manifest, served } = JSON.parse(ran.stdout) as { manifest: { position: string }; served: boolean };
  assert.equal(served, true);
  await verifiedBeside();
  const target = join(root, `restored-${n}`);
  await restoredWhole(file, target);
  const path = join(target, "tally.db");
  const { values, named } = await valuesOf(path);
  for (const [i, { name }] of load.counters.entries()) {
    const value = named.get(name) ?? 0n;
    assert.ok(value >= before[i]! && value <= after[i]!, `${name}: ${before[i]} <= ${value} <= ${after[i]}`);
  }
  rmSync(target, { recursive: true });
  return { file, position: BigInt(manifest.position), values };
}

/** The store itself, while it is counted on: nothing is found. */
async function verifiedBeside(): Promise<void> {
  const ran = await tally(["verify", "--store", `sqlite:${store}`, "-o", "json"]);
  assert.equal(ran.code, 0, ran.stdout + ran.stderr);
  assert.equal((JSON.parse(ran.stdout) as { served: boolean }).served, true);
}

/** Restore into a folder, and verify what is there: the sum of each counter's changes is its value. */
async function restoredWhole(file: string, target: string): Promise<void> {
  mkdirSync(target, { recursive: true });
  const path = join(target, "tally.db");
  const ran = await tally(["restore", file, "--store", `sqlite:${path}`]);
  assert.equal(ran.code, 0, ran.stderr);
  await soundAt(path);
}

async function soundAt(path: string): Promise<void> {
  const ran = await tally(["verify", "--store", `sqlite:${path}`]);
  assert.equal(ran.code, 0, ran.stdout + ran.stderr);
  assert.ok(existsSync(`${path}-history`), "the history");
}

/** Each is what the store's own change log says of its position: no change more, none less. */
async function compare(made: readonly Made[]): Promise<void> {
  const expected = await valuesAt(
    store,
    made.map(({ position }) => position),
  );
  for (const [i, { values, position }] of made.entries())
    assert.deepEqual(values, expected[i], `the backup at position ${position}`);
  console.log(`${made.length} backups are what the store was at their positions`);
}

async function killBackups(times: number, random: Random): Promise<void> {
  const file = join(root, "killed.tar");
  const rateMib = Math.min(16, Math.ceil(statSync(store).size / 2 ** 20 / 2)); // It is copied for two seconds or more.
  const command = ["backup", "--store", `sqlite:${store}`, "--to", file, "--rate", `${rateMib}MiB`];
  let usualMs = 3_000;
  let whole = 0;
  for (let n = 0; n < times; n++) {
    const ran = await tally(command, random.between(0, usualMs));
    if (existsSync(file)) {
      const verified = await tally(["verify", file]);
      assert.equal(verified.code, 0, verified.stdout + verified.stderr);
      whole++;
    } else {
      assert.equal(ran.code, null, ran.stderr);
      const again = await tally(command);
      assert.equal(again.code, 0, again.stderr);
      usualMs = again.ms;
    }
    assert.deepEqual(
      readdirSync(root).filter((name) => name.startsWith("killed")),
      ["killed.tar"],
    );
    rmSync(file);
  }
  console.log(
    `${times} backups killed: ${whole} were whole, of the others nothing was there, and each was made again`,
  );
}

async function killRestores(file: string, times: number, random: Random): Promise<void> {
  const target = join(root, "killed");
  const path = join(target, "tally.db");
  const command = ["restore", file, "--store", `sqlite:${path}`];
  let usualMs = 1_000;
  let whole = 0;
  for (let n = 0; n < times; n++) {
    mkdirSync(target);
    const ran = await tally(command, random.between(usualMs / 4, usualMs));
    if (existsSync(path)) {
      await soundAt(path);
      whole++;
    } else {
      assert.equal(ran.code, null, ran.stderr);
      if (existsSync(`${path}-history`)) {
        const refused = await tally(command);
        assert.match(refused.stderr, /was left by a restore that was cut off/);
        rmSync(`${path}-history`);
      }
      const again = await tally(command);
      assert.equal(again.code, 0, again.stderr);
      usualMs = again.ms;
      await soundAt(path);
    }
    rmSync(target, { recursive: true });
  }
  console.log(
    `${times} restores killed: ${whole} were whole, of the others nothing was there, and each was made again`,
  );
}

async function flipBits(file: string, times: number, random: Random): Promise<void> {
  const target = join(root, "flipped");
  mkdirSync(target);
  const bytes = readFileSync(file);
  const damaged = join(root, "flipped.tar");
  for (let n = 0; n < times; n++) {
    const [at, bit] = [random.between(0, bytes.length - 1), 1 << random.between(0, 7)];
    bytes[at]! ^= bit;
    writeFileSync(damaged, bytes);
    bytes[at]! ^= bit;
    const options = {
      newLogId: "x",
      rewrite: () => [],
      onProgress: () => {},
      signal: new AbortController().signal,
    };
    const restored = restoreSqlite(damaged, join(target, "tally.db"), options);
    await assert.rejects(restored, { code: "STORE_UNAVAILABLE" }, `byte ${at}`);
    assert.deepEqual(readdirSync(target), [], `byte ${at}`);
  }
  console.log(`${times} flipped bits: each refused`);
}

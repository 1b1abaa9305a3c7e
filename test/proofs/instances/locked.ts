/**
 * npm run test:locked [-- --seconds N] [--instances N] [--old]
 *
 * Goal: a counter that a stranger has locked (`SELECT ... FOR UPDATE` in a transaction that he does not end) holds up
 * only those who ask for it, and they are told in time that nothing was applied.
 *
 * Method: workers increment counters over gRPC, most of them one of 200 at random, some of them one that is then locked
 * for so many seconds (60 unless told otherwise). Compared is the rate of the others just before and meanwhile; looked
 * at is how long those had to wait who asked for the locked one. Each increment is sent again under its request id until
 * it is answered, and at the end each counter must stand where its answers do.
 *
 * In CI: `npm run test:locked -- --seconds 10`. It needs PostgreSQL. `--old` only measures.
 */
import { parseArgs } from "node:util";
import pg from "pg";
import { ADMIN } from "../../support/postgres/address.ts";
import { PostgresServer } from "../../support/postgres/server.ts";
import { freshSeed, seededRandom } from "../crash/random.ts";
import { pause } from "../crash/server-process.ts";
import { Instance } from "./instance.ts";
import { Load } from "./load.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    instances: { type: "string", default: "2" },
    seed: { type: "string" },
    old: { type: "boolean", default: false },
  },
});
const lockedMs = Number(values.seconds) * 1_000;
const count = Number(values.instances);
const seed = values.seed === undefined ? freshSeed() : Number(values.seed);
if (!(lockedMs >= 1_000 && count >= 1)) throw new TypeError("expected whole numbers from 1 up");

const WORKERS = 64;
const ON_THE_LOCKED = 8;
const COUNTERS = 200;
const WARM_MS = 3_000;
/** Beside the time without a lock that it is compared with. */
const PLAIN_MS = Math.min(15_000, lockedMs);
const RATE_SHARE_MIN = 0.8;
const REFUSED_WITHIN_MS = 2_500;
const SERVED_AGAIN_MS = 3_000;

const closing: (() => Promise<unknown>)[] = [];
const faults: string[] = [];
try {
  console.log(`seed ${seed}`);
  const postgres = await PostgresServer.start();
  closing.push(() => postgres.dispose());
  const instances: Instance[] = [];
  for (let i = 0; i < count; i++) {
    instances.push(await Instance.start(postgres.url()));
    closing.push(() => instances[i]!.kill());
  }
  await run(postgres, instances);
  for (const fault of faults) console.log(fault);
  console.log(values.old ? "measured" : faults.length === 0 ? "PASS" : "FAIL");
  process.exitCode = values.old || faults.length === 0 ? 0 : 1;
} finally {
  for (const close of closing.reverse()) await close();
}

async function run(postgres: PostgresServer, instances: readonly Instance[]): Promise<void> {
  const random = seededRandom(seed);
  const began = performance.now();
  const now = () => performance.now() - began;
  const of = { others: [] as Attempt[], locked: [] as Attempt[] };
  const loads: Load[] = [];
  for (let w = 0; w < WORKERS; w++) {
    const kind = w % (WORKERS / ON_THE_LOCKED) === 0 ? "locked" : "others";
    const load = new Load((status, ms) => of[kind].push({ status, at: now(), ms }));
    loads.push(load);
    const mine = random.fork();
    const name = () => (kind === "locked" ? "locked" : `other-${mine.between(1, COUNTERS)}`);
    load.add(instances[w % instances.length]!.port, "grpc", name, false);
  }
  await pause(WARM_MS);
  const plainAt = now();
  await pause(PLAIN_MS);
  const { user, password, database } = { ...ADMIN, database: "tally" };
  const stranger = new pg.Client({ host: "127.0.0.1", port: postgres.port, user, password, database });
  await stranger.connect();
  await stranger.query("BEGIN; SELECT FROM tally.counters WHERE name = 'locked' FOR UPDATE");
  const lockedAt = now();
  await pause(lockedMs);
  const freeAt = now();
  await stranger.query("ROLLBACK");
  await stranger.end();
  await pause(SERVED_AGAIN_MS);
  await Promise.all(loads.map((load) => load.stop()));

  const rate = (some: readonly Attempt[], from: number, to: number) =>
    some.filter(({ at, status }) => status === "OK" && at >= from && at < to).length / ((to - from) / 1_000);
  const before = rate(of.others, plainAt, lockedAt);
  const meanwhile = rate(of.others, lockedAt, freeAt);
  const asked = of.locked.filter(({ at, ms }) => at - ms >= lockedAt && at < freeAt);
  const slowest = Math.max(0, ...asked.map(({ ms }) => ms));
  const otherRefused = of.others.filter(({ status }) => status !== "OK").length;
  const again = of.locked.find(({ at, status }) => status === "OK" && at >= freeAt);
  console.log(`others     ${before.toFixed(0)}/s without the lock, ${meanwhile.toFixed(0)}/s in the ${values.seconds} s with it (${((100 * meanwhile) / before).toFixed(0)} %), ${otherRefused} refused
the locked ${asked.length} attempts on it meanwhile, ${asked.filter(({ status }) => status === "OK").length} applied, each answered within ${slowest.toFixed(0)} ms: ${[...new Set(asked.map(({ status }) => status))]}
afterwards served again ${again === undefined ? "never" : `${(again.at - freeAt).toFixed(0)} ms after the lock was gone`}`);
  if (meanwhile < RATE_SHARE_MIN * before) faults.push("the others were held up");
  if (otherRefused > 0) faults.push(`${otherRefused} attempts on others were refused`);
  if (slowest > REFUSED_WITHIN_MS) faults.push("who asked for the locked one was not told in time");
  if (again === undefined) faults.push("the counter was not served again");
  for (const load of loads) faults.push(...load.faults);
  await compare(loads, postgres);
}

interface Attempt {
  readonly status: string;
  readonly at: number;
  readonly ms: number;
}

/** Each counter stands where its answers do; an increment that was stopped may have been made. */
async function compare(loads: readonly Load[], postgres: PostgresServer): Promise<void> {
  const counted = new Map<string, bigint>();
  for (const load of loads) {
    for (const [name, times] of load.counted) counted.set(name, (counted.get(name) ?? 0n) + times);
  }
  const rows = await postgres.sql("SELECT name || ' ' || value FROM tally.counters", "tally");
  for (const row of rows.split("\n")) {
    const [name, value] = row.split(" ") as [string, string];
    const more = BigInt(value) - (counted.get(name) ?? 0n);
    if (more < 0n || more > BigInt(WORKERS))
      faults.push(`${name} was counted ${counted.get(name)} times and stands at ${value}`);
  }
}

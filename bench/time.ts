import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import { CounterService } from "../gen/tally/v1/counter_service_pb.ts";
import type { Settings } from "../src/core/settings.ts";
import { cpuUsOf, type Figure, rateOf } from "./figure.ts";
import { runLoad } from "./load/processes.ts";
import { describeMachine, idleShare, watchStolenCpu } from "./machine.ts";
import { residentMiB } from "./meter.ts";
import { batchLoad, unaryLoad } from "./million/loads.ts";
import { counterName, TEN_THOUSAND } from "./names.ts";
import { optionsFrom } from "./options.ts";
import { othersLine, table } from "./report.ts";
import { cleanUpAtExit, databaseIn, makeDataDirectory, openTally } from "./servers.ts";
import { median, quantile } from "./stats.ts";
import { openCaller } from "./tally.ts";
import { make } from "./time/made.ts";

/** `npm run bench:time`: what time costs; see README.md in this folder. */

const P99_AIM = 1.5;
const RATE_AIM = 0.9;
const GONE_AIM_S = 600;
const GROWTH_AIM = 1.05;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const options = optionsFrom(
  process.argv.slice(2),
  fileURLToPath(new URL("./RESULTS-time.md", import.meta.url)),
);
const { seconds, quick } = options;
const pairs = quick ? 1 : 15;
const rounds = quick ? 1 : 5;
const count = quick ? 20_000 : 1_000_000;
cleanUpAtExit();
const machine = describeMachine(makeDataDirectory());
const stolenCpu = watchStolenCpu();
const idleShares = [await idleShare()];
const costs: string[][] = [];
for (const [what, settings] of Object.entries(timings(Date.now()))) costs.push(await cost(what, settings));
idleShares.push(await idleShare());
const ends: string[][] = [];
for (const what of ["windows", "idle TTLs"] as const) ends.push(await ending(what));
idleShares.push(await idleShare());

const text = report();
console.log(`\n${text}`);
if (options.out) writeFileSync(options.out, text);
process.exit(0);

/** What time may do to the counters of a load, without an end in it. */
function timings(now: number): Record<string, Partial<Settings>> {
  return {
    "a window of a day": { window: { everyMs: DAY_MS, anchorMs: now } },
    "a refill": { min: 0n, max: 10n ** 9n, refill: { amount: 1_000n, everyMs: 1_000 } },
    "an idle TTL of a day": { idleTtlMs: BigInt(DAY_MS) },
  };
}

/** Batches on counters that time does something to, beside the same on plain ones, each on a server of its own. */
async function cost(what: string, settings: Partial<Settings>): Promise<string[]> {
  const [plain, timed] = [makeDataDirectory(), makeDataDirectory()];
  const names = { count: TEN_THOUSAND.count, nameOf: counterName };
  await make(databaseIn(plain), names, {}, Date.now());
  await make(databaseIn(timed), names, settings, Date.now());
  const servers = [await openTally(plain), await openTally(timed)] as const;
  const rates: number[] = [];
  const cpus: number[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    const figures: Figure[] = [];
    // A B, then B A: whatever changes slowly meets both.
    for (const which of pair % 2 === 0 ? [0, 1] : [1, 0]) {
      figures[which] = await runLoad(batchLoad(TEN_THOUSAND, seconds), servers[which]!);
    }
    rates.push(rateOf(figures[1]!) / rateOf(figures[0]!));
    cpus.push(cpuUsOf(figures[1]!) / cpuUsOf(figures[0]!));
  }
  for (const server of servers) await server.close();
  const shown = (ratios: number[]) =>
    `${median(ratios).toFixed(2)} (${quantile(ratios, 0.25).toFixed(2)} to ${quantile(ratios, 0.75).toFixed(2)})`;
  console.log(`${what}: ${shown(rates)}, processor time ${shown(cpus)}`);
  return [what, shown(rates), `>= ${RATE_AIM}`, verdict(median(rates) >= RATE_AIM), shown(cpus)];
}

/** Many counters that end in the same second, and increments of others before it and beside the tidying. */
async function ending(what: "windows" | "idle TTLs") {
  const directory = makeDataDirectory();
  const path = databaseIn(directory);
  // Room for making them, by how long some take, and for the quiet rounds.
  const quietMs = rounds * (seconds + 4) * 1_000;
  const startedMs = performance.now();
  await make(path, { count: TEN_THOUSAND.count, nameOf: counterName }, {}, Date.now() - HOUR_MS);
  const makingMs = ((performance.now() - startedMs) * count) / TEN_THOUSAND.count;
  const endMs = Math.ceil((Date.now() + 2 * makingMs + quietMs + 30_000) / 1_000) * 1_000;
  const settings =
    what === "windows" ? { window: { everyMs: HOUR_MS, anchorMs: endMs } } : { idleTtlMs: BigInt(HOUR_MS) };
  await make(path, { count, nameOf: (n) => `ending:${n}` }, settings, endMs - HOUR_MS);
  const server = await openTally(directory);
  const caller = await openCaller(server.port);
  const file = new Database(path, { readonly: true });
  const due = file.prepare("SELECT count(*) FROM due_counters").pluck();
  const sum = async () => {
    const startedMs = performance.now();
    const { sum, count } = await caller.call(CounterService.method.sumCounters, { prefix: "ending:" });
    return { sum, count: Number(count), ms: performance.now() - startedMs };
  };

  const load = unaryLoad(TEN_THOUSAND, seconds);
  const quiet: Figure[] = [];
  let highestMiB = 0;
  const sampler = setInterval(() => {
    highestMiB = Math.max(highestMiB, residentMiB(server.pid));
  }, 250);
  while (quiet.length < rounds) quiet.push(await runLoad(load, server));
  const before = await sum();
  if (before.count !== count || BigInt(before.sum) !== BigInt(count)) throw new Error("they ended too early");
  const quietMiB = highestMiB;
  await new Promise((resolve) => setTimeout(resolve, endMs - Date.now()));
  const after = await sum();
  const left = what === "windows" ? count : 0;
  if (after.count !== left || BigInt(after.sum) !== 0n)
    throw new Error(`at the end ${after.count} counters add up to ${after.sum}`);

  const beside: Figure[] = [];
  highestMiB = 0;
  while (Number(due.get()) > 0) {
    if (beside.length < rounds) beside.push(await runLoad(load, server));
    else await new Promise((resolve) => setTimeout(resolve, 500));
  }
  const goneS = (Date.now() - endMs) / 1_000;
  clearInterval(sampler);
  file.close();
  caller.close();
  await server.close();
  const p99 = (of: Figure[]) => median(of.map(({ p99Ms }) => p99Ms));
  const ratio = p99(beside) / p99(quiet);
  const growth = highestMiB / quietMiB;
  console.log(
    `${what}: p99 ${p99(quiet).toFixed(1)} ms, beside the tidying ${p99(beside).toFixed(1)} ms; ${goneS.toFixed(0)} s`,
  );
  return [
    what,
    after.ms.toFixed(0),
    `${p99(quiet).toFixed(1)} -> ${p99(beside).toFixed(1)}`,
    `${ratio.toFixed(2)} (<= ${P99_AIM}: ${verdict(ratio <= P99_AIM)})`,
    `${goneS.toFixed(0)} (<= ${GONE_AIM_S}: ${verdict(goneS <= GONE_AIM_S)})`,
    `${quietMiB.toFixed(0)} -> ${highestMiB.toFixed(0)} (<= ${GROWTH_AIM}: ${verdict(growth <= GROWTH_AIM)})`,
  ];
}

function report(): string {
  return [
    "# What time costs",
    "",
    "Written by `npm run bench:time`; bench/README.md says what it shows.",
    "",
    `- Date: ${new Date().toISOString().slice(0, 10)}`,
    ...machine,
    othersLine(idleShares, stolenCpu()),
    "",
    "## Counting",
    "",
    `BatchApply of 1,000 on 10,000 counters that time does something to : on plain ones; ${pairs} interleaved pairs of`,
    `${seconds} s, median, quartiles in brackets. Others on the machine disturb the processor time of the server (of all its`,
    "threads, for an operation) less than the rate.",
    "",
    ...table(["counters with", "rate", "aim", "", "processor time"], costs),
    "",
    "## Ends",
    "",
    `${count.toLocaleString("en")} counters that end in the same second: the sum over them right after it, which has them`,
    `all as ended; the p99 of 256 unary Increments of 10,000 other counters, before and beside the tidying, ${rounds} rounds of`,
    `${seconds} s each; until nothing is left to write down; the server's memory, at its highest.`,
    "",
    ...table(["", "sum, ms", "p99 ms", "ratio", "seconds", "MiB"], ends),
    "",
  ].join("\n");
}

function verdict(met: boolean): string {
  return met ? "met" : "**missed**";
}

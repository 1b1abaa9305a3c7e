import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { CounterService } from "../gen/tally/v1/counter_service_pb.ts";
import type { Figure } from "./figure.ts";
import { rateOf } from "./figure.ts";
import { runLoad } from "./load/processes.ts";
import { describeMachine, idleShare, watchStolenCpu } from "./machine.ts";
import { fill } from "./million/fill.ts";
import { MILLION, unaryLoad } from "./million/loads.ts";
import { counterName } from "./names.ts";
import { optionsFrom } from "./options.ts";
import { othersLine, table } from "./report.ts";
import { cleanUpAtExit, makeDataDirectory, openTally } from "./servers.ts";
import { median } from "./stats.ts";
import { type Caller, openCaller } from "./tally.ts";

/** `npm run bench:reads`: lists, rankings and sums over a million counters; see README.md in this folder. */

const P99_AIM = 2;
const PAGE_SIZE = 1_000;
const TIMES = 5;
/** A tenth of the counters begin with it. */
const PREFIX = counterName(0).slice(0, counterName(0).length - 5);

const { listCounters, topCounters, sumCounters } = CounterService.method;

const options = optionsFrom(
  process.argv.slice(2),
  fileURLToPath(new URL("./RESULTS-reads.md", import.meta.url)),
);
const { rounds, seconds, quick } = options;
cleanUpAtExit();
const directory = makeDataDirectory();
const machine = describeMachine(directory);
await fill(directory, MILLION);
console.log("filled a million counters");

const stolenCpu = watchStolenCpu();
const idleShares = [await idleShare()];
const server = await openTally(directory);
const caller = await openCaller(server.port);

const alone: string[][] = [];
for (const prefix of ["", PREFIX]) {
  alone.push(
    await timed(`a walk by pages of 1,000${under(prefix)}`, quick ? 1 : 2, () => walk(caller, prefix)),
  );
  alone.push(await timed(`the top 100${under(prefix)}`, TIMES, () => top(caller, prefix)));
  alone.push(await timed(`the sum${under(prefix)}`, TIMES, () => sum(caller, prefix)));
}
idleShares.push(await idleShare());

const load = unaryLoad(MILLION, seconds);
const quiet: Figure[] = [];
const beside: Figure[] = [];
const scans: number[] = [];
for (let round = 1; round <= rounds; round++) {
  quiet.push(await runLoad(load, server));
  const scanning = scanUntilTold(caller);
  beside.push(await runLoad(load, server));
  scans.push(await scanning.stop());
  const shown = [quiet, beside].map((figures) => figures.at(-1)!.p99Ms.toFixed(1));
  console.log(`round ${round}: p99 ${shown.join(" ms, and beside scans ")} ms; ${scans.at(-1)} scans`);
}
idleShares.push(await idleShare());
caller.close();
await server.close();

const text = report();
console.log(`\n${text}`);
if (options.out) writeFileSync(options.out, text);
process.exit(0);

function report(): string {
  const ratios = quiet.map(({ p99Ms }, round) => beside[round]!.p99Ms / p99Ms);
  const figures = (of: Figure[]) => [
    median(of.map(rateOf)).toFixed(0),
    median(of.map(({ p50Ms }) => p50Ms)).toFixed(1),
    median(of.map(({ p99Ms }) => p99Ms)).toFixed(1),
  ];
  return [
    "# Reads of many counters",
    "",
    "Written by `npm run bench:reads`; bench/README.md says what it shows.",
    "",
    `- Date: ${new Date().toISOString().slice(0, 10)}`,
    ...machine,
    othersLine(idleShares, stolenCpu()),
    "",
    "## One caller, over 1,000,000 counters",
    "",
    ...table(["read", "ms, median"], alone),
    "",
    "## Increments beside rankings and sums",
    "",
    `256 unary Increments in flight over all counters, alone and while the top 100 and the sum of all are asked for in`,
    `turn without a pause; ${rounds} interleaved rounds of ${seconds} s, medians. ${median(scans)} scans a round.`,
    "",
    ...table(
      ["", "op/s", "p50 ms", "p99 ms"],
      [
        ["alone", ...figures(quiet)],
        ["beside scans", ...figures(beside)],
      ],
    ),
    "",
    `p99 beside scans : alone: ${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)} to ` +
      `${Math.max(...ratios).toFixed(2)}), aim <= ${P99_AIM}: ${median(ratios) <= P99_AIM ? "met" : "**missed**"}`,
    "",
  ].join("\n");
}

function under(prefix: string): string {
  return prefix === "" ? "" : ", a tenth of them by prefix";
}

async function timed(what: string, times: number, read: () => Promise<void>): Promise<string[]> {
  const ms: number[] = [];
  for (let n = 0; n < times; n++) {
    const startedMs = performance.now();
    await read();
    ms.push(performance.now() - startedMs);
  }
  console.log(`${what}: ${median(ms).toFixed(0)} ms`);
  return [what, median(ms).toFixed(0)];
}

async function walk(caller: Caller, prefix: string): Promise<void> {
  let pageToken = "";
  let given = 0;
  do {
    const page = await caller.call(listCounters, { prefix, pageSize: PAGE_SIZE, pageToken });
    given += page.counters.length;
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expectCount(given, prefix);
}

async function top(caller: Caller, prefix: string): Promise<void> {
  const { counters } = await caller.call(topCounters, { prefix, n: 100 });
  if (counters.length !== 100) throw new Error(`expected 100 counters, got ${counters.length}`);
}

async function sum(caller: Caller, prefix: string): Promise<void> {
  const { count } = await caller.call(sumCounters, { prefix });
  expectCount(Number(count), prefix);
}

function expectCount(count: number, prefix: string): void {
  const expected = prefix === "" ? MILLION.count : MILLION.count / 10;
  if (count !== expected) throw new Error(`expected ${expected} counters under "${prefix}", got ${count}`);
}

function scanUntilTold(caller: Caller): { stop(): Promise<number> } {
  let told = false;
  const scanning = (async () => {
    let scans = 0;
    for (; !told; scans += 2) {
      await top(caller, "");
      await sum(caller, "");
    }
    return scans;
  })();
  return {
    stop() {
      told = true;
      return scanning;
    },
  };
}

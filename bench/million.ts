import { statSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describeMachine, idleShare, watchStolenCpu } from "./machine.ts";
import { type Cost, type Databases, measureCost } from "./million/cost.ts";
import { fill } from "./million/fill.ts";
import { MILLION, NEIGHBOURS, SCATTERED } from "./million/loads.ts";
import { BOUNDS_MIB, type Memory, measureMemory } from "./million/memory.ts";
import { measureReadiness, type Readiness } from "./million/readiness.ts";
import { optionsFrom } from "./options.ts";
import { othersLine, table } from "./report.ts";
import { cleanUpAtExit, databaseIn, makeDataDirectory } from "./servers.ts";
import { median } from "./stats.ts";

/** `npm run bench:million`: what a million counters cost; see README.md in this folder. */

const COST_AIM = 1.3;
const READY_AIM_MS = 1000;
const GROWTH_AIM = 1.05; // "Flat" with room for the moment at which a garbage collection is caught.
const MEMORY_SECONDS = 60;
const MEMORY_SECONDS_QUICK = 6;

const options = optionsFrom(
  process.argv.slice(2),
  fileURLToPath(new URL("./RESULTS-million.md", import.meta.url)),
);
const { rounds, seconds, quick } = options;
cleanUpAtExit();
const databases: Databases = {
  scattered: makeDataDirectory(),
  neighbours: makeDataDirectory(),
  million: makeDataDirectory(),
};
const machine = describeMachine(databases.million);

await fill(databases.scattered, SCATTERED);
await fill(databases.neighbours, NEIGHBOURS);
const startedMs = performance.now();
await fill(databases.million, MILLION);
const filledS = (performance.now() - startedMs) / 1000;
const mib = Math.round(statSync(databaseIn(databases.million)).size / 2 ** 20);
console.log(`filled a million counters (${mib} MiB) in ${filledS.toFixed(1)} s`);

const stolenCpu = watchStolenCpu();
const idleShares = [await idleShare()];
const readiness = await measureReadiness(makeDataDirectory(), databases.million, quick);
idleShares.push(await idleShare());
const costs = await measureCost(databases, rounds, seconds);
idleShares.push(await idleShare());
const memorySeconds = quick ? MEMORY_SECONDS_QUICK : MEMORY_SECONDS;
const small = await measureMemory(databases.scattered, SCATTERED, memorySeconds);
const large = await measureMemory(databases.million, MILLION, memorySeconds);

idleShares.push(await idleShare());

const text = report();
console.log(`\n${text}`);
if (options.out) writeFileSync(options.out, text);
process.exit(0);

function report(): string {
  return [
    "# A million counters",
    "",
    "Written by `npm run bench:million`; bench/README.md says what it shows.",
    "",
    `- Date: ${new Date().toISOString().slice(0, 10)}`,
    ...machine,
    "- Durability: answers after the fsync of the commit (SQLite WAL, synchronous=FULL)",
    `- File: ${mib} MiB with 1,000,000 counters; the small ones have 1,000, with which both are loaded`,
    othersLine(idleShares, stolenCpu()),
    "",
    "## Cost of an increment",
    "",
    `Time an increment takes at full load, 1,000,000 counters : 1,000; ${rounds} interleaved rounds of ${seconds} s,`,
    "median of the rounds' own ratios, lowest and highest in brackets. The CPU is that of the server's threads",
    "other than the main one: the store.",
    "",
    ...table(["load", "ratio", "aim", "", "store µs/op", "disk B/op"], costs.map(costCells)),
    "",
    "## Memory",
    "",
    `Resident MiB of the server, at full load (unary and batches at once) for ${memorySeconds} s over all its counters.`,
    "",
    ...table(
      ["counters", "idle", "second third", "last third", "highest", "bound", "", "growth", "aim", ""],
      [memoryCells("1,000", small), memoryCells("1,000,000", large)],
    ),
    "",
    `The bound is what a server takes that is idle on a file with 1,000 counters, and the ${BOUNDS_MIB} MiB of the README's`,
    `limits. A million counters take ${Math.round(large.last - small.last)} MiB more than a thousand.`,
    "",
    "## Start",
    "",
    ...readinessLines(readiness),
    "",
  ].join("\n");
}

function costCells({ what, ratio, lowest, highest, small, large }: Cost): string[] {
  const pair = (digits: number, value: (figure: Cost["small"][number]) => number) =>
    [small, large].map((figures) => median(figures.map(value)).toFixed(digits)).join(" -> ");
  return [
    what,
    `${ratio.toFixed(2)} (${lowest.toFixed(2)} to ${highest.toFixed(2)})`,
    `<= ${COST_AIM}`,
    verdict(ratio <= COST_AIM),
    pair(1, (figure) => figure.otherCpuUsPerOp),
    pair(0, (figure) => figure.diskBytesPerOp),
  ];
}

function memoryCells(counters: string, { idle, middle, last, highest }: Memory): string[] {
  const sizes = [idle, middle, last, highest].map((value) => value.toFixed(0));
  const growth = last / middle;
  const bound = small.idle + BOUNDS_MIB;
  return [
    counters,
    ...sizes,
    bound.toFixed(0),
    verdict(highest <= bound),
    growth.toFixed(2),
    `<= ${GROWTH_AIM}`,
    verdict(growth <= GROWTH_AIM),
  ];
}

function readinessLines({ emptyMs, afterStopMs, afterKillMs }: Readiness): string[] {
  const row = (what: string, ms: number) => [
    what,
    ms.toFixed(0),
    `<= ${READY_AIM_MS}`,
    verdict(ms <= READY_AIM_MS),
  ];
  return [
    "Milliseconds from spawn to a health check that says SERVING, medians.",
    "",
    ...table(
      ["database", "ms", "aim", ""],
      [
        row("empty", emptyMs),
        row("a million, stopped in order", afterStopMs),
        row("a million, killed under load: its WAL is taken in first", afterKillMs),
      ],
    ),
  ];
}

function verdict(met: boolean): string {
  return met ? "met" : "**missed**";
}

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Histogram } from "../src/cli/bench/histogram.ts";
import type { CallersResult } from "./load/callers.ts";
import type { CallingOptions } from "./load/calling.ts";
import { describeMachine, idleShare, watchStolenCpu } from "./machine.ts";
import { meterOf } from "./meter.ts";
import { TEN_THOUSAND } from "./names.ts";
import { optionsFrom } from "./options.ts";
import { othersLine, table } from "./report.ts";
import { cleanUpAtExit, makeDataDirectory, openTally, type Server } from "./servers.ts";
import { median } from "./stats.ts";
import { sumOf } from "./tally.ts";

/** `npm run bench:overload [-- CHECKOUT]`: what becomes of a server that is asked for too much; see README.md. */

/** Histograms come through JSON as their buckets. */
type OfCallers = Omit<CallersResult, "okLatency" | "refusedLatency"> & {
  okLatency: [number, number][];
  refusedLatency: [number, number][];
};
type Load = { callers: number; patient: boolean };
type Seen = {
  answered: number;
  p50Ms: number;
  p99Ms: number;
  refused: number;
  refusedP99Ms: number;
  mainCpuUsPerCall: number;
};

/** The most that may be lost on a machine that others use as well: what is promised is in RESULTS-overload.md. */
const GOODPUT_MIN = 0.5;
const CONNECTION_CALLERS = 250;
const WARM_UP_MS = 2_000;

const given = process.argv.slice(2);
const checkout = given[0]?.startsWith("--") === false ? resolve(given.shift()!) : undefined;
if (checkout !== undefined && !existsSync(join(checkout, "bin/tally.mjs"))) {
  console.error(`expected the path of a checkout, with its packages installed; got "${checkout}"`);
  process.exit(2);
}
const results = fileURLToPath(new URL("./RESULTS-overload.md", import.meta.url));
const options = optionsFrom(given, checkout === undefined ? results : "");
const { rounds, seconds, quick } = options;
const LOADS: Readonly<Record<string, Load>> = {
  "128, the peak": { callers: 128, patient: true },
  "1,280, as told": { callers: 1_280, patient: true },
  "1,280, at once": { callers: 1_280, patient: false },
  ...(!quick && {
    "16,000, as told": { callers: 16_000, patient: true },
    "16,000, at once": { callers: 16_000, patient: false },
  }),
  "128, after it": { callers: 128, patient: true },
};

cleanUpAtExit();
const machine = describeMachine(makeDataDirectory());
const stolenCpu = watchStolenCpu();
const server = await openTally(makeDataDirectory(), undefined, checkout);
const faults: string[] = [];
const idleShares: number[] = [];
const figures = new Map(Object.keys(LOADS).map((name) => [name, [] as Seen[]]));
let acknowledged = 0;
for (let round = 1; round <= rounds; round++) {
  idleShares.push(await idleShare());
  for (const [name, load] of Object.entries(LOADS)) {
    const seen = await run(load, server);
    figures.get(name)!.push(seen);
    console.log(`round ${round}  ${name.padEnd(16)} ${cellsOf([seen], [seen]).slice(0, 5).join("  ")}`);
  }
}
const sum = await sumOf(server.port, TEN_THOUSAND);
if (sum !== BigInt(acknowledged))
  faults.push(`the counters add up to ${sum}, and ${acknowledged} were answered`);
const peaks = figures.get("128, the peak")!;
for (const name of ["1,280, as told", "128, after it"]) {
  const goodput = ratioOf(figures.get(name)!, peaks, ({ answered }) => answered);
  if (!(goodput >= GOODPUT_MIN)) faults.push(`${name}: ${goodput.toFixed(2)} of the peak was answered`);
}

const text = [
  "# Overload",
  "",
  `Written by \`npm run bench:overload\`: ${rounds} rounds of all loads in turn, ${seconds} s each; medians. Unary`,
  "Increments, a request id each, of so many callers, each of whom has one call at a time; SQLite. Who is refused comes",
  "back when it was told to, or at once. Ratios are to the peak of the same round.",
  "",
  `- Date: ${new Date().toISOString().slice(0, 10)}`,
  ...machine,
  othersLine(idleShares, stolenCpu()),
  `- The counters added up to ${sum.toLocaleString("en")}, all that was answered: of the refused none was applied.`,
  "",
  ...table(
    [
      "callers",
      "answered/s",
      "p50 ms",
      "p99 ms",
      "refused/s",
      "refused p99 ms",
      "main CPU µs/call",
      "goodput",
      "p99 : peak",
    ],
    [...figures].map(([name, all]) => [name, ...cellsOf(all, peaks)]),
  ),
  "",
].join("\n");
console.log(`\n${text}`);
if (options.out) writeFileSync(options.out, text);
for (const fault of faults) console.error(`FAULT: ${fault}`);
process.exit(faults.length > 0 ? 1 : 0); // Which ends the server.

function cellsOf(all: Seen[], peaks: Seen[]): string[] {
  const of = (value: (seen: Seen) => number) => median(all.map(value));
  return [
    of(({ answered }) => answered / seconds).toFixed(0),
    of(({ p50Ms }) => p50Ms).toFixed(0),
    of(({ p99Ms }) => p99Ms).toFixed(0),
    of(({ refused }) => refused / seconds).toFixed(0),
    of(({ refusedP99Ms }) => refusedP99Ms).toFixed(0),
    of(({ mainCpuUsPerCall }) => mainCpuUsPerCall).toFixed(0),
    ratioOf(all, peaks, ({ answered }) => answered).toFixed(2),
    ratioOf(all, peaks, ({ p99Ms }) => p99Ms).toFixed(1),
  ];
}

function ratioOf(all: Seen[], peaks: Seen[], value: (seen: Seen) => number): number {
  return median(all.map((seen, round) => value(seen) / value(peaks[round]!)));
}

async function run({ callers, patient }: Load, { port, pid }: Server): Promise<Seen> {
  const connections = Math.max(2, Math.ceil(callers / 2 / CONNECTION_CALLERS));
  const each: CallingOptions = {
    ...{ port, connections, callers: Math.ceil(callers / 2 / connections), patient },
    ...{ warmupMs: WARM_UP_MS, seconds, names: TEN_THOUSAND },
  };
  const generators = [start(each), start(each)];
  for (const { line } of generators) await line();
  const meter = meterOf(pid);
  const before = meter.read();
  const lines = generators.map(({ child, line }) => {
    child.stdin.write("go\n");
    return line();
  });
  const all = (await Promise.all(lines)).map((line): OfCallers => JSON.parse(line));
  const mainCpuMs = meter.read().mainCpuMs - before.mainCpuMs;
  const ok = new Histogram();
  const refused = new Histogram();
  let calls = 0;
  const seen = { answered: 0, refused: 0 };
  for (const result of all) {
    acknowledged += result.acknowledged;
    seen.answered += result.ok;
    seen.refused += result.refused;
    calls += result.calls;
    ok.add(result.okLatency);
    refused.add(result.refusedLatency);
    if (result.untold > 0) faults.push(`${result.untold} refusals did not say when to come again`);
    for (const [status, n] of Object.entries(result.others))
      faults.push(`${n} calls ended with status ${status}`);
  }
  return {
    ...seen,
    p50Ms: ok.percentileMs(0.5),
    p99Ms: ok.percentileMs(0.99),
    refusedP99Ms: refused.percentileMs(0.99),
    mainCpuUsPerCall: (mainCpuMs * 1000) / calls,
  };
}

function start(options: CallingOptions) {
  const program = fileURLToPath(new URL("./load/calling.ts", import.meta.url));
  const child = spawn(process.execPath, [program, JSON.stringify(options)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const exit = once(child, "exit");
  const line = async (): Promise<string> => {
    const next = await lines.next();
    if (!next.done) return next.value;
    throw new Error(`a generator ended with ${(await exit)[0]}; its error is above`);
  };
  return { child, line };
}

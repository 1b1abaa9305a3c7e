import { existsSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Figure, rateOf } from "./figure.ts";
import { type Load, runLoad } from "./load/processes.ts";
import { describeMachine, idleShare, watchStolenCpu } from "./machine.ts";
import { fill } from "./million/fill.ts";
import { TEN_THOUSAND } from "./names.ts";
import { optionsFrom } from "./options.ts";
import { othersLine, table } from "./report.ts";
import { cleanUpAtExit, makeDataDirectory, openTally, type Server } from "./servers.ts";
import { median, quantile } from "./stats.ts";

/** `npm run bench:compare -- CHECKOUT`: what a change did to the rates on SQLite; see README.md in this folder. */

const NO_HISTORY = "--without-history";
const [checkout = "", ...given] = process.argv.slice(2);
const args = given.filter((arg) => arg !== NO_HISTORY);
/** Of this checkout alone: another may be older than history. */
const flags = given.includes(NO_HISTORY) ? ["--history", "false"] : [];
if (!existsSync(join(checkout, "bin/tally.mjs"))) {
  console.error(`expected the path of another checkout, with its packages installed; got "${checkout}"`);
  process.exit(2);
}
const options = optionsFrom(["--rounds", "15", "--seconds", "4", ...args], "");
const { rounds, seconds } = options;
cleanUpAtExit();
const machine = describeMachine(makeDataDirectory());
const stolenCpu = watchStolenCpu();

const LOADS: Readonly<Record<string, Load>> = {
  "unary, a request id each": {
    program: "h2-unary",
    processes: 2,
    options: { connections: 4, streams: 32, warmupMs: 1_000, seconds, names: TEN_THOUSAND },
  },
  "BatchApply of 1,000": {
    program: "batch",
    processes: 1,
    options: {
      ...{ operations: 1_000, distribution: "uniform", names: TEN_THOUSAND },
      ...{ connections: 4, streams: 3, warmupMs: 1_000, seconds },
    },
  },
  GetCounter: {
    program: "read",
    processes: 2,
    options: {
      ...{ countersPerCall: 1, connections: 4, streams: 32, warmupMs: 1_000, seconds, names: TEN_THOUSAND },
    },
  },
  "BatchGetCounters of 1,000": {
    program: "read",
    processes: 1,
    options: {
      ...{
        countersPerCall: 1_000,
        connections: 4,
        streams: 3,
        warmupMs: 1_000,
        seconds,
        names: TEN_THOUSAND,
      },
    },
  },
};

type Which = "this" | "other";
const servers: Record<Which, Server> = {
  other: await filled(resolve(checkout)),
  this: await filled(undefined, flags),
};
const idleShares: number[] = [];
const pairs = new Map(Object.keys(LOADS).map((name) => [name, [] as Record<Which, Figure>[]]));
for (let round = 1; round <= rounds; round++) {
  idleShares.push(await idleShare());
  for (const [name, load] of Object.entries(LOADS)) {
    const order: Which[] = round % 2 === 0 ? ["other", "this"] : ["this", "other"];
    const pair: Partial<Record<Which, Figure>> = {};
    for (const which of order) pair[which] = await runLoad(load, servers[which]);
    pairs.get(name)!.push(pair as Record<Which, Figure>);
    const ratio = rateOf(pair.this!) / rateOf(pair.other!);
    console.log(`pair ${round}  ${name.padEnd(26)} ${ratio.toFixed(3)}`);
  }
}

/** By each measure: the medians of both, and what the pairs' ratios are. */
const rows = (of: (figure: Figure) => number, digits: number) =>
  [...pairs].map(([name, each]) => {
    const ratios = each.map((pair) => of(pair.this) / of(pair.other));
    return [
      name,
      ...(["this", "other"] as const).map((which) =>
        median(each.map((pair) => of(pair[which]))).toLocaleString("en", { maximumFractionDigits: digits }),
      ),
      median(ratios).toFixed(3),
      `${quantile(ratios, 0.25).toFixed(3)} to ${quantile(ratios, 0.75).toFixed(3)}`,
      `${Math.min(...ratios).toFixed(3)} to ${Math.max(...ratios).toFixed(3)}`,
    ];
  });
const SPREAD = ["this : other, median", "quartiles", "lowest to highest"];

const text = [
  "# This checkout beside another",
  "",
  `Written by \`npm run bench:compare\`: ${rounds} interleaved pairs of ${seconds} s, SQLite${flags.length === 0 ? "" : "; this one keeps no history"}.`,
  "",
  `- Date: ${new Date().toISOString().slice(0, 10)}`,
  ...machine,
  othersLine(idleShares, stolenCpu()),
  "",
  ...table(["load", "this, op/s", "other, op/s", ...SPREAD], rows(rateOf, 0)),
  "",
  "Processor time of all threads of the server, which others on the machine disturb less:",
  "",
  ...table(["load", "this, us/op", "other, us/op", ...SPREAD], rows(cpuUsOf, 2)),
  "",
].join("\n");
console.log(`\n${text}`);
if (options.out) writeFileSync(options.out, text);
process.exit(0); // Which ends the servers.

/** A server that has all counters: reads of what is missing would be another thing. */
async function filled(of: string | undefined, flags: readonly string[] = []): Promise<Server> {
  const directory = makeDataDirectory();
  await fill(directory, TEN_THOUSAND, of);
  return openTally(directory, undefined, of, flags);
}

function cpuUsOf({ mainCpuUsPerOp, otherCpuUsPerOp }: Figure): number {
  return mainCpuUsPerOp + otherCpuUsPerOp;
}

import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { freePort } from "../test/support/free-port.ts";
import { type Figure, rateOf } from "./figure.ts";
import { type Load, runLoad } from "./load/processes.ts";
import { describeMachine, idleShare, watchStolenCpu } from "./machine.ts";
import { meterOf } from "./meter.ts";
import { fill } from "./million/fill.ts";
import { TEN_THOUSAND } from "./names.ts";
import { positive } from "./options.ts";
import { othersLine, table } from "./report.ts";
import { cleanUpAtExit, makeDataDirectory, openTally } from "./servers.ts";
import { median } from "./stats.ts";

/**
 * `npm run bench:metrics`: what a scrape of /metrics costs a server with many counters, and the calls beside it. What
 * measuring itself costs a call is told by bench:compare, against a checkout from before; see README.md in this folder.
 */
const { values } = parseArgs({
  options: {
    counters: { type: "string" },
    scrapes: { type: "string" },
    rounds: { type: "string" },
    seconds: { type: "string" },
    out: { type: "string" },
  },
});
const counters = positive(values.counters, 1_000_000);
const scrapes = positive(values.scrapes, 20);
const rounds = positive(values.rounds, 5);
const seconds = positive(values.seconds, 5);
/** Who asks sooner is told the same. */
const APART_MS = 1_050;
cleanUpAtExit();
const directory = makeDataDirectory();
const machine = describeMachine(directory);
const stolenCpu = watchStolenCpu();

await fill(directory, { stride: 1, count: counters });
const observed = await freePort();
const server = await openTally(directory, undefined, undefined, [
  "--metrics-listen",
  `127.0.0.1:${observed}`,
]);
const LOAD: Load = {
  program: "h2-unary",
  processes: 1,
  options: { connections: 2, streams: 16, warmupMs: 1_000, seconds, names: TEN_THOUSAND },
};
await runLoad(LOAD, server); // So that each series that calls have is there.

const idleShares = [await idleShare()];
const meter = meterOf(server.pid);
/** The main thread's processor time while so many intervals pass, in milliseconds; with a scrape in each, or without. */
async function mainCpuMs(scraping: boolean): Promise<{ cpuMs: number; bytes: number; wallMs: number[] }> {
  const before = meter.read().mainCpuMs;
  const wallMs: number[] = [];
  let bytes = 0;
  for (let i = 0; i < scrapes; i++) {
    const since = performance.now();
    if (scraping) bytes = (await scrape()).length;
    wallMs.push(performance.now() - since);
    await pause(APART_MS);
  }
  return { cpuMs: meter.read().mainCpuMs - before, bytes, wallMs };
}
const idle = await mainCpuMs(false);
const busy = await mainCpuMs(true);

/** Beside calls, in pairs: each with a scraper that comes every second, and without. */
const pairs: { readonly without: Figure; readonly with: Figure }[] = [];
for (let round = 1; round <= rounds; round++) {
  idleShares.push(await idleShare());
  const without = await runLoad(LOAD, server);
  let over = false;
  const scraper = (async () => {
    while (!over) {
      await scrape();
      await pause(APART_MS);
    }
  })();
  const scraped = await runLoad(LOAD, server);
  over = true;
  await scraper;
  pairs.push({ without, with: scraped });
  console.log(`pair ${round}  p99 ${scraped.p99Ms.toFixed(1)} ms beside ${without.p99Ms.toFixed(1)} ms`);
}
await server.close();

const perScrape = (busy.cpuMs - idle.cpuMs) / scrapes;
const text = [
  "# What a scrape costs",
  "",
  `Written by \`npm run bench:metrics\`: ${counters.toLocaleString("en")} counters in SQLite, ${scrapes} scrapes, ${rounds} pairs of ${seconds} s.`,
  "",
  `- Date: ${new Date().toISOString().slice(0, 10)}`,
  ...machine,
  othersLine(idleShares, stolenCpu()),
  "",
  `A scrape of ${busy.bytes.toLocaleString("en")} bytes takes the main thread ${perScrape.toFixed(1)} ms of the processor; it is there after ${median(busy.wallMs).toFixed(1)} ms (median), ${Math.max(...busy.wallMs).toFixed(1)} ms at worst.`,
  "",
  ...table(
    ["increments", "without a scraper", "with one a second"],
    [
      ["op/s", ...both(rateOf, 0)],
      ["p99, ms", ...both(({ p99Ms }) => p99Ms, 2)],
    ],
  ),
  "",
].join("\n");
console.log(`\n${text}`);
if (values.out !== undefined) writeFileSync(values.out, text);
process.exit(0);

function both(of: (figure: Figure) => number, digits: number): string[] {
  return (["without", "with"] as const).map((which) =>
    median(pairs.map((pair) => of(pair[which]))).toFixed(digits),
  );
}

async function scrape(): Promise<string> {
  return (await fetch(`http://127.0.0.1:${observed}/metrics`)).text();
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

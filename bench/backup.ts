import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { CounterService } from "../gen/tally/v1/counter_service_pb.ts";
import { describeMachine, idleShare } from "./machine.ts";
import { fill } from "./million/fill.ts";
import { counterName } from "./names.ts";
import { positive } from "./options.ts";
import { table } from "./report.ts";
import { cleanUpAtExit, databaseIn, makeDataDirectory, openTally } from "./servers.ts";
import { median, quantile } from "./stats.ts";
import { type Caller, openCaller } from "./tally.ts";

/**
 * `npm run bench:backup -- [PAIRS] [COUNTERS] [CALLS A SECOND]`: how long increments take while a backup is made at the default
 * rate, beside how long they took just before. Calls are begun at fixed times, whatever became of those before: so one that
 * waits is as long as its caller waited.
 */

const [pairs, counters, rate] = [5, 200_000, 300].map((otherwise, i) =>
  positive(process.argv[2 + i], otherwise),
);
const TALLY = fileURLToPath(new URL("../bin/tally.mjs", import.meta.url));
/** From one quiet time to the next: what the backup left is written and forgotten by then. */
const REST_MS = 2_000;

cleanUpAtExit();
const directory = makeDataDirectory();
console.log(describeMachine(directory).join("\n"));
await fill(directory, { count: counters!, stride: 1 });
const server = await openTally(directory);
const callers = await Promise.all(Array.from({ length: 4 }, () => openCaller(server.port)));
const rows: string[][] = [];
const ratios: number[] = [];
for (let pair = 1; pair <= pairs!; pair++) {
  const idle = await idleShare();
  const file = join(directory, "backup.tar");
  const backup = begun(file);
  const during = await latencies(backup.ended);
  if ((await backup.code) !== 0) throw new Error("the backup failed");
  rmSync(file);
  await pause(REST_MS);
  // As long as that took, and after it: so that what is quiet is not what is cold.
  const quiet = await latencies(pause(during.ms));
  const ratio = during.p99 / quiet.p99;
  ratios.push(ratio);
  rows.push([
    ...[quiet.p50, quiet.p99, during.p50, during.p99].map((ms) => `${ms.toFixed(2)} ms`),
    ...[ratio.toFixed(2), `${(during.ms / 1_000).toFixed(1)} s`, `${Math.round(idle * 100)} %`],
  ]);
}
const head = ["quiet p50", "p99", "during p50", "p99", "p99 ratio", "backup took", "idle before"];
console.log(table(head, rows).join("\n"));
console.log(`p99 during a backup / quiet: median ${median(ratios).toFixed(2)}`);
for (const caller of callers) caller.close();
await server.close();

/** A backup beside the server, as cron would make it. */
function begun(file: string): { readonly ended: Promise<unknown>; readonly code: Promise<number | null> } {
  const args = [TALLY, "backup", "--store", `sqlite:${databaseIn(directory)}`, "--to", file, "--quiet"];
  const child: ChildProcess = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
  const ended = once(child, "exit") as Promise<[number | null]>;
  return { ended, code: ended.then(([code]) => code) };
}

/** Begin calls until something is over. */
async function latencies(until: Promise<unknown>) {
  let over = false;
  const began = performance.now();
  const ended = until.then(() => {
    over = true;
  });
  const took: number[] = [];
  const waiting: Promise<void>[] = [];
  for (let n = 0; !over; n++) {
    const at = began + (n * 1_000) / rate!;
    const wait = at - performance.now();
    if (wait > 0) await pause(wait);
    waiting.push(one(callers[n % callers.length]!, n, at, took));
  }
  await Promise.all([ended, ...waiting]);
  return { ms: performance.now() - began, p50: quantile(took, 0.5), p99: quantile(took, 0.99) };
}

async function one(caller: Caller, n: number, at: number, took: number[]): Promise<void> {
  const name = counterName((n * 7_919) % counters!);
  await caller.call(CounterService.method.increment, { name });
  took.push(performance.now() - at);
}

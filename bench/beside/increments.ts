import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { CounterService } from "../../gen/tally/v1/counter_service_pb.ts";
import { describeMachine, idleShare } from "../machine.ts";
import { fill } from "../million/fill.ts";
import { counterName } from "../names.ts";
import { positive } from "../options.ts";
import { table } from "../report.ts";
import { cleanUpAtExit, makeDataDirectory, type Server } from "../servers.ts";
import { median, quantile } from "../stats.ts";
import { type Caller, openCaller } from "../tally.ts";

/** What is done beside increments. */
export interface Work {
  /** As it is called in the report. */
  readonly name: string;
  /** @param directory  which has the database, and the server's log */
  openServer(directory: string): Promise<Server>;
  /** Do it once; what it leaves is removed. @throws if it is not done, or found what is wrong */
  run(server: Server, directory: string): Promise<void>;
}

/**
 * Print how long increments take while something is done, beside how long they took just after. Calls are begun at fixed times,
 * whatever became of those before: so one that waits is as long as its caller waited.
 *
 * @param args  [PAIRS] [COUNTERS] [CALLS A SECOND]; with --quick one pair on few counters, as a smoke test
 */
export async function besideIncrements(args: string[], work: Work): Promise<void> {
  const { pairs, counters, rate } = sizesFrom(args);
  cleanUpAtExit();
  const directory = makeDataDirectory();
  console.log(describeMachine(directory).join("\n"));
  await fill(directory, { count: counters, stride: 1 });
  const server = await work.openServer(directory);
  const callers = await Promise.all(Array.from({ length: 4 }, () => openCaller(server.port)));
  const load = { callers, counters, rate };
  const rows: string[][] = [];
  const ratios: number[] = [];
  for (let pair = 1; pair <= pairs; pair++) {
    const idle = await idleShare();
    const during = await latencies(load, work.run(server, directory));
    await pause(REST_MS);
    // As long as that took, and after it: so that what is quiet is not what is cold.
    const quiet = await latencies(load, pause(during.ms));
    const ratio = during.p99 / quiet.p99;
    ratios.push(ratio);
    rows.push([
      ...[quiet.p50, quiet.p99, during.p50, during.p99].map((ms) => `${ms.toFixed(2)} ms`),
      ...[ratio.toFixed(2), `${(during.ms / 1_000).toFixed(1)} s`, `${Math.round(idle * 100)} %`],
    ]);
  }
  const head = ["quiet p50", "p99", "during p50", "p99", "p99 ratio", `${work.name} took`, "idle before"];
  console.log(table(head, rows).join("\n"));
  console.log(`p99 during a ${work.name} / quiet: median ${median(ratios).toFixed(2)}`);
  for (const caller of callers) caller.close();
  await server.close();
}

/** From one quiet time to the next: what the work left is written and forgotten by then. */
const REST_MS = 2_000;

function sizesFrom(args: string[]): { pairs: number; counters: number; rate: number } {
  const options = { quick: { type: "boolean", default: false } } as const;
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  const otherwise = values.quick ? [1, 5_000, 100] : [5, 200_000, 300];
  const [pairs, counters, rate] = otherwise.map((size, i) => positive(positionals[i], size));
  return { pairs: pairs!, counters: counters!, rate: rate! };
}

/** Who calls, on how many counters, and how often a second. */
interface Load {
  readonly callers: readonly Caller[];
  readonly counters: number;
  readonly rate: number;
}

/** Begin calls until something is over. */
async function latencies({ callers, counters, rate }: Load, until: Promise<unknown>) {
  let over = false;
  const began = performance.now();
  const ended = until.finally(() => {
    over = true;
  });
  ended.catch(() => {}); // It is waited for when the calls have ended.
  const took: number[] = [];
  const waiting: Promise<void>[] = [];
  for (let n = 0; !over; n++) {
    const at = began + (n * 1_000) / rate;
    const wait = at - performance.now();
    if (wait > 0) await pause(wait);
    waiting.push(one(callers[n % callers.length]!, counterName((n * 7_919) % counters), at, took));
  }
  await Promise.all([ended, ...waiting]);
  return { ms: performance.now() - began, p50: quantile(took, 0.5), p99: quantile(took, 0.99) };
}

async function one(caller: Caller, name: string, at: number, took: number[]): Promise<void> {
  await caller.call(CounterService.method.increment, { name });
  took.push(performance.now() - at);
}

import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Histogram } from "../../src/cli/bench/histogram.ts";
import { type Figure, figureOf } from "../figure.ts";
import { meterOf, usageBetween } from "../meter.ts";
import type { Server } from "../servers.ts";

type H2loadOptions = {
  port: number;
  path: string;
  /** What every request carries: its headers, and its body. */
  headers: Readonly<Record<string, string>>;
  body: Buffer;
  /** HTTP/1.1 instead of HTTP/2. */
  http1?: boolean;
  requests: number;
  connections: number;
  /** Requests in flight on each connection. */
  streams: number;
  /** For the body and the log. */
  directory: string;
};

type H2loadResult = { finished: number; seconds: number; latency: Histogram };

/** What h2load sends, to whom, and how many requests to send beforehand. */
export type H2loadTarget = Omit<H2loadOptions, "port" | "requests"> & {
  trialRequests: number;
  /** A smoke test: its figures are thrown away, and few requests beforehand are enough. */
  quick: boolean;
};

/** A smoke test sends beforehand so many times less. */
const QUICK_TRIAL_SHARE = 1 / 20;

/**
 * Load a server for about so many seconds. What goes before is not measured: it warms the server up, and tells how
 * many requests fill the time.
 *
 * @returns the figure, and how many requests were answered with success, those beforehand included
 */
export async function loadByH2load(
  { port, pid }: Pick<Server, "port" | "pid">,
  { trialRequests, quick, ...target }: H2loadTarget,
  seconds: number,
): Promise<{ figure: Figure; finished: number }> {
  const sent = (requests: number) => Math.max(Math.ceil(requests), target.connections); // It refuses to have less of them.
  const beforehand = sent(quick ? trialRequests * QUICK_TRIAL_SHARE : trialRequests);
  const trial = await runH2load({ ...target, port, requests: beforehand });
  const requests = sent((trial.finished / trial.seconds) * seconds); // Few on a machine that is busy.
  const meter = meterOf(pid);
  const before = meter.read();
  const run = await runH2load({ ...target, port, requests });
  const usage = usageBetween(before, meter.read());
  const counts = { ops: run.finished, calls: run.finished, seconds: run.seconds };
  return { figure: figureOf(counts, run.latency, usage), finished: trial.finished + run.finished };
}

/**
 * Run h2load, which costs a tenth of a Node client. It takes HTTP 200 for success, so the caller must check
 * what the requests did.
 *
 * The number of requests is given and not the time: with `--duration` it leaves calls out of its count that
 * the server has answered. Latencies are from its log: what it prints has no percentiles.
 */
async function runH2load(options: H2loadOptions): Promise<H2loadResult> {
  const bodyPath = join(options.directory, "h2load-body");
  const logPath = join(options.directory, "h2load-log");
  writeFileSync(bodyPath, options.body);
  writeFileSync(logPath, ""); // h2load appends.
  const { stdout } = await promisify(execFile)("h2load", [
    ...(options.http1 ? ["--h1"] : []),
    ...["--requests", String(options.requests), "--clients", String(options.connections)],
    ...["--max-concurrent-streams", String(options.streams), "--data", bodyPath, "--log-file", logPath],
    ...Object.entries(options.headers).flatMap(([name, value]) => ["--header", `${name}: ${value}`]),
    `http://127.0.0.1:${options.port}${options.path}`,
  ]);
  const finished = Number(/(\d+) done, \1 succeeded/.exec(stdout)?.[1]);
  if (!(finished === options.requests)) throw new Error(`h2load did not finish its requests:\n${stdout}`);
  return { ...timesIn(readFileSync(logPath, "utf8")), finished };
}

/** Each line of the log: start in microseconds since the epoch, HTTP status, microseconds taken. */
function timesIn(log: string): { seconds: number; latency: Histogram } {
  const latency = new Histogram();
  let firstUs = Number.POSITIVE_INFINITY;
  let lastUs = 0;
  for (const line of log.trimEnd().split("\n")) {
    const [startUs, , tookUs] = line.split("\t").map(Number);
    latency.record(tookUs!);
    firstUs = Math.min(firstUs, startUs!);
    lastUs = Math.max(lastUs, startUs! + tookUs!);
  }
  return { latency, seconds: (lastUs - firstUs) / 1e6 };
}

import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Histogram } from "../../src/cli/bench/histogram.ts";

export type H2loadOptions = {
  port: number;
  path: string;
  /** The framed gRPC message that every request carries. */
  body: Buffer;
  requests: number;
  connections: number;
  streams: number;
  /** For the body and the log. */
  directory: string;
};

export type H2loadResult = { finished: number; seconds: number; latency: Histogram };

/**
 * Run h2load, which costs a tenth of a Node client. It takes HTTP 200 for success, so the caller must check
 * what the requests did.
 *
 * The number of requests is given and not the time: with `--duration` it leaves calls out of its count that
 * the server has answered. Latencies are from its log: what it prints has no percentiles.
 */
export async function runH2load(options: H2loadOptions): Promise<H2loadResult> {
  const bodyPath = join(options.directory, "h2load-body");
  const logPath = join(options.directory, "h2load-log");
  writeFileSync(bodyPath, options.body);
  writeFileSync(logPath, ""); // h2load appends.
  const { stdout } = await promisify(execFile)("h2load", [
    ...["--requests", String(options.requests), "--clients", String(options.connections)],
    ...["--max-concurrent-streams", String(options.streams), "--data", bodyPath, "--log-file", logPath],
    ...["--header", "content-type: application/grpc", "--header", "te: trailers"],
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

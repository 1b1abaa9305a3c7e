import { execFile } from "node:child_process";
import { promisify } from "node:util";

export type RedisBenchmarkOptions = { port: number; requests: number; clients: number; pipeline: number };

/** Latencies are those of a whole pipeline. */
export type RedisBenchmarkResult = { opsPerSecond: number; p50Ms: number; p99Ms: number };

/** Run redis-benchmark's INCR of keys drawn uniformly from 10,000. */
export async function runRedisBenchmark(options: RedisBenchmarkOptions): Promise<RedisBenchmarkResult> {
  const { stdout } = await promisify(execFile)("redis-benchmark", [
    ...["-p", String(options.port), "-t", "incr", "-r", "10000", "-n", String(options.requests)],
    ...["-c", String(options.clients), "-P", String(options.pipeline), "--csv"],
  ]);
  const [header, values] = stdout
    .trim()
    .split("\n")
    .slice(-2)
    .map((line) => line.replaceAll('"', "").split(","));
  const column = (name: string): number => {
    const value = Number(values?.[header!.indexOf(name)]);
    if (Number.isNaN(value)) throw new Error(`redis-benchmark printed no ${name}:\n${stdout}`);
    return value;
  };
  return { opsPerSecond: column("rps"), p50Ms: column("p50_latency_ms"), p99Ms: column("p99_latency_ms") };
}

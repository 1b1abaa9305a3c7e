import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { Histogram } from "../../src/cli/bench/histogram.ts";
import { type Figure, figureOf } from "../figure.ts";
import { type Meter, meterOf, type Usage, usageBetween } from "../meter.ts";
import type { Server } from "../servers.ts";
import type { BatchOptions } from "./batch.ts";
import type { UnaryOptions } from "./h2-unary.ts";
import type { ReadOptions } from "./read.ts";

/** A generator program with its options; `connections` and `streams` are those of each process. */
export type Load =
  | { program: "h2-unary"; processes: number; options: Omit<UnaryOptions, "port"> }
  | { program: "batch"; processes: number; options: Omit<BatchOptions, "port"> }
  | { program: "read"; processes: number; options: Omit<ReadOptions, "port"> };

/** `acknowledged` also has what was answered OK before and after the measured seconds. */
export type LoadResult = Figure & { acknowledged: number };

/** Run a generator in so many processes at once, and add up what they saw. */
export async function runLoad(load: Load, server: Pick<Server, "port" | "pid">): Promise<LoadResult> {
  const generators = Array.from({ length: load.processes }, () => startGenerator(load, server.port));
  try {
    await Promise.all(generators.map((generator) => generator.nextLine()));
    const lines = generators.map((generator) => {
      generator.process.stdin.write("go\n");
      return generator.nextLine();
    });
    const { warmupMs, seconds } = load.options;
    const [usage, ...results] = await Promise.all([
      usageOver(meterOf(server.pid), warmupMs, seconds * 1000),
      ...lines,
    ]);
    const total = sumOfResults(results);
    return {
      ...figureOf({ ...total, seconds }, total.latency, usage),
      generatorCpuUsPerOp: (total.generatorCpuMs * 1000) / total.ops,
      acknowledged: total.acknowledged,
    };
  } finally {
    for (const generator of generators) generator.process.kill();
  }
}

function sumOfResults(lines: string[]) {
  const total = { acknowledged: 0, ops: 0, calls: 0, generatorCpuMs: 0, latency: new Histogram() };
  for (const line of lines) {
    const result = JSON.parse(line);
    total.acknowledged += result.acknowledged;
    total.ops += result.ops;
    total.calls += result.calls;
    total.generatorCpuMs += result.generatorCpuMs;
    total.latency.add(result.latency);
  }
  return total;
}

async function usageOver(server: Meter, afterMs: number, durationMs: number): Promise<Usage> {
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  const before = server.read();
  await new Promise((resolve) => setTimeout(resolve, durationMs));
  return usageBetween(before, server.read());
}

type Generator = { process: ChildProcessByStdio<Writable, Readable, null>; nextLine(): Promise<string> };

function startGenerator({ program, options }: Load, port: number): Generator {
  const path = fileURLToPath(new URL(`./${program}.ts`, import.meta.url));
  const child = spawn(process.execPath, [path, JSON.stringify({ ...options, port })], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const exit = once(child, "exit");
  return {
    process: child,
    async nextLine() {
      const line = await lines.next();
      if (!line.done) return line.value;
      throw new Error(`generator ${program} ended with ${(await exit)[0]}; its error is above`);
    },
  };
}

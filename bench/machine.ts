import { execFileSync } from "node:child_process";
import { closeSync, fsyncSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { median } from "./stats.ts";

/** @returns what the figures were measured on, as lines of Markdown; `directory` is on the disk that is used. */
export function describeMachine(directory: string): string[] {
  const memoryGiB = Math.round(totalmem() / 2 ** 30);
  const fsyncUs = Math.round(median(Array.from({ length: 5 }, () => fsyncUsOn(directory))));
  return [
    `- Commit: ${commit()}`,
    `- Machine: ${cpus().length} x ${cpus()[0]?.model ?? "unknown CPU"}, ${memoryGiB} GiB, Linux ${release()}; ` +
      "servers and generators share it",
    `- Disk: ${fileSystemOf(directory)}; writing 4 KiB and fsync take ${fsyncUs} µs (median)`,
    `- Versions: Node ${process.versions.node}, SQLite ${sqliteVersion()}, ` +
      `${firstLine("redis-server", "--version").replace(/^Redis server v=(\S+).*/, "Redis $1")}, ` +
      `h2load ${firstLine("h2load", "--version").replace("h2load ", "")}`,
  ];
}

/** Starts now; @returns a function that says which share of the CPUs' time the hypervisor kept since then. */
export function watchStolenCpu(): () => number {
  const before = cpuTicks();
  return () => {
    const after = cpuTicks();
    return (after.stolen - before.stolen) / (after.all - before.all);
  };
}

/** @returns the share of the CPUs' time that nobody uses just now. */
export async function idleShare(): Promise<number> {
  const before = cpuTicks();
  await new Promise((resolve) => setTimeout(resolve, IDLE_SAMPLE_MS));
  const after = cpuTicks();
  return (after.idle - before.idle) / (after.all - before.all);
}

const IDLE_SAMPLE_MS = 300;

function cpuTicks(): { all: number; idle: number; stolen: number } {
  const line = readFileSync("/proc/stat", "utf8").split("\n")[0]!;
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number); // user nice system idle iowait irq softirq steal
  return { all: ticks.reduce((sum, n) => sum + n, 0), idle: ticks[3]! + ticks[4]!, stolen: ticks[7]! };
}

function commit(): string {
  const git = (...args: string[]) =>
    execFileSync("git", args, { cwd: import.meta.dirname, encoding: "utf8" }).trim();
  const changed = git("status", "--porcelain", "--", "../src", "../gen", "../bin", "../package.json");
  return git("rev-parse", "--short=12", "HEAD") + (changed === "" ? "" : ", with uncommitted changes");
}

function fileSystemOf(directory: string): string {
  return firstLine("findmnt", "--noheadings", "--output", "FSTYPE", "--target", directory);
}

function sqliteVersion(): string {
  const db = new Database(":memory:");
  const version = db.prepare("SELECT sqlite_version()").pluck().get();
  db.close();
  return String(version);
}

function firstLine(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: "utf8" }).split("\n")[0]!.trim();
}

/** @returns the mean of 100 appends, each with its fsync, in microseconds. */
function fsyncUsOn(directory: string): number {
  const path = join(directory, "fsync-probe");
  const file = openSync(path, "w");
  const page = Buffer.alloc(4096, 1);
  const start = performance.now();
  for (let n = 0; n < 100; n++) {
    writeSync(file, page);
    fsyncSync(file);
  }
  const us = (performance.now() - start) * 10;
  closeSync(file);
  rmSync(path);
  return us;
}

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../test/support/free-port.ts";
import { askRedis } from "./redis.ts";
import { acceptsCalls, answersHealth } from "./tally.ts";

/** A server process of the bench's own, on a free loopback port, with its data in a temporary directory. */
export type Server = {
  port: number;
  pid: number;
  /** From its spawn to the first sign of readiness, to 5 milliseconds. */
  readyMs: number;
  /** Ends it and waits; SIGTERM unless told otherwise. The data stays: whoever made the directory removes it. */
  close(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
};

const READY_WITHIN_MS = 30_000;
const running = new Set<ChildProcess>();
const directories = new Set<string>();

/** The ceiling: see bare-server.ts. */
export async function openBareServer(): Promise<Server> {
  const port = await freePort();
  const program = fileURLToPath(new URL("./bare-server.ts", import.meta.url));
  return startServer(port, process.execPath, [program, String(port)], makeDataDirectory(), () =>
    acceptsCalls(port),
  );
}

/**
 * Tally as its users start it.
 *
 * @param directory  for its log
 * @param store      a URL; the database in this directory if there is none
 * @param checkout   whose sources run, on the Node.js that it brings
 * @param flags      more of them
 */
export async function openTally(
  directory: string,
  store = `sqlite:${databaseIn(directory)}`,
  checkout = CHECKOUT,
  flags: readonly string[] = [],
): Promise<Server> {
  const port = await freePort();
  return startTally(port, ["--listen", `127.0.0.1:${port}`, ...flags], directory, store, checkout);
}

/** Tally with a port for gRPC alone, which is the one that is given. */
export async function openTallyWithOwnPort(directory: string): Promise<Server> {
  const port = await freePort();
  const listen = ["--listen", "127.0.0.1:0", "--grpc-listen", `127.0.0.1:${port}`];
  return startTally(port, listen, directory, `sqlite:${databaseIn(directory)}`);
}

function startTally(
  port: number,
  listen: string[],
  directory: string,
  store: string,
  checkout = CHECKOUT,
): Promise<Server> {
  const args = ["node", join(checkout, "bin/tally.mjs"), "serve", ...listen, "--store", store];
  return startServer(port, join(checkout, "bin/with-node"), args, directory, () => answersHealth(port));
}

const CHECKOUT = fileURLToPath(new URL("..", import.meta.url));

export function databaseIn(directory: string): string {
  return join(directory, "tally.db");
}

/** Redis as durable as Tally: each command is in the append-only file, and fsynced, before its answer. */
export async function openRedis(directory: string): Promise<Server> {
  const port = await freePort();
  const durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""];
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--dir", directory, ...durable];
  const isReady = async () => (await askRedis(port, "PING")) === "+PONG";
  return startServer(port, "redis-server", args, directory, isReady);
}

/** See doors/echo-server.ts. */
export async function openEchoServer(): Promise<Server> {
  const port = await freePort();
  const program = fileURLToPath(new URL("./doors/echo-server.ts", import.meta.url));
  const isReady = () => answersHttp(port);
  return startServer(port, process.execPath, [program, String(port)], makeDataDirectory(), isReady);
}

/**
 * See doors/flask_redis.py; by gunicorn with as many workers as its manual advises.
 *
 * @param threads  of each worker. By default a worker has one and closes a connection after its answer; with more, it
 *                 keeps connections
 */
export async function openFlask(redis: Server, threads = 1): Promise<Server> {
  const port = await freePort();
  const workers = 2 * availableParallelism() + 1;
  const folder = fileURLToPath(new URL("./doors", import.meta.url));
  const size = ["--workers", `${workers}`, "--threads", `${threads}`];
  const args = [...size, "--bind", `127.0.0.1:${port}`, "--chdir", folder, "flask_redis:app"];
  const env = { REDIS_PORT: `${redis.port}`, PYTHONDONTWRITEBYTECODE: "1" };
  return startServer(port, "gunicorn", args, makeDataDirectory(), () => answersHttp(port), env);
}

async function answersHttp(port: number): Promise<boolean> {
  await fetch(`http://127.0.0.1:${port}/`);
  return true;
}

/** A new directory beside the system's other temporary files, removed when the bench ends. */
export function makeDataDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "tally-bench-"));
  directories.add(directory);
  return directory;
}

/** Kill what still runs and remove the data, however the bench ends. */
export function cleanUpAtExit(): void {
  process.on("exit", () => {
    for (const child of running) child.kill("SIGKILL");
    for (const directory of directories) rmSync(directory, { recursive: true, force: true });
  });
  process.on("SIGINT", () => process.exit(130));
  process.on("SIGTERM", () => process.exit(143));
}

async function startServer(
  port: number,
  command: string,
  args: string[],
  directory: string,
  isReady: () => Promise<boolean>,
  env: Record<string, string> = {},
): Promise<Server> {
  const logPath = join(directory, "server.log");
  const log = openSync(logPath, "a");
  const child = spawn(command, args, {
    stdio: ["ignore", log, log],
    env: { ...process.env, ...env },
  });
  closeSync(log);
  running.add(child);
  const exit = once(child, "exit").then(() => running.delete(child));
  const spawnedMs = performance.now();
  await untilReady(isReady, child, logPath);
  return {
    port,
    pid: child.pid!,
    readyMs: performance.now() - spawnedMs,
    async close(signal = "SIGTERM") {
      child.kill(signal);
      await exit;
    },
  };
}

async function untilReady(
  isReady: () => Promise<boolean>,
  child: ChildProcess,
  logPath: string,
): Promise<void> {
  const deadline = performance.now() + READY_WITHIN_MS;
  while (!(await isReady().catch(() => false))) {
    if (child.exitCode !== null || performance.now() > deadline) {
      const log = readFileSync(logPath, "utf8").slice(-2000);
      throw new Error(`${child.spawnargs.join(" ")} did not become ready; its log ends with:\n${log}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

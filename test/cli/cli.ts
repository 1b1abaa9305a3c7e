/** Running commands of `tally` as people do: the real program, as a process, against a real server. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, onTestFinished, vi } from "vitest";
import type { Clock } from "../../src/core/clock.ts";
import { TALLY } from "../support/bundles/command.ts";
import { inMemory } from "./serving.ts";

vi.setConfig({ testTimeout: 60_000 }); // Each run is a start of Node.js, on machines that may be busy.

export interface Ran {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string;
}

/** A server for the tests of a file, with its counters in memory. Its address is there once they run. */
export function serverForTests(clock?: Clock): { address: string } {
  const place = { address: "" };
  let server: Awaited<ReturnType<typeof inMemory>>;
  beforeAll(async () => {
    server = await inMemory(clock);
    place.address = `127.0.0.1:${server.address.port}`;
  });
  afterAll(() => server.close());
  return place;
}

/** `tally ARGS`, without settings of whoever runs the tests. */
export function tally(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return run(process.execPath, [TALLY, ...args], options);
}

/** A line for bash, in which `tally` is the real program. */
export function shell(line: string, options: RunOptions = {}): Promise<Ran> {
  const tally = `tally() { "${process.execPath}" "${TALLY}" "$@"; }`;
  return run("bash", ["-c", `${tally}\n${line}`], options);
}

export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const child = spawn(command, args, { env: { ...cleanEnv(), ...options.env } });
  onTestFinished(() => void child.kill("SIGKILL"));
  const out = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text) => {
      out[name] += text;
    });
  }
  child.stdin.on("error", () => {}); // It may end without reading.
  child.stdin.end(options.input ?? "");
  const [code, signal] = await once(child, "close");
  return { code, signal, ...out };
}

/** Without variables that mean something to `tally` (or, as CI does, to colours), and with an empty home. */
export function cleanEnv(): NodeJS.ProcessEnv {
  const ours = /^(TALLY_|XDG_|NODE_OPTIONS$|NO_COLOR$|FORCE_COLOR$|CI$)/;
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)));
  return { ...env, HOME: "/nonexistent" };
}

/** A folder of the test's own. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "tally-cli-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true, maxRetries: 5 }));
  return path;
}

/**
 * A server that takes connections and calls, and answers none.
 *
 * @param onCall  what happens to the connection when a call about a counter "visits" has come
 * @returns  its address, and what resolves when such a call has come
 */
export async function silentServer(
  onCall: (socket: Socket) => void = () => {},
): Promise<{ address: string; called: Promise<void> }> {
  const called = Promise.withResolvers<void>();
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.write(SETTINGS_FRAME));
    socket.on("data", (bytes: Buffer) => {
      if (!bytes.includes("visits")) return; // The name stands in the request as it is.
      called.resolve();
      onCall(socket);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port } = server.address() as { port: number };
  return { address: `127.0.0.1:${port}`, called: called.promise };
}

/** An empty SETTINGS frame of HTTP/2: length 0, type 4, no flags, stream 0. */
const SETTINGS_FRAME = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

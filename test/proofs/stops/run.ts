/**
 * npm run test:stops [-- --stops N] [--seed N]
 *
 * Goal: a stop loses no answer. Whoever has sent a request on a connection when the server is told to stop gets its
 * answer, over HTTP/1.1 and over HTTP/2; and what was answered, and only that, is counted.
 *
 * Method: clients of eight kinds call without a pause and with pauses, each on a counter of its own, while the server is
 * sent SIGTERM and started again, 200 times unless told otherwise. A call of which a byte was sent and that has no
 * answer is a fault, and so is an answer that is not one more than the last. In the end each counter must have exactly
 * what was answered. Each stop must end with exit code 0, in time.
 *
 * One thing no server can prevent: a connection that the kernel completes between the last time that the server looks for
 * one and the closing of its port is reset by the kernel, with what was sent on it; nothing in the process has seen it.
 * Who makes a connection for every call meets that once in a hundred stops or so. So the server writes down what it has
 * accepted, a reset of what it never accepted is told apart, and there may be few of these.
 *
 * In CI: `npm run test:stops -- --stops 5`. It needs python3, without any package.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { create } from "@bufbuild/protobuf";
import { CounterService, GetCounterRequestSchema } from "../../../gen/tally/v1/counter_service_pb.ts";
import { TALLY } from "../../support/bundles/command.ts";
import { freePort } from "../../support/free-port.ts";
import { Connection } from "../crash/connection.ts";
import { freshSeed, seededRandom } from "../crash/random.ts";
import { pause, ServerProcess } from "../crash/server-process.ts";
import { nodeClients, type Seen } from "./clients.ts";

/** The drain grace of 8 s, and the end of the process on a busy machine. Most take less than two. */
const STOP_MS = 12_000;
const PAUSE_MAX_S = 0.5;
/** Of all stops, in how many a connection may be reset that was never accepted; and one in any case. */
const TURNED_AWAY_MAX = 0.05;
/** A client and the server may see a connection so far apart. Ports are used again, but not as soon. */
const NEAR_MS = 2_000;
const CLIENTS = fileURLToPath(new URL("./clients.py", import.meta.url));

const { values } = parseArgs({
  options: { stops: { type: "string", default: "200" }, seed: { type: "string" } },
});
const stops = Number(values.stops);
const seed = values.seed === undefined ? freshSeed() : Number(values.seed);
const random = seededRandom(seed);
if (spawnSync("python3", ["--version"]).status !== 0) {
  console.error("NOT RUN: python3 is not there; on Debian: apt-get install python3");
  process.exit(1);
}

console.log(`seed ${seed}`);
const folder = mkdtempSync(join(tmpdir(), "tally-stops-"));
const [port, file] = [await freePort(), join(folder, "tally.db")];
const acceptedFile = join(folder, "accepted");
const preload = [`${new URL("./accepted.ts", import.meta.url)}?${encodeURIComponent(acceptedFile)}`];
let server = await started();
let over = false;
const faults: string[] = [];
const tookMs: number[] = [];
let turnedAway = 0;
try {
  const python = spawn("python3", [CLIENTS, `${port}`, `${PAUSE_MAX_S}`, `${seed}`], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  process.on("exit", () => python.kill());
  const printed = python.stdout.toArray();
  const node = nodeClients(port, () => over);
  for (let stop = 0; stop < stops; stop++) {
    await pause(random.between(100, 700));
    await stopped();
    server = await started();
  }
  over = true;
  python.stdin.end();
  await once(python, "close");
  const everyone = [...(await node), ...(JSON.parse(Buffer.concat(await printed).toString()) as Seen[])];
  await compare(everyone);
  await stopped();
  tellResets(everyone);
  report(everyone);
} finally {
  if (server.running) await server.kill();
  rmSync(folder, { recursive: true, force: true });
}

async function started(): Promise<ServerProcess> {
  const next = new ServerProcess({ port, store: `sqlite:${file}`, command: TALLY, preload });
  await next.ready();
  return next;
}

async function stopped(): Promise<void> {
  const began = performance.now();
  const { code, signal } = await server.stop();
  const ms = performance.now() - began;
  tookMs.push(ms);
  if (code !== 0) faults.push(`a stop ended with ${code ?? signal}: ${server.output}`);
  if (ms > STOP_MS) faults.push(`a stop took ${ms.toFixed(0)} ms, expected at most ${STOP_MS}`);
}

/** What every counter has, with what its caller was answered. */
async function compare(everyone: readonly Seen[]): Promise<void> {
  const connection = await Connection.open(port);
  for (const { kind, name, answered, faults: seen } of everyone) {
    const answer = await connection.call(
      CounterService.method.getCounter,
      create(GetCounterRequestSchema, { name }),
    );
    const value = answer.ok ? answer.message.counter!.value : 0n;
    if (value !== BigInt(answered)) faults.push(`${kind}: ${name} has ${value}, answered were ${answered}`);
    faults.push(...seen.map((fault) => `${kind}: ${name}: ${fault}`));
    if (answered === 0) faults.push(`${kind}: ${name} was never answered`);
  }
  connection.close();
}

/** Which connections were reset although the server had accepted them, and how many that it never had. */
function tellResets(everyone: readonly Seen[]): void {
  const accepted = new Map<number, number[]>();
  for (const line of readFileSync(acceptedFile, "utf8").trimEnd().split("\n")) {
    const [from, ms] = line.split(" ").map(Number);
    accepted.set(from!, [...(accepted.get(from!) ?? []), ms!]);
  }
  for (const { kind, name, resets } of everyone) {
    for (const { port: from, ms } of resets) {
      const wasAccepted = accepted.get(from)?.some((at) => Math.abs(at - ms) < NEAR_MS) ?? false;
      if (wasAccepted)
        faults.push(`${kind}: ${name}: a connection that was accepted was reset under its first call`);
      else turnedAway++;
    }
  }
  if (turnedAway > Math.max(1, TURNED_AWAY_MAX * stops))
    faults.push(`${turnedAway} connections were reset before they were accepted`);
}

function report(everyone: readonly Seen[]): void {
  for (const kind of new Set(everyone.map((seen) => seen.kind))) {
    const callers = everyone.filter((seen) => seen.kind === kind);
    const [answers, bad] = [
      sum(callers.map((each) => each.answered)),
      sum(callers.map((each) => each.faults.length)),
    ];
    console.log(`${kind.padEnd(32)} ${callers.length} callers, ${answers} answers, ${bad} faults`);
  }
  tookMs.sort((a, b) => a - b);
  const at = (part: number) => `${tookMs[Math.floor((tookMs.length - 1) * part)]!.toFixed(0)} ms`;
  console.log(`stops      ${tookMs.length}; they took ${at(0)} to ${at(1)}, half of them at most ${at(0.5)}`);
  console.log(`answers    ${sum(everyone.map(({ answered }) => answered))}, each counted exactly once`);
  console.log(
    `turned away ${turnedAway} connections that the server had not accepted when its port was closed`,
  );
  for (const fault of faults.slice(0, 50)) console.log(fault);
  console.log(faults.length === 0 ? "PASS" : `FAIL: ${faults.length} faults`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, each) => all + each, 0);
}

/**
 * npm run test:http2-attacks [-- --rounds N] [--seconds N] [--only TEXT] [--each]
 *
 * Goal: all published weaknesses of HTTP/2 at once (docs/http2-weaknesses.md) neither end a server nor make it large, and
 * who behaves hardly notices them. Method: a server with the engine of our own, in which a caller adds 1 to 500
 * counters again and again; now alone, now while every attack of attacks.ts goes on as fast as it is taken. The attackers
 * have the lowest priority: what they cost is to be what the server does for them, not what they do on the same machine.
 *
 * No call of the caller fails, and its p99 is at most three times what it is alone (the median of three rounds or more); the
 * server has at most 400 MB; every counter has what was acknowledged, and no more; in the end the attackers' connections
 * are gone, and the server has not grown by more than it may hold at once.
 *
 * With --only it is the attacks with a text in their names, with --each it is every attack by itself, against a server of its
 * own: where memory goes.
 *
 * In CI: `npm run test:http2-attacks -- --rounds 1 --seconds 2`. It takes Linux, for /proc.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type LoadResult, runLoad } from "../../../../bench/load/processes.ts";
import { median } from "../../../../bench/stats.ts";
import { sumOf } from "../../../../bench/tally.ts";
import { freePort } from "../../../support/free-port.ts";
import { ServerProcess } from "../../crash/server-process.ts";
import { openSockets, residentBytes, socketsGone } from "../../memory/process.ts";
import { ATTACKERS } from "./attacks.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "10" },
    only: { type: "string", default: "" },
    each: { type: "boolean", default: false },
  },
});
const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)];
if (!(rounds >= 1 && seconds >= 1)) throw new TypeError("expected --rounds N and --seconds N, from 1");

const MB = 1e6;
const RESIDENT_MAX = 400 * MB;
/** More than it had before: what the allocator keeps of what it might have held at once, which does not grow with the rounds. */
const LEFT_MAX = 192 * 2 ** 20;
const P99_TIMES_MAX = 3;
/** Of fewer rounds a p99 is told, and not judged. */
const ROUNDS_TO_JUDGE = 3;
const NAMES = { count: 500, stride: 1 };

// What a server may hold follows from what it is told: a third of the memory that this one is to stay below, and a sixth.
process.env.TALLY_HTTP2_ENGINE = "own";
process.env.TALLY_ARRIVING_BYTES_MAX = "128MiB";
process.env.TALLY_LEAVING_BYTES_MAX = "64MiB";

const names = Object.keys(ATTACKERS).filter((name) => name.includes(values.only));
if (names.length === 0) throw new TypeError(`no attack is called "${values.only}"`);
const allFaults: string[] = [];
for (const attacks of values.each ? names.map((name) => [name]) : [names]) {
  if (values.each) console.log(`\n${attacks[0]}`);
  allFaults.push(...(await attackServer(attacks)));
}
for (const fault of allFaults) console.log(fault);
console.log(allFaults.length === 0 ? "PASS" : "FAIL");
process.exit(allFaults.length === 0 ? 0 : 1);

/** Attack a server of its own. @returns  what was not right */
async function attackServer(attacks: readonly string[]): Promise<string[]> {
  const faults: string[] = [];
  const folder = mkdtempSync(join(tmpdir(), "tally-attacks-"));
  const port = await freePort();
  const server = new ServerProcess({ port, store: `sqlite:${join(folder, "tally.db")}` });
  let residentMax = 0;
  const watching = setInterval(() => {
    residentMax = Math.max(residentMax, server.running ? residentBytes(server.pid) : 0);
  }, 100);
  let acknowledged = 0;
  const load = async () => {
    const result = await behave(port, server.pid);
    acknowledged += result.acknowledged;
    return result;
  };
  try {
    await server.ready();
    await load(); // Compiled by now.
    const [sockets, before] = [openSockets(server.pid), residentBytes(server.pid)];
    const times: number[] = [];
    for (let round = 1; round <= rounds; round++) {
      const alone = await load();
      const attackers = await attacking(port, attacks);
      const beside = await load();
      const had = await attackers.end();
      times.push(beside.p99Ms / alone.p99Ms);
      for (const [name, connections] of Object.entries(had))
        if (connections === 0) faults.push(`nobody came to attack by ${name}`);
      console.log(
        `round ${round}: p50 ${alone.p50Ms.toFixed(1)} and p99 ${alone.p99Ms.toFixed(1)} ms alone, ` +
          `${beside.p50Ms.toFixed(1)} and ${beside.p99Ms.toFixed(1)} ms beside ${sum(Object.values(had))} connections of attackers; ` +
          `${mb(residentMax)} MB at most`,
      );
    }
    await socketsGone(server.pid, sockets);
    await load(); // What is garbage goes when there is need of memory.
    const after = residentBytes(server.pid);
    console.log(`memory: ${mb(before)} MB before, ${mb(residentMax)} MB at most, ${mb(after)} MB after`);
    const slower = median(times);
    console.log(`p99: ${slower.toFixed(2)} times what it is alone`);
    if (residentMax > RESIDENT_MAX)
      faults.push(`${mb(residentMax)} MB; expected at most ${mb(RESIDENT_MAX)}`);
    if (after > before + LEFT_MAX) faults.push(`${mb(after - before)} MB are left`);
    if (rounds >= ROUNDS_TO_JUDGE && slower > P99_TIMES_MAX)
      faults.push(`a p99 of ${slower.toFixed(2)} times; expected ${P99_TIMES_MAX}`);
    const counted = Number(await sumOf(port, NAMES));
    console.log(`counts: ${acknowledged} acknowledged, ${counted} counted`);
    if (counted !== acknowledged) faults.push("which is not the same");
    clearInterval(watching);
    const { code } = await server.stop();
    if (code !== 0) faults.push(`it ended with ${code}: ${server.output}`);
  } catch (error) {
    faults.push(`${error}`, server.output);
  } finally {
    clearInterval(watching);
    if (server.running) await server.kill();
    rmSync(folder, { recursive: true, force: true });
  }
  return faults;
}

/** The caller who behaves. */
function behave(port: number, pid: number): Promise<LoadResult> {
  const options = { connections: 4, streams: 4, callsPerSecond: 500, warmupMs: 500, seconds, names: NAMES };
  return runLoad({ program: "h2-unary", processes: 1, options }, { port, pid });
}

/** Have attackers.ts go on until its end, which tells how many connections each attack has had. */
async function attacking(
  port: number,
  attacks: readonly string[],
): Promise<{ end(): Promise<Record<string, number>> }> {
  const path = fileURLToPath(new URL("./attackers.ts", import.meta.url));
  const attackers = spawn("nice", ["-n", "19", process.execPath, path, String(port), ...attacks], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface({ input: attackers.stdout });
  let last = "{}";
  lines.on("line", (line) => {
    last = line;
  });
  await Promise.race([
    once(lines, "line"),
    once(attackers, "close").then(() => Promise.reject(new Error("the attackers ended"))),
  ]);
  return {
    async end() {
      attackers.kill("SIGKILL");
      await once(attackers, "close");
      return JSON.parse(last);
    },
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, each) => all + each, 0);
}

function mb(bytes: number): string {
  return (bytes / MB).toFixed(0);
}

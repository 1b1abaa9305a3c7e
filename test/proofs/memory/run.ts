/**
 * npm run test:memory [-- --quick] [--only TEXT] [--rounds N] [--connections N]
 *
 * Goal: what a server keeps for requests that never become whole, and for answers that nobody takes, is bounded, and
 * goes when its connections go. Method: each attack of attacks.ts, eight rounds of it, with forty connections each,
 * against a server of its own; after each round the connections break off. Its memory (VmRSS) is printed while the
 * attack holds and after it let go: it stays within a bound that does not grow with the rounds. Another caller counts
 * meanwhile, and is answered.
 *
 * In CI: `npm run test:memory -- --quick`, three rounds each, in some three minutes. It takes Linux, for /proc.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { RPC, TallyClient } from "../../../src/client/client.ts";
import { TALLY } from "../../support/bundles/command.ts";
import { authority } from "../../support/certificates.ts";
import { freePort } from "../../support/free-port.ts";
import { pause } from "../crash/server-process.ts";
import { ATTACKS, type Target } from "./attacks.ts";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    rounds: { type: "string" },
    connections: { type: "string", default: "40" },
  },
});
const rounds = Number(values.rounds ?? (values.quick ? 3 : 8));
const connections = Number(values.connections);
if (!(rounds >= 3) || !(connections >= 1))
  throw new TypeError("expected --rounds N from 3, --connections N from 1");

/** How many attacks at once, each on a server of its own: most of the time of one is waiting for what is held to go. */
const LANES = 3;
/** How long an attack holds what it has. */
const HOLD_MS = 2_000;
/**
 * What any round may have more than the start: room for requests (arriving-bytes-max, 256), what V8 lets grow of buffers
 * outside of its heap before it sweeps them (64), and what Node.js and the allocator need for so many connections and
 * calls (64). Kept for good, 150 MiB a round are above it in the third.
 */
const MORE_MIB_MAX = 256 + 64 + 64;
/** A connection that breaks off with half a request is closed at once; one that has calls in flight, within 10 s, on a machine
 * that has nothing else to do; left to the keepalive it would be two minutes. */
const GONE_MS = 60_000;

const certificates = authority();
let failures = 0;
try {
  const left = variants();
  const lane = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const told: string[] = [];
      const failure = await attack(...next, (line) => told.push(line));
      if (failure !== undefined) {
        failures++;
        told.push(`  FAILED: ${failure}`);
      }
      console.log(told.join("\n"));
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
} finally {
  certificates[Symbol.dispose]();
}
console.log(failures === 0 ? "memory: bounded, and comes back" : `memory: ${failures} attacks FAILED`);
process.exit(failures === 0 ? 0 : 1);

/** Each in plaintext; over TLS the first, and one of HTTP/1.1. */
function variants(): (readonly [string, boolean])[] {
  const plain = Object.keys(ATTACKS).map((name) => [name, false] as const);
  const tls = plain
    .filter(([name]) => /^(3.9 of 4 MB announced to I|REST)/.test(name))
    .map(([name]) => [name, true] as const);
  return [...plain, ...tls].filter(([name]) => name.includes(values.only));
}

/** @returns  what was not right */
async function attack(name: string, tls: boolean, tell: (line: string) => void): Promise<string | undefined> {
  const port = await freePort();
  const { certFile, keyFile } = certificates.issue();
  const args = tls ? ["--tls-cert-file", certFile, "--tls-key-file", keyFile] : [];
  const server = spawn(
    process.execPath,
    [TALLY, "serve", "--store", "memory:", "--listen", `127.0.0.1:${port}`, ...args],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const target: Target = { port, ca: tls ? certificates.ca : undefined };
  const scheme = tls ? "https://localhost" : "127.0.0.1";
  const client = new TallyClient({
    server: `${scheme}:${port}`,
    ca: target.ca,
    timeoutMs: 60_000,
    attemptsMax: 20,
  });
  try {
    await once(server.stdout!, "data"); // Its first line; when it serves, the client finds out.
    server.stdout!.resume();
    await client.call(RPC.increment, { name: "beside" });
    const open = sockets(server.pid!);
    const before = mib(server.pid!);
    tell(`${name}${tls ? ", over TLS" : ""}\n  at start ${before} MiB`);
    const after: number[] = [];
    for (let round = 1; round <= rounds; round++) {
      const held = await ATTACKS[name]!(target, connections);
      await pause(HOLD_MS);
      await client.call(RPC.increment, { name: "beside" });
      const holding = mib(server.pid!);
      held.letGo();
      await gone(server.pid!, open);
      after.push(mib(server.pid!));
      tell(`  round ${round}: held ${holding} MiB, after ${after.at(-1)} MiB`);
    }
    if (server.exitCode !== null) return "the server ended";
    const more = Math.max(...after) - before;
    return more > MORE_MIB_MAX
      ? `${more} MiB more than at start; expected at most ${MORE_MIB_MAX}`
      : undefined;
  } finally {
    client.close();
    server.kill("SIGKILL");
    await once(server, "close");
  }
}

function mib(pid: number): number {
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) / 1024);
}

/** Resolves when no more sockets are open than there were. */
async function gone(pid: number, were: number): Promise<void> {
  for (const until = Date.now() + GONE_MS; sockets(pid) > were + 1; await pause(50)) {
    if (Date.now() > until)
      throw new Error(`${sockets(pid) - were} sockets are left, ${GONE_MS} ms after their end`);
  }
}

function sockets(pid: number): number {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).filter((fd) => {
    try {
      return readlinkSync(join(folder, fd)).startsWith("socket:");
    } catch {
      return false; // Closed by now.
    }
  }).length;
}

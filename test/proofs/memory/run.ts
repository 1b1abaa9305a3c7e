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
import { parseArgs } from "node:util";
import { RPC, TallyClient } from "../../../src/client/client.ts";
import { TALLY } from "../../support/bundles/command.ts";
import { authority } from "../../support/certificates.ts";
import { freePort } from "../../support/free-port.ts";
import { pause } from "../crash/server-process.ts";
import { ATTACKS, type Target } from "./attacks.ts";
import { openSockets, residentBytes, socketsGone } from "./process.ts";

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

/** An attack, and on what. */
interface Variant {
  readonly name: string;
  /** The setting http2-engine. */
  readonly engine: string;
  readonly tls: boolean;
}

const certificates = authority();
let failures = 0;
try {
  const left = variants();
  const lane = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const told: string[] = [];
      const failure = await attack(next, (line) => told.push(line));
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

/**
 * Each in plaintext, over TLS the first and one of HTTP/1.1; those over HTTP/2 on both engines, in the quick form on our
 * own only where most is held of requests and of answers.
 */
function variants(): Variant[] {
  const plain: Variant[] = Object.keys(ATTACKS).map((name) => ({ name, engine: "grpc-js", tls: false }));
  const tls = plain
    .filter(({ name }) => /^(3.9 of 4 MB announced to I|REST)/.test(name))
    .map((variant) => ({ ...variant, tls: true }));
  const own = [...plain, ...tls]
    .filter(({ name }) => !name.includes("HTTP/1.1"))
    .filter(({ name }) => !values.quick || /8 calls|never taken/.test(name))
    .map((variant) => ({ ...variant, engine: "own" }));
  return [...plain, ...tls, ...own].filter((variant) => titleOf(variant).includes(values.only));
}

function titleOf({ name, engine, tls }: Variant): string {
  return `${name}${tls ? ", over TLS" : ""}, ${engine}`;
}

/** @returns  what was not right */
async function attack(variant: Variant, tell: (line: string) => void): Promise<string | undefined> {
  const { name, engine, tls } = variant;
  const port = await freePort();
  const { certFile, keyFile } = certificates.issue();
  const args = tls ? ["--tls-cert-file", certFile, "--tls-key-file", keyFile] : [];
  const server = spawn(
    process.execPath,
    [
      ...[TALLY, "serve", "--store", "memory:", "--listen", `127.0.0.1:${port}`],
      ...["--http2-engine", engine, ...args],
    ],
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
    const open = openSockets(server.pid!);
    const before = mib(server.pid!);
    tell(`${titleOf(variant)}\n  at start ${before} MiB`);
    const after: number[] = [];
    for (let round = 1; round <= rounds; round++) {
      const held = await ATTACKS[name]!(target, connections);
      await pause(HOLD_MS);
      await client.call(RPC.increment, { name: "beside" });
      const holding = mib(server.pid!);
      held.letGo();
      await socketsGone(server.pid!, open);
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
  return Math.round(residentBytes(pid) / 2 ** 20);
}

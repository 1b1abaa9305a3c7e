/**
 * npm run test:clients [-- --calls N] [--engine own|grpc-js] [--only NAME,NAME] [--seed N]
 *
 * Goal: whatever client people have, what it is told is what is counted: each change that was acknowledged once, and nothing
 * else; and each refusal reaches it with all of its details.
 *
 * Method: every client makes 10,000 calls on one server, 64 at a time: additions, some by a request id among much other
 * metadata; deadlines that pass and calls that are given up, at any moment; messages of 4 MB, and such as are too large;
 * refusals of six kinds; reads. What ends without an answer is asked about under its request id. Then the answers to each
 * counter must follow from each other, and the counters must have what they come to. Some clients call through proxies too.
 *
 * A client that is not on the machine is told, and is a failure unless `--only` leaves it out; that takes how names begin.
 *
 * In CI: `npm run test:clients -- --calls 200 --only "python,envoy: python"`.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { loadConfig } from "../../../src/config.ts";
import { startServer } from "../../../src/server.ts";
import { NO_TELEMETRY } from "../../../src/telemetry.ts";
import { chromium } from "../../doors/clients/chromium.ts";
import type { ManyCallsClient } from "../../doors/clients/client.ts";
import { go } from "../../doors/clients/go.ts";
import { java } from "../../doors/clients/java.ts";
import { connectGrpc, connectOverHttp2, grpcJs } from "../../doors/clients/node.ts";
import { python } from "../../doors/clients/python.ts";
import { ruby } from "../../doors/clients/ruby.ts";
import { rust } from "../../doors/clients/rust.ts";
import { PROXIES, startProxy } from "../../doors/proxies/proxy.ts";
import { authority } from "../../support/certificates.ts";
import { freePort } from "../../support/free-port.ts";
import { Client } from "../../transports/door.ts";
import { freshSeed, seededRandom } from "../crash/random.ts";
import { ServerProcess } from "../crash/server-process.ts";
import { drive, type Seen } from "./drive.ts";
import { fullCounter, plan } from "./workload.ts";

/** A client, and what stands between it and the server. */
interface Row {
  readonly name: string;
  readonly client: ManyCallsClient;
  readonly proxy?: (typeof PROXIES)[number];
  readonly tls?: true;
}

/** A server that is called, and somebody who asks it what was counted. */
interface Site extends AsyncDisposable {
  readonly port: number;
  readonly straight: Client;
}

const { values } = parseArgs({
  options: {
    calls: { type: "string", default: "10000" },
    engine: { type: "string", default: "own" },
    only: { type: "string", default: "" },
    seed: { type: "string" },
  },
});
const [calls, engine] = [Number(values.calls), values.engine];
const seed = values.seed === undefined ? freshSeed() : Number(values.seed);
const only = values.only.toLowerCase().split(",");

const GRPC = [python, go, ruby, java, rust, grpcJs, connectGrpc];
/** What goes over HTTP/2 with our own engine alone. */
const OVER_HTTP2 = engine === "own" ? connectOverHttp2 : [];
/** On the C core, on Go's HTTP/2, on Netty. */
const BEHIND_PROXIES = [python, go, java];
const ROWS: readonly Row[] = [
  ...[...GRPC, ...OVER_HTTP2].map((client) => ({ name: client.name, client })),
  { name: `${chromium.name}, TLS`, client: chromium, tls: true },
  ...PROXIES.flatMap((proxy) =>
    BEHIND_PROXIES.map((client) => ({ name: `${proxy.name}: ${client.name}`, client, proxy })),
  ),
];
/** What waits is to be answered: the machine has clients to run too, and messages of 4 MB come several at once. */
const QUEUE_WAIT_MAX = "30s";

console.log(`seed ${seed}, http2-engine ${engine}`);
const folder = mkdtempSync(join(tmpdir(), "tally-clients-"));
const port = await freePort();
const flags = ["--http2-engine", engine, "--queue-wait-max", QUEUE_WAIT_MAX];
const server = new ServerProcess({ port, store: `sqlite:${join(folder, "tally.db")}`, flags });
const plain: Site = { port, straight: new Client(port), async [Symbol.asyncDispose]() {} };
const prepared = new Map<ManyCallsClient, Promise<string>>();
let failures = 0;
try {
  await server.ready();
  for (const row of ROWS) {
    if (!only.some((name) => row.name.toLowerCase().startsWith(name))) continue;
    await show(row).catch((error: unknown) => {
      failures++;
      console.log(`${row.name}: it did not come to an end:`, error);
    });
  }
  plain.straight.close();
  const { code } = await server.stop();
  if (code !== 0) {
    failures++;
    console.log(`the server ended with ${code}:\n${server.output}`);
  }
  console.log(failures === 0 ? "PASS" : `FAIL: ${failures}`);
} finally {
  await server.kill();
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failures === 0 ? 0 : 1;

/** Run a row, and tell what came of it. */
async function show(row: Row): Promise<void> {
  const needs = [...row.client.needs, ...(row.proxy === undefined ? [] : [row.proxy.need])];
  const missing = needs.filter(({ here }) => !here).map(({ name, install }) => `${name}: ${install}`);
  if (missing.length > 0) {
    failures++;
    console.log(`${row.name.padEnd(24)} NOT RUN, needs ${missing.join("; ")}`);
    return;
  }
  const { seen, counted, seconds } = await run(row);
  const faults = [...seen.faults];
  if (counted !== seen.acknowledged) faults.push(`counted ${counted}, acknowledged ${seen.acknowledged}`);
  const errors = [...seen.errors].sort().map(([status, count]) => `${status} ${count}`);
  console.log(
    [
      row.name.padEnd(24),
      `${seen.calls} calls in ${seconds.toFixed(1)} s`.padEnd(24),
      `acknowledged ${seen.acknowledged}, counted ${counted}`.padEnd(44),
      `without an answer: ${seen.hadCounted} had counted, ${seen.hadNot} had not`.padEnd(54),
      faults.length === 0 ? "exact" : `${faults.length} FAULTS`,
    ].join(" "),
  );
  console.log(`    ${errors.join(", ")}`);
  for (const fault of faults.slice(0, 20)) console.log(`    ${fault}`);
  if (faults.length > 0) console.log(server.output);
  failures += faults.length;
}

async function run(row: Row): Promise<{ seen: Seen; counted: bigint; seconds: number }> {
  const { name, client, proxy } = row;
  const made = prepared.get(client) ?? prepare(client);
  prepared.set(client, made);
  const home = await made;
  await using site = row.tls ? await overTls() : plain;
  await using ports = proxy === undefined ? undefined : await startProxy(proxy, site.port);
  const opened = await client.open(`127.0.0.1:${ports?.grpc ?? site.port}`, home);
  const own = name.toLowerCase().replaceAll(/[^a-z]+/g, "-");
  const full = fullCounter(own);
  await site.straight.createCounter(full);
  const planned = plan(own, calls, seededRandom(seed));
  const began = performance.now();
  const seen = await drive(opened, planned, proxy !== undefined);
  const seconds = (performance.now() - began) / 1_000;
  await opened.close();
  const { sum } = await site.straight.sumCounters({ prefix: `${own}/` });
  return { seen, counted: BigInt(sum) - full.value, seconds };
}

async function prepare(client: ManyCallsClient): Promise<string> {
  const home = join(folder, `client-${prepared.size}`);
  mkdirSync(home);
  await client.prepare?.(`127.0.0.1:${port}`, home);
  return home;
}

/** A server of its own, in this process. */
async function overTls(): Promise<Site> {
  const trusted = authority();
  const { certFile, keyFile } = trusted.issue();
  const { config } = loadConfig({
    flags: {
      listen: "127.0.0.1:0",
      store: `sqlite:${join(folder, "tls.db")}`,
      "http2-engine": engine,
      "queue-wait-max": QUEUE_WAIT_MAX,
      "tls-cert-file": certFile,
      "tls-key-file": keyFile,
    },
    env: {},
  });
  const running = await startServer(config, { telemetry: NO_TELEMETRY });
  const straight = new Client(running.address.port, {}, trusted.ca);
  const dispose = async () => {
    straight.close();
    await running.close();
    trusted[Symbol.dispose]();
  };
  return { port: running.address.port, straight, [Symbol.asyncDispose]: dispose };
}

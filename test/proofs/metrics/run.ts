/**
 * npm run test:metrics [-- --seconds N] [--seed N]
 *
 * Goal: what a real Prometheus has of a loaded server is what its callers were told, and `promtool check metrics` finds
 * nothing to say of the text.
 *
 * Method: callers count over gRPC and REST, well and badly, on few counters; a Prometheus scrapes metrics-listen each
 * second. Once they are done, calls by method, door and code must be the same in Prometheus as they were told. Every query
 * of docs/metrics.md and of the dashboard must be one, and those that such a load has data for must give some.
 *
 * In CI: `npm run test:metrics -- --seconds 4`. It needs prometheus and promtool.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { CounterService, IncrementRequestSchema } from "../../../gen/tally/v1/counter_service_pb.ts";
import { CODES } from "../../../src/telemetry/series.ts";
import { freePort } from "../../support/free-port.ts";
import { Connection } from "../crash/connection.ts";
import { freshSeed, seededRandom } from "../crash/random.ts";
import { pause, ServerProcess } from "../crash/server-process.ts";
import { type Found, needPrometheus, Prometheus } from "./prometheus.ts";

const { values } = parseArgs({
  options: { seconds: { type: "string", default: "20" }, seed: { type: "string" } },
});
const seconds = Number(values.seconds);
const seed = values.seed === undefined ? freshSeed() : Number(values.seed);
const random = seededRandom(seed);
needPrometheus();

/** Longer than Prometheus takes to scrape once more, on a busy machine. */
const SCRAPED_MS = 240_000;
const CALLERS = 8;
/** A server that fails nothing, and has no certificate, no PostgreSQL and no traces, has nothing to show of them. */
const WITHOUT_DATA = /UNAVAILABLE|tally_certificate_|tally_postgres_|tally_decided_again_|tally_trace_/;
/** What has a max, so that some of what is asked is refused. */
const LIMITED = "limited";

console.log(`seed ${seed}`);
const folder = mkdtempSync(join(tmpdir(), "tally-metrics-"));
const [port, observed, web] = [await freePort(), await freePort(), await freePort()];
const rootKeyFile = join(folder, "root-key");
writeFileSync(rootKeyFile, "r".repeat(32));
const flags = [
  ...["--metrics-listen", `127.0.0.1:${observed}`],
  ...["--auth", "optional", "--root-key-file", rootKeyFile], // So that callers can be denied.
  ...["--backup-dir", folder, "--backup-every", "1d", "--archive-dir", folder],
];
const server = new ServerProcess({ port, store: `sqlite:${join(folder, "tally.db")}`, flags });
let prometheus: Prometheus | undefined;
/** What callers were told, by "RPC DOOR CODE". */
const told = new Map<string, number>();
const faults: string[] = [];
try {
  await server.ready();
  prometheus = await Prometheus.start({ folder, web, targets: [observed], everyMs: 1_000 });
  await count("POST", "/v1/counters", { name: LIMITED, max: "100" }, "CreateCounter");
  const until = Date.now() + seconds * 1_000;
  await Promise.all(
    Array.from({ length: CALLERS }, (_, i) => (i % 2 === 0 ? overGrpc(until) : overRest(until))),
  );
  checkText(await (await fetch(`http://127.0.0.1:${observed}/metrics`)).text());
  await compare();
  await askAll([...documented(), ...shown()]);
} finally {
  prometheus?.kill();
  if (server.running) await server.stop();
  rmSync(folder, { recursive: true, force: true });
}
const calls = [...told.values()].reduce((sum, each) => sum + each, 0);
console.log(`${calls} calls, told in ${told.size} ways: ${faults.length} faults`);
for (const fault of faults) console.error(fault);
process.exitCode = faults.length > 0 || told.size < 6 ? 1 : 0;

function note(rpc: string, door: string, code: string): void {
  const key = `${rpc} ${door} ${code}`;
  told.set(key, (told.get(key) ?? 0) + 1);
}

async function overGrpc(until: number): Promise<void> {
  const connection = await Connection.open(port);
  const { increment } = CounterService.method;
  while (Date.now() < until) {
    const request: MessageInitShape<typeof IncrementRequestSchema> =
      random.between(0, 3) === 0 ? { name: LIMITED } : { name: `a${random.between(0, 9)}` };
    const answer = await connection.call(increment, create(IncrementRequestSchema, request));
    note("Increment", "grpc", CODES[answer.ok ? 0 : answer.status]!);
  }
  connection.close();
}

async function overRest(until: number): Promise<void> {
  while (Date.now() < until) {
    const name = `b${random.between(0, 9)}`;
    const kind = random.between(0, 3);
    if (kind === 0) await count("POST", `/v1/counters/${name}:increment`, {}, "Increment");
    else if (kind === 1) await count("GET", `/v1/counters/none${name}`, undefined, "GetCounter");
    else if (kind === 2 && random.between(0, 1) === 0) await denied();
    else if (kind === 2) await count("POST", `/v1/counters/${name}:set`, { value: "x" }, "Set");
    else await count("GET", "/v1/counters", undefined, "ListCounters");
  }
}

async function count(method: string, path: string, body: object | undefined, rpc: string): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
  });
  const json = (await response.json()) as { error?: { status: string } };
  note(rpc, "rest", json.error?.status ?? "OK");
}

function checkText(text: string): void {
  const { status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], {
    input: text,
    encoding: "utf8",
  });
  if (status !== 0 || stdout !== "" || stderr !== "")
    faults.push(`promtool check metrics ended with ${status} and said:\n${stdout}${stderr}`);
}

/** Until Prometheus has scraped what the last caller was told; nothing else is called meanwhile. */
async function compare(): Promise<void> {
  let differences: string[] = [];
  for (const deadline = Date.now() + SCRAPED_MS; Date.now() < deadline; await pause(250)) {
    const has = new Map(
      (await ask("tally_calls_total > 0")).map(({ metric: { rpc, door, code }, value: [, number] }) => [
        `${rpc} ${door} ${code}`,
        Number(number),
      ]),
    );
    differences = [...new Set([...told.keys(), ...has.keys()])]
      .filter((key) => told.get(key) !== has.get(key))
      .map((key) => `${key}: callers were told ${told.get(key) ?? 0}, Prometheus has ${has.get(key) ?? 0}`);
    if (differences.length === 0) return;
  }
  faults.push(...differences);
}

/** Every query of the table in docs/metrics.md. */
function documented(): string[] {
  const page = readFileSync(new URL("../../../docs/metrics.md", import.meta.url), "utf8");
  const [, table] = page.split("| question | query |\n|---|---|\n");
  const [asked] = table!.split("\n\n");
  const queries = [...asked!.matchAll(/\| `(.*)` \|$/gm)].map(([, query]) => query!.replaceAll("\\|", "|"));
  if (queries.length === 0) faults.push("docs/metrics.md has no query");
  return queries;
}

/** Every query of the dashboard, as Grafana asks it of all servers. */
function shown(): string[] {
  const file = new URL("../../../deploy/grafana/tally.json", import.meta.url);
  const { panels } = JSON.parse(readFileSync(file, "utf8")) as {
    panels: { targets?: { expr: string }[] }[];
  };
  const queries = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  if (queries.length === 0) faults.push("the dashboard has no query");
  return queries.map((query) =>
    query.replaceAll(/"\$(job|instance)"/g, '".+"').replaceAll("$__rate_interval", "10s"),
  );
}

/** Each must be a query, and give data where such a load has some. */
async function askAll(queries: readonly string[]): Promise<void> {
  for (const query of queries) {
    let data = await ask(query);
    // A rate takes two scrapes, and something that moves between them.
    for (const deadline = Date.now() + SCRAPED_MS; data.length === 0 && Date.now() < deadline; ) {
      if (WITHOUT_DATA.test(query) || faults.length > 0) break;
      await count("GET", "/v1/counters/none", undefined, "GetCounter");
      await denied();
      await pause(250);
      data = await ask(query);
    }
    if (data.length === 0 && !WITHOUT_DATA.test(query)) faults.push(`${query} gives nothing`);
  }
}

/** Somebody whose key is none. */
async function denied(): Promise<void> {
  const headers = { authorization: "Bearer of-bad-news" };
  await (await fetch(`http://127.0.0.1:${port}/v1/counters/none`, { headers })).text();
  note("GetCounter", "rest", "UNAUTHENTICATED");
}

/** What Prometheus answers to a query, as of now. */
async function ask(query: string): Promise<Found[]> {
  try {
    return await prometheus!.ask(query);
  } catch (error) {
    faults.push(`${query} is no query: ${(error as Error).message}`);
    return [];
  }
}

/**
 * npm run test:instances [-- --requests N] [--kills N] [--seed N]
 *
 * Goal: two instances on one PostgreSQL, behind the balancer that docs/SCALING.md shows, count as one, though either of
 * them is killed at any time.
 *
 * Method: clients in Python (grpcio) and on grpc-js send increments by one under request ids through haproxy, 200,000
 * and a few more unless told otherwise, half of them to one counter; each is sent again under its id until it is
 * answered, some are sent twice at once, and some again long after. Meanwhile one instance or the other is sent SIGKILL
 * and started again, every few seconds, and so often at least as is asked for. Then each counter must have been told at
 * each of its revisions to just one request, and the counters and the change log in the database must end where the
 * answers do.
 *
 * In CI: `npm run test:instances -- --requests 10000 --kills 3`. It needs PostgreSQL, haproxy and Python.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Balancer } from "../../support/balancer.ts";
import { PostgresServer } from "../../support/postgres/server.ts";
import { freshSeed, seededRandom } from "../crash/random.ts";
import { pause } from "../crash/server-process.ts";
import { checkStore } from "../crash/stored.ts";
import { generateStubs, pythonWithGrpc } from "../real-input/python.ts";
import { checkAnswers } from "./answers.ts";
import { CLIENTS, Clients, type Languages } from "./clients.ts";
import { Instance } from "./instance.ts";

const { values } = parseArgs({
  options: {
    requests: { type: "string", default: "200000" },
    kills: { type: "string", default: "20" },
    seed: { type: "string" },
  },
});
const requests = Number(values.requests);
const killsWanted = Number(values.kills);
const seed = values.seed === undefined ? freshSeed() : Number(values.seed);
if (![requests, killsWanted, seed].every(Number.isSafeInteger)) {
  throw new TypeError("expected whole numbers for --requests, --kills and --seed");
}
/** How long both instances work between two kills. */
const RUN_MS = [500, 3_000] as const;
/** Nothing that is meant to happen takes as long. */
const STALLED_MS = 240_000;

const random = seededRandom(seed);
const startedMs = performance.now();
const folder = mkdtempSync(join(tmpdir(), "tally-instances-"));
const closing: (() => Promise<unknown>)[] = [];
try {
  console.log(`seed ${seed}`);
  process.exitCode = (await run()) ? 0 : 1;
} finally {
  for (const close of closing.reverse()) await close();
  rmSync(folder, { recursive: true, force: true });
}

async function run(): Promise<boolean> {
  const languages: Languages = { python: pythonWithGrpc(), stubs: join(folder, "stubs") };
  mkdirSync(languages.stubs);
  generateStubs(languages.python, languages.stubs);
  const postgres = await PostgresServer.start();
  closing.push(() => postgres.dispose());
  const instances = await Promise.all([1, 2].map(() => Instance.start(postgres.url())));
  closing.push(() => Promise.all(instances.map((instance) => instance.kill())));
  const balancer = await Balancer.start([instances[0]!.port, instances[1]!.port]);
  closing.push(() => balancer.stop());

  const clients = new Clients(`127.0.0.1:${balancer.port}`, folder, languages);
  const countingMs = performance.now();
  const { kills, idle } = await killInTurns(clients, instances, balancer);
  const seconds = (performance.now() - countingMs) / 1000;
  clients.stop();
  await clients.done;

  const told = checkAnswers(clients.answerFiles);
  const faults = [...told.faults];
  for (const instance of instances) faults.push(...(await instance.stop()));
  const stored = await checkStore(postgres.url(), { known: told.known, deleted: new Set() });
  faults.push(...stored.faults);
  if (told.replays === 0) faults.push("expected a kill after a commit and before its answers, and none was");
  const hot = told.known.get("hot")?.value;
  console.log(`
requests   ${told.requests} increments, ${hot} of them of one counter and the others of ${told.known.size - 1}; ${CLIENTS} clients
instances  2, killed ${kills} times with calls in flight and ${idle} times between calls
attempts   ${clients.broken} got no answer
replays    ${told.replays} requests were answered by what an attempt without an answer had done
revisions  ${told.faults.length === 0 ? "each counter's 1 to n, each told to one request, with the value it led to" : `${told.faults.length} FAULTS`}
database   ${stored.faults.length === 0 ? `${stored.changes} changes lead to the values of ${stored.counters} counters` : `${stored.faults.length} FAULTS`}
time       ${((performance.now() - startedMs) / 1000).toFixed(0)} s, ${(told.requests / seconds).toFixed(0)} increments a second`);
  for (const fault of faults.slice(0, 20)) console.log(fault);
  console.log(faults.length === 0 ? "PASS" : "FAIL");
  return faults.length === 0;
}

/** Kill one instance or the other and start it again, until there are enough kills and enough requests. */
async function killInTurns(clients: Clients, instances: readonly Instance[], balancer: Balancer) {
  let kills = 0;
  let idle = 0;
  while (kills < killsWanted || clients.answered < requests) {
    await bothWork(clients, instances, balancer);
    await Promise.race([pause(random.between(...RUN_MS)), clients.done]);
    const { broken } = clients;
    await random.pick(instances).killAndRestart();
    if (clients.broken > broken) kills++;
    else idle++;
    if ((kills + idle) % 10 === 0) console.log(`${kills + idle} kills, ${clients.answered} increments`);
  }
  return { kills, idle };
}

/** Resolves once the balancer gives calls to both instances, and somebody is answered. */
async function bothWork(clients: Clients, instances: readonly Instance[], balancer: Balancer): Promise<void> {
  const { answered } = clients;
  for (const deadline = Date.now() + STALLED_MS; !balancer.hasBoth || clients.answered === answered; ) {
    if (Date.now() > deadline)
      throw new Error(`nobody was answered:\n${instances.map(({ output }) => output)}`);
    await Promise.race([pause(5), clients.done]);
  }
}

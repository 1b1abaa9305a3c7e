/**
 * npm run test:upgrade [-- --from COMMIT] [--rolls N] [--requests N]
 *
 * Goal: two instances on one PostgreSQL behind the balancer that docs/SCALING.md shows are brought to this version one after
 * the other, and to it again, under load: no call fails of a client that retries, and nothing is counted wrong.
 *
 * Method: both are begun from the checkout of an earlier commit. Clients in Python (grpcio) and on grpc-js send increments by
 * one under request ids through haproxy, each until it is answered, some twice at once and some again long after. Meanwhile one
 * instance after the other is told to stop (SIGTERM), has to end in order, and is started as this version on the same port; it
 * is the other's turn when the balancer gives calls to both. Then all of it again, from this version to itself, so often as is
 * asked for. In the end each counter must have been told at each of its revisions to just one request, and the counters and
 * the change log in the database must end where the answers do. No status may have come but those with which a server says
 * that nothing was applied, or a connection that was just ended.
 *
 * In CI: `npm run test:upgrade -- --rolls 1 --requests 3000`. It needs PostgreSQL, haproxy, Python, and git with the history.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Balancer } from "../../support/balancer.ts";
import { PostgresServer } from "../../support/postgres/server.ts";
import { pause } from "../crash/server-process.ts";
import { checkStore } from "../crash/stored.ts";
import { checkAnswers } from "../instances/answers.ts";
import { CLIENTS, Clients } from "../instances/clients.ts";
import { Instance } from "../instances/instance.ts";
import { generateStubs, pythonWithGrpc } from "../real-input/python.ts";

/** The oldest commit whose PostgreSQL schema is this version's, so that it can be started again beside it (guard, stores: when each API key was last used). */
const OLDEST = "7c4080f7ead342ecb79897f6f260ad0c711a9f2f";
const ROOT = resolve(import.meta.dirname, "../../..");
/** Nothing that is meant to happen takes as long. */
const STALLED_MS = 240_000;

const { values } = parseArgs({
  options: {
    from: { type: "string", default: OLDEST },
    rolls: { type: "string", default: "5" },
    requests: { type: "string", default: "50000" },
  },
});
const [rolls, requests] = [Number(values.rolls), Number(values.requests)];
if (![rolls, requests].every(Number.isSafeInteger))
  throw new TypeError("expected whole numbers for --rolls and --requests");

const startedMs = performance.now();
const folder = mkdtempSync(join(tmpdir(), "tally-upgrade-"));
const closing: (() => unknown)[] = [];
try {
  process.exitCode = (await run()) ? 0 : 1;
} finally {
  for (const close of closing.reverse()) await close();
  rmSync(folder, { recursive: true, force: true });
}

async function run(): Promise<boolean> {
  const languages = { python: pythonWithGrpc(), stubs: join(folder, "stubs") };
  mkdirSync(languages.stubs);
  generateStubs(languages.python, languages.stubs);
  const before = checkoutOf(values.from);
  const postgres = await PostgresServer.start();
  closing.push(() => postgres.dispose());
  const instances: Instance[] = [];
  closing.push(() => Promise.all(instances.map((instance) => instance.kill())));
  for (let n = 0; n < 2; n++) instances.push(await Instance.start(postgres.url(), before));
  const balancer = await Balancer.start([instances[0]!.port, instances[1]!.port]);
  closing.push(() => balancer.stop());

  const clients = new Clients(`127.0.0.1:${balancer.port}`, folder, languages);
  const faults: string[] = [];
  let replaced = 0;
  for (let roll = 0; roll <= rolls || clients.answered < requests; roll++) {
    for (const instance of instances) {
      await bothWork(clients, instances, balancer);
      faults.push(...(await instance.replace()));
      replaced++;
    }
    console.log(
      `${replaced} instances replaced, ${clients.answered} increments, ${clients.broken} sent again`,
    );
  }
  await bothWork(clients, instances, balancer);
  clients.stop();
  await clients.done;

  const told = checkAnswers(clients.answerFiles);
  faults.push(...told.faults);
  for (const instance of instances) faults.push(...(await instance.stop()));
  const stored = await checkStore(postgres.url(), { known: told.known, deleted: new Set() });
  faults.push(...stored.faults);
  console.log(`
from       ${values.from}, and from this version to itself
instances  2, of which ${replaced} times one was stopped and another started in its place
requests   ${told.requests} increments of ${told.known.size} counters, by ${CLIENTS} clients; all were answered
attempts   ${clients.broken} were to be sent again
revisions  ${told.faults.length === 0 ? "each counter's 1 to n, each told to one request, with the value it led to" : `${told.faults.length} FAULTS`}
database   ${stored.faults.length === 0 ? `${stored.changes} changes lead to the values of ${stored.counters} counters` : `${stored.faults.length} FAULTS`}
time       ${((performance.now() - startedMs) / 1000).toFixed(0)} s`);
  for (const fault of faults.slice(0, 20)) console.log(fault);
  console.log(faults.length === 0 ? "PASS" : "FAIL");
  return faults.length === 0;
}

/** The command of a commit, with the packages of this one. */
function checkoutOf(commit: string): string {
  const path = join(folder, "before");
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", ROOT, ...args], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    }).trim();
  if (git("rev-parse", "--is-shallow-repository") === "true") git("fetch", "--quiet", "--unshallow");
  git("worktree", "add", "--quiet", "--detach", "--force", path, commit);
  closing.push(() => void git("worktree", "remove", "--force", path));
  symlinkSync(join(ROOT, "node_modules"), join(path, "node_modules"));
  return join(path, "bin/tally.mjs");
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

/**
 * npm run test:real-input [-- --words N] [--kills N] [--seed N]
 *
 * Goal: real text, counted by a client in another language on a server that keeps being killed, comes out as
 * `sort | uniq -c` counts it.
 *
 * Method: the words of the documentation of our own npm packages, 600,000 of them unless told otherwise, are sent by
 * a Python client (grpcio, with stubs generated from proto/) in BatchApply calls under request ids. Meanwhile the
 * server is sent SIGKILL and started again, 10 times, spread over the run; a kill that cut off no call is done again.
 * Then every counter is compared, and so are the revisions and the change log in the file.
 *
 * In CI: `npm run test:real-input -- --words 100000 --kills 3`. It needs python3 with venv, on Debian
 * `apt-get install python3-venv`; what it needs from PyPI it installs by itself.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { create } from "@bufbuild/protobuf";
import { CounterService, GetCounterRequestSchema } from "../../../gen/tally/v1/counter_service_pb.ts";
import { freePort } from "../../support/free-port.ts";
import { Connection } from "../crash/connection.ts";
import type { Known } from "../crash/history.ts";
import { freshSeed, seededRandom } from "../crash/random.ts";
import { pause, ServerProcess } from "../crash/server-process.ts";
import { checkStored } from "../crash/stored.ts";
import { generateStubs, NoPython, pythonEnvironment, pythonWithGrpc } from "./python.ts";
import { sortUniq, writeWords } from "./words.ts";

const BATCH_WORDS = 1_000;
const THREADS = 4;
const READERS = 32;
/** The kills come in this part of the run, so that the last finds calls in flight too. */
const KILLED_PART = 0.9;

const { values } = parseArgs({
  options: {
    words: { type: "string", default: "600000" },
    kills: { type: "string", default: "10" },
    seed: { type: "string" },
  },
});
const wanted = Number(values.words);
const killsWanted = Number(values.kills);
const seed = values.seed === undefined ? freshSeed() : Number(values.seed);
const random = seededRandom(seed);
const startedMs = performance.now();

const folder = mkdtempSync(join(tmpdir(), "tally-real-input-"));
const wordsFile = join(folder, "words");
const file = join(folder, "tally.db");
const port = await freePort();
let server: ServerProcess | undefined;
try {
  console.log(`seed ${seed}`);
  process.exitCode = (await run()) ? 0 : 1;
} catch (error) {
  if (!(error instanceof NoPython)) throw error;
  console.error(`\nNOT RUN, because there is no Python client: ${error.message}\n`);
  process.exitCode = 1;
} finally {
  if (server?.running) await server.kill();
  rmSync(folder, { recursive: true, force: true });
}

async function run(): Promise<boolean> {
  const python = pythonWithGrpc();
  const stubs = join(folder, "stubs");
  mkdirSync(stubs);
  generateStubs(python, stubs);
  const { words, tooLong } = writeWords(wordsFile, wanted);
  const expected = sortUniq(wordsFile);
  console.log(
    `${words} words, ${expected.size} distinct; ${tooLong} more left out, being longer than a name`,
  );

  server = await started();
  const { kills, idle, broken, replays } = await countUnderKills(python, stubs, words);
  const faults = await compare(expected);
  console.log(`
words      ${words}, ${expected.size} distinct
kills      ${kills}, each with calls in flight; ${idle} more between calls
attempts   ${broken} got no answer
replays    ${replays} calls were answered a second time, and counted once
verdict    ${faults.length === 0 ? "the counters equal sort | uniq -c, in values and revisions" : `${faults.length} faults`}
time       ${((performance.now() - startedMs) / 1000).toFixed(0)} s`);
  for (const fault of faults.slice(0, 20)) console.log(fault);
  const pass = faults.length === 0 && kills >= killsWanted;
  if (kills < killsWanted) console.log(`expected ${killsWanted} kills with calls in flight: send more words`);
  console.log(pass ? "PASS" : "FAIL");
  return pass;
}

async function started(): Promise<ServerProcess> {
  const server = new ServerProcess({ port, store: `sqlite:${file}` });
  await server.ready();
  return server;
}

/** Have the words counted, and kill the server each time that another part of them is acknowledged. */
async function countUnderKills(python: string, stubs: string, words: number) {
  const script = fileURLToPath(new URL("./count.py", import.meta.url));
  const args = [script, `127.0.0.1:${port}`, wordsFile, `${BATCH_WORDS}`, `${THREADS}`];
  const env = pythonEnvironment(stubs);
  const client = spawn(python, args, { stdio: ["ignore", "pipe", "inherit"], env });
  const ended = once(client, "close");
  process.on("exit", () => client.kill()); // It would go on trying for ever.
  const seen = { acknowledged: 0, broken: 0, replays: 0 };
  createInterface({ input: client.stdout }).on("line", (line) => {
    const told = JSON.parse(line);
    seen.acknowledged = told.acknowledged ?? seen.acknowledged;
    seen.replays = told.replays ?? seen.replays;
    if (told.broken !== undefined) seen.broken++;
  });

  let kills = 0;
  let idle = 0;
  while (client.exitCode === null && client.signalCode === null) {
    if (kills === killsWanted || seen.acknowledged < ((kills + 0.5) / killsWanted) * words * KILLED_PART) {
      await pause(5);
      continue;
    }
    await pause(random.between(0, 50));
    const before = seen.broken;
    await server!.kill();
    server = await started();
    if (seen.broken > before) kills++;
    else idle++;
    const { acknowledged } = seen;
    while (seen.acknowledged === acknowledged && client.exitCode === null) await pause(5);
  }
  const [code] = await ended;
  if (code !== 0) throw new Error(`the Python client ended with ${code}`);
  return { ...seen, kills, idle };
}

/** Compare what the server answers, and what the file says, with what was counted. */
async function compare(expected: ReadonlyMap<string, bigint>): Promise<string[]> {
  const faults: string[] = [];
  const connection = await Connection.open(port);
  const names = expected.entries(); // One iterator for all readers: each takes the next.
  const readOn = async () => {
    for (const [name, count] of names) {
      const request = create(GetCounterRequestSchema, { name });
      const answer = await connection.call(CounterService.method.getCounter, request);
      const got = answer.ok ? answer.message.counter!.value : answer.reason;
      if (got !== count) faults.push(`${name}: expected ${count}, got ${got}`);
    }
  };
  await Promise.all(Array.from({ length: READERS }, readOn));
  connection.close();

  const { code } = await server!.stop();
  if (code !== 0) faults.push(`SIGTERM ended the server with ${code}`);
  const known = new Map<string, Known>();
  for (const [name, value] of expected) known.set(name, { value, revision: Number(value), uid: undefined });
  faults.push(...(await checkStored(file, { known, deleted: new Set() })).faults);
  return faults;
}

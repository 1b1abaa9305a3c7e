/**
 * npm run test:count [-- --lines N] [--words N] [--runs N] [--seed N] [--redis]
 *
 * Goal: what one `tally count` counts, on a server that is killed and started again meanwhile, is what
 * `sort | uniq -c` counts; and how fast it is.
 *
 * Method: an access log of 1,000,000 lines is generated (paths by Zipf's law, query strings, UTF-8 raw and encoded,
 * bytes that are no UTF-8), and 500,000 words of the documentation of our own npm packages stand for a real text.
 * Each is counted with a SIGKILL in the middle, and every counter is compared. Then the paths of the log are counted
 * without one, some times over, each on a new data file, and the median is printed; with --redis in turns with
 * `redis-cli --pipe` doing INCR of the same names on a redis-server with `appendfsync always` (Debian: redis-server).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { freshSeed, seededRandom } from "../crash/random.ts";
import { writeWords } from "../real-input/words.ts";
import { PATH_FIELD, writeAccessLog } from "./access-log.ts";
import { type Counted, countFile, namesOf, type Run } from "./proof.ts";
import { countInRedis } from "./redis.ts";

const { values } = parseArgs({
  options: {
    lines: { type: "string", default: "1000000" },
    words: { type: "string", default: "500000" },
    runs: { type: "string", default: "3" },
    seed: { type: "string" },
    redis: { type: "boolean", default: false },
  },
});
const seed = values.seed === undefined ? freshSeed() : Number(values.seed);
const folder = mkdtempSync(join(tmpdir(), "tally-count-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
console.log(`seed ${seed}`);

const log: Counted = { path: join(folder, "access.log"), field: PATH_FIELD };
await writeAccessLog(log.path, Number(values.lines), seededRandom(seed));
const words: Counted = { path: join(folder, "words"), field: undefined };
writeWords(words.path, Number(values.words));

const killed = [
  report("access log, server killed", await countFile(log, folder, true)),
  report("real text, server killed", await countFile(words, folder, true)),
];
const pass = killed.every((run) => run.faults.length === 0 && run.retries > 0) && (await compareSpeed());
console.log(pass ? "PASS" : "FAIL");
process.exitCode = pass ? 0 : 1;

async function compareSpeed(): Promise<boolean> {
  const paths: Counted = { path: namesOf(log, folder), field: undefined };
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (let i = 0; i < Number(values.runs); i++) {
    const run = report("paths of the log", await countFile(paths, folder, false));
    if (run.faults.length > 0) return false;
    ours.push(run.lines / run.seconds);
    if (!values.redis) continue;
    theirs.push(run.lines / (await countInRedis(paths.path, folder)));
    console.log(`${"redis-cli --pipe, INCR".padEnd(26)} ${rate(theirs.at(-1)!)}`);
  }
  console.log(`\ntally count  ${rate(median(ours))}, the median of ${ours.length}`);
  if (values.redis) {
    console.log(`redis-cli    ${rate(median(theirs))}, appendfsync always`);
    console.log(`ratio        ${(median(ours) / median(theirs)).toFixed(2)}`);
  }
  return true;
}

function report(what: string, run: Run): Run {
  const { lines, names, retries, seconds, faults } = run;
  const verdict = faults.length === 0 ? "equal to sort | uniq -c" : `${faults.length} FAULTS`;
  const speed = rate(lines / seconds);
  console.log(`${what.padEnd(26)} ${speed}: ${lines} lines, ${names} names, ${retries} retries, ${verdict}`);
  for (const fault of faults.slice(0, 10)) console.log(`  ${fault}`);
  return run;
}

function rate(perSecond: number): string {
  return `${Math.round(perSecond).toLocaleString("en-US").padStart(9)} lines/s`;
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
}

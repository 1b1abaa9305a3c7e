/**
 * npm run test:files [-- --rounds N] [--seed N]
 *
 * Goal: whatever is done to a data file and to what stands beside it, by hand and while a server has it or not, what is
 * served afterwards is all that was answered, or a backup that was put back alone; or the start is refused, and says so.
 * A server that has lost its files acknowledges nothing more, and ends with 74.
 *
 * Method: rounds of random ends (SIGTERM, SIGKILL) and harms (harms.ts) on real servers and files, by a harness that
 * knows every acknowledged count. After each refusal the files are put back as they were, and everything must be there:
 * a refusal changes nothing. 200 rounds unless told otherwise, and up to as many more until each harm was done once.
 *
 * In CI: `npm run test:files -- --rounds 6`.
 */
import { parseArgs } from "node:util";
import { freshSeed, seededRandom } from "../crash/random.ts";
import { allDone, noticed, playRound } from "./round.ts";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "200" }, seed: { type: "string" } },
});
const rounds = Number(values.rounds);
const seed = values.seed === undefined ? freshSeed() : Number(values.seed);
if (!Number.isSafeInteger(rounds) || rounds < 1 || !Number.isSafeInteger(seed)) {
  console.error("expected whole numbers for --rounds and --seed");
  process.exit(2);
}

console.log(`seed ${seed}`);
const random = seededRandom(seed);
const started = performance.now();
const seen = new Map<string, number>();
let acknowledged = 0;
const isDue = (round: number) => round <= rounds || (round <= 2 * rounds && !allDone());
for (let round = 1; isDue(round) && process.exitCode === undefined; round++) {
  const told: string[] = [];
  try {
    acknowledged += await playRound(random.fork(), (line) => told.push(line));
  } catch (error) {
    console.error(`FAIL in round ${round} of seed ${seed}:\n  ${told.join("\n  ")}\n`, error);
    process.exitCode = 1;
  }
  for (const line of told) seen.set(line, (seen.get(line) ?? 0) + 1);
  if (round % 20 === 0) console.log(`${round} rounds, ${acknowledged} acknowledged`);
}
for (const [line, times] of [...seen].sort(([a], [b]) => (a < b ? -1 : 1))) {
  console.log(`${String(times).padStart(6)}  ${line}`);
}
if (noticed.length > 0) console.log(`idle servers noticed within ${Math.max(...noticed).toFixed(0)} ms`);
console.log(`${acknowledged} acknowledged, ${((performance.now() - started) / 1000).toFixed(0)} s`);
if (process.exitCode === undefined) console.log("PASS");

import { existsSync, statSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Figure, rateOf } from "./figure.ts";
import { h2loadLegs } from "./legs/h2load.ts";
import type { Bench, Leg } from "./legs/leg.ts";
import { batchLegs, unaryLegs } from "./legs/node.ts";
import { redisLegs } from "./legs/redis.ts";
import { describeMachine, idleShare, watchStolenCpu } from "./machine.ts";
import { type Options, optionsFrom } from "./options.ts";
import { type Figures, RATIOS } from "./ratios.ts";
import { report } from "./report.ts";
import {
  cleanUpAtExit,
  databaseIn,
  makeDataDirectory,
  openBareServer,
  openRedis,
  openTally,
  type Server,
} from "./servers.ts";

/** `npm run bench`: see README.md in this folder. */

const EXTRA_ROUNDS_MAX = 4;
/** In this order in every round, so that what is divided is measured near what it is divided by. */
const ALL_LEGS: Leg[] = [...h2loadLegs, ...unaryLegs, ...batchLegs, ...redisLegs];

const options = optionsFrom(process.argv.slice(2), fileURLToPath(new URL("./RESULTS.md", import.meta.url)));
const legs = selectLegs(options.only);
cleanUpAtExit();
const tallyDirectory = makeDataDirectory();
const bench = shareServers(tallyDirectory);
const machine = describeMachine(tallyDirectory);
const stolenCpu = watchStolenCpu();

const idleShares: number[] = [];
const figures = await runRounds(legs, bench, options);
const text = report({
  legs,
  figures,
  machine,
  seconds: options.seconds,
  stolenCpu: stolenCpu(),
  idleShares,
  acknowledged: bench.acknowledged,
  files: filesIn(tallyDirectory),
});
console.log(`\n${text}`);
if (options.out) writeFileSync(options.out, text);
process.exit(0); // Which ends the servers.

function selectLegs(only: string[]): Leg[] {
  const legs = ALL_LEGS.filter(
    ({ id }) => only.length === 0 || only.some((want) => id === want || id.startsWith(`${want}/`)),
  );
  if (legs.length === 0) throw new TypeError(`expected some of ${ALL_LEGS.map(({ id }) => id)}, got ${only}`);
  return legs;
}

/** Each server is started once, when a leg first needs it. */
function shareServers(tallyDirectory: string): Bench {
  const once = (open: () => Promise<Server>) => {
    let server: Promise<Server> | undefined;
    return () => (server ??= open());
  };
  return {
    directory: makeDataDirectory(),
    quick: options.quick,
    bareServer: once(openBareServer),
    redis: once(() => openRedis(makeDataDirectory())),
    tally: once(() => openTally(tallyDirectory)),
    acknowledged: { one: 0n, tenThousand: 0n },
  };
}

async function runRounds(legs: Leg[], bench: Bench, { rounds, seconds, quick }: Options): Promise<Figures> {
  const figures: Figures = new Map(legs.map((leg) => [leg.id, []]));
  const runRound = async (round: number, legs: Leg[]) => {
    for (const leg of legs) {
      idleShares.push(await idleShare());
      const figure = await leg.run(bench, seconds * (leg.longer ?? 1));
      figures.get(leg.id)!.push(figure);
      logFigure(round, leg.id, figure);
    }
  };
  for (let round = 1; round <= rounds; round++) await runRound(round, legs);
  const extraRounds = quick ? 0 : EXTRA_ROUNDS_MAX;
  for (let extra = 1; extra <= extraRounds; extra++)
    await runRound(rounds + extra, legsShortOfIds(legs, figures));
  return figures;
}

/** Legs that need another round to reach their minimum of request ids, with those that they are divided by. */
function legsShortOfIds(legs: Leg[], figures: Figures): Leg[] {
  const short = legs.filter((leg) => {
    const ids = figures.get(leg.id)!.reduce((sum, figure) => sum + figure.calls, 0);
    return ids < (leg.requestIdsMin ?? 0);
  });
  const isShort = (id: string) => short.some((leg) => leg.id === id);
  const divisors = RATIOS.filter(({ of, aim }) => aim !== undefined && isShort(of)).map(({ over }) => over);
  return legs.filter(({ id }) => isShort(id) || divisors.includes(id));
}

function logFigure(round: number, id: string, figure: Figure): void {
  const { p50Ms, p99Ms, diskBytesPerOp, mainCpuUsPerOp, otherCpuUsPerOp, generatorCpuUsPerOp } = figure;
  const cpu = [mainCpuUsPerOp, otherCpuUsPerOp, generatorCpuUsPerOp ?? Number.NaN].map((us) => us.toFixed(1));
  console.log(
    `round ${round}  ${id.padEnd(16)} ${Math.round(rateOf(figure)).toLocaleString("en").padStart(9)} op/s` +
      `  p50 ${p50Ms.toFixed(2)} ms  p99 ${p99Ms.toFixed(2)} ms  ${diskBytesPerOp.toFixed(0)} B/op  CPU ${cpu.join(" + ")} µs/op`,
  );
}

function filesIn(directory: string): { database: number; wal: number } | undefined {
  const database = databaseIn(directory);
  if (!existsSync(database)) return undefined;
  return { database: statSync(database).size, wal: statSync(`${database}-wal`).size };
}

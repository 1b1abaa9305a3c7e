import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { flaskLeg, grpcLeg, type Leg, restLegs } from "./doors/legs.ts";
import { report } from "./doors/report.ts";
import { type Figure, rateOf } from "./figure.ts";
import { describeMachine, idleShare, watchStolenCpu } from "./machine.ts";
import { optionsFrom } from "./options.ts";
import {
  cleanUpAtExit,
  makeDataDirectory,
  openEchoServer,
  openFlask,
  openRedis,
  openTally,
  openTallyWithOwnPort,
  type Server,
} from "./servers.ts";

/** `npm run bench:doors`: what a way in costs; see README.md in this folder. */

/** Pairs of processes for the two ports in a round: with three rounds, 15. */
const PAIRS = 5;
const FLASK_THREADS = 8;

const options = optionsFrom(
  process.argv.slice(2),
  fileURLToPath(new URL("./RESULTS-doors.md", import.meta.url)),
);
const { rounds, seconds, quick } = options;
cleanUpAtExit();
const place = { directory: makeDataDirectory(), quick }; // For what the generator writes.
const machine = describeMachine(place.directory);
const stolenCpu = watchStolenCpu();
const idleShares: number[] = [];
const whats = new Map<string, string>();
const figures = new Map<string, Figure[]>();

for (let round = 1; round <= rounds; round++) {
  await comparePorts(round);
  await compareRest(round);
  await compareFlask(round);
}

const text = report({ whats, figures, machine, seconds, idleShares, stolenCpu: stolenCpu() });
console.log(`\n${text}`);
if (options.out) writeFileSync(options.out, text);
process.exit(0);

/**
 * Two processes that differ in nothing but their ports, in the order A B B A. New ones for each pair: what the compiler
 * makes of one differs by ten percent from what it makes of the next, for all its life.
 */
async function comparePorts(round: number): Promise<void> {
  for (let pair = 1; pair <= (quick ? 1 : PAIRS); pair++) {
    const onePort = await openTally(makeDataDirectory());
    const ownPort = await openTallyWithOwnPort(makeDataDirectory());
    const legs = [
      grpcLeg("one-port", "Increment over gRPC, on the port of all protocols", onePort, place),
      grpcLeg("own-port", "Increment over gRPC, on a port of its own", ownPort, place),
    ];
    const first = pair % 2 === 0 ? legs : legs.toReversed();
    await runLegs(`round ${round}, pair ${pair}`, [...first, ...first.toReversed()], seconds / 2);
    await closeAll(onePort, ownPort);
  }
}

async function compareRest(round: number): Promise<void> {
  const tally = await openTally(makeDataDirectory());
  const echo = await openEchoServer();
  await runLegs(`round ${round}`, restLegs(tally, echo, place));
  await closeAll(tally, echo);
}

/** Each by itself: eleven processes that only stand by are not quite idle. */
async function compareFlask(round: number): Promise<void> {
  const redis = await openRedis(makeDataDirectory());
  const ways = [
    { id: "flask", threads: 1, what: "Flask and Redis, gunicorn's workers as they are by default" },
    { id: "flask-threads", threads: FLASK_THREADS, what: `the same, ${FLASK_THREADS} threads a worker` },
  ];
  for (const { id, threads, what } of ways) {
    const flask = await openFlask(redis, threads);
    await runLegs(`round ${round}`, [flaskLeg(id, what, flask, redis, place)]);
    await closeAll(flask);
  }
  await closeAll(redis);
}

async function runLegs(when: string, legs: Leg[], legSeconds = seconds): Promise<void> {
  for (const leg of legs) {
    idleShares.push(await idleShare());
    const figure = await leg.run(legSeconds);
    whats.set(leg.id, leg.what);
    figures.set(leg.id, [...(figures.get(leg.id) ?? []), figure]);
    console.log(
      `${when}  ${leg.id.padEnd(14)} ${Math.round(rateOf(figure)).toLocaleString("en").padStart(7)} op/s` +
        `  p50 ${figure.p50Ms.toFixed(1)} ms  p99 ${figure.p99Ms.toFixed(1)} ms` +
        `  CPU of the main thread ${figure.mainCpuUsPerOp.toFixed(1)} µs/op`,
    );
  }
}

async function closeAll(...servers: Server[]): Promise<void> {
  for (const server of servers) await server.close();
}

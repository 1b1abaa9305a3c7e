import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { grpcLeg, type Leg } from "./doors/legs.ts";
import { engineReport } from "./engines/report.ts";
import { type Figure, rateOf } from "./figure.ts";
import { loadRedis } from "./legs/redis.ts";
import { describeMachine, idleShare, watchStolenCpu } from "./machine.ts";
import { optionsFrom } from "./options.ts";
import { cleanUpAtExit, makeDataDirectory, openRedis, openTally } from "./servers.ts";

/** `npm run bench:engines`: what carries HTTP/2, `http2-engine` one and the other; see README.md in this folder. */

const ENGINES = ["grpc-js", "own"] as const;
/** Many calls that come together, and one a connection, of which nothing can be put together. */
const SHAPES = [
  { connections: 16, streams: 32 },
  { connections: 64, streams: 1 },
];

const options = optionsFrom(
  process.argv.slice(2),
  fileURLToPath(new URL("./RESULTS-engines.md", import.meta.url)),
);
const { rounds, seconds, only } = options;
cleanUpAtExit();
const directory = makeDataDirectory(); // For what the generator writes.
const machine = describeMachine(directory);
const stolenCpu = watchStolenCpu();
const idleShares: number[] = [];
const whats = new Map<string, string>();
const figures = new Map<string, Figure[]>();

for (let round = 1; round <= rounds; round++) {
  // New processes in each round: what the compiler makes of one differs from what it makes of the next, for all its life.
  const redis = await openRedis(makeDataDirectory());
  const legs: Leg[] = [];
  const servers = [redis];
  for (const engine of round % 2 === 0 ? ENGINES.toReversed() : ENGINES) {
    // No call is refused, for h2load would not see it; on a busy machine some would have to wait for too long.
    const flags = ["--http2-engine", engine, "--queue-wait-max", "1h"];
    const tally = await openTally(makeDataDirectory(), undefined, undefined, flags);
    servers.push(tally);
    for (const shape of SHAPES) {
      const id = `${engine}-${shape.connections}x${shape.streams}`;
      legs.push(
        grpcLeg(
          id,
          `${engine}, ${shape.connections} connections x ${shape.streams} calls`,
          tally,
          { directory, quick: options.quick },
          shape,
        ),
      );
    }
  }
  for (const clients of [128, 64]) {
    const what = `Redis, appendfsync always: INCR of 10,000 random keys; redis-benchmark, ${clients} clients`;
    legs.push({ id: `redis-${clients}`, what, run: (seconds) => loadRedis(redis, 1, seconds, clients) });
  }
  for (const leg of legs.filter(({ id }) => only.length === 0 || only.some((want) => id.startsWith(want)))) {
    idleShares.push(await idleShare());
    const figure = await leg.run(seconds);
    whats.set(leg.id, leg.what);
    figures.set(leg.id, [...(figures.get(leg.id) ?? []), figure]);
    console.log(
      `round ${round}  ${leg.id.padEnd(14)} ${Math.round(rateOf(figure)).toLocaleString("en")} op/s, main ${figure.mainCpuUsPerOp.toFixed(1)} µs/op`,
    );
  }
  for (const server of servers) await server.close();
}

const text = engineReport({ whats, figures, machine, seconds, idleShares, stolenCpu: stolenCpu() });
console.log(`\n${text}`);
if (options.out) writeFileSync(options.out, text);
process.exit(0);

import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bearer, makeCallers, TOKENS_RATE } from "./auth/callers.ts";
import { COSTS, type Cost } from "./auth/costs.ts";
import { joinedFrom, keepJoined } from "./auth/joined.ts";
import { authOptionsFrom, type Engine } from "./auth/options.ts";
import { authReport, type Cpu, type Pair, type Pairs } from "./auth/report.ts";
import { cpuUsOf, type Figure } from "./figure.ts";
import { describeMachine, idleShare, watchStolenCpu } from "./machine.ts";
import { cleanUpAtExit, makeDataDirectory, openTally, type Server } from "./servers.ts";
import type { Headers } from "./tally.ts";

/** `npm run bench:auth`: what asking who calls takes of the processor; see README.md in this folder. */

const options = authOptionsFrom(
  process.argv.slice(2),
  fileURLToPath(new URL("./RESULTS-auth.md", import.meta.url)),
);
const { pairs: pairCount, engines, seconds, quick, only } = options;
cleanUpAtExit();
const directory = makeDataDirectory(); // For what the generators write.
const rootKey = randomBytes(32).toString("hex");
const rootKeyFile = join(directory, "root.key");
writeFileSync(rootKeyFile, rootKey, { mode: 0o600 });
const machine = describeMachine(directory);
const stolenCpu = watchStolenCpu();
const before = joinedFrom(options.join);
const idleShares = before?.idleShares ?? [];
const costs = COSTS.filter(({ id }) => only.length === 0 || only.includes(id));
const measured = before?.measured ?? new Map<Engine, Pairs>(engines.map((engine) => [engine, new Map()]));
const pairsBefore = before?.pairCount ?? 0;
const pairsInAll = pairsBefore + pairCount;

for (let pair = pairsBefore + 1; pair <= pairsInAll; pair++) {
  for (const engine of engines) await measurePair(engine, pair);
}

if (options.join) keepJoined(options.join, { pairCount: pairsInAll, measured, idleShares });
const text = authReport({
  ...{ costs, measured, machine, pairCount: pairsInAll },
  ...{ seconds, idleShares, stolenCpu: stolenCpu() },
});
console.log(`\n${text}`);
if (options.out) writeFileSync(options.out, text);
process.exit(0);

/**
 * Two processes that differ in nothing but `auth`, on data of their own. New ones for each pair: what the compiler makes of
 * one differs from what it makes of the next, for all its life.
 */
async function measurePair(engine: Engine, pair: number): Promise<void> {
  // No call is refused, for h2load would not see it; on a busy machine some would have to wait for too long.
  const flags = ["--http2-engine", engine, "--queue-wait-max", "1h"];
  const asking = ["--auth", "required", "--root-key-file", rootKeyFile, "--rate-tokens", TOKENS_RATE];
  const open = (more: string[]) => openTally(makeDataDirectory(), undefined, undefined, [...flags, ...more]);
  const off = await open([]);
  const on = await open(asking);
  const callers = await makeCallers(on.port, bearer(rootKey));
  idleShares.push(await idleShare());
  for (const [at, cost] of costs.entries()) {
    const legs = {
      off: legOn(cost, off, {}, {}),
      on: legOn(cost, on, callers[cost.by], bearer(rootKey)),
    };
    // A B B A, then B A A B: whatever changes slowly meets both.
    const first: (keyof Pair)[] = (pair + at) % 2 === 0 ? ["on", "off"] : ["off", "on"];
    const order = quick ? first : [...first, ...first.toReversed()];
    const figures: Record<keyof Pair, Figure[]> = { off: [], on: [] };
    for (const which of order) figures[which].push(await legs[which].run(seconds));
    const both = { off: cpuOf(figures.off), on: cpuOf(figures.on) };
    const pairs = measured.get(engine)!;
    pairs.set(cost.id, [...(pairs.get(cost.id) ?? []), both]);
    console.log(
      `pair ${pair}  ${engine.padEnd(7)}  ${cost.id.padEnd(11)} ${both.off.allUs.toFixed(1)} -> ` +
        `${both.on.allUs.toFixed(1)} µs a call, ${(both.on.allUs / both.off.allUs).toFixed(3)}`,
    );
  }
  for (const server of [off, on]) await server.close();
}

function legOn(cost: Cost, server: Server, headers: Headers, reader: Headers) {
  return cost.leg({ server, headers, reader, directory, quick });
}

/** A call's share of the processor time of some runs together. */
function cpuOf(figures: Figure[]): Cpu {
  const calls = figures.reduce((sum, figure) => sum + figure.calls, 0);
  const mean = (usOf: (figure: Figure) => number) =>
    figures.reduce((sum, figure) => sum + usOf(figure) * figure.ops, 0) / calls;
  return { allUs: mean(cpuUsOf), mainUs: mean(({ mainCpuUsPerOp }) => mainCpuUsPerOp) };
}

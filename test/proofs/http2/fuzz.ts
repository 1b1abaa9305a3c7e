/**
 * npm run test:http2-fuzz [-- --frames N] [--seed N] [--session N]
 *
 * Goal: whatever a client sends, the engine neither throws nor hangs, holds no more than it may, gives back all of it,
 * says nothing that RFC 9113 does not let it say, and tells who answers a request of its end exactly once. Method:
 * sessions of random frames, most of them right and some not, cut into pieces anywhere, over a socket that takes them
 * or does not, answered in all ways that there are, with time going on in between (session.ts); and all that comes
 * back is held against what was sent (listener.ts).
 *
 * 10,000,000 frames unless told otherwise. What is found is told with the seed, and the session that repeats it alone.
 * In CI: `npm run test:http2-fuzz -- --frames 200000`.
 */
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { freshSeed, seededRandom } from "../crash/random.ts";
import { Session } from "./session.ts";

const { values } = parseArgs({
  options: {
    frames: { type: "string", default: "10000000" },
    seed: { type: "string" },
    session: { type: "string" },
  },
});
const wanted = Number(values.frames);
const seed = values.seed === undefined ? freshSeed() : Number(values.seed);
if (!(wanted > 0) || !Number.isInteger(seed)) {
  console.error("expected --frames N and --seed N");
  process.exit(2);
}

/** What may be left of all sessions together, in bytes: nothing that grows with them. */
const HEAP_GROWTH_MAX = 16 * 2 ** 20;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const heapBytes = () => {
  collect();
  collect(); // Memory of buffers is swept behind a collection, and is counted as gone by the next.
  return process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;
};

console.log(`seed ${seed}`);
const tally = new Map<string, number>();
let frames = 0;
let requests = 0;
let heapBefore: number | undefined;
for (let number = Number(values.session ?? 0); frames < wanted; number++) {
  const session = new Session(seededRandom(seed + number * 7_919));
  try {
    session.run();
  } catch (error) {
    console.error(`seed ${seed}, session ${number}, after ${frames} frames:`, error);
    console.error(`again: npm run test:http2-fuzz -- --seed ${seed} --session ${number} --frames 1`);
    process.exit(1);
  }
  frames += session.frames;
  requests += session.requests;
  for (const told of session.ends) tally.set(told, (tally.get(told) ?? 0) + 1);
  if (number % 200 === 100) heapBefore ??= heapBytes();
}
const grown = heapBefore === undefined ? 0 : heapBytes() - heapBefore;
console.log(
  `${frames.toLocaleString("en")} frames, ${requests.toLocaleString("en")} requests; how connections ended:`,
);
for (const [told, count] of [...tally].toSorted()) console.log(`  ${told}: ${count.toLocaleString("en")}`);
console.log(`memory grew by ${Math.round(grown / 1024)} KiB`);
if (grown > HEAP_GROWTH_MAX) {
  console.error("which is more than nothing");
  process.exitCode = 1;
}

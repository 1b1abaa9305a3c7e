/**
 * npm run test:twins [-- --ops N] [--store NAME] [--seed N]
 *
 * Goal: sqlite and postgres do what memory does, whatever they are asked: the same answers, counters, rankings, sums
 * and changes. Method: see history.ts. 100,000 operations a store unless told otherwise; a difference ends the run
 * with the shortest history that shows it.
 *
 * In CI: `npm run test:twins -- --ops 5000`. PostgreSQL is started from its programs, on Debian
 * `apt-get install postgresql`.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fc } from "@fast-check/vitest";
import { folderInMemory } from "../../support/folder.ts";
import { type Opened, type OpenOptions, openFresh } from "../../support/opened.ts";
import { underHandClock } from "../../support/postgres/hand-clock.ts";
import { PostgresServer } from "../../support/postgres/server.ts";
import { freshSeed } from "../crash/random.ts";
import { histories } from "./history.ts";
import { Pair, Tally } from "./pair.ts";

/** Histories between two looks at how far it is, and the most steps of one. */
const HISTORIES = 20;
const STEPS = 60;

interface Twin {
  open(options: OpenOptions): Promise<Opened>;
  close(): Promise<void>;
}

const TWINS: Readonly<Record<string, () => Promise<Twin>>> = {
  sqlite: async () => ({
    open: (options) => openFresh(async (dir) => `sqlite:${join(dir, "tally.db")}`, options),
    close: async () => {},
  }),
  postgres: async () => {
    const server = await PostgresServer.start({}, folderInMemory());
    return {
      open: (options) => openFresh(async () => server.url({ schema: "twins" }), options, underHandClock),
      close: () => server.dispose(),
    };
  },
};

const { values } = parseArgs({
  options: {
    ops: { type: "string", default: "100000" },
    store: { type: "string", multiple: true, default: Object.keys(TWINS) },
    seed: { type: "string" },
  },
});
const wanted = Number(values.ops);
const seed = values.seed === undefined ? freshSeed() : Number(values.seed);
const unknown = values.store.find((name) => TWINS[name] === undefined);
if (unknown !== undefined || !(wanted > 0)) {
  console.error(`expected --ops N and --store ${Object.keys(TWINS).join(" or ")}`);
  process.exit(2);
}

console.log(`seed ${seed}`);
for (const name of values.store) {
  const started = performance.now();
  const difference = await compare(name);
  console.log(`${name}: ${difference === undefined ? "the same as memory" : "DIFFERS from memory"}`);
  console.log(`  ${((performance.now() - started) / 1000).toFixed(0)} s`);
  if (difference === undefined) continue;
  console.error(difference);
  process.exitCode = 1;
}

/** @returns what differs, if anything does */
async function compare(name: string): Promise<string | undefined> {
  const twin = await TWINS[name]!();
  const tally = new Tally();
  try {
    const pair = await Pair.open(twin.open, { tally });
    try {
      for (let round = 0; tally.operations < wanted; round++) {
        const found = await fc.check(
          histories(() => pair, STEPS),
          { numRuns: HISTORIES, seed: seed + round },
        );
        if (found.failed) return `${fc.defaultReportMessage(found)}\n${found.errorInstance}`;
      }
      return undefined;
    } finally {
      await pair.dispose();
    }
  } finally {
    await twin.close();
    for (const [what, count] of Object.entries(tally)) console.log(`  ${what} ${count.toLocaleString("en")}`);
  }
}

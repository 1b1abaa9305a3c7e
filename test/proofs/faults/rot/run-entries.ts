/**
 * node test/proofs/faults/rot/run-entries.ts [--flips N] [--seed N] [--only TABLE]
 *
 * Goal: whatever bit of a table of linked entries has rotted, what goes by it gives every counter but the damaged one,
 * which is named, or is refused. Method: each bit of a small table of some pages, one at a time, or N at random; after each
 * the lists, sums and rankings that go by it.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { folderInMemory } from "../../../support/folder.ts";
import { freshSeed, seededRandom } from "../../crash/random.ts";
import { entryRot, TABLES } from "./entries.ts";

const { values } = parseArgs({
  options: {
    flips: { type: "string" },
    seed: { type: "string" },
    only: { type: "string", default: "" },
  },
});
const dir = mkdtempSync(join(folderInMemory(), "tally-rot-entries-"));
try {
  const seed = values.seed === undefined ? freshSeed() : Number(values.seed);
  const flips = values.flips === undefined ? undefined : Number(values.flips);
  console.log(`seed ${seed}`);
  for (const table of TABLES.filter((table) => table.includes(values.only))) {
    const { lies, ...found } = entryRot(join(dir, `${table}.db`), table, seededRandom(seed), {
      flips,
      onLie: (lie) => console.error(`SILENT ${lie}`),
    });
    console.log(table, JSON.stringify({ ...found, silent: lies.length }));
    if (lies.length > 0) process.exitCode = 1;
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}

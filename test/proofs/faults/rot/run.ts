/**
 * node test/proofs/faults/rot/run.ts [--flips N] [--seed N] [--only TREE] [--damage bit|zeros|misplaced]
 *
 * Goal: a bit that rotted in the file is never answered from without a word. Method: one flipped bit in a fresh copy
 * of a stopped file, N times in the pages of each of its b-trees; then everything that can be asked of a store. Other
 * damage: zeros for a sector or a page, or another page of the b-tree in a page's place.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { folderInMemory } from "../../../support/folder.ts";
import { type Damage, rotTable, show } from "./table.ts";

const { values } = parseArgs({
  options: {
    flips: { type: "string", default: "150" },
    seed: { type: "string" },
    only: { type: "string", default: "" },
    damage: { type: "string", default: "bit" },
  },
});
const dir = mkdtempSync(join(folderInMemory(), "tally-rot-"));
try {
  const seed = values.seed === undefined ? undefined : Number(values.seed);
  const table = rotTable(dir, Number(values.flips), seed, {
    only: values.only,
    damage: values.damage as Damage,
    onRow: ({ tree, right, refused, silent }) => console.error(`${tree}: ${right}, ${refused}, ${silent}`),
    onLie: (lie) => console.error(lie),
  });
  console.log(show(table));
  if (table.rows.some(({ silent }) => silent > 0)) process.exitCode = 1;
} finally {
  rmSync(dir, { recursive: true, force: true });
}

/**
 * Goal: whatever bit of the tables that counters are found by has rotted, a list gives every counter but the damaged one,
 * which it names, or is refused; and no sum and no ranking is wrong without a word.
 *
 * Method: rot/run-entries.ts, which is also the long form: each bit of each page.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { folderInMemory } from "../../support/folder.ts";
import { freshSeed, seededRandom } from "../crash/random.ts";
import { FULL } from "./full.ts";
import { entryRot, TABLES } from "./rot/entries.ts";

test.each(TABLES)(
  "one flipped bit in %s: all is given but what is named, or nothing",
  {
    timeout: FULL ? 3_600_000 : 300_000,
  },
  (table) => {
    const dir = mkdtempSync(join(folderInMemory(), "tally-rot-entries-"));
    try {
      const seed = freshSeed();
      const { lies, ...found } = entryRot(join(dir, "made.db"), table, seededRandom(seed), {
        flips: FULL ? undefined : 250,
      });
      console.log(`${table}, seed ${seed}: ${JSON.stringify(found)}`);
      expect(lies, `seed ${seed}`).toEqual([]);
      expect(found.pages).toBeGreaterThan(2);
      for (const often of [found.right, found.named, found.refused]) expect(often).toBeGreaterThan(0);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  },
);

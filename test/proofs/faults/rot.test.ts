/**
 * Goal: a bit that rotted in the file is never answered from without a word: not by a retry that counts again, nor by
 * a list, a sum or a ranking that leaves something out, nor by what is loaded at the start.
 *
 * Method: rot/run.ts, which is also the long form: `node test/proofs/faults/rot/run.ts --flips 150`.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { folderInMemory } from "../../support/folder.ts";
import { FULL } from "./full.ts";
import { rotTable, show } from "./rot/table.ts";

/** Each is a file of its own, with some fifty questions. */
const FLIPS = FULL ? 150 : 3;

test("one flipped bit, whichever b-tree it is in: each answer is right, or says that something is damaged", {
  timeout: FULL ? 3_600_000 : 300_000,
}, () => {
  const dir = mkdtempSync(join(folderInMemory(), "tally-rot-"));
  try {
    const table = rotTable(dir, FLIPS);
    console.log(show(table));
    expect([...table.lies], `seed ${table.seed}`).toEqual([]);
    expect(table.rows.length).toBeGreaterThan(10);
    const trees = ["request_ids_0", "counter_names", "catalogue", "key_uses"];
    const noticed = trees.map((each) => table.rows.find(({ tree }) => tree === each)!.refused);
    const least = FULL ? Math.min(...noticed) : Math.max(...noticed); // Of a few in one tree all may meet what is free.
    expect(least, `seed ${table.seed}: of flips in ${trees}, ${noticed} were noticed`).toBeGreaterThan(0);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

/** The short form of `npm run test:count`; see run.ts. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { freshSeed, seededRandom } from "../crash/random.ts";
import { writeWords } from "../real-input/words.ts";
import { PATH_FIELD, writeAccessLog } from "./access-log.ts";
import { countFile } from "./proof.ts";

const seed = freshSeed();

it(`an access log counted while the server is killed equals sort | uniq -c (seed ${seed})`, async () => {
  const folder = newFolder();
  const path = join(folder, "access.log");
  await writeAccessLog(path, 30_000, seededRandom(seed));
  const { lines, retries, faults } = await countFile({ path, field: PATH_FIELD }, folder, true);
  expect(faults).toEqual([]);
  expect(lines).toBe(30_000);
  expect(retries).toBeGreaterThan(0);
});

it("so does a real text", async () => {
  const folder = newFolder();
  const path = join(folder, "words");
  const { words } = writeWords(path, 40_000);
  const { lines, retries, faults } = await countFile({ path, field: undefined }, folder, true);
  expect(faults).toEqual([]);
  expect(lines).toBe(words);
  expect(retries).toBeGreaterThan(0);
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "tally-count-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

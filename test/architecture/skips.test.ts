import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";

const TEST = path.resolve(import.meta.dirname, "..");
/** What says, in the name of the suite, what is missing and how to get it. */
const SKIPS = "support/needs.ts";

it("no test is skipped but by describeWith, which says what to install, and none is left alone", () => {
  const files = globSync("**/*.ts", { cwd: TEST }).filter((file) => file !== SKIPS);
  const own = path.relative(TEST, import.meta.filename);
  const found = files.filter(
    (file) =>
      file !== own &&
      /\.(skip|skipIf|runIf|todo|only)\b\s*\(/.test(readFileSync(path.join(TEST, file), "utf8")),
  );
  expect(files.length).toBeGreaterThan(100);
  expect(found).toEqual([]);
});

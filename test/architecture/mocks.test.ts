import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { APART, ISOLATED } from "../../vitest.config.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const MOCKS = /\bvi\.(mock|doMock|resetModules)\(/;

/** The others share their modules: what one file puts in the place of a module, the next one would get. */
it("modules are put in the place of others only in files that have modules of their own", () => {
  const sharing = readdirSync(path.join(ROOT, "test"), { recursive: true, encoding: "utf8" })
    .map((file) => `test/${file}`)
    .filter((file) => file.endsWith(".test.ts"))
    .filter((file) => !APART[ISOLATED]!.some((pattern) => path.matchesGlob(file, pattern)));
  expect(sharing).not.toHaveLength(0);
  const mocking = sharing.filter((file) => MOCKS.test(readFileSync(path.join(ROOT, file), "utf8")));
  expect(mocking, `name them in vitest.config.ts, in the mode ${ISOLATED}`).toEqual([]);
});

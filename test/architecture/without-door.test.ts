import { existsSync, globSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { WITHOUT_DOOR } from "../../vitest.config.ts";
import { importsOf } from "./imports.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
/** Whoever opens a door of any kind asks here what is to carry HTTP/2. */
const ENGINE = "test/transports/engine.ts";

it("what is left out with HTTP/2 of our own opens no door", () => {
  const left = WITHOUT_DOOR.flatMap((pattern) => globSync(pattern, { cwd: ROOT }));
  expect(left.length).toBeGreaterThanOrEqual(WITHOUT_DOOR.length);
  expect(left.filter((file) => testsBehind(file).has(ENGINE))).toEqual([]);
  expect([...testsBehind("test/transports/rest.test.ts")]).toContain(ENGINE); // It would be found.
});

/** A file and all others of the tests that it imports, or those do. */
function testsBehind(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file) || !file.startsWith("test/") || !existsSync(path.join(ROOT, file))) return seen;
  seen.add(file);
  for (const { specifier } of importsOf(file, readFileSync(path.join(ROOT, file), "utf8")))
    if (specifier.startsWith(".")) testsBehind(path.join(path.dirname(file), specifier), seen);
  return seen;
}

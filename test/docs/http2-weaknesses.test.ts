import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

const ROOT = path.resolve(import.meta.dirname, "../..");
const TEXT = readFileSync(path.join(ROOT, "docs/http2-weaknesses.md"), "utf8");
/** Names of tests that several files have. */
const TABLES = readFileSync(path.join(ROOT, "test/http2/faulty.ts"), "utf8");
const ROWS = TEXT.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| weakness"));

test.each(ROWS.map((row) => row.split(" | ")))("%s: the tests that are named exist", (...cells) => {
  const shown = [...cells.at(-1)!.matchAll(/([\w-]+): "([^"]+)"/g)];
  expect(shown.length).toBeGreaterThan(0);
  for (const [, file, name] of shown) {
    const of = readFileSync(path.join(ROOT, `test/http2/${file}.test.ts`), "utf8");
    const source = of + (of.includes("./faulty.ts") ? TABLES : "");
    const names = [`"${name}"`, `${name}: `, `("${name}`];
    expect(names.some((quoted) => source.includes(quoted)) ? name : `no test in ${file} is "${name}"`).toBe(
      name,
    );
  }
});

test("limits that are named exist", () => {
  const limits = readFileSync(path.join(ROOT, "src/http2/limits.ts"), "utf8");
  const named = new Set([...TEXT.matchAll(/`([a-z]+[A-Z]\w+)`/g)].map(([, name]) => name!));
  expect(named.size).toBeGreaterThan(10);
  for (const name of named) expect(limits).toContain(`readonly ${name}: number`);
});

import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { localLinksOf } from "./markdown.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const FILES = [".", "docs", "docs/decisions", "bench"].flatMap((folder) =>
  readdirSync(path.join(ROOT, folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => path.join(folder, name)),
);

describe("links between documents", () => {
  it.each(FILES)("those of %s lead somewhere", (file) => {
    const targets = localLinksOf(readFileSync(path.join(ROOT, file), "utf8"));
    const missing = targets.filter((target) => !existsSync(path.join(ROOT, path.dirname(file), target)));
    expect(missing).toEqual([]);
  });
});

describe("the index of decisions", () => {
  const folder = path.join(ROOT, "docs/decisions");

  it("lists every decision, in order", () => {
    const index = readFileSync(path.join(folder, "README.md"), "utf8");
    const records = readdirSync(folder).filter((name) => /^\d{4}-.*\.md$/.test(name));
    expect(localLinksOf(index).filter((target) => /^\d{4}-/.test(target))).toEqual(records.sort());
  });
});
